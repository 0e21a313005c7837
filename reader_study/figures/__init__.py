"""Figures of a reader study: ratings, readers, comparisons; figures of made-up ratings are marked as such."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

__all__ = ["mark_synthetic"]

__getattr__ = load_on_first_use(__name__, {"mark_synthetic": "reader_study.figures.draw"})
