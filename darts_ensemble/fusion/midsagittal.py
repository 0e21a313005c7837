"""The mid-sagittal plane of a scan: the plane about which a segmented brain is most symmetric."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import optimize

from darts_ensemble.fusion.sagittal_sides import LEFT_OF
from darts_ensemble.labels import REGIONS

__all__ = ["midsagittal_plane"]

#: Number of voxels mirrored in the search for the plane.
_POINTS = 30_000


def midsagittal_plane(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Find the plane about which a segmented brain is most symmetric.

    The plane starts through the brain's centre of mass, perpendicular to the axis from right to left, and is moved (simplex
    search) until as many brain voxels as possible are mirrored onto a voxel of the same region, on either side. Offset and
    tilt are free, so that the plane fits a shifted or tilted head.

    Parameters
    ----------
    classes : (a, b, c) uint8
        LIA; class indices of a box.

    Returns
    -------
    ndarray, (3,)
        k, l, m of i = k + l * j + m * k': first index of the plane at second index j and third index k'.
    """
    pooled = LEFT_OF[classes]
    points = np.argwhere(pooled < len(REGIONS))
    if len(points) < 1000:
        return np.array([(classes.shape[0] - 1) / 2, 0.0, 0.0])
    points = points[:: max(1, len(points) // _POINTS)]
    centre = points.mean(axis=0)
    from_centre = points - centre
    # One array for each axis: they are read many times, and whole arrays are read fastest.
    along_axes = np.ascontiguousarray(points.T)
    here, everywhere = pooled[tuple(along_axes)], pooled.ravel()
    _, rows, columns = classes.shape

    def unlike(parameters: npt.NDArray[np.float64]) -> float:
        """Return the share of voxels that are mirrored onto another region, or out of the box."""
        normal = np.array([1.0, -parameters[1], -parameters[2]])
        normal /= np.linalg.norm(normal)
        away = from_centre @ normal - parameters[0] * normal[0]
        place, inside = np.zeros(len(points), dtype=np.int64), np.ones(len(points), dtype=bool)
        for axis in range(3):
            mirrored = np.rint(along_axes[axis] - 2 * away * normal[axis]).astype(np.int64)
            inside &= (mirrored >= 0) & (mirrored < classes.shape[axis])
            place += mirrored * (rows * columns, columns, 1)[axis]
        return 1 - float(np.mean(inside & (everywhere.take(place, mode="clip") == here)))

    # First with a large simplex, then with a small one, because the score changes in small steps.
    best = np.zeros(3)
    for steps in ((6.0, 0.15, 0.15), (1.5, 0.03, 0.03)):
        simplex = best + np.vstack([np.zeros(3), np.diag(steps)]) - np.array(steps) / 4
        best = optimize.minimize(unlike, best, method="Nelder-Mead", options={"initial_simplex": simplex, "maxfev": 150}).x
    offset, along, up = best
    return np.array([centre[0] + offset - along * centre[1] - up * centre[2], along, up])
