"""The scripts that pages of several applications load: the viewer, contours, gestures."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

__all__ = ["SHARED_SCRIPTS", "shared_script"]

SHARED_SCRIPTS = ("contour.js", "gestures.js", "viewer.js")


@lru_cache
def shared_script(name: str) -> bytes:
    """Return one of :data:`SHARED_SCRIPTS`."""
    return files("evaluation.serving").joinpath("static", name).read_bytes()
