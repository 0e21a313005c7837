"""Bring a scan to LIA, 1 mm, 256^3, and label maps to that grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy import ndimage

from darts_ensemble.scans.intensities import from_air_up
from darts_ensemble.scans.scan import Scan

__all__ = ["CONFORMING", "Conformed", "conform", "conform_labels", "whole_voxel_map"]

Affine = npt.NDArray[np.float64]

#: Version of this step. It is raised whenever the same scan gives other voxels than before, so that a conformed volume kept
#: on disk by an earlier version is not used again.
CONFORMING = 3
#: A scan whose brightest voxel is below this is not on the scale of 0 to 255.
_DARKEST_WHITE = 32
#: Columns: directions of the axes of a conformed volume, left, inferior, anterior.
LIA = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Conformed:
    """A scan on the network's grid.

    Attributes
    ----------
    data : (n, n, n) float32
        LIA, 1 mm, 0 to 255; n is 256 or a larger multiple of 16.
    affine : (4, 4) float64
    scan : Scan
    identical : bool
        Whether the scan was already on such a grid and `data` holds its voxels as they are.
    notes : tuple of str
        One sentence for each change to the intensities.
    """

    data: npt.NDArray[np.float32]
    affine: Affine
    scan: Scan
    identical: bool
    notes: tuple[str, ...] = ()


def conform(scan: Scan, *, size: int = 256) -> Conformed:
    """Resample a scan to LIA, 1 mm, at least `size` voxels along each axis.

    FreeSurfer's convention: the centre of the scan (voxel shape / 2) is placed at voxel n / 2. The centre is computed after
    the axes are in LIA order, so that the storage order of a scan makes no difference. A scan with 1 mm voxels along the axes
    of space is copied voxel by voxel. Any other scan is interpolated once, linearly, after a Gaussian low-pass filter along
    the axes that are finer than 1 mm.

    Parameters
    ----------
    scan : Scan
    size : int
        Smallest number of voxels along an axis; it grows in steps of 16 if tissue would lie outside.
    """
    raw, remarks = from_air_up(scan.data, scan.path, abs(float(np.linalg.det(scan.affine[:3, :3]))))
    conformed = _conformed(replace(scan, data=raw), size)
    return replace(conformed, scan=scan, notes=remarks)


def _conformed(scan: Scan, size: int) -> Conformed:
    """Conform a scan whose air is dark."""
    reorder = ornt_transform(io_orientation(scan.affine), axcodes2ornt(("L", "I", "A")))
    data = nib.apply_orientation(scan.data, reorder)
    affine = scan.affine @ nib.orientations.inv_ornt_aff(reorder, scan.data.shape)
    if data.shape == (size,) * 3 and np.allclose(affine[:3, :3], LIA, atol=1e-4):
        # Values from 0 to 1 are another scale, not a nearly empty scan on the scale of 0 to 255.
        same = scan.data.dtype == np.uint8 or bool(data.min() >= 0 and _DARKEST_WHITE <= data.max() <= 255)
        values = data.astype(np.float32) if same else _to_bytes(data)
        return Conformed(np.ascontiguousarray(values), affine, scan, identical=same)
    values = data.astype(np.float32) if scan.data.dtype == np.uint8 else _to_bytes(data)
    aligned = np.allclose(affine[:3, :3], LIA, atol=1e-4)
    middle = np.array(data.shape) // 2 if aligned else np.array(data.shape) / 2
    centre = affine[:3, :3] @ middle + affine[:3, 3]
    n = _window(values, affine, centre, size)
    target = np.eye(4)
    target[:3, :3] = affine[:3, :3] if aligned else LIA
    target[:3, 3] = centre - target[:3, :3] @ np.full(3, n / 2)
    if aligned:
        return Conformed(_place(values, np.full(3, n // 2) - middle, n), target, scan, identical=False)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # A Gaussian of FWHM sqrt(1 - spacing^2) mm gives voxels of size `spacing` the resolution of 1 mm voxels.
    sigma = np.sqrt(np.clip(1 - spacing**2, 0, None)) / 2.3548 / spacing
    if sigma.max() > 0.05:
        values = ndimage.gaussian_filter(values, sigma, mode="nearest")
    to_scan = np.linalg.inv(affine) @ target
    resampled = ndimage.affine_transform(
        values, to_scan[:3, :3], to_scan[:3, 3], output_shape=(n, n, n), order=1, output=np.float32
    )
    return Conformed(np.clip(resampled, 0, 255, out=resampled), target, scan, identical=False)


def conform_labels(labels: Scan, conformed: Conformed) -> npt.NDArray[np.int32]:
    """Bring a label map (or mask) to the grid of a conformed scan by nearest neighbour, through the affines.

    Returns
    -------
    ndarray of int32, (n, n, n)
    """
    to_labels = np.linalg.inv(labels.affine) @ conformed.affine
    return ndimage.affine_transform(
        labels.data.astype(np.int32),
        to_labels[:3, :3],
        to_labels[:3, 3],
        output_shape=conformed.data.shape,
        order=0,
        output=np.int32,
    )


def whole_voxel_map(matrix: Affine) -> bool:
    """Whether a voxel-to-voxel affine only permutes axes, flips them, and shifts by whole voxels."""
    return bool(
        np.allclose(matrix[:3], np.rint(matrix[:3]), atol=1e-3) and np.allclose(np.abs(np.rint(matrix[:3, :3])).sum(axis=0), 1)
    )


def _to_bytes(data: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Scale raw intensities to 0..255: the 99.9th percentile of the positive voxels becomes 255, values below 0 become 0."""
    stored = data.ravel(order="K")  # in memory order: a mask is then applied many times faster
    positive = stored[stored > 0]
    top = float(np.percentile(positive, 99.9)) if positive.size else 1.0
    values = data.astype(np.float32)
    values *= np.float32(255 / max(top, 1e-30))  # in place: each copy of a fine scan would take gigabytes
    return np.clip(values, 0, 255, out=values)


def _window(values: npt.NDArray[np.float32], affine: Affine, centre: npt.NDArray[np.float64], size: int) -> int:
    """Side of the cube, `size` or a larger multiple of 16, that holds all tissue (voxels over a tenth of the maximum)."""
    tissue = values > 0.1 * values.max()
    ends = [np.flatnonzero(tissue.any(axis=tuple(a for a in range(3) if a != axis)))[[0, -1]] for axis in range(3)]
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    away = np.abs(corners @ affine[:3, :3].T + affine[:3, 3] - centre).max()
    return max(size, int(np.ceil(2 * (away + 1) / 16)) * 16)


def _place(values: npt.NDArray[np.float32], offset: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.float32]:
    placed = np.zeros((n, n, n), dtype=np.float32)
    source = tuple(slice(max(0, -o), min(s, n - o)) for o, s in zip(offset, values.shape, strict=True))
    goal = tuple(slice(s.start + o, s.stop + o) for s, o in zip(source, offset, strict=True))
    placed[goal] = values[source]
    return placed
