"""Bring probabilities and volumes from the conformed grid back to the grid of the scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.scans.conform import Conformed, whole_voxel_map

__all__ = ["classes_to_native", "needs_probabilities", "probabilities_to_native", "volume_to_native"]


def _to_conformed(conformed: Conformed) -> npt.NDArray[np.float64]:
    return np.linalg.inv(conformed.affine) @ conformed.scan.affine


def needs_probabilities(conformed: Conformed) -> bool:
    """Whether labels on the scan's grid must be interpolated, not only moved by whole voxels."""
    return not whole_voxel_map(_to_conformed(conformed))


def _moved(data: npt.NDArray[Any], matrix: npt.NDArray[np.float64], shape: tuple[int, ...], outside: float) -> npt.NDArray[Any]:
    """Copy data to another grid whose voxel-to-voxel affine only permutes, flips and shifts; only the shared part is copied."""
    linear, shift = np.rint(matrix[:3, :3]).astype(int), np.rint(matrix[:3, 3]).astype(int)
    along = [int(np.flatnonzero(linear[:, axis])[0]) for axis in range(3)]  # the data axis for each axis of the other grid
    turned = data.transpose(along)
    source, goal = [], []
    for axis, other in enumerate(along):
        length, sign = turned.shape[axis], linear[other, axis]
        # Index in the data = sign * index in the other grid + shift.
        first = -shift[other] if sign > 0 else shift[other] - length + 1
        low, high = max(0, first), max(0, min(shape[axis], first + length))
        within = slice(low - first, max(low, high) - first)
        source.append(within if sign > 0 else slice(length - 1 - within.start, _below(length - 1 - within.stop), -1))
        goal.append(slice(low, max(low, high)))
    moved = np.full(shape, outside, dtype=data.dtype, order="F")  # as scans lie in memory and are written
    moved[tuple(goal)] = turned[tuple(source)]
    return moved


def _below(stop: int) -> int | None:
    """Return the end of a descending slice: None if it includes index 0."""
    return stop if stop >= 0 else None


def classes_to_native(classes: npt.NDArray[np.uint8], origin: npt.ArrayLike, conformed: Conformed) -> npt.NDArray[np.uint8]:
    """Bring class indices of a box, (a, b, c), to the scan's grid by nearest neighbour; background outside the box."""
    matrix = _to_conformed(conformed)
    matrix[:3, 3] -= np.asarray(origin)
    shape = conformed.scan.data.shape
    if whole_voxel_map(matrix):
        return _moved(classes, matrix, shape, BACKGROUND_CLASS)
    return ndimage.affine_transform(
        classes, matrix[:3, :3], matrix[:3, 3], output_shape=shape, order=0, cval=BACKGROUND_CLASS, output=np.uint8
    )


def volume_to_native(volume: npt.NDArray[np.float32], conformed: Conformed, order: int = 1) -> npt.NDArray[np.float32]:
    """Bring a volume (n, n, n) of the conformed grid to the scan's, interpolated with the given spline order; 0 outside."""
    matrix = _to_conformed(conformed)
    if whole_voxel_map(matrix):
        return _moved(np.asarray(volume, dtype=np.float32), matrix, conformed.scan.data.shape, 0)
    return ndimage.affine_transform(
        volume, matrix[:3, :3], matrix[:3, 3], output_shape=conformed.scan.data.shape, order=order, output=np.float32
    )


def probabilities_to_native(
    probabilities: npt.NDArray[Any], origin: npt.ArrayLike, conformed: Conformed, classes: Sequence[int]
) -> npt.NDArray[np.float32]:
    """Bring the probabilities of some classes to the scan's grid, interpolated linearly.

    Parameters
    ----------
    probabilities : (a, b, c, C) ndarray
        In a box of the conformed volume; background outside.
    origin : (3,) ints
        First voxel of the box.
    conformed : Conformed
    classes : sequence of int
        Class indices, in the order of the result.

    Returns
    -------
    ndarray of float32, (x, y, z, len(classes))
        0 to 1; the class axis is the last, as in NIfTI.
    """
    matrix = _to_conformed(conformed)
    matrix[:3, 3] -= np.asarray(origin)
    whole = whole_voxel_map(matrix)
    shape = conformed.scan.data.shape
    native = np.empty((*shape, len(classes)), dtype=np.float32)
    for number, one in enumerate(classes):
        outside = 1.0 if one == BACKGROUND_CLASS else 0.0
        if whole:
            native[..., number] = _moved(probabilities[..., one], matrix, shape, outside)
            continue
        padded = np.pad(probabilities[..., one].astype(np.float32), 1, constant_values=outside)
        native[..., number] = ndimage.affine_transform(
            padded, matrix[:3, :3], matrix[:3, 3] + 1, output_shape=shape, order=1, cval=outside
        )
    return native
