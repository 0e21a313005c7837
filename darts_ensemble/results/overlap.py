"""Joint histogram of two label maps, and the overlap of every region from it; used wherever overlap is computed."""

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
        Two label maps of the same shape, class indices or ids. Two arrays with the same memory order are fastest.
    labels : sequence of int
        The K values that are regions, each 0 or more; by default the class indices of the 102.
    background : int
        The value of most voxels; voxels with this value in both maps are counted in a faster way.

    Returns
    -------
    ndarray of int64, (K + 1, K + 1)
        Row: position in `labels` of the reference's label; column: of the prediction's. Last row and column: all other values,
        including background. The sum is the number of voxels.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    one, two = np.asarray(reference), np.asarray(prediction)
    if one.shape != two.shape:
        raise ValueError(f"shapes {one.shape} and {two.shape} found; expected two label maps of one shape")
    # nibabel returns Fortran-ordered arrays; a plain ravel() would copy them, which is sixteen times slower.
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
    """Return five measures of overlap for each region.

    Parameters
    ----------
    joint : (K + 1, K + 1) ndarray
        From :func:`joint_histogram`.

    Returns
    -------
    dict of str to (K,) ndarray of float64
        `dice`, `jaccard`, `sensitivity`, `precision`, `volume_similarity`, each 0 to 1. All are 0 for a region that only one
        map has, so that a missed region always counts in a mean, and NaN for a region that neither map has.

    Notes
    -----
    With A the region in the reference and B in the prediction: Dice `2 |A and B| / (|A| + |B|)`, Jaccard
    `|A and B| / |A or B|`, sensitivity (recall) `|A and B| / |A|`, precision `|A and B| / |B|`, volume similarity
    `1 - ||A| - |B|| / (|A| + |B|)`, which does not depend on location.

    References
    ----------
    Taha AA, Hanbury A, Metrics for evaluating 3D medical image segmentation, BMC Medical Imaging 15:29 (2015).
    """
    both = np.diagonal(joint)[:-1].astype(np.float64)
    one, two = joint.sum(axis=1)[:-1], joint.sum(axis=0)[:-1]
    somewhere = one + two > 0

    def share(part: npt.NDArray[np.float64], whole: Counts) -> npt.NDArray[np.float64]:
        # Where `whole` is 0, `part` is 0 as well: the divisor 1 avoids 0 / 0.
        return np.where(somewhere, part / np.maximum(whole, 1), np.nan)

    return {
        "dice": share(2 * both, one + two),
        "jaccard": share(both, one + two - np.diagonal(joint)[:-1]),
        "sensitivity": share(both, one),
        "precision": share(both, two),
        "volume_similarity": share(2.0 * np.minimum(one, two), one + two),
    }


def merge_labels(joint: Counts, into: npt.ArrayLike) -> Counts:
    """Return the joint histogram after merging labels in both maps.

    Parameters
    ----------
    joint : (K + 1, K + 1) ndarray
    into : (K,) ints
        For each label, the position of the label that it is merged into; labels merged into another one have no voxels left.

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
    """Return the position of each value in `labels`, or len(labels) for values not in it; same shape as `values`.

    Parameters
    ----------
    values : ndarray of int
    labels : sequence of int
        Each 0 or more.
    dtype : dtype
        Type of the result.
    """
    largest = max(labels, default=0)
    table = np.full(largest + 2, len(labels), dtype=dtype)
    table[np.asarray(labels, dtype=np.intp)] = np.arange(len(labels))
    # All values outside the table use its last entry, which is not a label.
    if values.size and (values.min() < 0 or values.max() > largest):
        values = np.where((values >= 0) & (values <= largest), values, largest + 1)
    return table.take(values)
