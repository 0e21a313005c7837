"""Read references and predictions as FreeSurfer ids, and bring a prediction to the grid of its reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from darts_ensemble.errors import CohortError
from darts_ensemble.labels import BACKGROUND_CLASS, classes_to_ids
from darts_ensemble.scans.conform import whole_voxel_map
from darts_ensemble.scans.scan import Scan, read_label_map
from evaluation.metrics.fingerprint import Fingerprint, fingerprint_of
from evaluation.protocols.parcellation import Parcellation, parcellation_of
from evaluation.protocols.protocol import Protocol

__all__ = [
    "Move", "Reference", "are_consecutive", "flat", "holds_class_indices", "on_grid_of", "read_prediction", "read_reference",
    "region_voxels", "same_grid",
]  # fmt: skip

#: Class numbers: smallest and largest number of classes, and largest share of numbers that may be missing.
_FEWEST_CLASSES, _MOST_CLASSES, _LARGEST_GAP = 5, 255, 0.15
#: One voxel of so many is looked at first.
_SPARSE = 97
#: How a prediction was brought to its reference's grid.
Move = Literal["same grid", "axes reordered", "resampled"]


@dataclass(frozen=True)
class Reference:
    """A label map to score against.

    Attributes
    ----------
    labels : Scan
        `data` holds FreeSurfer ids, int32, Fortran-ordered.
    parcellation : Parcellation
        The protocol that its labels follow.
    foreground : (n,) int64
        Positions in :func:`flat` `data` that are not 0.
    fingerprint : Fingerprint or None
        Fingerprint of the labels, if it is known already; it is used for all methods.
    """

    labels: Scan
    parcellation: Parcellation
    foreground: npt.NDArray[np.int64]
    fingerprint: Fingerprint | None = None


def read_reference(path: Path, protocol: Protocol) -> Reference:
    """Read a reference.

    Raises
    ------
    ScanError
        If it can't be read.
    CohortError
        If it has no region of the protocol.
    """
    labels = _fortran(read_label_map(path))
    foreground = np.flatnonzero(flat(labels.data) != 0)
    ids = flat(labels.data)[foreground]
    if not region_voxels(ids, protocol).any():
        raise _no_region(path, protocol, "FreeSurfer ids", ids)
    return Reference(labels, parcellation_of(ids), foreground, fingerprint_of(labels, foreground, protocol))


def read_prediction(path: Path, protocol: Protocol) -> Scan:
    """Read a prediction as FreeSurfer ids on its own grid, int32, Fortran-ordered; all 0 if the file is empty.

    Class-index maps of the original DARTS (0 to 102, background 102) are recognised and turned into ids.

    Raises
    ------
    ScanError
        If the file can't be read.
    CohortError
        If it has ids, but none of a region of the protocol.
    """
    labels = read_label_map(path)
    if holds_class_indices(labels.data):
        labels = replace(labels, data=classes_to_ids(labels.data).astype(np.int32))
    labels = _fortran(labels)
    ids = flat(labels.data)
    if region_voxels(ids[::_SPARSE], protocol).any():  # nearly always, and then the whole map need not be looked through
        return labels
    ids = ids[ids != 0]
    if ids.size and not region_voxels(ids, protocol).any():
        raise _no_region(path, protocol, "FreeSurfer ids or DARTS class indices", ids)
    return labels


def holds_class_indices(values: npt.NDArray[Any]) -> bool:
    """Whether a map is one of the original DARTS: class indices 0 to 102, with 102 (background) as the most frequent.

    In a map of FreeSurfer ids, 0 is the most frequent value.
    """
    if values.min() < 0 or values.max() != BACKGROUND_CLASS:
        return False
    return int(np.bincount(values.ravel(order="K")).argmax()) == BACKGROUND_CLASS


def same_grid(one: Scan, two: Scan) -> bool:
    """Whether two images have the same shape and, to a thousandth of a mm, the same affine."""
    return one.data.shape == two.data.shape and np.allclose(one.affine, two.affine, atol=1e-3)


def on_grid_of(reference: Scan, prediction: Scan) -> tuple[npt.NDArray[np.int32], Move]:
    """Bring a label map to the grid of another, by nearest neighbour through the affines; 0 outside.

    Returns
    -------
    ids : ndarray of int32
        With the shape of the reference, Fortran-ordered.
    move : {"same grid", "axes reordered", "resampled"}
        "axes reordered": voxels were permuted, flipped or shifted by whole voxels, none was changed.
    """
    if same_grid(reference, prediction):
        return prediction.data, "same grid"
    matrix = np.linalg.inv(prediction.affine) @ reference.affine
    whole = whole_voxel_map(matrix)
    if whole:
        matrix = np.rint(matrix)
    ids = np.zeros(reference.data.shape, dtype=np.int32, order="F")
    box = _box_in(reference.data.shape, np.linalg.inv(matrix), prediction.data)
    if box is not None:
        start = np.array([side.start for side in box])
        ndimage.affine_transform(
            prediction.data, matrix[:3, :3], matrix[:3, :3] @ start + matrix[:3, 3], output=ids[box], order=0,
            output_shape=ids[box].shape,
        )  # fmt: skip
    return ids, "axes reordered" if whole else "resampled"


def are_consecutive(values: npt.NDArray[Any]) -> bool:
    """Whether the values of a label map, without 0, are nearly all numbers of classes from 1 (or 0) on."""
    values = values[values != 0]
    if values.size < _FEWEST_CLASSES or values.min() < 0:
        return False
    largest = int(values.max())
    return int(values.min()) <= 2 and largest <= _MOST_CLASSES and values.size >= (1 - _LARGEST_GAP) * largest


def region_voxels(ids: npt.NDArray[Any], protocol: Protocol) -> npt.NDArray[np.int64]:
    """Count the voxels of each of the protocol's regions, (n_regions,); `ids` of any shape."""
    return np.bincount(protocol.places(ids).reshape(-1), minlength=protocol.n_regions + 3)[: protocol.n_regions]


