"""Make the training set of the bundled networks: one manifest, and the label maps in which doubtful voxels don't count.

    python benchmarks/bundled_training_set.py DATA OUT
    darts-train finetune --init bundled --data OUT/manifest.tsv --recipe OUT/recipe.yaml --views VIEW --threads 1 -o OUT/weights

DATA holds `subjects/` (a SUBJECTS_DIR) and `reruns/` (second FreeSurfer runs of some of them). Voxels that don't count in the
loss get the id 9999, which is none of the 102 regions:

- of a person with a Desikan map alone: bankssts and both poles with three voxels around them, and the regions whose borders
  differ between the two protocols, measured on the people who have both maps (mean Dice below 0.9);
- of a person with two FreeSurfer runs: voxels that the runs give to two different regions of the cortex.

People with `aseg.mgz` alone have their cortex as 3 and 42, which are none of the 102 regions either.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

IGNORED = 9999
DKT, DESIKAN, ASEG = "aparc.DKTatlas+aseg.mgz", "aparc+aseg.mgz", "aseg.mgz"
#: People never trained on: settings are chosen on three of them, the fourth is for one report.
HELD_OUT = ("sub-07", "sub-08", "ds002422-10", "spinoza-b")
#: bankssts, frontal pole and temporal pole, which DKT31 doesn't have.
NOT_IN_DKT = tuple(side + region for side in (1000, 2000) for region in (1, 32, 33))
AROUND = 3
SAME_BORDERS = 0.9

Labels = npt.NDArray[np.int32]


def read(path: Path) -> tuple[Labels, nib.MGHImage]:
    """Read a label map."""
    image = nib.load(path)
    return np.asarray(image.dataobj).astype(np.int32), image


def differing_regions(folders: Iterable[Path]) -> list[int]:
    """Return the cortical regions (1 to 35) of which the Desikan map differs from the DKT map, in the mean of both sides."""
    overlaps: dict[int, list[float]] = {}
    for folder in folders:
        if not ((folder / DKT).is_file() and (folder / DESIKAN).is_file()):
            continue
        one, other = read(folder / DKT)[0], read(folder / DESIKAN)[0]
        for region in set(np.unique(one[(one > 1000) & (one < 2036)]) % 1000) - {0}:
            for side in (1000, 2000):
                a, b = one == side + region, other == side + region
                overlaps.setdefault(int(region), []).append(2 * (a & b).sum() / (a.sum() + b.sum()))
    return sorted(region for region, dice in overlaps.items() if np.mean(dice) < SAME_BORDERS)


def without_desikan_borders(labels: Labels, differing: list[int]) -> Labels:
    """Return a Desikan map in which what DKT31 draws otherwise doesn't count."""
    extra = ndimage.binary_dilation(np.isin(labels, NOT_IN_DKT), iterations=AROUND)
    cortex = (labels > 1000) & (labels < 2036)
    doubtful = (extra & cortex) | (cortex & np.isin(labels % 1000, differing))
    return np.where(doubtful, IGNORED, labels).astype(np.int32)


def without_disagreement(labels: Labels, second: Labels) -> Labels:
    """Return a map in which voxels that a second run gives to another region of the cortex don't count."""
    cortex = (labels > 1000) & (second > 1000)
    return np.where(cortex & (labels != second), IGNORED, labels).astype(np.int32)


def rows_of(folder: Path, reruns: Path, out: Path, differing: list[int]) -> list[dict[str, str]]:
    """Return the rows of the manifest for one person; one row per scan."""
    name, mri = folder.name, folder / "mri"
    path = next(mri / name for name in (DKT, DESIKAN, ASEG) if (mri / name).is_file())
    second = reruns / name / "mri" / DKT
    if path.name == DESIKAN or second.is_file():
        labels, image = read(path)
        changed = (
            without_desikan_borders(labels, differing)
            if path.name == DESIKAN
            else without_disagreement(labels, read(second)[0])
        )
        print(f"{name}: {np.mean((changed != labels)[labels > 1000]):.3f} of the cortex doesn't count")
        path = out / "labels" / f"{name}.mgz"
        nib.save(nib.MGHImage(changed, image.affine), path)
    stripped = next((mri / one for one in ("brainmask.mgz", "brain.mgz") if (mri / one).is_file()), None)
    scans = [mri / one for one in ("T1.mgz", "orig.mgz") if (mri / one).is_file()]
    mask = stripped if scans else None
    return [
        {"subject": name + ("-orig" if scan.name == "orig.mgz" else ""), "scan": str(scan.resolve()),
         "labels": str(path.resolve()), "mask": str(mask.resolve()) if mask else "", "family": name}
        for scan in scans or [stripped]
    ]  # fmt: skip


def main() -> None:
    """Write the manifest and the changed label maps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    (given.out / "labels").mkdir(parents=True, exist_ok=True)
    folders = [folder for folder in sorted((given.data / "subjects").iterdir()) if folder.name not in HELD_OUT]
    differing = differing_regions(folder / "mri" for folder in folders)
    print("regions with other borders in the Desikan map:", *differing)
    rows = [row for folder in folders for row in rows_of(folder, given.data / "reruns", given.out, differing)]
    pd.DataFrame(rows).to_csv(given.out / "manifest.tsv", sep="\t", index=False)
    print(f"{len(folders)} people, {len(rows)} scans: {given.out / 'manifest.tsv'}")


if __name__ == "__main__":
    main()
