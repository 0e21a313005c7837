"""Real scans turned, cropped, inverted, and of another contrast: the command says in one sentence what is probably wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from darts_ensemble.commands.segment import app
from darts_ensemble.scans.kinds import dark_white_matter
from tests.conftest import SOAK

pytestmark = pytest.mark.filterwarnings("ignore")
SUBJECT = "subjects/sub-07/mri/T1.mgz"
Change = Callable[[np.ndarray], np.ndarray]


def slab(axis: int, low: int, high: int) -> Change:
    """Only the planes from `low` to `high` along an axis (LIA: sides, down, front), the others are air."""

    def cut(data: np.ndarray) -> np.ndarray:
        kept = np.zeros_like(data)
        place = tuple(slice(low, high) if one == axis else slice(None) for one in range(3))
        kept[place] = data[place]
        return kept

    return cut


def inverted(data: np.ndarray) -> np.ndarray:
    return np.where(data > 15, 170 - np.minimum(data, 165), 0).astype(np.uint8)


#: What is done to a good scan, which lies left, down, front, and words of the sentence.
CHANGES: dict[str, tuple[Change, str]] = {
    "inverted": (inverted, "such as T2 or FLAIR"),
    "upside down": (lambda data: data[:, ::-1, ::-1], "upside down"),
    "upside down, sides exchanged": (lambda data: data[:, ::-1], "upside down"),
    "back to front": (lambda data: data[::-1, :, ::-1], "back to front"),
    "40 mm of planes": (slab(1, 90, 130), "40 mm from top to bottom"),
    "50 mm of the front": (slab(2, 150, 200), "from front to back"),
}
#: Whose sign one view shows, in a third of the time: white matter darker than the cortex.
ONE_VIEW = ("inverted",)


def run(scan: Path, out: Path, *words: str) -> tuple[int, dict, str]:
    """Exit code, row of the account, and what stderr says."""
    done = CliRunner().invoke(app, [str(scan), "-o", str(out), "--strict", "--json", "--threads", "1", *words])
    return done.exit_code, json.loads(done.stdout)["scans"][0], done.stderr


@pytest.mark.parametrize("change", CHANGES if SOAK else ONE_VIEW)
def test_a_scan_that_was_changed_is_doubted_and_the_cause_named(shared_data: Path, tmp_path: Path, change: str) -> None:
    source = nib.load(shared_data / SUBJECT)
    how, words = CHANGES[change]
    data = np.ascontiguousarray(how(np.asarray(source.dataobj)))
    nib.save(nib.MGHImage(data, source.affine), tmp_path / "changed.mgz")
    code, row, _ = run(tmp_path / "changed.mgz", tmp_path / "out", *(["--views", "coronal"] if change in ONE_VIEW else []))
    assert row["status"] == "wrote"
    assert row["suspicion"], f"agreement {row['mean_view_agreement']}, {row['flags'][:1]}"
    assert words in row["suspicion"]
    assert code == 1
    account = json.loads((tmp_path / "out/changed_quality.json").read_text(encoding="utf-8"))
    assert account["suspicion"] == row["suspicion"]


@pytest.mark.skipif(not SOAK, reason="two more scans of three views; DARTS_SOAK=1 runs it")
def test_a_clinical_t1_is_not_doubted_and_a_t2_is(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "unlabelled"
    code, row, _ = run(folder / "patient01_study1_T1W.nii.gz", tmp_path / "out")
    assert (code, row["suspicion"]) == (0, None)
    code, row, _ = run(folder / "M2307_T2.nii.gz", tmp_path / "out")
    assert code == 1
    assert "such as T2 or FLAIR" in row["suspicion"] or "is the contrast T1" in row["suspicion"]


@pytest.mark.skipif(not SOAK, reason="one view of thirty scans; DARTS_SOAK=1 runs it")
def test_no_t1_of_the_subjects_is_doubted(shared_data: Path, tmp_path: Path) -> None:
    doubted = {}
    for scan in sorted((shared_data / "subjects").glob("*/mri/T1.mgz")):
        code, row, _ = run(scan, tmp_path / "out", "--views", "coronal")
        if code or row["suspicion"]:
            doubted[row["name"]] = row["suspicion"]
    assert not doubted


@pytest.mark.skipif(not SOAK, reason="intensities of thirty people; DARTS_SOAK=1 runs it")
def test_white_matter_is_bright_in_every_t1_by_the_labels_of_freesurfer(shared_data: Path) -> None:
    dark, looked_at = [], 0
    for folder in sorted((shared_data / "subjects").glob("*/mri")):
        names = ("aparc.DKTatlas+aseg.mgz", "aparc+aseg.mgz", "aseg.mgz")
        ids = np.asarray(nib.load(next(folder / name for name in names if (folder / name).is_file())).dataobj)
        ids = np.where(np.isin(ids, (3, 42)), 1000, ids)  # the cortex of aseg
        for scan in (folder / name for name in ("T1.mgz", "brain.mgz", "orig.mgz", "brainmask.mgz")):
            if scan.is_file():
                looked_at += 1
                dark += [scan] if dark_white_matter(np.asarray(nib.load(scan).dataobj), ids) else []
    assert looked_at >= 30
    assert not dark