def flat(volume: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a Fortran-ordered volume as one row, in memory order."""
    return volume.reshape(-1, order="F")


def _fortran(labels: Scan) -> Scan:
    return replace(labels, data=np.asfortranarray(labels.data))


def _no_region(path: Path, protocol: Protocol, expected: str, ids: npt.NDArray[Any]) -> CohortError:
    """Return the error for a map without a region of the protocol, with what it holds; `ids` are those that are not 0."""
    regions = f"the {protocol.n_regions} regions of protocol {protocol.name}"
    values = np.unique(ids)
    if not values.size:
        found = "the map is empty"
    elif are_consecutive(values):
        found = f"values {values[0]} to {values[-1]}, probably consecutive class numbers"
    else:
        shown = ", ".join(map(str, values[:6])) + (f" and {values.size - 6} more" if values.size > 6 else "")
        found = f"values {shown}"
    return CohortError(f"{path}: none of {regions} found ({found}); expected a label map in {expected}")


def _box_in(shape: tuple[int, ...], to_reference: npt.NDArray[Any], ids: npt.NDArray[np.int32]) -> tuple[slice, ...] | None:
    """Return the part of the reference's grid that contains the labelled part of a map; None if there is none."""
    ends = []
    for axis in range(3):
        along = np.flatnonzero(ids.any(axis=tuple(other for other in range(3) if other != axis)))
        if not along.size:
            return None
        ends.append([along[0] - 1.0, along[-1] + 1.0])
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    moved = corners @ to_reference[:3, :3].T + to_reference[:3, 3]
    low, high = np.floor(moved.min(axis=0)).astype(int), np.ceil(moved.max(axis=0)).astype(int) + 1
    box = tuple(slice(max(0, int(a)), min(n, int(b))) for a, b, n in zip(low, high, shape, strict=True))
    return box if all(side.start < side.stop for side in box) else None
