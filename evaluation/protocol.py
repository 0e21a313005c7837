"""Bring a prediction to the grid of its reference and both to the 102 regions; count what was dropped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from darts_ensemble.conform import whole_voxel_map
from darts_ensemble.errors import CohortError
from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, classes_to_ids, foreign_ids, ids_to_classes
from darts_ensemble.scan import Scan, read_label_map

__all__ = ["Comparison", "Reference", "compare", "holds_class_indices", "on_grid_of", "read_prediction", "read_reference"]

#: Bankssts: the Desikan protocol labels it, DKT gave it up.
DESIKAN_ONLY = (1001, 2001)
#: Two brains of which less than this share of the smaller lies in the other are not the same head in the same place.
SMALLEST_OVERLAP = 0.1


@dataclass(frozen=True)
class Reference:
    """A label map to score against.

    Attributes
    ----------
    labels : Scan
        `data` holds FreeSurfer ids, int32.
    cortex_only : bool
        Whether the protocol labels the cortex alone.
    desikan : bool
        Whether the map follows the Desikan protocol (bankssts is labelled).
    """

    labels: Scan
    cortex_only: bool
    desikan: bool


@dataclass(frozen=True)
class Comparison:
    """Two label maps at the voxels that are scored.

    Attributes
    ----------
    reference, prediction : (n,) uint8
        Class indices; voxels that are background in both are left out.
    masked : dict of int to int
        Reference ids outside the 102 and their voxels, which were taken out of both maps.
    dropped : dict of int to int
        Prediction ids outside the 102 and their voxels, which became background.
    """

    reference: npt.NDArray[np.uint8]
    prediction: npt.NDArray[np.uint8]
    masked: dict[int, int]
    dropped: dict[int, int]


def read_reference(path: Path, *, cortex_only: bool = False) -> Reference:
    """Read a reference.

    Raises
    ------
    ScanError
        If it can't be read.
    CohortError
        If it holds none of the 102 regions.
    """
    labels = read_label_map(path)
    if not _has_region(labels.data):
        raise CohortError(f"{path}: none of the 102 regions found; expected a label map in FreeSurfer ids")
    return Reference(labels, cortex_only, desikan=any(bool((labels.data == id_).any()) for id_ in DESIKAN_ONLY))


def read_prediction(path: Path, reference: Reference) -> npt.NDArray[np.int32]:
    """Read a prediction as FreeSurfer ids on the grid of a reference.

    Class-index maps of the original DARTS (0 to 102, background 102) are recognised and turned into ids.

    Returns
    -------
    ndarray of int32
        Shape of the reference; all 0 where the file is empty.

    Raises
    ------
    ScanError
        If the file can't be read.
    CohortError
        If it holds ids, but none of the 102, or lies elsewhere than the reference.
    """
    labels = read_label_map(path)
    ids = labels.data
    if holds_class_indices(ids):
        ids = classes_to_ids(ids).astype(np.int32)
    if ids.any() and not _has_region(ids):
        raise CohortError(f"{path}: none of the 102 regions found; expected FreeSurfer ids or DARTS class indices")
    return on_grid_of(reference.labels, Scan(path, ids, labels.affine, labels.image))


def holds_class_indices(values: npt.NDArray[Any]) -> bool:
    """Whether a map is one of the original DARTS: class indices 0 to 102 in which background, the commonest, is 102.

    A map of FreeSurfer ids has 0 for its commonest value.
    """
    if values.min() < 0 or values.max() != BACKGROUND_CLASS:
        return False
    return int(np.bincount(values.ravel(order="K")).argmax()) == BACKGROUND_CLASS


def on_grid_of(reference: Scan, prediction: Scan) -> npt.NDArray[np.int32]:
    """Bring a label map to the grid of another, by nearest neighbour through the affines; 0 outside.

    Raises
    ------
    CohortError
        If the two brains don't overlap.
    """
    ids = prediction.data
    same_shape = ids.shape == reference.data.shape
    if not (same_shape and np.allclose(prediction.affine, reference.affine, atol=1e-3)):
        matrix = np.linalg.inv(prediction.affine) @ reference.affine
        if whole_voxel_map(matrix):
            matrix = np.rint(matrix)
        ids = ndimage.affine_transform(
            ids, matrix[:3, :3], matrix[:3, 3], output_shape=reference.data.shape, order=0, output=np.int32
        )
    _refuse_other_place(reference, prediction, ids, same_shape)
    return ids


def compare(reference: npt.NDArray[Any], prediction: npt.NDArray[Any]) -> Comparison:
    """Bring two maps of FreeSurfer ids on one grid to the protocol of the 102 regions.

    Voxels whose reference id is neither one of the 102 nor 0 are masked out of both maps: the reference does not say which
    of the 102 they are. Prediction ids outside the 102 become background.
    """
    one, two = (reference, prediction) if reference.flags.c_contiguous else (reference.T, prediction.T)
    one, two = one.reshape(-1), two.reshape(-1)
    foreground = np.flatnonzero((one != 0) | (two != 0))
    one, two = one[foreground], two[foreground]
    reference_classes, prediction_classes = ids_to_classes(one), ids_to_classes(two)
    masked, foreign = reference_classes == IGNORE_CLASS, prediction_classes == IGNORE_CLASS
    prediction_classes[foreign] = BACKGROUND_CLASS
    return Comparison(
        reference_classes[~masked], prediction_classes[~masked], foreign_ids(one[masked]), foreign_ids(two[foreign])
    )


def _has_region(ids: npt.NDArray[Any]) -> bool:
    flat = ids.ravel(order="K")  # as it lies in memory: any other order is a slow copy
    return bool((ids_to_classes(flat[flat != 0]) < BACKGROUND_CLASS).any())


def _refuse_other_place(reference: Scan, prediction: Scan, moved: npt.NDArray[np.int32], same_shape: bool) -> None:
    brain = reference.data != 0
    # In voxels of the reference, and counted before what falls outside its grid is lost.
    scale = abs(np.linalg.det(prediction.affine[:3, :3]) / np.linalg.det(reference.affine[:3, :3]))
    size = min(float(np.count_nonzero(brain)), float(np.count_nonzero(prediction.data) * scale))
    if size and np.count_nonzero(brain & (moved != 0)) < SMALLEST_OVERLAP * size:
        hint = "the shapes agree: was its affine lost?" if same_shape else "is it in the space of the same scan?"
        raise CohortError(f"{prediction.path}: its brain does not overlap that of {reference.path}; expected one place: {hint}")
