"""DataLad trees and linked folders: names are those of the links, nothing is dropped, and missing content is reported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evaluation.cohort.find import find_cohort, find_predictions
from evaluation.commands.evaluate import app
from tests.evaluation.cohort.test_find import touch
from tests.phantoms.brain import brain, save


def annexed(root: Path, name: str, key: str, *, there: bool = True) -> Path:
    """A file as git-annex keeps it: a link to its content below .git, which may not be there."""
    content = root / ".git/annex/objects/aB/Cd" / key / key
    if there:
        content.parent.mkdir(parents=True, exist_ok=True)
        content.touch()
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(content, path.parent))
    return path


def test_subjects_are_named_by_their_links(tmp_path: Path) -> None:
    for number in (1, 2):
        annexed(tmp_path, f"fs/sub-{number}/mri/aparc.DKTatlas+aseg.mgz", f"MD5E-s9--00f{number}.mgz")
        annexed(tmp_path, f"fs/sub-{number}/mri/T1.mgz", "MD5E-s9--same.mgz")
        touch(tmp_path / f"archive/2019_{number}/mri", "T1.mgz", "aparc.DKTatlas+aseg.mgz")
        (tmp_path / "links").mkdir(exist_ok=True)
        (tmp_path / f"links/sub-{number}").symlink_to(f"../archive/2019_{number}")
    for root in (tmp_path / "fs", tmp_path / "links"):
        cohort = find_cohort(root)
        assert [subject.id for subject in cohort.subjects] == ["sub-1", "sub-2"]
        assert all(str(subject.reference).startswith(str(root)) for subject in cohort.subjects)
        assert list(find_predictions(root, cohort.subjects).paths) == ["sub-1", "sub-2"]
    assert [subject.id for subject in find_cohort(tmp_path / "links/sub-1").subjects] == ["sub-1"]


def test_sessions_whose_files_have_one_content_are_both_found(tmp_path: Path) -> None:
    for number in (1, 2):
        annexed(tmp_path, f"sub-3/ses-{number}/anat/sub-3_ses-{number}_seg-x_dseg.nii.gz", "MD5E-s3--e.nii.gz")
    assert [subject.id for subject in find_cohort(tmp_path).subjects] == ["sub-3_ses-1", "sub-3_ses-2"]


@pytest.mark.parametrize("layout", ["freesurfer", "bids", "flat", "file"])
def test_content_that_is_not_here_is_named_and_the_other_subjects_are_scored(tmp_path: Path, layout: str) -> None:
    name = {
        "freesurfer": "{}/mri/aparc.DKTatlas+aseg.mgz", "bids": "{0}/anat/{0}_seg-x_dseg.nii.gz", "flat": "{}.nii.gz",
        "file": "{}.nii.gz",
    }[layout]  # fmt: skip
    save(tmp_path / "gt" / name.format("sub-1"), brain(jitter=0.5))
    annexed(tmp_path / "gt", name.format("sub-2"), "MD5E-s9--x.nii.gz", there=False)
    for number in (1, 2):
        save(tmp_path / f"m/sub-{number}.nii.gz", brain(jitter=1, seed=number))
    gt = tmp_path / "gt" / (name.format("sub-2") if layout == "file" else "")
    arguments = ["--gt", gt, "--pred", f"m={tmp_path / 'm'}", "-o", tmp_path / "out", "--metrics", "overlap"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--no-figures", "--no-report"])
    assert result.exit_code == 1
    assert "a git-annex file whose content is not here; get it with `datalad get` or `git annex get`" in result.output
    assert ("sub-1: scored m" in result.output) == (layout != "file")


def test_a_label_map_that_is_not_here_is_not_replaced_by_another_in_silence(tmp_path: Path) -> None:
    save(tmp_path / "gt/sub-1/mri/aparc+aseg.mgz", brain())
    annexed(tmp_path / "gt", "sub-1/mri/aparc.DKTatlas+aseg.mgz", "MD5E-s9--x.mgz", there=False)
    assert [subject.reference.name for subject in find_cohort(tmp_path / "gt").subjects] == ["aparc.DKTatlas+aseg.mgz"]


def test_a_scan_beside_its_label_map_is_no_label_map(tmp_path: Path) -> None:
    names = ["sub-01.nii.gz", "sub-01_dseg.nii.gz", "sub-02_T1w.nii.gz", "sub-02_dseg.nii.gz", "T1w.nii.gz.bak"]
    touch(tmp_path, *names, "sub-03_0000.nii.gz", "sub-03.nii.gz", "._sub-01_dseg.nii.gz", "sub-03_dseg.json")
    cohort = find_cohort(tmp_path)
    found = {subject.id: (subject.reference.name, subject.scan and subject.scan.name) for subject in cohort.subjects}
    assert found == {
        "sub-01": ("sub-01_dseg.nii.gz", "sub-01.nii.gz"), "sub-02": ("sub-02_dseg.nii.gz", "sub-02_T1w.nii.gz"),
        "sub-03": ("sub-03.nii.gz", "sub-03_0000.nii.gz"),
    }  # fmt: skip
    predictions = find_predictions(tmp_path, cohort.subjects)
    assert {name: path.name for name, path in predictions.paths.items()} == {name: files[0] for name, files in found.items()}


@pytest.mark.parametrize("name", ["labels.nii.gz", "sub-7/mri/aseg.mgz", "x_dseg.nii"])
def test_one_label_map_is_scored_against_another_whatever_they_are_called(tmp_path: Path, name: str) -> None:
    reference, map_ = save(tmp_path / "r" / name, brain(jitter=0.5)), save(tmp_path / "other name.nii.gz", brain(jitter=1))
    arguments = ["--gt", reference, "--pred", f"m={map_}", "-o", tmp_path / "out", "--metrics", "overlap", "--no-figures"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--no-report"])
    assert result.exit_code == 0, result.output
    assert "[1/1] " in result.output
