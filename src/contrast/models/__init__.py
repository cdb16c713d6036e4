"""Networks that are described by a few numbers."""
