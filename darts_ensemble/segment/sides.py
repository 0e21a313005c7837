"""Left and right of a labelled scan, where the sagittal network could not tell them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from darts_ensemble.fusion.fuse import Fused
from darts_ensemble.fusion.midsagittal import midsagittal_plane
from darts_ensemble.fusion.sagittal_sides import move_to_sides, sides_from_plane
from darts_ensemble.segment.steps import Labelled

__all__ = ["with_sides"]


def with_sides(labelled: Labelled, *, estimated: bool) -> Fused:
    """Add left and right to the sagittal view by the mid-sagittal plane; where they are `estimated`, to the result, too."""
    fused = labelled.fused
    if "sagittal" not in fused.view_classes:
        return fused
    with labelled.stages("sides of the sagittal view"):
        sagittal = fused.view_classes["sagittal"]
        plane = midsagittal_plane(sagittal)
        view_classes = {**fused.view_classes, "sagittal": sides_from_plane(sagittal, plane)}
        if not estimated:
            return replace(fused, view_classes=view_classes)
        probabilities = fused.probabilities
        move_to_sides(probabilities, plane)
        return Fused(probabilities, probabilities.argmax(axis=-1).astype(np.uint8), view_classes)
