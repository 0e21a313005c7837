"""Figures of a reader study: ratings, readers, comparisons; those of made-up ratings say so on their face."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

__all__ = ["mark_synthetic"]

__getattr__ = load_on_first_use(__name__, {"mark_synthetic": "reader_study.figures.draw"})
