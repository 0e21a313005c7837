"""Planes of a volume in the radiological convention: the patient's right is on the left of axial and coronal pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

__all__ = ["EDGES", "VIEW_AXES", "Window", "cut_plane", "largest_slice", "to_canonical", "window_around"]

#: Axis of a RAS volume along which the slices of each view are stacked.
VIEW_AXES = {"axial": 2, "coronal": 1, "sagittal": 0}
#: Directions at the left, right, top and bottom of each view's pictures.
EDGES = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}


@dataclass(frozen=True)
class Window:
    """A part of a plane, in mm from the picture's upper left corner."""

    left: float
    right: float
    top: float
    bottom: float


def to_canonical(volume: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> tuple[npt.NDArray[Any], tuple[float, ...]]:
    """Reorder the axes of a volume to those nearest to right, anterior, superior (RAS).

    Parameters
    ----------
    volume : (x, y, z) ndarray
        In any orientation; an oblique volume is shown along its own axes.
    affine : (4, 4) ndarray

    Returns
    -------
    volume : ndarray
        A NumPy view of the same voxels.
    voxel_sizes : tuple of float
        mm, of the reordered axes.
    """
    orientation = nib.io_orientation(affine)
    sizes = np.sqrt((np.asarray(affine)[:3, :3] ** 2).sum(axis=0))
    ordered = sizes[np.argsort(orientation[:, 0])]
    return nib.apply_orientation(volume, orientation), tuple(float(size) for size in ordered)


def cut_plane(canonical: npt.NDArray[Any], view: str, index: int) -> npt.NDArray[Any]:
    """Return a slice of a RAS volume as a picture's rows from the top and columns from the left.

    Axial and coronal pictures have the patient's right on the left (radiological convention), sagittal ones anterior on the
    left; axial pictures have anterior at the top, the others superior.
    """
    # Indexed, as np.take would copy the whole volume where it is Fortran-ordered.
    plane = np.moveaxis(canonical, VIEW_AXES[view], 0)[index]
    return plane[::-1, ::-1].T


def largest_slice(mask: npt.NDArray[np.bool_], view: str) -> int | None:
    """Return the slice that holds most of a RAS mask, the middle one if several are equal; None for an empty mask."""
    counts = mask.sum(axis=tuple(axis for axis in range(3) if axis != VIEW_AXES[view]))
    if not counts.any():
        return None
    ties = np.flatnonzero(counts == counts.max())
    return int(ties[len(ties) // 2])


def window_around(plane: npt.NDArray[np.bool_], pixel: tuple[float, float], *, margin: float, shape: float) -> Window:
    """Return the window that holds a mask and a margin around it.

    Parameters
    ----------
    plane : (rows, columns) ndarray of bool
        Not empty.
    pixel : (float, float)
        Height and width of a pixel, mm.
    margin : float
        mm.
    shape : float
        Width divided by height; the shorter side is extended to reach it.
    """
    ends = []
    for axis, size in enumerate(pixel):
        along = np.flatnonzero(plane.any(axis=1 - axis))
        ends.append((along[0] * size - margin, (along[-1] + 1) * size + margin))
    (top, bottom), (left, right) = ends
    more_width = max(0.0, shape * (bottom - top) - (right - left)) / 2
    more_height = max(0.0, (right - left) / shape - (bottom - top)) / 2
    return Window(left - more_width, right + more_width, top - more_height, bottom + more_height)
