"""Run a network over the slices of a volume, fast and in bounded memory."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

_HOMES = {
    "find_brain": "darts_ensemble.inference.find_brain",
    "made_ready": "darts_ensemble.inference.predict",
    "most_probable": "darts_ensemble.inference.class_scores",
    "predict_view": "darts_ensemble.inference.predict",
    "uses_winograd": "darts_ensemble.inference.predict",
}
__all__ = ["find_brain", "made_ready", "most_probable", "predict_view", "uses_winograd"]

__getattr__ = load_on_first_use(__name__, _HOMES)
