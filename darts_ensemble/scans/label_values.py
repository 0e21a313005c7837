"""The values of a label map as whole numbers, even if rounding noise or a slope has changed them a little."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FURTHEST", "whole_numbers", "why_several_volumes"]

#: Largest distance of a value from a whole number. In a label map of int16 with a slope it is at most 0.016.
FURTHEST = 0.02
#: This number of volumes or more may be one per class.
_FEWEST_CLASSES = 3
#: With more classes, or with more rows or voxels in a plane through all of them, a header is damaged, and nothing is read.
_MOST_CLASSES, _MOST_ROWS, _MOST_IN_PLANE = 10_000, 2**18, 2**28


def whole_numbers(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Round the values of a label map, and report what was rounded.

    Parameters
    ----------
    values : ndarray
        As read, scaled by the header's slope. NaN is background, as tools leave it outside a mask.

    Returns
    -------
    labels : ndarray of int32
        Same shape.
    notes : list of str

    Raises
    ------
    ValueError
        If a value is further than :data:`FURTHEST` from a whole number, or infinite or too large for one.
    """
    if values.dtype.kind != "f":
        wide = not np.can_cast(values.dtype, np.int32)
        if wide and values.size and (int(values.max()) > np.iinfo(np.int32).max or int(values.min()) < np.iinfo(np.int32).min):
            raise ValueError("values beyond 32 bits found")
        return values.astype(np.int32), []
    notes = []
    missing = np.isnan(values)
    if missing.any():
        values = np.where(missing, 0, values)
        notes.append("NaN voxels were taken for background")
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) > np.iinfo(np.int32).max:
        raise ValueError("infinite or far too large values found")
    rounded = np.rint(values)
    off = np.abs(values - rounded)
    furthest = float(off.max(initial=0))
    if furthest > FURTHEST:
        share = 100 * int(np.count_nonzero(off > FURTHEST)) / max(1, int(np.count_nonzero(values)))
        raise ValueError(f"values that are not whole numbers found, {share:.2g} % of those that are not 0")
    if furthest > 0:
        notes.append(f"values within {FURTHEST} of whole numbers were rounded")
    return rounded.astype(np.int32), notes


def why_several_volumes(image: Any) -> str:
    """Return what a label map of several volumes probably is: one volume per class, a series, or colours.

    Parameters
    ----------
    image : nibabel image
    """
    shape = tuple(int(n) for n in image.shape)
    if np.dtype(image.get_data_dtype()).fields:
        return f"shape {shape} of colours"
    if len(shape) != 4 or min(shape) < 1 or not _FEWEST_CLASSES <= max(shape[0], shape[3]) <= _MOST_CLASSES:
        return f"shape {shape}"
    if shape[2] * shape[3] > _MOST_ROWS or shape[0] * shape[2] * shape[3] > _MOST_IN_PLANE:
        return f"shape {shape}"
    try:
        values = np.asarray(image.dataobj[:, shape[1] // 2])
    except Exception:  # a file cut off or damaged, of which nibabel and zlib say so in many ways
        return f"shape {shape}"
    for axis in (3, 0):  # where the classes are last, as NIfTI has it, or first, as arrays of networks have them
        sums = values.sum(axis=0 if axis == 0 else -1)
        if shape[axis] >= _FEWEST_CLASSES and values.min() >= 0 and values.max() <= 1 and 0 < sums.max() <= 1 + 1e-3:
            whole = bool(np.isin(np.unique(values), (0, 1)).all())
            kind = "one-hot channels, 0 or 1" if whole else "probabilities, 0 to 1"
            return f"shape {shape}: {shape[axis]} volumes of {kind}, one per class: take the class of the largest (argmax)"
    return f"shape {shape}"
