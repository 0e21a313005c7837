"""Phantom heads on disk with a run of darts-eval on them: two boxes per hemisphere, in any orientation of the axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.labels import REGION_BY_ID
from tests.phantoms.results_folder import write_results

#: World boxes in mm, RAS: left putamen and hippocampus are at x < 0, and unlike the right ones in size.
BOXES = {
    12: ((-20, -10), (-10, 14), (2, 10)), 51: ((12, 18), (-8, 10), (2, 10)),
    17: ((-22, -12), (-20, 0), (-14, -8)), 53: ((14, 20), (-20, -4), (-14, -8)),
}  # fmt: skip
#: A bright spot of the scan, right of the midline, in front of and above the boxes.
SPOT = ((20, 24), (20, 24), (4, 8))
SHAPE = 60


def ras_affine(voxel: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> npt.NDArray[np.float64]:
    """Affine of a RAS grid of 60 mm about the origin."""
    affine = np.diag([*voxel, 1.0])
    affine[:3, 3] = -SHAPE / 2 + np.array(voxel) / 2
    return affine


def paint(boxes: Mapping[int, Sequence[tuple[int, int]]], affine: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Fill world boxes of a RAS grid with ids."""
    sizes = np.diag(affine)[:3]
    shape = np.rint(SHAPE / sizes).astype(int)
    volume = np.zeros(shape, dtype=np.int16)
    for id_, box in boxes.items():
        cut = [slice(round((a + SHAPE / 2) / s), round((b + SHAPE / 2) / s)) for (a, b), s in zip(box, sizes, strict=True)]
        volume[tuple(cut)] = id_
    return volume


def reoriented(data: npt.NDArray[Any], affine: npt.NDArray[np.float64], codes: str) -> nib.Nifti1Image:
    """The same image stored with its axes in another order and direction, such as "LIA"."""
    image = nib.Nifti1Image(data, affine)
    wanted = nib.orientations.axcodes2ornt(tuple(codes))
    return image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(affine), wanted))


def dice(one: npt.NDArray[Any], two: npt.NDArray[Any], id_: int) -> float:
    a, b = one == id_, two == id_
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def phantom_run(
    folder: Path, *, methods: Sequence[str] = ("freesurfer", "ensemble"), n_subjects: int = 3, orientation: str = "RAS",
    scan_orientation: str = "RAS", voxel: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Path:  # fmt: skip
    """Write scans, references and label maps, each method shifting the boxes further, and the results folder of the run."""
    affine = ras_affine(voxel)
    account: dict[str, Any] = {"references": {}, "scans": {}, "label_maps": {method: {} for method in methods}}
    rows = []
    for number in range(n_subjects):
        subject = f"sub-{number + 1:02d}"
        reference = paint(BOXES, affine)
        scan = np.where(reference > 0, 80, 40).astype(np.int16)
        scan[paint({1: SPOT}, affine) > 0] = 100
        paths = {name: folder / name / f"{subject}.nii.gz" for name in ("reference", "scan", *methods)}
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(reoriented(reference, affine, orientation), paths["reference"])
        nib.save(reoriented(scan, affine, scan_orientation), paths["scan"])
        account["references"][subject], account["scans"][subject] = str(paths["reference"]), str(paths["scan"])
        for place, method in enumerate(methods):
            shift = number + 1 + place
            prediction = paint({i: (x, (a + shift, b + shift), z) for i, (x, (a, b), z) in BOXES.items()}, affine)
            nib.save(reoriented(prediction, affine, orientation), paths[method])
            account["label_maps"][method][subject] = str(paths[method])
            for id_ in BOXES:
                region, n_ref, n_pred = REGION_BY_ID[id_], int((reference == id_).sum()), int((prediction == id_).sum())
                mm3, value = float(np.prod(voxel)), dice(reference, prediction, id_)
                rows.append({
                    "subject": subject, "family": "", "method": method, "region_id": id_, "region_name": region.name,
                    "hemisphere": region.hemisphere, "group": region.group, "status": "scored", "seen_in_training": False,
                    "n_ref_voxels": n_ref, "n_pred_voxels": n_pred, "volume_ref_mm3": n_ref * mm3,
                    "volume_pred_mm3": n_pred * mm3, "dice": value, "jaccard": value / (2 - value),
                })  # fmt: skip
    return write_results(folder / "results", pd.DataFrame(rows), account)
