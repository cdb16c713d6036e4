"""Learning-rate schedules: pure functions of progress."""
