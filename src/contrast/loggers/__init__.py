"""Ways to tell a person or a service how runs go on; each is a listener to the same few events."""
