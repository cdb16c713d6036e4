"""What a person types: each command is a few lines over the Python doors."""
