"""The mid-sagittal plane of a scan, which gives left and right for a sagittal network that is used alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import optimize

from darts_ensemble.labels import HOMOLOGUE_CLASS, REGIONS

__all__ = ["left_of_plane", "midsagittal_plane", "move_to_sides", "sides_from_plane"]

_LEFT = np.array([region.class_index for region in REGIONS if region.hemisphere == "left"])
#: One class for both regions of a pair.
_LEFT_OF = np.arange(256, dtype=np.uint8)
_LEFT_OF[HOMOLOGUE_CLASS[_LEFT]] = _LEFT
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
    pooled = _LEFT_OF[classes]
    points = np.argwhere(pooled < len(REGIONS))
    if len(points) < 1000:
        return np.array([(classes.shape[0] - 1) / 2, 0.0, 0.0])
    points = points[:: max(1, len(points) // _POINTS)]
    here = pooled[tuple(points.T)]
    centre = points.mean(axis=0)
    size = np.array(classes.shape)

    def unlike(parameters: npt.NDArray[np.float64]) -> float:
        """Return the share of voxels that are mirrored onto another region, or out of the box."""
        normal = np.array([1.0, -parameters[1], -parameters[2]])
        normal /= np.linalg.norm(normal)
        away = (points - centre) @ normal - parameters[0] * normal[0]
        mirrored = np.rint(points - 2 * away[:, None] * normal).astype(np.int64)
        inside = ((mirrored >= 0) & (mirrored < size)).all(axis=1)
        there = pooled[tuple(np.where(inside[:, None], mirrored, 0).T)]
        return 1 - float(np.mean(inside & (there == here)))

    # First with a large simplex, then with a small one, because the score changes in small steps.
    best = np.zeros(3)
    for steps in ((6.0, 0.15, 0.15), (1.5, 0.03, 0.03)):
        simplex = best + np.vstack([np.zeros(3), np.diag(steps)]) - np.array(steps) / 4
        best = optimize.minimize(unlike, best, method="Nelder-Mead", options={"initial_simplex": simplex, "maxfev": 150}).x
    offset, along, up = best
    return np.array([centre[0] + offset - along * centre[1] - up * centre[2], along, up])


def left_of_plane(shape: tuple[int, int, int], plane: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which voxels of a box are on the left: in LIA, the first index increases towards the left."""
    _, j, k = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return np.arange(shape[0])[:, None, None] > plane[0] + plane[1] * j + plane[2] * k


def sides_from_plane(classes: npt.NDArray[np.uint8], plane: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Give every paired class (a, b, c) the side of its voxel."""
    right_of = np.arange(256, dtype=np.uint8)
    right_of[_LEFT] = HOMOLOGUE_CLASS[_LEFT]
    return np.where(left_of_plane(classes.shape, plane), _LEFT_OF[classes], right_of[classes])


def move_to_sides(probabilities: npt.NDArray[np.float16], plane: npt.NDArray[np.float64]) -> None:
    """Give the summed probability of each pair (a, b, c, 103) to the side of the voxel, in place."""
    a, b, c, _ = probabilities.shape
    left = left_of_plane((a, b, c), plane)
    for one in _LEFT:
        other = HOMOLOGUE_CLASS[one]
        both = probabilities[..., one] + probabilities[..., other]
        probabilities[..., one] = np.where(left, both, 0)
        probabilities[..., other] = np.where(left, 0, both)
