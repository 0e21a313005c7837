"""Do bf16, fp16 and crops change labels? The bundled ensemble on real scans, against plain fp32 on the whole head.

    python benchmarks/precision.py SUBJECTS_DIR sub-07 [sub-08 ...] [--variants bf16,fp16,brain]

Mean Dice between the label maps (expected: 0.995 or more), and how far the Dice against `aparc.DKTatlas+aseg.mgz` changes: in
mean over the regions (0.001 or less), and most in a region of over 500 voxels (0.01 or less).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble import Segmenter
from darts_ensemble.labels import REGION_IDS
from darts_ensemble.overlap import dice_of_regions, joint_histogram
from darts_ensemble.scan import read_label_map

VARIANTS: dict[str, dict[str, Any]] = {
    "bf16": {"precision": "bf16", "crop": "head"},
    "fp16": {"precision": "fp16", "crop": "head"},
    "brain": {"precision": "fp32", "crop": "brain"},
}


def dice(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Dice of each of the 102 regions; NaN where neither map has it."""
    return dice_of_regions(joint_histogram(one, other, labels=REGION_IDS.tolist(), background=0))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects_dir", type=Path)
    parser.add_argument("subjects", nargs="+")
    parser.add_argument("--variants", default="bf16,brain")
    given = parser.parse_args()
    print("| subject | variant | mean Dice with plain | change in mean | largest change, regions over 500 voxels |")
    print("| --- | --- | --- | --- | --- |")
    for subject in given.subjects:
        folder = given.subjects_dir / subject / "mri"
        reference = read_label_map(folder / "aparc.DKTatlas+aseg.mgz").data
        large = np.bincount(reference.ravel(), minlength=3000)[REGION_IDS] > 500
        plain = Segmenter("bundled", device="cpu", precision="fp32", crop="head").segment(folder / "T1.mgz").ids
        before = dice(plain, reference)
        for name in given.variants.split(","):
            ids = Segmenter("bundled", device="cpu", **VARIANTS[name]).segment(folder / "T1.mgz").ids
            change = dice(ids, reference) - before
            cells = (np.nanmean(dice(ids, plain)), np.nanmean(change), np.nanmax(np.abs(change[large])))
            print(f"| {subject} | {name} | {cells[0]:.5f} | {cells[1]:+.5f} | {cells[2]:.5f} |", flush=True)


if __name__ == "__main__":
    main()
