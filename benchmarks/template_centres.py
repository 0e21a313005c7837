"""Make darts_ensemble/results/template_centres.tsv: where the regions lie in the MNI152 template.

    python benchmarks/template_centres.py demo_output/results/segmentations/ensemble/MNI152.nii.gz \
        > darts_ensemble/results/template_centres.tsv

The label map is the one that `make demo` writes.
"""

from __future__ import annotations

import sys

import pandas as pd

from darts_ensemble.labels import REGIONS
from darts_ensemble.results.intracranial import region_centres
from darts_ensemble.scans.scan import read_label_map


def main() -> None:
    """Print the table."""
    labels = read_label_map(sys.argv[1])
    centres = region_centres(labels.data, labels.affine).round(1)
    table = pd.DataFrame(centres, columns=["x_mm", "y_mm", "z_mm"])
    table.insert(0, "region_name", [region.name for region in REGIONS])
    table.insert(0, "region_id", [region.id for region in REGIONS])
    table.to_csv(sys.stdout, sep="\t", index=False)


if __name__ == "__main__":
    main()
