"""Figures of an evaluation: box plots, heat map, differences, gain of an ensemble, volumes."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

__all__ = ["save_figures"]

__getattr__ = load_on_first_use(__name__, {"save_figures": "evaluation.figures.draw"})
