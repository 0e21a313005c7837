"""The bundled ensemble on a real scan it was not trained on: accuracy, sides and memory are as documented."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from darts_ensemble import Segmenter
from darts_ensemble.labels import REGION_IDS, REGIONS
from darts_ensemble.results.overlap import dice_of_regions, joint_histogram
from darts_ensemble.scans.scan import read_label_map
from tests.conftest import SOAK

SUBJECT = "sub-07"


@dataclass(frozen=True)
class Run:
    """Result of darts-eval: its folder, the mean Dice of each method, and the largest memory of the process in GiB."""

    out: Path
    means: pd.DataFrame
    peak: float


@pytest.fixture(scope="module")
def run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`darts-eval --gt SUBJECTS_DIR --subjects sub-07`, as a user runs it."""
    out = tmp_path_factory.mktemp("bundled")
    command = [
        sys.executable,
        "-m",
        "evaluation.commands.evaluate",
        "--gt",
        str(shared_data / "subjects"),
        "--subjects",
        SUBJECT,
    ]
    command += ["--metrics", "overlap", "--no-figures", "--no-report"]  # the labels are looked at, not the pictures
    done = subprocess.run([*command, "-o", str(out)], capture_output=True, text=True, check=False)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    assert done.returncode == 0, done.stderr
    return Run(out, pd.read_csv(out / "subjects.csv").set_index("method"), peak)


def test_ensemble_and_views_are_as_good_as_the_model_card_says(run: Run) -> None:
    dice = run.means["mean_dice"]
    assert dice["ensemble"] >= 0.791
    assert dice["coronal"] >= 0.755
    assert dice["axial"] >= 0.752
    assert dice["sagittal (sides merged)"] >= 0.770
    assert not run.means["seen_in_training"].any()


def test_left_regions_lie_on_the_left_of_the_scan(run: Run) -> None:
    for method in ("coronal", "axial", "sagittal", "ensemble"):
        image = nib.load(run.out / "segmentations" / method / f"{SUBJECT}.nii.gz")
        ids = np.asarray(image.dataobj)
        x = np.tensordot(image.affine[0, :3], np.indices(ids.shape, dtype=np.float32), axes=1)
        voxels = np.bincount(ids.ravel(), minlength=3000)
        place = np.bincount(ids.ravel(), weights=x.ravel(), minlength=3000) / np.maximum(voxels, 1)
        for region in REGIONS:
            if region.hemisphere == "left" and min(voxels[region.id], voxels[region.homologue]) > 20:
                right = place[region.homologue]
                assert place[region.id] < right, f"{method} {region.name}: left is where x is smaller"


def test_three_views_of_a_whole_head_take_less_than_six_gigabytes(run: Run) -> None:
    assert run.peak < 6


@pytest.mark.skipif(not SOAK, reason="a whole head looked at twice; DARTS_SOAK=1 runs it")
def test_looking_around_the_brain_alone_changes_next_to_no_label(run: Run, shared_data: Path) -> None:
    folder = shared_data / "subjects" / SUBJECT / "mri"
    near = np.asarray(nib.load(run.out / "segmentations" / "ensemble" / f"{SUBJECT}.nii.gz").dataobj)
    far = Segmenter(views=("coronal", "axial", "sagittal"), crop="head").segment(folder / "T1.mgz").ids
    reference = read_label_map(folder / "aparc.DKTatlas+aseg.mgz").data

    def dice(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return dice_of_regions(joint_histogram(one, other, labels=REGION_IDS.tolist(), background=0))

    assert np.nanmean(dice(near, far)) >= 0.995
    change = dice(near, reference) - dice(far, reference)
    assert abs(np.nanmean(change)) <= 0.001
    large = np.bincount(reference.ravel(), minlength=3000)[REGION_IDS] > 500
    assert np.nanmax(np.abs(change[large])) <= 0.01
