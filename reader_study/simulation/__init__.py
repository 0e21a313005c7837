"""Simulated ratings, and the power of a study of a given size."""
