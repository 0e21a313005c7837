"""Scans of public BIDS data sets, by the names of their files: each T1w and UNIT1 is found, and nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from darts_ensemble.errors import CohortError, ScanError
from darts_ensemble.results.bids_label_maps import find_label_maps
from darts_ensemble.scans.inputs import find_scans
from evaluation.cohort.bids_scans import find_raw_scans
from tests.conftest import ROOT

LISTING = ROOT / "tests/fixtures/bids_examples.tsv"
with LISTING.open(encoding="utf-8", newline="") as opened:
    ROWS = list(csv.DictReader(opened, delimiter="\t"))
DATASETS = sorted({row["dataset"] for row in ROWS})
#: Derivatives of other programs: all their images are in a stated space.
DERIVATIVES = ("atlas-4S", "ds000001-spm")


def laid_out(dataset: str, folder: Path) -> tuple[Path, list[str]]:
    """Empty files with the names of a data set, and those that are scans."""
    scans = []
    for row in ROWS:
        if row["dataset"] != dataset:
            continue
        path = folder / row["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}" if path.suffix == ".json" else "", encoding="utf-8")
        if row["scan"]:
            scans.append(row["path"])
    return folder, sorted(scans)


@pytest.mark.parametrize("dataset", DATASETS)
def test_each_t1w_and_unit1_of_a_public_data_set_is_found_and_nothing_else(dataset: str, tmp_path: Path) -> None:
    root, scans = laid_out(dataset, tmp_path)
    if not scans:
        with pytest.raises(CohortError, match="no T1w or UNIT1 image"):
            find_raw_scans(root)
        return
    assert sorted(path.relative_to(root).as_posix() for path in find_raw_scans(root)) == scans


@pytest.mark.parametrize("dataset", [name for name in DATASETS if name not in DERIVATIVES])
def test_darts_segment_takes_the_same_scans_from_the_folder(dataset: str, tmp_path: Path) -> None:
    root, scans = laid_out(dataset, tmp_path)
    if not scans:
        with pytest.raises(ScanError, match="no scan found"):
            find_scans([root])
        return
    left_out: list[str] = []
    assert sorted(path.relative_to(root).as_posix() for path in find_scans([root], left_out.append)) == scans
    uncompressed = [line for line in left_out if "beside it is the same scan" in line]
    assert len(uncompressed) == (10 if dataset == "synthetic" else 0)


def test_a_scan_made_by_a_derivative_is_found_in_its_own_root(tmp_path: Path) -> None:
    root, _ = laid_out("qmri_mp2rage", tmp_path)
    found = find_raw_scans(root / "derivatives/pymp2rage")
    assert [path.name for path in found] == ["sub-1_UNIT1.nii.gz"]


def test_label_maps_of_an_atlas_derivative_are_those_in_the_persons_own_space(tmp_path: Path) -> None:
    root, _ = laid_out("atlas-4S", tmp_path)
    found = find_label_maps(root)
    assert [one.path.name for one in found] == [
        "sub-01_ses-2mo_space-anat_atlas-4S_scale-156_dseg.nii.gz",
        "sub-01_ses-2mo_space-anat_atlas-4S_scale-256_dseg.nii.gz",
    ]
    assert {(one.subject, one.entities["ses"], one.segmentation) for one in found} == {("sub-01", "2mo", "4S")}


def test_participants_and_sessions_of_a_public_data_set_can_be_chosen(tmp_path: Path) -> None:
    root, _ = laid_out("pet005", tmp_path)
    (found,) = find_raw_scans(root, participants=["01"], sessions=["intervention"])
    assert found.name == "sub-01_ses-intervention_T1w.nii.gz"
    acquisition = {"acquisition": "MP2RAGE"}
    root, _ = laid_out("ds005", tmp_path / "ds005")
    assert [path.name for path in find_raw_scans(root, wanted=acquisition)] == ["sub-12_acq-MP2RAGE_T1w.nii.gz"]
