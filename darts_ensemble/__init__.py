"""DARTS ensemble: 102 brain regions on a T1 scan from coronal, axial and sagittal Dense U-Nets."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["Segmenter", "load_ensemble"]

_HOME = {"Segmenter": "darts_ensemble.segmenter", "load_ensemble": "darts_ensemble.checkpoints"}


def __getattr__(name: str) -> Any:
    """Load a name on first use, so that what needs no torch doesn't import it."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'darts_ensemble' has no attribute {name!r}")
