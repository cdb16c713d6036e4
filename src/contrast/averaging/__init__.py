"""Averages of the weights that evaluation may use in place of the trained ones."""
