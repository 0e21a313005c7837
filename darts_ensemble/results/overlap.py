"""Joint histogram of two label maps, and the overlap of every region from it: the only implementation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import BACKGROUND_CLASS

__all__ = ["dice_of_regions", "joint_histogram", "label_places", "merge_labels", "overlap_of_regions"]

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
    pairs = label_places(one[foreground], labels) * n + label_places(two[foreground], labels)
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
    return overlap_of_regions(joint)["dice"]


def overlap_of_regions(joint: Counts) -> dict[str, npt.NDArray[np.float64]]:
    """Return how well each region's voxels agree, by five measures.

    Parameters
    ----------
    joint : (K + 1, K + 1) ndarray
        Of :func:`joint_histogram`.

    Returns
    -------
    dict of str to (K,) ndarray of float64
        `dice`, `jaccard`, `sensitivity`, `precision`, `volume_similarity`, each 0 to 1. All are 0 for a region that only one
        map has, so that a miss never leaves a mean, and NaN for one that neither has.

    Notes
    -----
    With A the region in the reference and B in the prediction: Dice `2 |A and B| / (|A| + |B|)`, Jaccard
    `|A and B| / |A or B|`, sensitivity (recall) `|A and B| / |A|`, precision `|A and B| / |B|`, volume similarity
    `1 - ||A| - |B|| / (|A| + |B|)`, which knows nothing of place.

    References
    ----------
    Taha AA, Hanbury A, Metrics for evaluating 3D medical image segmentation, BMC Medical Imaging 15:29 (2015).
    """
    both = np.diagonal(joint)[:-1].astype(np.float64)
    one, two = joint.sum(axis=1)[:-1], joint.sum(axis=0)[:-1]
    somewhere = one + two > 0

    def share(part: npt.NDArray[np.float64], whole: Counts) -> npt.NDArray[np.float64]:
        # `part` is 0 wherever `whole` is: the larger divisor makes that 0 / 1.
        return np.where(somewhere, part / np.maximum(whole, 1), np.nan)

    return {
        "dice": share(2 * both, one + two),
        "jaccard": share(both, one + two - np.diagonal(joint)[:-1]),
        "sensitivity": share(both, one),
        "precision": share(both, two),
        "volume_similarity": share(2.0 * np.minimum(one, two), one + two),
    }


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


def label_places(values: npt.NDArray[Any], labels: Sequence[int], dtype: npt.DTypeLike = np.intp) -> npt.NDArray[Any]:
    """Return the place of each value in `labels`, and len(labels) for values that are not there; shape of `values`.

    Parameters
    ----------
    values : ndarray of int
    labels : sequence of int
        Each 0 or more.
    dtype : dtype
        Of the result.
    """
    largest = max(labels, default=0)
    table = np.full(largest + 2, len(labels), dtype=dtype)
    table[np.asarray(labels, dtype=np.intp)] = np.arange(len(labels))
    # Whatever lies outside the table shares its last entry, which no label has.
    if values.size and (values.min() < 0 or values.max() > largest):
        values = np.where((values >= 0) & (values <= largest), values, largest + 1)
    return table.take(values)
