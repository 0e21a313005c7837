"""Where label maps, or the views of one, disagree most: the thickest places first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["LOW_AGREEMENT", "MOST_PLACES", "Place", "differing", "low_agreement", "worst_places"]

MOST_PLACES = 20
#: Share of pairs of views below which a voxel counts as one where the views disagree.
LOW_AGREEMENT = 0.5
#: mm around a place in which no other is listed; more where it is thicker.
_APART = 6.0


@dataclass(frozen=True)
class Place:
    """A place where maps disagree.

    Attributes
    ----------
    at : tuple of int
        Voxel.
    thickness : float
        mm: twice the way from this voxel to the nearest one where the maps agree.
    """

    at: tuple[int, ...]
    thickness: float


def differing(
    first: npt.NDArray[np.uint16], second: npt.NDArray[np.uint16], region: int | None = None
) -> npt.NDArray[np.bool_]:
    """Return where two maps differ; with a region, where one of them alone has it."""
    if region is None:
        return first != second
    return (first == region) != (second == region)


def low_agreement(agreement: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return where fewer than half of the pairs of views (255 is all) name the same region."""
    return agreement < LOW_AGREEMENT * 255


def worst_places(disagree: npt.NDArray[np.bool_], sizes: Sequence[float], most: int = MOST_PLACES) -> list[Place]:
    """Return the middles of the largest balls of disagreeing voxels, the thickest first.

    A shift of a border by a voxel makes many disagreeing voxels, none of them far from agreement; a region that is missing or
    swollen makes a thick place. So thickness sorts, not the number of voxels.

    Parameters
    ----------
    disagree : (x, y, z) bool
    sizes : sequence of float
        mm of a voxel along each axis.
    most : int
        How many are returned at most; they lie a few mm apart.
    """
    boxes = ndimage.find_objects(disagree.astype(np.uint8))
    if not boxes or boxes[0] is None:
        return []
    box = boxes[0]
    # Outside the image nothing disagrees.
    depth = ndimage.distance_transform_edt(np.pad(disagree[box], 1), sampling=sizes)[1:-1, 1:-1, 1:-1]
    places: list[Place] = []
    while len(places) < most:
        top = np.unravel_index(int(depth.argmax()), depth.shape)
        thickness = 2 * float(depth[top])
        if not thickness:
            break
        places.append(Place(tuple(int(at + side.start) for at, side in zip(top, box, strict=True)), thickness))
        _clear_around(depth, top, sizes, max(_APART, thickness))
    return places


def _clear_around(depth: npt.NDArray[np.float64], middle: Sequence[np.intp], sizes: Sequence[float], radius: float) -> None:
    """Set a ball to 0."""
    sides = tuple(
        slice(max(0, int(at - radius // size)), min(n, int(at + radius // size) + 1))
        for at, size, n in zip(middle, sizes, depth.shape, strict=True)
    )
    away = sum(np.square((along - at) * size) for along, at, size in zip(np.ogrid[sides], middle, sizes, strict=True))
    depth[sides][away <= radius**2] = 0
