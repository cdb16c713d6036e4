"""What can be said of data, models and runs without training anything."""
