"""Bring probabilities and volumes from the conformed grid back to the grid of the scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.scans.conform import Conformed, whole_voxel_map

__all__ = ["classes_to_native", "labels_to_native", "needs_probabilities", "probabilities_to_native", "volume_to_native"]

_CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_VOXELS_AT_ONCE = 50_000


def _to_conformed(conformed: Conformed) -> npt.NDArray[np.float64]:
    return np.linalg.inv(conformed.affine) @ conformed.scan.affine


def needs_probabilities(conformed: Conformed) -> bool:
    """Whether labels on the scan's grid are interpolated, or only moved by whole voxels."""
    return not whole_voxel_map(_to_conformed(conformed))


def labels_to_native(
    probabilities: npt.NDArray[Any], best: npt.NDArray[np.uint8], origin: npt.ArrayLike, conformed: Conformed
) -> npt.NDArray[np.uint8]:
    """Return the most probable class at each voxel of the scan, from probabilities interpolated there.

    A class that leads at all eight neighbours of a point also leads between them, so only points among neighbours that
    disagree are interpolated: exact, and memory stays small. Where the grids differ by whole voxels nothing is interpolated.

    Parameters
    ----------
    probabilities : (a, b, c, C) ndarray
        In a box of the conformed volume; background outside.
    best : (a, b, c) uint8
        The most probable class of each voxel of the box.
    origin : (3,) ints
        First voxel of the box.
    conformed : Conformed

    Returns
    -------
    ndarray of uint8
        Class indices on the grid of the scan.
    """
    matrix = _to_conformed(conformed)
    matrix[:3, 3] -= np.asarray(origin)
    if whole_voxel_map(matrix):
        return _moved(best, matrix, conformed.scan.data.shape, BACKGROUND_CLASS)
    padded = np.pad(best, 1, constant_values=BACKGROUND_CLASS)
    low = ndimage.minimum_filter(padded, size=2, origin=-1)
    uniform = low == ndimage.maximum_filter(padded, size=2, origin=-1)
    shape = conformed.scan.data.shape
    native = np.full(shape, BACKGROUND_CLASS, dtype=np.uint8)
    plane = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij"), axis=-1).reshape(-1, 2)
    for x in range(shape[0]):
        points = plane @ matrix[:3, 1:3].T + matrix[:3, 0] * x + matrix[:3, 3] + 1  # +1: into the padded box
        cell = np.floor(points).astype(np.int64)
        inside = np.flatnonzero(((cell >= 0) & (cell < np.array(padded.shape) - 1)).all(axis=1))
        index = tuple(cell[inside].T)
        row = native[x].reshape(-1)
        row[inside] = padded[index]
        mixed = inside[~uniform[index]]
        for start in range(0, len(mixed), _VOXELS_AT_ONCE):
            part = mixed[start : start + _VOXELS_AT_ONCE]
            row[part] = _interpolated_argmax(probabilities, cell[part] - 1, points[part] - cell[part])
        native[x] = row.reshape(shape[1:])
    return native


def _interpolated_argmax(
    probabilities: npt.NDArray[Any], cell: npt.NDArray[np.int64], fraction: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Argmax of trilinear interpolation; `cell` is the lower corner in the box, `fraction` the way to the next, 0 to 1."""
    total = np.zeros((len(cell), probabilities.shape[-1]), dtype=np.float32)
    for corner in _CORNERS:
        at = cell + corner
        weight = np.where(corner == 1, fraction, 1 - fraction).prod(axis=1).astype(np.float32)
        inside = ((at >= 0) & (at < np.array(probabilities.shape[:3]))).all(axis=1)
        total[:, BACKGROUND_CLASS] += weight * ~inside
        clipped = np.where(inside[:, None], at, 0)
        total += probabilities[tuple(clipped.T)].astype(np.float32) * (weight * inside)[:, None]
    return total.argmax(axis=1).astype(np.uint8)


def _moved(data: npt.NDArray[Any], matrix: npt.NDArray[np.float64], shape: tuple[int, ...], outside: float) -> npt.NDArray[Any]:
    """Bring data to another grid whose voxel-to-voxel affine only permutes, flips and shifts: a copy of the part they share."""
    linear, shift = np.rint(matrix[:3, :3]).astype(int), np.rint(matrix[:3, 3]).astype(int)
    along = [int(np.flatnonzero(linear[:, axis])[0]) for axis in range(3)]  # the data's axis for each of the other grid
    turned = data.transpose(along)
    source, goal = [], []
    for axis, other in enumerate(along):
        length, sign = turned.shape[axis], linear[other, axis]
        # Index of the data: sign * index + shift.
        first = -shift[other] if sign > 0 else shift[other] - length + 1
        low, high = max(0, first), max(0, min(shape[axis], first + length))
        within = slice(low - first, max(low, high) - first)
        source.append(within if sign > 0 else slice(length - 1 - within.start, _below(length - 1 - within.stop), -1))
        goal.append(slice(low, max(low, high)))
    moved = np.full(shape, outside, dtype=data.dtype)
    moved[tuple(goal)] = turned[tuple(source)]
    return moved


def _below(stop: int) -> int | None:
    """End of a descending slice: one that passes 0 has none."""
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
        Class indices, in the order wanted.

    Returns
    -------
    ndarray of float32, (x, y, z, len(classes))
        0 to 1; the class axis is the last, as NIfTI has it.
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
