"""Figures: each file prepares the numbers of one figure from tables (`prepare`), then draws them (`draw`)."""
