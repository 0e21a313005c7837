"""Labels on the grid of the scan: the most probable class at each voxel, from fused probabilities interpolated there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.inference.class_scores import most_probable
from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.scans.conform import Conformed
from darts_ensemble.scans.native import classes_to_native, needs_probabilities

__all__ = ["labels_to_native"]

#: The eight corners of a cell of the grid, as steps from its lowest one.
_CORNERS = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
#: Points interpolated at once: their class scores, 103 float32 each, stay in the cache of a core.
_POINTS_AT_ONCE = 2048


def labels_to_native(
    probabilities: npt.NDArray[Any], best: npt.NDArray[np.uint8], origin: npt.ArrayLike, conformed: Conformed
) -> npt.NDArray[np.uint8]:
    """Return the most probable class at each voxel of the scan, from probabilities interpolated there linearly.

    A class that is the most probable at all eight neighbours of a point is also the most probable between them. Only points
    with neighbours that differ are therefore interpolated: the result is exact, and memory stays small. If the grids differ by
    whole voxels, nothing is interpolated. Only planes and rows of the scan that meet the box are computed; the scan's grid may
    be many times finer than 1 mm.

    Parameters
    ----------
    probabilities : (a, b, c, 103) ndarray of float
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
    if not needs_probabilities(conformed):
        return classes_to_native(best, origin, conformed)
    matrix = np.linalg.inv(conformed.affine) @ conformed.scan.affine
    matrix[:3, 3] += 1 - np.asarray(origin)  # +1: into the padded box
    padded = np.pad(best, 1, constant_values=BACKGROUND_CLASS)
    leads = torch.from_numpy(padded.ravel())
    agreed = torch.from_numpy(_agreed(padded).ravel())
    scores = torch.from_numpy(probabilities).reshape(-1, probabilities.shape[-1])
    # As scans lie in memory: what comes after reads and writes it in this order.
    native = np.full(conformed.scan.data.shape, BACKGROUND_CLASS, dtype=np.uint8, order="F")
    box = _meeting_place(matrix, padded.shape, native.shape)
    rows, columns = (torch.arange(side.start, side.stop, dtype=torch.float64) for side in box[:2])
    step = torch.from_numpy(matrix)
    in_plane = rows[:, None, None] * step[:3, 0] + columns[None, :, None] * step[:3, 1]

    def label_plane(z: int) -> None:
        points = in_plane + (step[:3, 2] * z + step[:3, 3])
        plane = _plane(points.reshape(-1, 3), leads, agreed, scores, padded.shape)
        native[box[0], box[1], z] = plane.reshape(len(rows), len(columns))

    _each_in_one_thread(label_plane, range(box[2].start, box[2].stop))
    return native


def _each_in_one_thread(work: Callable[[int], None], numbers: Iterable[int]) -> None:
    """Do a work for several numbers at the same time; threads that share its short steps would wait for each other."""
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for _ in pool.map(work, numbers):
                pass
    finally:  # torch keeps the last number set as that of threads started later
        torch.set_num_threads(threads)


def _agreed(padded: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return whether the eight corners of the cell that begins at each voxel have the same class; False at the far faces."""
    same = np.ones(tuple(n - 1 for n in padded.shape), dtype=bool)
    first = padded[:-1, :-1, :-1]
    for corner in _CORNERS[1:]:
        same &= first == padded[tuple(slice(step, n - 1 + step) for step, n in zip(corner, padded.shape, strict=True))]
    return np.pad(same, ((0, 1),) * 3)


def _meeting_place(matrix: npt.NDArray[np.float64], box: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, slice, slice]:
    """Return the ranges of planes, rows and columns of the scan that include all voxels in the box."""
    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in box], indexing="ij"), axis=-1).reshape(-1, 3)
    back = np.linalg.inv(matrix)
    there = corners @ back[:3, :3].T + back[:3, 3]
    low = np.clip(np.floor(there.min(axis=0)).astype(int), 0, shape)
    high = np.clip(np.ceil(there.max(axis=0)).astype(int) + 1, low, shape)
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def _plane(points: Tensor, leads: Tensor, agreed: Tensor, scores: Tensor, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return the classes at points of a plane, (n, 3) float64 in voxels of the padded box."""
    cell = points.floor()
    inside = ((cell >= 0) & (cell < torch.tensor([n - 1 for n in shape], dtype=torch.float64))).all(dim=1)
    place = inside.nonzero()[:, 0]
    cell = cell[place].to(torch.int64)
    flat = (cell[:, 0] * shape[1] + cell[:, 1]) * shape[2] + cell[:, 2]
    found = torch.full((len(points),), BACKGROUND_CLASS, dtype=torch.uint8)
    found[place] = leads[flat]
    mixed = (~agreed[flat]).nonzero()[:, 0]
    for part in mixed.split(_POINTS_AT_ONCE):
        fraction = points[place[part]] - cell[part]
        found[place[part]] = _interpolated_argmax(scores, cell[part] - 1, fraction, shape)
    return found.numpy()


def _interpolated_argmax(scores: Tensor, cell: Tensor, fraction: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the argmax of the trilinear interpolation at `cell`, the lower corner in the box, plus `fraction`, 0 to 1."""
    sides = torch.tensor([n - 2 for n in shape])  # of the box itself, which is not padded
    ends = torch.stack((1 - fraction, fraction))
    weights = (ends[:, None, None, :, 0] * ends[None, :, None, :, 1] * ends[None, None, :, :, 2]).to(torch.float32)
    lowest = (cell[:, 0] * sides[1] + cell[:, 1]) * sides[2] + cell[:, 2]
    whole = bool((cell >= 0).all() and (cell < sides - 1).all())
    total = torch.zeros((len(cell), scores.shape[1]), dtype=torch.float32)
    for i, j, k in _CORNERS:
        weight, row = weights[i, j, k], lowest + ((i * sides[1] + j) * sides[2] + k)
        if not whole:
            at = cell + torch.tensor((i, j, k))
            inside = ((at >= 0) & (at < sides)).all(dim=1)
            total[:, BACKGROUND_CLASS] += weight * ~inside
            weight, row = weight * inside, row.where(inside, 0)
        total.addcmul_(scores.index_select(0, row).to(torch.float32), weight[:, None])
    return most_probable(total)
