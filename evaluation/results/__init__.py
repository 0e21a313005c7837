"""A results folder of darts-eval as data."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

__all__ = ["read_results"]

__getattr__ = load_on_first_use(__name__, {"read_results": "evaluation.results.folder"})
