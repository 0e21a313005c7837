"""Remove small islands from a label map; off by default and in comparisons, because it changes the result of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["remove_islands"]

#: An island is a component with less than this share of its region's voxels.
ISLAND_SHARE = 0.1


def remove_islands(ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give each small island the id of the nearest voxel (in voxels) that is not part of an island.

    The largest component (26-connected) of a region is always kept, so that no region disappears.

    Parameters
    ----------
    ids : (x, y, z) ndarray of int
        FreeSurfer ids.

    Returns
    -------
    ndarray
        Same shape and type.
    """
    islands = np.zeros(ids.shape, dtype=bool)
    for one, where in enumerate(ndimage.find_objects(ids.astype(np.int32)), start=1):
        if where is None:
            continue
        components, count = ndimage.label(ids[where] == one, structure=np.ones((3, 3, 3)))
        if count < 2:
            continue
        sizes = np.bincount(components.ravel())
        sizes[0] = 0
        small = sizes < ISLAND_SHARE * sizes.sum()
        small[sizes.argmax()] = False
        small[0] = False
        islands[where] |= small[components]
    if not islands.any():
        return ids.copy()
    nearest = ndimage.distance_transform_edt(islands, return_distances=False, return_indices=True)
    return ids[tuple(nearest)]
