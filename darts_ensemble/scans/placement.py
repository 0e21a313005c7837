"""The position of the voxels of an image in millimetres, read from the header like FreeSurfer, nibabel and FSL; sizes of heads.

The sform has priority over the qform, as in FreeSurfer and nibabel. If something was guessed, a warning names the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from darts_ensemble.errors import ScanError

__all__ = ["LARGEST_FIELD", "LARGEST_VOXEL", "SMALLEST_VOXEL", "check_size", "placement"]

Affine = npt.NDArray[np.float64]

#: Millimetres: no head is wider; scans that show regions are neither coarser nor finer.
LARGEST_FIELD, LARGEST_VOXEL, SMALLEST_VOXEL = 500.0, 6.0, 0.2
#: Millimetres of a metre and a micron, by their NIfTI codes; a unit that is not stated is the millimetre.
_UNITS = {1: 1000.0, 3: 0.001}
#: Share by which a voxel of the sform may differ from pixdim, and cosine of the angle between its axes.
_SCALE, _SHEAR = 0.02, 0.02
#: Millimetres between the corners of an image by its sform and by its qform that a registration may leave.
_FAR = 10.0
#: FreeSurfer's assumption if an MGH file does not state its orientation: coronal slices, LIA, 1 mm.
_CORONAL = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def placement(image: Any) -> tuple[Affine, list[str]]:
    """Return the affine of an image from voxel indices to RAS millimetres, and what was guessed, a phrase each.

    If the sform scales or shears, the rigid qform is used if there is one, else the nearest rotation with pixdim, so that
    volumes are those of the scanner's space.
    """
    header, shape = image.header, image.shape[:3]
    if isinstance(image, nib.MGHImage):
        if header["goodRASFlag"] == 1:
            return np.asarray(image.affine, dtype=np.float64), []
        return _centred(_CORONAL, shape), ["no orientation in the header (goodRASFlag 0): taken as coronal slices (LIA), 1 mm"]
    if not isinstance(header, nib.Nifti1Header):
        return np.asarray(image.affine, dtype=np.float64), []
    factor = _UNITS.get(int(header["xyzt_units"]) & 7, 1.0)
    scale = np.diag([factor, factor, factor, 1.0])
    with np.errstate(invalid="ignore"):  # of a form that is not a number, which is not used
        sform, qform = (None if one is None else scale @ one for one in _forms(header))
    zooms = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64)) * factor
    if sform is None and qform is None:
        guess = "no orientation in the header (qform_code and sform_code 0): taken as LAS, sides may be exchanged"
        return scale @ np.asarray(header.get_base_affine(), dtype=np.float64), [guess]
    if sform is None or (qform is not None and not _usable(sform)):
        assert qform is not None
        return qform, [] if sform is None else ["the sform is singular: the qform is used"]
    if _stretched(sform, zooms):
        return _unstretched(sform, qform, zooms, int(header["sform_code"]))
    return sform, [] if qform is None else _disagreement(sform, qform, shape)


def check_size(path: Path, affine: Affine, shape: Sequence[int]) -> None:
    """Refuse a grid that no scan of a head can have, before its voxels are read.

    Raises
    ------
    ScanError
        If the field of view is over 500 mm, or voxels are over 6 or under 0.2 mm.
    """
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    field = zooms * np.array(shape)
    if zooms.max() <= LARGEST_VOXEL and zooms.min() >= SMALLEST_VOXEL and field.max() <= LARGEST_FIELD:
        return
    raise ScanError(
        f"{path}: voxels of {_times(zooms)} mm, a field of view of {_times(field)} mm; expected voxels of "
        f"{SMALLEST_VOXEL:g} to {LARGEST_VOXEL:g} mm and at most {LARGEST_FIELD:g} mm of a head: "
        "are voxel size and unit right in the header?"
    )


def _forms(header: Any) -> tuple[Affine | None, Affine | None]:
    """Return the sform and the qform of a header; None for one that is missing or can't be computed."""
    sform = header.get_sform(coded=True)[0]
    try:
        qform = header.get_qform(coded=True)[0]
    except (ValueError, nib.spatialimages.HeaderDataError):  # a quaternion of no rotation
        qform = None
    if qform is not None and not _usable(qform):
        qform = None
    return sform, qform


def _usable(affine: Affine) -> bool:
    return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9)


def _stretched(affine: Affine, zooms: npt.NDArray[np.float64]) -> bool:
    """Whether an sform scales voxels away from pixdim, or shears them."""
    if not _usable(affine):
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / lengths
    shear = np.abs(axes.T @ axes - np.eye(3)).max()
    return bool(shear > _SHEAR or (zooms.min() > 0 and np.abs(lengths / zooms - 1).max() > _SCALE))


def _unstretched(sform: Affine, qform: Affine | None, zooms: npt.NDArray[np.float64], code: int) -> tuple[Affine, list[str]]:
    lengths = np.linalg.norm(sform[:3, :3], axis=0)
    what = f"the sform scales or shears (voxels of {_times(lengths)} mm in it, {_times(zooms)} mm in pixdim)"
    if qform is not None:
        return qform, [f"{what}: the qform is used, volumes are the scanner's mm3"]
    if code < 3 or zooms.min() <= 0:  # scanner or aligned: there is no other statement of how the voxels lie
        return sform, [f"{what}: the sform is used, there is no qform"]
    left, _, right = np.linalg.svd(sform[:3, :3] / lengths)
    rigid = sform.copy()
    rigid[:3, :3] = (left @ right) * zooms
    return rigid, [f"{what}: its rotation with pixdim is used, volumes are the scanner's mm3"]


def _disagreement(sform: Affine, qform: Affine, shape: Sequence[int]) -> list[str]:
    """Return why sform and qform can't both be right."""
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        return ["sform and qform disagree on left and right: the sform is used"]
    ends = np.stack(np.meshgrid(*((0, n - 1) for n in shape), indexing="ij"), axis=-1).reshape(-1, 3)
    apart = np.linalg.norm(ends @ (sform - qform)[:3, :3].T + (sform - qform)[:3, 3], axis=1).max()
    return [f"sform and qform are up to {apart:.0f} mm apart: the sform is used"] if apart > _FAR else []


def _centred(linear: Affine, shape: Sequence[int]) -> Affine:
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = -linear @ (np.array(shape) / 2)
    return affine


def _times(values: npt.NDArray[np.float64]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
