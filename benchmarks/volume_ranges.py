"""Make darts_ensemble/results/volume_ranges.tsv: the range of usual volumes of each region.

    python benchmarks/volume_ranges.py SUBJECTS_DIR sub-01 sub-02 ... > darts_ensemble/results/volume_ranges.tsv

From half the smallest to one and a half times the largest volume in the subjects' `aparc.DKTatlas+aseg.mgz`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from darts_ensemble.results.volumetry import region_volumes
from darts_ensemble.scans.scan import read_label_map


def main() -> None:
    """Print the table."""
    folder, *subjects = sys.argv[1:]
    volumes = {}
    for subject in subjects:
        labels = read_label_map(Path(folder) / subject / "mri" / "aparc.DKTatlas+aseg.mgz")
        volumes[subject] = region_volumes(labels.data, labels.affine).set_index(["region_id", "region_name"])["volume_mm3"]
    table = pd.DataFrame(volumes)
    ranges = pd.DataFrame({"low_mm3": (table.min(axis=1) / 2).round(), "high_mm3": (table.max(axis=1) * 1.5).round()})
    ranges.reset_index().to_csv(sys.stdout, sep="\t", index=False)


if __name__ == "__main__":
    main()
