"""Names of people, averages and templates as public cohorts have them: who is one person, and who is nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.scans.families import family_of, not_a_person, timepoints_in
from darts_ensemble.scans.inputs import find_scans
from evaluation.cohort.find import find_cohort
from tests.evaluation.cohort.test_families import subjects_dir

NOBODY = [
    "fsaverage", "fsaverage3", "fsaverage4", "fsaverage6", "fsaverage_sym", "fsaverage_1mm", "FSAVERAGE", "cvs_avg35",
    "cvs_avg35_inMNI152", "V1_average", "lh.EC_average", "rh.EC_average", "mni152.fs", "MNI152_2009c", "mni_icbm152_nlin",
    "study_average", "controls.average", "site-2_average12", "sub-01_base", "sub-01-base", "P7.base", "sub-01_template",
    "sub-01_ses-1_base", "anna-template",
]  # fmt: skip
SOMEBODY = [
    "bert", "sub-base", "sub-01_ses-base", "baseline", "database", "sub-average", "averagejoe", "template01", "sub-01",
    "sub-fsaverage", "OAS1_0001_MR1", "002_S_0295", "IXI012-HH-1211", "NDARAA075AMK", "100206", "HCA6002236_V1_MR", "MMRR-21-1",
    "Colin27-1", "Afterthought-1", "HLN-12-1", "NKI-RS-22-3", "sub-A00028185", "sub-NDARINV003RTV85", "P-001_base2",
    "mean_value",
    "base", "template", "Basel-01",
]  # fmt: skip


@pytest.mark.parametrize("name", NOBODY)
def test_averages_and_templates_are_nobody(tmp_path: Path, name: str) -> None:
    assert not_a_person(tmp_path / name, {})
    root = subjects_dir(tmp_path / "fs", "sub-99", name)
    assert [one.id for one in find_cohort(root).subjects] == ["sub-99"]
    assert [one.subject.id for one in find_cohort(root).left_out] == [name]
    said: list[str] = []
    assert [path.parts[-3] for path in find_scans([root], said.append)] == ["sub-99"]
    assert name in " ".join(said)


@pytest.mark.parametrize("name", SOMEBODY)
def test_people_with_similar_names_are_somebody(tmp_path: Path, name: str) -> None:
    assert not not_a_person(tmp_path / name, {})
    root = subjects_dir(tmp_path / "fs", "sub-99", name)
    assert {one.id for one in find_cohort(root).subjects} == {"sub-99", name}
    assert {path.parts[-3] for path in find_scans([root])} == {"sub-99", name}


@pytest.mark.parametrize(
    ("names", "same"),
    [
        (("sub-01_ses-1", "sub-01_ses-2"), True), (("sub-01_ses-1", "sub-010_ses-1"), False), (("sub-1", "sub-2"), False),
        (("sub-01", "sub-01.long.sub-01_base"), True), (("sub-01_run-1", "sub-01_acq-x"), True),
        (("sub-01a", "sub-01b"), False),
        (("OAS1_0001_MR1", "OAS1_0001_MR2"), True), (("OAS1_0001_MR1", "OAS1_0002_MR1"), False),
        (("OAS30001_MR_d0129", "OAS30001_MR_d0757"), True), (("OAS2_0001_MR1", "OAS2_0001_MR2"), True),
        (("002_S_0295_2006", "002_S_0295_2010"), True), (("002_S_0295", "003_S_0295"), False),
        (("P012_visit1", "P012_visit2"), True), (("P012_tp1", "P013_tp1"), False), (("s1_rescan1", "s1_rescan2"), True),
        (("s1.timepoint-1", "s1.timepoint-2"), False), (("subject1_session1", "subject1_session2"), True),
        (("visit1", "visit2"), False), (("control_visit1", "control_visit2"), False), (("HLN-12-1", "HLN-12-2"), False),
        (("Twins-2-1", "Twins-2-2"), True), (("MMRR-21-1", "MMRR-21-2"), False), (("bert", "ernie"), False),
        (("100206", "100206_run2"), True), (("100206", "100307"), False), (("a1_retest1", "a1_test1"), False),
    ],
)  # fmt: skip
def test_scans_of_one_person_share_a_family(names: tuple[str, str], same: bool) -> None:
    families = {family_of(name) for name in names}
    assert (len(families) == 1) is same, families


@given(person=st.text("ab01_-", min_size=1, max_size=8).filter(lambda name: name.strip("_-") == name), count=st.integers(1, 4))
def test_a_longitudinal_study_of_any_names_has_one_family_a_person(
    tmp_path_factory: pytest.TempPathFactory, person: str, count: int
) -> None:
    root = tmp_path_factory.mktemp("long")
    template = f"{person}_base"
    visits = [f"{person}v{number}" for number in range(count)]
    names = [*visits, template, *(f"{visit}.long.{template}" for visit in visits)]
    subjects_dir(root, *names)
    (root / template / "base-tps").write_text("\n".join(visits), encoding="utf-8")
    cohort = find_cohort(root)
    assert {one.id for one in cohort.subjects} == {*names} - {template}
    assert len({one.family for one in cohort.subjects}) == 1
    assert timepoints_in(root.iterdir()).keys() == {*visits}
