"""From the probabilities of the views to one label map: weights of views, fusion, sides of a sagittal view."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

_HOMES = {
    "DEFAULT_WEIGHTS": "darts_ensemble.fusion.fuse",
    "FUSIONS": "darts_ensemble.fusion.fuse",
    "Fused": "darts_ensemble.fusion.fuse",
    "ViewWeights": "darts_ensemble.fusion.fuse",
    "fuse_views": "darts_ensemble.fusion.fuse",
}
__all__ = ["DEFAULT_WEIGHTS", "FUSIONS", "Fused", "ViewWeights", "fuse_views"]

__getattr__ = load_on_first_use(__name__, _HOMES)
