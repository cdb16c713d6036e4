"""Ways to carry out many runs; each offers `carry_out`."""
