"""A study while it runs: preview, status, late readers, backup."""
