"""Figures: each file prepares the numbers of one figure from tables (`prepare`), draws them (`draw`), and makes of a study
what the page shows (`pictures`), in the place that its `ORDER` says; nothing where the study has no numbers for it.
"""
