"""Boxes in a conformed volume: around the head, for the networks, and a check whether such a box cuts off labelled voxels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.slices.channels import Box

__all__ = ["head_box", "head_extent", "reaches_inner_face", "side_of_sixteens"]

#: Up to this number of labelled voxels on a face of the brain's box count as a speck, not as brain that is cut off.
LARGEST_SPECK = 20


def head_extent(volume: npt.NDArray[np.float32]) -> Box:
    """Return the smallest box that holds all tissue of a volume (n, n, n); the whole volume if there is no tissue."""
    tissue = volume > 0.1 * volume.max()
    sides = []
    for axis, n in enumerate(volume.shape):
        # A single bright voxel (noise, a wrap-around) must not enlarge the box: a plane needs ten.
        planes = np.flatnonzero(tissue.sum(axis=tuple(a for a in range(3) if a != axis)) >= 10)
        sides.append(slice(int(planes[0]), int(planes[-1]) + 1) if planes.size else slice(0, n))
    return sides[0], sides[1], sides[2]


def head_box(volume: npt.NDArray[np.float32], margin: int = 4) -> Box:
    """Return the box around the head within the volume (n, n, n); its bounds, like n, are multiples of 16."""
    first, second, third = (
        side_of_sixteens(side.start - margin, side.stop + margin, slice(0, n))
        for side, n in zip(head_extent(volume), volume.shape, strict=True)
    )
    return first, second, third


def side_of_sixteens(low: int, high: int, within: slice) -> slice:
    """Return the slice from `low` to `high`, extended to multiples of 16, within another one with bounds at such multiples.

    Networks halve a slice four times. Only if a box starts at a multiple of 16 are the same pixels pooled together as in the
    whole slice; then the size of the box hardly changes any label. A mirrored head has a mirrored box.
    """
    low, high = int(max(low, within.start)), int(min(high, within.stop))
    return slice(low // 16 * 16, -(-high // 16) * 16)


def reaches_inner_face(classes: npt.NDArray[np.uint8], box: Box, head: Box) -> bool:
    """Whether more than a speck is labelled on a face of the box that is not also a face of the head's box."""
    for axis, (inner, outer) in enumerate(zip(box, head, strict=True)):
        for end, cut in ((0, inner.start > outer.start), (-1, inner.stop < outer.stop)):
            if cut and np.count_nonzero(np.take(classes, end, axis=axis) != BACKGROUND_CLASS) > LARGEST_SPECK:
                return True
    return False
