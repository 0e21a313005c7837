"""Where two label maps, or the views of one label map, disagree most: the thickest places first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["LOW_AGREEMENT", "MOST_PLACES", "Place", "differing", "low_agreement", "worst_places"]

MOST_PLACES = 20
#: The views disagree in a voxel if a smaller share of the pairs of views than this names the same region.
LOW_AGREEMENT = 0.5
#: No other place is listed within so many mm of a place, or within its thickness if that is more.
_APART = 6.0


@dataclass(frozen=True)
class Place:
    """A place where label maps or views disagree.

    Attributes
    ----------
    at : tuple of int
        Voxel.
    thickness : float
        mm: twice the distance from this voxel to the nearest one where they agree.
    """

    at: tuple[int, ...]
    thickness: float


def differing(
    first: npt.NDArray[np.uint16], second: npt.NDArray[np.uint16], region: int | None = None
) -> npt.NDArray[np.bool_]:
    """Return where two label maps differ; with a region, the voxels that only one of them gives this region."""
    if region is None:
        return first != second
    return (first == region) != (second == region)


def low_agreement(agreement: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return where fewer than half of the pairs of views name the same region (`agreement`: 255 is all pairs)."""
    return agreement < LOW_AGREEMENT * 255


def worst_places(disagree: npt.NDArray[np.bool_], sizes: Sequence[float], most: int = MOST_PLACES) -> list[Place]:
    """Return the centres of the largest balls of voxels that disagree, the thickest first.

    If a border moves by one voxel, many voxels disagree, but each of them is near a voxel that agrees. A missing or swollen
    region makes a thick place. Therefore places are sorted by thickness and not by the number of voxels.

    Parameters
    ----------
    disagree : (x, y, z) bool
    sizes : sequence of float
        Size of a voxel along each axis, mm.
    most : int
        Largest number of places that is returned.
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
    """Set the voxels within `radius` mm of `middle` to 0."""
    sides = tuple(
        slice(max(0, int(at - radius // size)), min(n, int(at + radius // size) + 1))
        for at, size, n in zip(middle, sizes, depth.shape, strict=True)
    )
    away = sum(np.square((along - at) * size) for along, at, size in zip(np.ogrid[sides], middle, sizes, strict=True))
    depth[sides][away <= radius**2] = 0
