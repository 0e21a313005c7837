"""The bundled ensemble on a real scan it was not trained on: as good as promised, sides right, in the memory promised."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from darts_ensemble.labels import REGIONS
from evaluation.cohort import choose_subjects, find_cohort
from evaluation.evaluate import score_cohort, segment_cohort, subject_means

SUBJECT = "sub-07"
MEMORY = """
import resource, sys
from darts_ensemble import Segmenter
Segmenter("bundled", device="cpu").segment(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.fixture(scope="module")
def segmented(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Label maps of every view and the ensemble, and their mean Dice over all regions."""
    out = tmp_path_factory.mktemp("bundled")
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    cohort = choose_subjects(find_cohort(shared_data / "subjects"), [SUBJECT])
    segmented = segment_cohort(cohort.subjects, "bundled", out)
    torch.set_num_threads(threads)
    assert not segmented.failures
    means = subject_means(score_cohort(cohort.subjects, segmented.methods).table)
    return out, means.set_index("method")


def test_ensemble_and_views_are_as_good_as_the_model_card_says(segmented: tuple[Path, pd.DataFrame]) -> None:
    means = segmented[1]["mean_dice"]
    assert means["ensemble"] >= 0.70
    assert means["coronal"] >= 0.60
    assert means["axial"] >= 0.60
    assert means["sagittal (sides merged)"] >= 0.60
    assert not segmented[1]["seen_in_training"].any()


def test_left_regions_lie_on_the_left_of_the_scan(segmented: tuple[Path, pd.DataFrame]) -> None:
    image = nib.load(segmented[0] / "ensemble" / f"{SUBJECT}.nii.gz")
    ids = np.asarray(image.dataobj)
    for region in REGIONS:
        if region.hemisphere != "left" or region.homologue is None:
            continue
        sides = []
        for one in (region.id, region.homologue):
            voxels = np.argwhere(ids == one)
            if len(voxels):
                sides.append((voxels.mean(axis=0) @ image.affine[:3, :3].T + image.affine[:3, 3])[0])
        if len(sides) == 2:
            assert sides[0] < sides[1], f"{region.name}: left is where x is smaller"


def test_a_whole_head_takes_less_than_six_gigabytes(shared_data: Path) -> None:
    scan = shared_data / "subjects" / SUBJECT / "mri" / "T1.mgz"
    done = subprocess.run([sys.executable, "-c", MEMORY, str(scan)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 6
