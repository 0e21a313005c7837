"""Sample predictions: a region in a slice, with the reference and each method side by side."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

__all__ = ["save_overlays"]

__getattr__ = load_on_first_use(__name__, {"save_overlays": "evaluation.overlays.save"})
