"""A scan with label maps to look at, made of the phantom brain: stored in any orientation, on any grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from tests.phantoms.brain import AFFINE, SHAPE, brain, save

#: Voxels of the 4 mm phantom that the second map moves from the left putamen to the left pallidum, about their middle.
PUTAMEN, PALLIDUM = 12, 13


@dataclass(frozen=True)
class ViewedCase:
    """Files of a case."""

    scan: Path
    first: Path
    second: Path
    agreement: Path


def scan_of(ids: np.ndarray) -> np.ndarray:
    """Intensities: air 0, tissue by id, right brighter than left, so that a mirrored picture is noticed."""
    return np.where(ids > 0, 60 + ids % 100, 0).astype(np.int16)


def reoriented(image: nib.Nifti1Image, codes: str) -> nib.Nifti1Image:
    """The same image stored with its axes in another order and direction, such as "PSR"."""
    change = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(codes)))
    return image.as_reoriented(change)


def write_case(folder: Path, codes: str = "LIA") -> ViewedCase:
    """Write scan, two label maps and the agreement of views; the scan's voxels are stored as `codes` say."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = brain()
    other = ids.copy()
    other[other == PUTAMEN] = PALLIDUM
    agreement = np.ones(SHAPE, dtype=np.float32)
    agreement[ids == PUTAMEN] = 0
    agreement[ids == PALLIDUM] = np.float32(1 / 3)
    scan = folder / "scan.nii.gz"
    nib.save(reoriented(nib.Nifti1Image(scan_of(ids), AFFINE), codes), scan)
    nib.save(nib.Nifti1Image(agreement, AFFINE), folder / "first_agreement.nii.gz")
    return ViewedCase(
        scan,
        save(folder / "first_dseg.nii.gz", ids),
        save(folder / "second_dseg.nii.gz", other),
        folder / "first_agreement.nii.gz",
    )
