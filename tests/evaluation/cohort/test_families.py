"""Averages and templates are left out; timepoints, sessions and runs of one person share a family; both are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from darts_ensemble.errors import CohortError
from darts_ensemble.scans.families import family_of
from evaluation.cohort.find import choose_subjects, find_cohort
from tests.evaluation.cohort.test_find import touch


def subjects_dir(root: Path, *names: str) -> Path:
    for name in names:
        touch(root / name / "mri", "T1.mgz", "aparc.DKTatlas+aseg.mgz")
    return root


def test_averages_and_templates_are_left_out_and_named_and_timepoints_share_a_family(tmp_path: Path) -> None:
    names = ["sub-01", "sub-02", "sub-01_base", "sub-01.long.sub-01_base", "fsaverage", "fsaverage5", "fsaverage_sym"]
    cohort = find_cohort(subjects_dir(tmp_path, *names, "V1_average", "cvs_avg35_inMNI152"))
    families = {one.id: one.family for one in cohort.subjects}
    assert families == {"sub-01": "sub-01", "sub-01.long.sub-01_base": "sub-01", "sub-02": "sub-02"}
    left_out = {one.subject.id: one.reason for one in cohort.left_out}
    assert left_out.pop("sub-01_base") == "a template of one person's timepoints"
    assert set(left_out.values()) == {"an average of many people"}
    assert set(left_out) == {"fsaverage", "fsaverage5", "fsaverage_sym", "V1_average", "cvs_avg35_inMNI152"}


def test_a_template_of_any_name_is_known_by_its_timepoints(tmp_path: Path) -> None:
    # As the BIDS app of FreeSurfer names them: the template is called after the person.
    names = ["sub-01_ses-1", "sub-01_ses-2", "sub-01", "sub-01_ses-1.long.sub-01", "anna1", "anna2", "anna-both"]
    subjects_dir(tmp_path, *names)
    (tmp_path / "anna-both/base-tps").write_text("anna1\nanna2\n", encoding="utf-8")
    cohort = find_cohort(tmp_path)
    assert {one.subject.id for one in cohort.left_out} == {"sub-01", "anna-both"}
    assert {one.id: one.family for one in cohort.subjects} == {
        "anna1": "anna-both", "anna2": "anna-both", "sub-01_ses-1": "sub-01", "sub-01_ses-1.long.sub-01": "sub-01",
        "sub-01_ses-2": "sub-01",
    }  # fmt: skip


def test_what_is_left_out_is_scored_where_it_is_named(tmp_path: Path) -> None:
    subjects_dir(tmp_path, "bert", "fsaverage")
    assert [one.id for one in choose_subjects(find_cohort(tmp_path), ["fsaverage"]).subjects] == ["fsaverage"]
    assert [one.id for one in find_cohort(tmp_path / "fsaverage").subjects] == ["fsaverage"]
    with pytest.raises(CohortError, match=r"only averages and templates found \(fsaverage\)"):
        find_cohort(subjects_dir(tmp_path / "2", "fsaverage"))


def test_people_whose_names_look_alike_stay(tmp_path: Path) -> None:
    names = ["sub-base", "sub-01_ses-base", "baseline", "database", "sub-average", "averagejoe", "template01"]
    cohort = find_cohort(subjects_dir(tmp_path, *names))
    assert {one.id for one in cohort.subjects} == {*names}


def test_left_out_in_a_folder_of_files_too(tmp_path: Path) -> None:
    touch(tmp_path, "sub-01_run-1.nii.gz", "sub-01_run-2.nii.gz", "fsaverage.mgz")
    cohort = find_cohort(tmp_path)
    assert [(one.id, one.family) for one in cohort.subjects] == [("sub-01_run-1", "sub-01"), ("sub-01_run-2", "sub-01")]
    assert [one.subject.id for one in cohort.left_out] == ["fsaverage"]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("sub-01", "sub-01"), ("sub-01_ses-1_run-2", "sub-01"), ("sub-01x", "sub-01x"), ("sub-01.v2", "sub-01"),
        ("OAS1_0061_MR2", "OAS1_0061"), ("OAS30001_MR_d0129", "OAS30001"), ("OAS2_0001_MR1", "OAS2_0001"),
        ("002_S_0295_2010", "002_S_0295"), ("P012_visit2", "P012"), ("s7-session-1", "s7"), ("study_visit1", "study_visit1"),
        ("bert", "bert"), ("HLN-12-3", "HLN-12-3"), ("OASIS-TRT-20-1", "OASIS-TRT-20-1"), ("a.long.b_base", "b"),
    ],
)  # fmt: skip
def test_the_person_is_told_from_the_name(name: str, family: str) -> None:
    assert family_of(name) == family
