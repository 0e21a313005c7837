"""The mid-sagittal plane of a scan, and sides by it for a sagittal network used alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import HOMOLOGUE_CLASS, REGIONS

__all__ = ["left_of_plane", "midsagittal_plane", "move_to_sides", "sides_from_plane"]

_LEFT = np.array([region.class_index for region in REGIONS if region.hemisphere == "left"])


def midsagittal_plane(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Fit the plane that halves a segmented brain.

    On each line from right to left the middle between the outermost brain voxels is a point of the plane; lines are fitted
    robustly (iteratively reweighted least squares, Huber), so that a tilted head is followed. Sides in `classes` play no part.

    Parameters
    ----------
    classes : (a, b, c) uint8
        LIA; class indices of a box.

    Returns
    -------
    ndarray, (3,)
        k, l, m of i = k + l * j + m * k': first index of the plane at second index j and third index k'.
    """
    brain = classes < len(REGIONS)
    lines = np.argwhere(brain.sum(axis=0) >= 20)
    if len(lines) < 50:
        return np.array([(classes.shape[0] - 1) / 2, 0.0, 0.0])
    columns = brain[:, lines[:, 0], lines[:, 1]]
    first = columns.argmax(axis=0)
    last = columns.shape[0] - 1 - columns[::-1].argmax(axis=0)
    middle = (first + last) / 2
    design = np.column_stack([np.ones(len(lines)), lines])
    # Long lines cross both hemispheres surely; short ones may cross one only.
    weight = (last - first).astype(np.float64) ** 2
    plane = np.zeros(3)
    robust = np.ones(len(lines))
    for _ in range(15):
        root = np.sqrt(weight * robust)
        plane = np.linalg.lstsq(design * root[:, None], middle * root, rcond=None)[0]
        robust = np.minimum(1, 2 / np.maximum(np.abs(middle - design @ plane), 1e-6))
    return plane


def left_of_plane(shape: tuple[int, int, int], plane: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which voxels of a box lie on the left: LIA's first index grows towards the left."""
    _, j, k = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return np.arange(shape[0])[:, None, None] > plane[0] + plane[1] * j + plane[2] * k


def sides_from_plane(classes: npt.NDArray[np.uint8], plane: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Give every paired class (a, b, c) the side on which its voxel lies."""
    left_of = np.arange(256, dtype=np.uint8)
    left_of[HOMOLOGUE_CLASS[_LEFT]] = _LEFT
    right_of = np.arange(256, dtype=np.uint8)
    right_of[_LEFT] = HOMOLOGUE_CLASS[_LEFT]
    return np.where(left_of_plane(classes.shape, plane), left_of[classes], right_of[classes])


def move_to_sides(probabilities: npt.NDArray[np.float16], plane: npt.NDArray[np.float64]) -> None:
    """Give each pair's summed probability (a, b, c, 103) to the side on which the voxel lies, in place."""
    a, b, c, _ = probabilities.shape
    left = left_of_plane((a, b, c), plane)
    for one in _LEFT:
        other = HOMOLOGUE_CLASS[one]
        both = probabilities[..., one] + probabilities[..., other]
        probabilities[..., one] = np.where(left, both, 0)
        probabilities[..., other] = np.where(left, 0, both)
