"""Scans in which white matter is darker than the cortex: their intensities in the order of T1, for a second look."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import classes_to_ids
from darts_ensemble.scans.kinds import CORTEX, VENTRICLES, WHITE_MATTER, dark_white_matter
from darts_ensemble.slices.channels import Box

__all__ = ["in_order_of_t1"]

#: Intensities of ventricles, cortex and white matter in a T1 that FreeSurfer has normalised, in which the networks learnt:
#: FreeSurfer sets white matter to 110; the others are medians of sub-07's T1 in its own labels, rounded to fives.
T1 = (30.0, 75.0, 110.0)


def in_order_of_t1(volume: npt.NDArray[np.float32], box: Box, classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32] | None:
    """Return a volume in which white matter is brightest and the ventricles are darkest, or None if it is not needed.

    A curve through the medians of ventricles, cortex and white matter, as they were labelled at first sight, with air at 0. The
    first labels may be poor: a median holds as long as half of the voxels of a tissue are right.

    Parameters
    ----------
    volume : (n, n, n) float32
        Conformed; air near 0.
    box : Box
        Where `classes` are.
    classes : (a, b, c) uint8

    Returns
    -------
    (n, n, n) float32, or None
        None where white matter is brighter than the cortex, a tissue is not labelled, or two tissues are equally bright.
    """
    ids, values = classes_to_ids(classes), volume[box]
    if not dark_white_matter(values, ids):
        return None
    tissues = (np.isin(ids, VENTRICLES), ids >= CORTEX, np.isin(ids, WHITE_MATTER))
    if not all(tissue.any() for tissue in tissues):
        return None
    known = sorted(
        [(0.0, 0.0), *((float(np.median(values[tissue])), bright) for tissue, bright in zip(tissues, T1, strict=True))]
    )
    medians, wanted = zip(*known, strict=True)
    if min(np.diff(medians)) <= 0.01 * medians[-1]:
        return None
    return np.interp(volume, medians, wanted).astype(np.float32)
