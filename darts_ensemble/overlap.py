"""Joint histogram of two label maps, and the Dice of every region from it: the only implementation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import BACKGROUND_CLASS

__all__ = ["dice_of_regions", "joint_histogram", "merge_labels"]

Counts = npt.NDArray[np.int64]


def joint_histogram(
    reference: npt.ArrayLike,
    prediction: npt.ArrayLike,
    *,
    labels: Sequence[int] = range(BACKGROUND_CLASS),
    background: int = BACKGROUND_CLASS,
) -> Counts:
    """Count the voxels of every pair of labels.

    Parameters
    ----------
    reference, prediction : array_like of int
        Two label maps of one shape, class indices or ids. Two arrays of one memory order are read fastest.
    labels : sequence of int
        The K values that are regions, each 0 or more; by default the class indices of the 102.
    background : int
        The value of most voxels; voxels where both maps have it are counted without being looked at.

    Returns
    -------
    ndarray of int64, (K + 1, K + 1)
        Row: place of the reference's label in `labels`; column: of the prediction's. Last row and column: every other value,
        background among them. The sum is the number of voxels.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    one, two = np.asarray(reference), np.asarray(prediction)
    if one.shape != two.shape:
        raise ValueError(f"shapes {one.shape} and {two.shape} found; expected two label maps of one shape")
    # nibabel hands out Fortran-ordered arrays, which a plain ravel() would copy, sixteen times slower.
    if not one.flags.c_contiguous:
        one, two = one.T, two.T
    one, two = one.reshape(-1), two.reshape(-1)
    foreground = np.flatnonzero((one != background) | (two != background))
    n = len(labels) + 1
    pairs = _places(one[foreground], labels) * n + _places(two[foreground], labels)
    counts = np.bincount(pairs, minlength=n * n).reshape(n, n).astype(np.int64)
    counts[-1, -1] += one.size - foreground.size
    return counts


def dice_of_regions(joint: Counts) -> npt.NDArray[np.float64]:
    """Return the Dice of each region, `2 |A and B| / (|A| + |B|)`.

    Parameters
    ----------
    joint : (K + 1, K + 1) ndarray
        Of :func:`joint_histogram`.

    Returns
    -------
    ndarray of float64, (K,)
        0 to 1; 0 for a region that only one map has, NaN for one that neither has.

    References
    ----------
    Dice LR, Measures of the amount of ecologic association between species, Ecology 26 (1945).
    """
    both = 2.0 * np.diagonal(joint)[:-1]
    sizes = (joint.sum(axis=1) + joint.sum(axis=0))[:-1]
    return np.divide(both, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)


def merge_labels(joint: Counts, into: npt.ArrayLike) -> Counts:
    """Return the joint histogram as if labels had been merged in both maps.

    Parameters
    ----------
    joint : (K + 1, K + 1) ndarray
    into : (K,) ints
        For each label the place of the label that it becomes; labels that become another are left with no voxel.

    Returns
    -------
    ndarray of int64, (K + 1, K + 1)
    """
    targets = np.append(np.asarray(into, dtype=np.int64), len(joint) - 1)
    move = np.zeros(joint.shape, dtype=np.int64)
    move[targets, np.arange(len(joint))] = 1
    merged: Counts = move @ joint @ move.T
    return merged


def _places(values: npt.NDArray[Any], labels: Sequence[int]) -> npt.NDArray[np.intp]:
    """Place of each value in `labels`; len(labels) for values that are not there."""
    largest = max(labels, default=0)
    table = np.full(largest + 2, len(labels), dtype=np.intp)
    table[np.asarray(labels, dtype=np.intp)] = np.arange(len(labels))
    # Whatever lies outside the table shares its last entry, which no label has.
    inside = (values >= 0) & (values <= largest)
    return table[values if inside.all() else np.where(inside, values, largest + 1)]
