"""Cumulative-logit mixed models of ratings: fit, tests and tables."""
