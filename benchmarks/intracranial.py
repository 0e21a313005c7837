"""The estimate of the intracranial volume, beside FreeSurfer's brain masks where there are any.

    python benchmarks/intracranial.py SUBJECTS_DIR [SUBJECT ...]

The estimate is made from `mri/aparc.DKTatlas+aseg.mgz` (or `aparc+aseg.mgz`) of each subject and compared with the volume of
all regions and with the volume of `mri/brainmask.mgz` (FreeSurfer's MaskVol: voxels above 0), which is the brain and the fluid
around it. "ventricles" are the lateral ventricles with their inferior horns, the third and the fourth; "residual" is the
distance, in mm, that the fit leaves between the regions and those of the template. FreeSurfer's own eTIV
needs its transform to the atlas, which these folders lack.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from darts_ensemble.results.intracranial import estimated_intracranial_volume, fit_to_template, region_centres
from darts_ensemble.results.volumetry import region_volumes
from darts_ensemble.scans.scan import read_label_map, read_scan

#: Preferred first.
LABEL_MAPS = ("aparc.DKTatlas+aseg.mgz", "aparc+aseg.mgz")
#: Lateral ventricles, inferior horns, third and fourth ventricle.
VENTRICLES = (4, 43, 5, 44, 14, 15)


def row_of(folder: Path) -> dict[str, float]:
    """Volumes of a subject in cm^3, and the residual of the fit in mm; the mask is NaN where there is none."""
    labels = read_label_map(next(path for name in LABEL_MAPS if (path := folder / "mri" / name).is_file()))
    centres = region_centres(labels.data, labels.affine)
    volumes = region_volumes(np.clip(labels.data, 0, 2999), labels.affine).set_index("region_id")["volume_mm3"] / 1000
    mask = float("nan")
    if (path := folder / "mri" / "brainmask.mgz").is_file():
        scan = read_scan(path)
        mask = float((scan.data > 0).sum()) * abs(float(np.linalg.det(scan.affine[:3, :3]))) / 1000
    return {
        "estimate": (estimated_intracranial_volume(centres) or float("nan")) / 1000,
        "mask": mask,
        "regions": float(volumes.sum()),
        "ventricles": float(volumes[list(VENTRICLES)].sum()),
        "residual": fit_to_template(centres)[1],
    }


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("subjects", nargs="*")
    given = parser.parse_args()
    whole = [one.name for one in sorted(given.folder.iterdir()) if any((one / "mri" / name).is_file() for name in LABEL_MAPS)]
    table = pd.DataFrame({name: row_of(given.folder / name) for name in given.subjects or whole}).T
    table["estimate / mask"] = table["estimate"] / table["mask"]
    table["regions / mask"] = table["regions"] / table["mask"]
    table["regions / estimate"] = table["regions"] / table["estimate"]
    print(table.round(3).to_string())
    for name in ("estimate / mask", "regions / mask", "regions / estimate"):
        ratio = table[name].dropna()
        spread = f"mean {ratio.mean():.3f}, SD {ratio.std():.3f} ({100 * ratio.std() / ratio.mean():.1f} %)"
        print(f"{name}: {len(ratio)} people, {spread}, {ratio.min():.2f} to {ratio.max():.2f}")
    masked = table.dropna(subset=["mask"])
    print(f"correlations, {len(masked)} people")
    print(masked[["estimate", "mask", "regions"]].corr().round(3).to_string())


if __name__ == "__main__":
    main()
