"""Boxes of a conformed volume: the head, where networks look, and whether such a box cuts off what was labelled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.slices.channels import Box

__all__ = ["head_box", "head_extent", "reaches_inner_face", "side_of_sixteens"]

#: Labelled voxels on a face of the brain's box that are still taken for a speck and not for brain cut off.
LARGEST_SPECK = 20


def head_extent(volume: npt.NDArray[np.float32]) -> Box:
    """Return the smallest box that holds all tissue of a volume (n, n, n); all of it where there is none."""
    tissue = volume > 0.1 * volume.max()
    sides = []
    for axis, n in enumerate(volume.shape):
        # A lone bright voxel (noise, a wrap-around) should not widen the box: ask for ten in a plane.
        planes = np.flatnonzero(tissue.sum(axis=tuple(a for a in range(3) if a != axis)) >= 10)
        sides.append(slice(int(planes[0]), int(planes[-1]) + 1) if planes.size else slice(0, n))
    return sides[0], sides[1], sides[2]


def head_box(volume: npt.NDArray[np.float32], margin: int = 4) -> Box:
    """Return the box around the head, from multiples of 16 to multiples of 16, within the volume (n, n, n), n one too."""
    first, second, third = (
        side_of_sixteens(side.start - margin, side.stop + margin, slice(0, n))
        for side, n in zip(head_extent(volume), volume.shape, strict=True)
    )
    return first, second, third


def side_of_sixteens(low: int, high: int, within: slice) -> slice:
    """Return a slice over low to high, within another that starts and ends at multiples of 16, as this one does.

    Networks halve a slice four times. Only where a box starts at a multiple of 16 do the same pixels fall together as in the
    whole slice, and how tightly it lies around the brain hardly changes a label. A mirrored head has a mirrored box.
    """
    low, high = int(max(low, within.start)), int(min(high, within.stop))
    return slice(low // 16 * 16, -(-high // 16) * 16)


def reaches_inner_face(classes: npt.NDArray[np.uint8], box: Box, head: Box) -> bool:
    """Whether labels (more than a speck) lie on a face of the box that is not one of the head's box."""
    for axis, (inner, outer) in enumerate(zip(box, head, strict=True)):
        for end, cut in ((0, inner.start > outer.start), (-1, inner.stop < outer.stop)):
            if cut and np.count_nonzero(np.take(classes, end, axis=axis) != BACKGROUND_CLASS) > LARGEST_SPECK:
                return True
    return False
