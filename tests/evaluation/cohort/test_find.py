"""References, scans and predictions are found in each layout, and the right one of several files is used."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from darts_ensemble.errors import CohortError
from evaluation.cohort.find import Location, choose_subjects, find_cohort, find_predictions, parse_location
from evaluation.cohort.flat_folder import named_by_subject
from evaluation.cohort.layouts import WRONG_HEADERS
from evaluation.cohort.subjects import LAYOUT_NAMES, Layout


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def mindboggle(tmp_path: Path) -> Path:
    root = tmp_path / "mindboggle"
    one, two = root / "OASIS-TRT-20_volumes/OASIS-TRT-20-10", root / "MMRR-21_volumes/MMRR-21-2"
    touch(one, "t1weighted.nii.gz", "t1weighted_brain.nii.gz", "labels.DKT31.manual.nii.gz", "labels.DKT31.manual+aseg.nii.gz")
    touch(one, "labels.DKT31.manual.MNI152.nii.gz", "labels.DKT31.manual+aseg.MNI152.nii.gz", "t1weighted.MNI152.nii.gz")
    touch(two, "t1weighted_brain.nii.gz", "labels.DKT31.manual.nii.gz", "labels.DKT31.manual+aseg.MNI152.nii.gz")
    return root


@pytest.fixture
def subjects_dir(tmp_path: Path) -> Path:
    root = tmp_path / "subjects"
    touch(root / "sub-01/mri", "T1.mgz", "aparc.DKTatlas+aseg.mgz", "aparc+aseg.mgz", "aparc.DKTatlas+aseg.darts.mgz")
    touch(root / "sub-02/mri", "orig.mgz", "brain.mgz", "aparc.DKTatlas+aseg.deep.mgz", "aparc+aseg.mgz")
    touch(root / "sub-10/mri", "brainmask.mgz", "aparc+aseg.mgz")
    touch(root / "fsaverage/mri", "T1.mgz")
    return root


def test_mindboggle_is_found_from_its_root_a_group_and_a_subject(mindboggle: Path) -> None:
    whole = find_cohort(mindboggle)
    assert [subject.id for subject in whole.subjects] == ["MMRR-21-2", "OASIS-TRT-20-10"]
    group = find_cohort(mindboggle / "OASIS-TRT-20_volumes")
    one = find_cohort(mindboggle / "OASIS-TRT-20_volumes/OASIS-TRT-20-10")
    assert group.subjects == one.subjects == whole.subjects[1:]


def test_mindboggle_takes_the_full_map_and_else_the_cortex_alone_never_mni(mindboggle: Path) -> None:
    cortex, full = find_cohort(mindboggle).subjects
    assert full.scan is not None
    assert (full.reference.name, full.scan.name) == ("labels.DKT31.manual+aseg.nii.gz", "t1weighted.nii.gz")
    assert cortex.scan is not None
    assert (cortex.reference.name, cortex.scan.name) == ("labels.DKT31.manual.nii.gz", "t1weighted_brain.nii.gz")


def test_a_subjects_dir_prefers_dkt_and_never_scores_against_our_own_output(subjects_dir: Path) -> None:
    cohort = find_cohort(subjects_dir)
    taken = {subject.id: (subject.reference.name, subject.scan and subject.scan.name) for subject in cohort.subjects}
    assert taken == {
        "sub-01": ("aparc.DKTatlas+aseg.mgz", "T1.mgz"),
        "sub-02": ("aparc.DKTatlas+aseg.deep.mgz", "orig.mgz"),
        "sub-10": ("aparc+aseg.mgz", "brainmask.mgz"),
    }
    assert cohort.unlabelled == ("fsaverage",)
    assert cohort.left_out == ()
    assert find_cohort(subjects_dir / "sub-01").subjects == cohort.subjects[:1]


def test_subjects_sort_by_number(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        touch(tmp_path / f"MMRR-21-{number}", "labels.DKT31.manual.nii.gz")
    assert [subject.id for subject in find_cohort(tmp_path).subjects] == ["MMRR-21-1", "MMRR-21-9", "MMRR-21-10"]


def test_predictions_of_a_subjects_dir_prefer_our_file(subjects_dir: Path) -> None:
    cohort = find_cohort(subjects_dir)
    found = find_predictions(subjects_dir, cohort.subjects)
    assert {name: path.name for name, path in found.paths.items()} == {
        "sub-01": "aparc.DKTatlas+aseg.darts.mgz",
        "sub-02": "aparc.DKTatlas+aseg.deep.mgz",
        "sub-10": "aparc+aseg.mgz",
    }
    assert (found.layout, found.unmatched) == ("freesurfer", ())


def test_a_file_of_each_subject_can_be_chosen_by_name(subjects_dir: Path) -> None:
    desikan = find_cohort(parse_location(f"{subjects_dir}:aparc+aseg.mgz"))
    assert {subject.reference.name for subject in desikan.subjects} == {"aparc+aseg.mgz"}
    found = find_predictions(parse_location(f"{subjects_dir}:aparc.DKTatlas+aseg.mgz"), desikan.subjects)
    assert {name: path.name for name, path in found.paths.items()} == {"sub-01": "aparc.DKTatlas+aseg.mgz"}
    with pytest.raises(CohortError, match=r"no reference found in 4 subjects; expected <subject>/other.mgz"):
        find_cohort(parse_location(f"{subjects_dir}:other.mgz"))


def test_a_colon_in_a_path_that_exists_is_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    assert parse_location(f"{tmp_path}/a:b") == Location(tmp_path / "a:b")
    assert parse_location(f"{tmp_path}:seg-x") == Location(tmp_path, "seg-x")
    assert parse_location(f"{tmp_path}/none:seg-x") == Location(Path(f"{tmp_path}/none:seg-x"))


def test_predictions_named_by_subject_are_not_mixed_up(subjects_dir: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    touch(flat, "sub-1.nii.gz", "sub-01_dseg.nii.gz", "sub-01_agreement.nii.gz", "sub-010.nii.gz", "sub-10.mgz", "sub-02.txt")
    touch(flat, "sub-02.MNI152.nii.gz")
    found = find_predictions(flat, find_cohort(subjects_dir).subjects)
    assert {name: path.name for name, path in found.paths.items()} == {"sub-01": "sub-01_dseg.nii.gz", "sub-10": "sub-10.mgz"}
    assert found.unmatched == ("sub-1", "sub-010")


def test_a_name_is_the_beginning_of_a_file_up_to_a_mark_and_not_of_another_name(tmp_path: Path) -> None:
    names = ["s1.v2.nii.gz", "s10_a.nii.gz", "s1x.nii.gz", "s1-2.nii.gz", "s2_ses-1_dseg.nii.gz", "s2_other.nii.gz", "s3_a.mgz"]
    found, faults = named_by_subject(["s1", "s2", "s3", "s4"], [tmp_path / name for name in names])
    assert not faults
    assert {subject: path.name for subject, path in found.items()} == {
        "s1": "s1.v2.nii.gz", "s2": "s2_ses-1_dseg.nii.gz", "s3": "s3_a.mgz",
    }  # fmt: skip


def test_two_files_that_may_be_one_subjects_fail_and_cost_no_other(subjects_dir: Path, tmp_path: Path) -> None:
    touch(tmp_path / "flat", "sub-01_a.nii.gz", "sub-01_b.nii.gz", "sub-02.nii.gz")
    found = find_predictions(tmp_path / "flat", find_cohort(subjects_dir).subjects)
    assert list(found.paths) == ["sub-02"]
    assert [fault.subject for fault in found.faults] == ["sub-01"]
    assert "sub-01_a.nii.gz, sub-01_b.nii.gz" in found.faults[0].reason


def test_predictions_in_a_mindboggle_like_tree(mindboggle: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    touch(other / "MMRR-21_volumes/MMRR-21-2", "labels.DKT31.manual+aseg.nii.gz", "labels.DKT31.manual.MNI152.nii.gz")
    found = find_predictions(other, find_cohort(mindboggle).subjects)
    assert {name: path.name for name, path in found.paths.items()} == {"MMRR-21-2": "labels.DKT31.manual+aseg.nii.gz"}


def test_the_same_name_in_two_groups_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "A_volumes/one/labels.DKT31.manual.nii.gz", "B_volumes/one/labels.DKT31.manual.nii.gz")
    with pytest.raises(CohortError, match="a second subject one"):
        find_cohort(tmp_path)


def test_a_folder_without_references_and_a_subject_that_is_not_there_are_named(subjects_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match="no reference found"):
        find_cohort(tmp_path / "empty")
    with pytest.raises(CohortError, match="no such folder"):
        find_cohort(tmp_path / "missing")
    with pytest.raises(CohortError, match="subject sub-99"):
        choose_subjects(find_cohort(subjects_dir), ["sub-01", "sub-99"])


def test_twins_are_one_family_and_every_other_subject_its_own(tmp_path: Path) -> None:
    for name in ("Twins-2-1", "Twins-2-2", "Colin27-1"):
        touch(tmp_path / "Extra-18_volumes" / name, "labels.DKT31.manual.nii.gz")
    families = {subject.id: subject.family for subject in find_cohort(tmp_path).subjects}
    assert families == {"Colin27-1": "Colin27-1", "Twins-2-1": "Twins-2", "Twins-2-2": "Twins-2"}


def test_a_flat_folder_of_references_takes_the_scans_beside_them(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii.gz", "a_T1w.nii.gz", "b_dseg.mgz", "b_agreement.nii.gz", "c_seg.nii", "c.txt", "b_probseg.nii.gz")
    cohort = find_cohort(tmp_path)
    found = {subject.id: (subject.reference.name, subject.scan and subject.scan.name) for subject in cohort.subjects}
    assert cohort.layout == "flat"
    assert found == {"a": ("a.nii.gz", "a_T1w.nii.gz"), "b": ("b_dseg.mgz", None), "c": ("c_seg.nii", None)}


def test_fourteen_mindboggle_scans_have_wrong_headers() -> None:
    assert len(WRONG_HEADERS) == 14
    assert {"HLN-12-1", "HLN-12-12", "MMRR-21-21"} <= WRONG_HEADERS
    assert "HLN-12-3" not in WRONG_HEADERS


def test_every_layout_has_a_name_for_screen_and_report() -> None:
    assert set(LAYOUT_NAMES) == set(get_args(Layout))
