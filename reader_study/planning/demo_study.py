"""A small study to try out: the MNI152 template and an atlas of it, as three made-up methods.

The methods are the atlas unchanged, grown by one voxel, and moved by two. One can see the differences, but they have no
scientific use.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from darts_ensemble.demo import demo_reference, demo_scan
from darts_ensemble.labels import REGION_BY_ID
from darts_ensemble.scans.scan import Scan, read_label_map, read_scan, write_label_map
from reader_study.errors import StudyError
from reader_study.planning.regions import study_region

__all__ = ["lay_out_demo"]

_REGIONS = ("Caudate", "Insula", "Cingulate-Gyrus", "Thalamus")
_YAML = """\
title: Demo study
seed: 2019
readers: [demo]
scans: scans
methods:
  atlas: atlas
  grown: grown
  moved: moved
cases: [template]
practice: [mirrored]
practice_items: 2
regions: [{regions}]
modes: [rating, ranking]
ranked_share: 0.25
repeats: 0.1
guesses: 3
"""


def lay_out_demo(folder: Path) -> Path:
    """Write scans, label maps and `study.yaml` of the demo; return the path of the latter.

    Raises
    ------
    StudyError
        If the folder exists.
    ScanError
        If the package with the template is not installed.
    """
    if folder.exists():
        raise StudyError(f"{folder}: already there; expected a new folder for the demo")
    scan, atlas = demo_scan(), read_label_map(demo_reference())
    (folder / "scans").mkdir(parents=True)
    shutil.copyfile(scan, folder / "scans" / "template.nii.gz")
    _write_mirrored(read_scan(scan), folder / "scans" / "mirrored.nii.gz")
    for method, ids in {"atlas": atlas.data, "grown": _grown(atlas.data), "moved": _moved(atlas.data)}.items():
        write_label_map(ids, atlas, folder / method / "template.nii.gz")
        mirrored = Scan(atlas.path, _sides_exchanged(ids), _mirror(atlas.affine), nib.Nifti1Image(ids, _mirror(atlas.affine)))
        write_label_map(mirrored.data, mirrored, folder / method / "mirrored.nii.gz")
    path = folder / "study.yaml"
    path.write_text(_YAML.format(regions=", ".join(_REGIONS)), encoding="utf-8")
    return path


def _shown_ids() -> list[int]:
    return sorted({id_ for name in _REGIONS for ids in study_region(name).ids.values() for id_ in ids})


def _grown(ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return every region shown, one voxel wider where it does not meet another."""
    grown = ids.copy()
    for id_ in _shown_ids():
        rim = ndimage.binary_dilation(ids == id_) & ~np.isin(ids, _shown_ids())
        grown[rim] = id_
    return grown


def _moved(ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return np.roll(ids, (0, 2, 0), axis=(0, 1, 2))


def _mirror(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the affine of the mirrored voxels: left and right of space are exchanged."""
    return np.diag([-1.0, 1.0, 1.0, 1.0]) @ affine


def _sides_exchanged(ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    exchanged = ids.copy()
    for id_, region in REGION_BY_ID.items():
        if region.homologue is not None:
            exchanged[ids == id_] = region.homologue
    return exchanged


def _write_mirrored(scan: Scan, path: Path) -> None:
    image: Any = nib.Nifti1Image(np.asarray(scan.data), _mirror(scan.affine))
    nib.save(image, path)
