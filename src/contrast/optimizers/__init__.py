"""Optimizers, each with its settings."""
