"""Paired tests with correction, confidence intervals, agreement and overall scores of methods."""
