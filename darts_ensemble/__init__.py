"""DARTS ensemble: 102 brain regions on a T1 scan from coronal, axial and sagittal Dense U-Nets."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use
from darts_ensemble.moved_modules import follow_moved_modules

__all__ = ["Segmenter", "load_ensemble"]

follow_moved_modules()
__getattr__ = load_on_first_use(
    __name__,
    {"Segmenter": "darts_ensemble.segment.segmenter", "load_ensemble": "darts_ensemble.weights.checkpoints"},
)
