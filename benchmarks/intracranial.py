"""The estimate of the intracranial volume beside FreeSurfer's brain masks.

    python benchmarks/intracranial.py SUBJECTS_DIR [SUBJECT ...]

The estimate is made of each subject's `mri/aparc.DKTatlas+aseg.mgz` and set beside the volume of
`mri/brainmask.mgz` (FreeSurfer's MaskVol: voxels above 0), which is the brain and the fluid around it, and beside the volume of
all labelled regions. FreeSurfer's own eTIV needs its transform to the atlas, which these folders lack.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from darts_ensemble.results.intracranial import estimated_intracranial_volume, region_centres
from darts_ensemble.results.volumetry import region_volumes
from darts_ensemble.scans.scan import read_label_map, read_scan


def row_of(folder: Path) -> dict[str, float]:
    """Estimate, mask and brain of a subject, mm^3."""
    labels = read_label_map(folder / "mri" / "aparc.DKTatlas+aseg.mgz")
    mask = read_scan(folder / "mri" / "brainmask.mgz")
    voxel = abs(float(np.linalg.det(mask.affine[:3, :3])))
    return {
        "estimate": estimated_intracranial_volume(region_centres(labels.data, labels.affine)) or float("nan"),
        "mask": float((mask.data > 0).sum()) * voxel,
        "regions": float(region_volumes(np.clip(labels.data, 0, 2999), labels.affine)["volume_mm3"].sum()),
    }


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("subjects", nargs="*")
    given = parser.parse_args()
    files = ("aparc.DKTatlas+aseg.mgz", "brainmask.mgz")
    whole = [one.name for one in sorted(given.folder.iterdir()) if all((one / "mri" / name).is_file() for name in files)]
    table = pd.DataFrame({name: row_of(given.folder / name) for name in given.subjects or whole}).T / 1000
    table["estimate / mask"] = table["estimate"] / table["mask"]
    table["regions / mask"] = table["regions"] / table["mask"]
    print(table.round(3).to_string())
    for name in ("estimate / mask", "regions / mask"):
        ratio = table[name]
        print(f"{name}: mean {ratio.mean():.3f}, SD {ratio.std():.3f} ({100 * ratio.std() / ratio.mean():.1f} %)")
    print(table[["estimate", "mask", "regions"]].corr().round(3).to_string())


if __name__ == "__main__":
    main()
