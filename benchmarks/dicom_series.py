"""How near our volumes of a DICOM series come to FreeSurfer's tables of the same scan.

    python benchmarks/dicom_series.py SERIES STATS_FOLDER -o out/ [--regions]

SERIES is a folder of DICOM files or a `.tar.xz` of one; STATS_FOLDER holds FreeSurfer's `aseg.stats` and
`[lr]h.aparc.DKTatlas40.stats` (or `DKTatlas`). The series is converted, segmented and written as a DICOM segmentation by
`darts-segment --dicom-seg`. Printed are, for each group of regions, the sum of both, the mean absolute
difference of a region in per cent of FreeSurfer's volume, and the correlation over the regions of the logarithms.

FreeSurfer's volumes of cortex come from surfaces and those of the other regions are corrected for partial volume: two
segmentations that agree in every voxel would not agree in these numbers.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np

from darts_ensemble.labels import REGION_BY_ID, REGIONS
from darts_ensemble.results.freesurfer_table import measure_lines
from darts_ensemble.results.intracranial import estimated_intracranial_volume, region_centres
from darts_ensemble.results.volumetry import region_volumes
from darts_ensemble.scans.scan import read_label_map

#: Regions of fewer mm^3 are not in the mean differences: a few voxels are a large share of them.
SMALLEST_MM3 = 300


def rows_of(path: Path) -> list[list[str]]:
    """Cells of a table of FreeSurfer's."""
    return [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]


def measures_of(table: str) -> dict[str, float]:
    """Values of the `Measure` lines of a table of FreeSurfer's."""
    lines = [line.split(", ") for line in table.splitlines() if line.startswith("# Measure ")]
    return {line[1]: float(line[3]) for line in lines}


def freesurfer_volumes(folder: Path) -> dict[int, float]:
    """FreeSurfer's volume of each region that its tables hold, mm^3, by id."""
    volumes = {int(row[1]): float(row[3]) for row in rows_of(folder / "aseg.stats")}
    number_of = {region.name: region.id for region in REGIONS}
    for side in ("lh", "rh"):
        path = next(folder.glob(f"{side}.aparc.DKTatlas*.stats"))
        volumes |= {number_of[f"ctx-{side}-{row[0]}"]: float(row[3]) for row in rows_of(path)}
    return {one: volume for one, volume in volumes.items() if one in REGION_BY_ID}


def segmented(series: Path, out: Path) -> Path:
    """Run the command on the series, and return its label map; one that is there already is kept."""
    if series.is_file():
        folder = out / "dicom" / "scan"
        if not folder.is_dir():
            with tarfile.open(series) as archive:
                archive.extractall(folder, filter="data")
        series = folder
    command = [sys.executable, "-m", "darts_ensemble.commands.segment", str(series), "-o", str(out), "--dicom-seg"]
    # In fp32, so that the numbers are the same on each processor.
    subprocess.run([*command, "--precision", "fp32"], check=True)
    return next(out.glob("*_dseg.nii.gz"))


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser()
    parser.add_argument("series", type=Path)
    parser.add_argument("stats", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--regions", action="store_true", help="also a row for each region")
    given = parser.parse_args()
    labels = read_label_map(segmented(given.series, given.out))
    theirs = freesurfer_volumes(given.stats)
    ours = region_volumes(labels.data, labels.affine).set_index("region_id")
    table = ours.loc[list(theirs)].assign(freesurfer_mm3=list(theirs.values()))
    table["difference_percent"] = 100 * (table["volume_mm3"] / table["freesurfer_mm3"] - 1)
    if given.regions:
        print(table[["region_name", "volume_mm3", "freesurfer_mm3", "difference_percent"]].round(1).to_string())
    print("group, regions, ours cm3, FreeSurfer cm3, mean |difference| %, median %, correlation of logarithms")
    groups = [(name, rows) for name, rows in table.groupby("group")]
    for name, rows in [*groups, ("all", table)]:
        large = rows[rows["freesurfer_mm3"] >= SMALLEST_MM3]
        sums = rows[["volume_mm3", "freesurfer_mm3"]].sum() / 1000
        pair = np.log(large[["volume_mm3", "freesurfer_mm3"]].clip(lower=1))
        r = pair.corr().iloc[0, 1] if len(large) > 2 else float("nan")
        off = large["difference_percent"].abs()
        told = f"{sums.iloc[0]:.1f}, {sums.iloc[1]:.1f}, {off.mean():.1f}, {off.median():.1f}, {r:.3f}"
        print(f"{name}, {len(large)} of {len(rows)}, {told}")
    own = measures_of("\n".join(measure_lines(ours.reset_index())))
    other = measures_of((given.stats / "aseg.stats").read_text())
    for name, value in own.items():
        same = other.get(name, other.get(name.replace("Cerebral", "Cortical"), float("nan")))
        print(f"{name}: ours {value:.0f}, FreeSurfer {same:.0f} ({100 * (value / same - 1):+.1f} %)")
    estimate = estimated_intracranial_volume(region_centres(labels.data, labels.affine)) or float("nan")
    print(f"estimated intracranial volume: ours {estimate:.0f}, MaskVol of FreeSurfer {other.get('MaskVol', float('nan')):.0f}")


if __name__ == "__main__":
    main()
