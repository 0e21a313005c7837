"""BIDS derivatives and manifests as references and predictions: the right file of several, for the right subject."""

from __future__ import annotations

from pathlib import Path

import pytest

from darts_ensemble.errors import CohortError
from evaluation.cohort.find import Location, find_cohort, find_predictions, parse_location
from tests.evaluation.cohort.test_find import touch


@pytest.fixture
def derivatives(tmp_path: Path) -> Path:
    """Two subjects, the second in two sessions; two segmentations; one map in MNI space; the raw T1 beside."""
    root = tmp_path / "study/derivatives/segs"
    for seg in ("fast", "darts"):
        touch(root, f"sub-01/anat/sub-01_seg-{seg}_dseg.nii.gz", f"sub-01/anat/sub-01_seg-{seg}_dseg.json")
        touch(root, *(f"sub-02/ses-{n}/anat/sub-02_ses-{n}_seg-{seg}_desc-x_dseg.nii.gz" for n in (1, 2)))
    touch(root / "sub-01/anat", "sub-01_space-MNI152NLin2009cAsym_seg-fast_dseg.nii.gz", "sub-01_seg-fast_probseg.nii.gz")
    touch(tmp_path / "study", "sub-01/anat/sub-01_T1w.nii.gz", "sub-02/ses-2/anat/sub-02_ses-2_T1w.nii.gz")
    return root


def test_references_of_one_segmentation_with_their_sessions_families_and_raw_scans(derivatives: Path) -> None:
    cohort = find_cohort(Location(derivatives, "seg-fast"))
    assert cohort.layout == "bids"
    assert [(subject.id, subject.family, subject.scan and subject.scan.name) for subject in cohort.subjects] == [
        ("sub-01", "sub-01", "sub-01_T1w.nii.gz"),
        ("sub-02_ses-1", "sub-02", None),
        ("sub-02_ses-2", "sub-02", "sub-02_ses-2_T1w.nii.gz"),
    ]
    assert all("seg-fast" in subject.reference.name for subject in cohort.subjects)
    assert not any("MNI152" in subject.reference.name for subject in cohort.subjects)


def test_several_segmentations_must_be_told_apart(derivatives: Path) -> None:
    with pytest.raises(CohortError, match=r"several segmentations: seg-darts, seg-fast; expected .*:seg-LABEL"):
        find_cohort(derivatives)
    with pytest.raises(CohortError, match=r"no label map with seg-slow; found: seg-darts, seg-fast"):
        find_cohort(Location(derivatives, "seg-slow"))


def test_a_method_named_as_a_segmentation_takes_it(derivatives: Path) -> None:
    subjects = find_cohort(Location(derivatives, "seg-fast")).subjects
    found = find_predictions(derivatives, subjects, name="darts")
    assert {path.name.split("_seg-")[1] for path in found.paths.values()} == {"darts_dseg.nii.gz", "darts_desc-x_dseg.nii.gz"}
    assert len(found.paths) == 3
    assert find_predictions(Location(derivatives, "seg-darts"), subjects, name="any").paths == found.paths
    with pytest.raises(CohortError, match="several segmentations"):
        find_predictions(derivatives, subjects, name="other")


def test_subjects_whose_names_bids_does_not_allow_are_found_as_darts_segment_writes_them(tmp_path: Path) -> None:
    touch(tmp_path / "gt/OASIS-TRT-20_volumes/OASIS-TRT-20-10", "labels.DKT31.manual.nii.gz")
    touch(tmp_path / "out/sub-OASISTRT2010/anat", "sub-OASISTRT2010_seg-darts_dseg.nii.gz")
    touch(tmp_path / "out/sub-OASISTRT2011/anat", "sub-OASISTRT2011_seg-darts_dseg.nii.gz")
    found = find_predictions(tmp_path / "out", find_cohort(tmp_path / "gt").subjects)
    assert list(found.paths) == ["OASIS-TRT-20-10"]
    assert found.unmatched == ("sub-OASISTRT2011",)


def test_two_maps_of_one_session_fail_and_the_other_sessions_are_found(derivatives: Path) -> None:
    touch(derivatives, "sub-01/anat/sub-01_seg-fast_dseg.mgz")
    cohort = find_cohort(Location(derivatives, "seg-fast"))
    assert [subject.id for subject in cohort.subjects] == ["sub-02_ses-1", "sub-02_ses-2"]
    (fault,) = cohort.faults
    assert fault.subject == "sub-01"
    assert "sub-01_seg-fast_dseg.mgz, sub-01_seg-fast_dseg.nii.gz are all of sub-01; expected one label map" in fault.reason


def test_processing_tells_label_maps_of_one_scan_apart_where_there_are_several(derivatives: Path) -> None:
    touch(derivatives, "sub-01/anat/sub-01_seg-fast_desc-clean_dseg.nii.gz")
    cohort = find_cohort(Location(derivatives, "seg-fast"))
    assert [(one.id, one.family) for one in cohort.subjects] == [
        ("sub-01", "sub-01"), ("sub-01_desc-clean", "sub-01"), ("sub-02_ses-1", "sub-02"), ("sub-02_ses-2", "sub-02"),
    ]  # fmt: skip
    assert [one.id for one in find_cohort(Location(derivatives, "seg-fast_desc-clean")).subjects] == ["sub-01"]


KEYS = [
    "run-1", "run-2", "acq-mprage", "acq-mp2rage_run-1", "rec-norm", "ce-gad", "echo-1", "part-mag", "chunk-2", "inv-2",
    "task-rest", "mod-T1w", "desc-a", "desc-b", "res-1", "res-2",
]  # fmt: skip


def test_runs_sessions_and_other_entities_are_parts_of_the_key_and_share_a_family(tmp_path: Path) -> None:
    names = [f"sub-1_ses-{n}_{key}" for n in (1, 2) for key in KEYS]
    for root in ("gt", "pred"):
        touch(tmp_path / root, *(f"sub-1/ses-{name[10]}/anat/{name}_seg-x_dseg.nii.gz" for name in names))
    cohort = find_cohort(tmp_path / "gt")
    assert {subject.id for subject in cohort.subjects} == set(names)
    assert {subject.family for subject in cohort.subjects} == {"sub-1"}
    found = find_predictions(tmp_path / "pred", cohort.subjects)
    assert {name: path.name for name, path in found.paths.items()} == {name: f"{name}_seg-x_dseg.nii.gz" for name in names}


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "mgz"])
def test_of_fmriprep_aparcaseg_is_taken_and_another_can_be_chosen(tmp_path: Path, ending: str) -> None:
    for number in (1, 2):
        stem = f"sub-{number}/anat/sub-{number}"
        touch(tmp_path, *(f"{stem}_{part}dseg.{ending}" for part in ("", "desc-aseg_", "desc-aparcaseg_")))
        touch(
            tmp_path,
            f"{stem}_space-MNI152NLin2009cAsym_dseg.nii.gz",
            f"{stem}_space-MNI152NLin2009cAsym_desc-preproc_T1w.nii.gz",
        )
        touch(tmp_path, f"{stem}_desc-preproc_T1w.nii.gz", f"{stem}_desc-brain_mask.nii.gz")
    cohort = find_cohort(tmp_path)
    assert [(one.id, one.reference.name, one.scan and one.scan.name) for one in cohort.subjects] == [
        (f"sub-{n}", f"sub-{n}_desc-aparcaseg_dseg.{ending}", f"sub-{n}_desc-preproc_T1w.nii.gz") for n in (1, 2)
    ]
    found = find_predictions(tmp_path, cohort.subjects)
    assert [path.name for path in found.paths.values()] == [f"sub-{n}_desc-aparcaseg_dseg.{ending}" for n in (1, 2)]
    chosen = find_cohort(parse_location(f"{tmp_path}:desc-aseg"))
    assert [one.reference.name for one in chosen.subjects] == [f"sub-{n}_desc-aseg_dseg.{ending}" for n in (1, 2)]
    with pytest.raises(CohortError, match="no label map with desc-other; found: desc-aparcaseg, desc-aseg, none"):
        find_cohort(parse_location(f"{tmp_path}:desc-other"))


def test_subjects_without_the_segmentation_that_is_taken_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "sub-1/anat/sub-1_desc-aparcaseg_dseg.nii.gz", "sub-2/anat/sub-2_dseg.nii.gz")
    cohort = find_cohort(tmp_path)
    assert ([one.id for one in cohort.subjects], cohort.unlabelled) == (["sub-1"], ("sub-2",))


@pytest.mark.parametrize(
    ("references", "predictions", "pairs"),
    [
        (["sub-1_run-1", "sub-1_run-2"], ["sub-1_run-01", "sub-1_run-02"], {"sub-1_run-1": 0, "sub-1_run-2": 1}),
        (["sub-1_ses-1", "sub-2"], ["sub-1_ses-1_run-1", "sub-2_ses-9_acq-x"], {"sub-1_ses-1": 0, "sub-2": 1}),
        (["sub-1"], ["sub-1_run-1", "sub-1_run-2"], {}),
        (["sub-1_run-1", "sub-1_run-2"], ["sub-1"], {}),
        (["sub-1_ses-1"], ["sub-1_ses-2"], {}),
        (["sub-1"], ["sub-10"], {}),
    ],
)
@pytest.mark.parametrize("flat", [False, True])
def test_names_that_differ_are_matched_only_where_nothing_contradicts_it(
    tmp_path: Path, references: list[str], predictions: list[str], pairs: dict[str, int], flat: bool
) -> None:
    touch(tmp_path / "gt", *(f"{name}_dseg.nii.gz" for name in references))
    for name in predictions:
        touch(tmp_path / "pred", f"{name}_dseg.nii.gz" if flat else f"{name.split('_')[0]}/anat/{name}_seg-x_dseg.nii.gz")
    found = find_predictions(tmp_path / "pred", find_cohort(tmp_path / "gt").subjects)
    names = [f"{name}{'' if flat else '_seg-x'}_dseg.nii.gz" for name in predictions]
    assert {subject: path.name for subject, path in found.paths.items()} == {one: names[at] for one, at in pairs.items()}
    n_unclear = sum(len(fault.reason.split(", ")) for fault in found.faults)
    assert len(found.unmatched) + len(pairs) + n_unclear >= len(predictions)


def write_manifest(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(row.replace(" ", "\t") for row in rows) + "\n", encoding="utf-8")
    return path


def test_a_manifest_names_files_scans_and_families_relative_to_itself(tmp_path: Path) -> None:
    path = write_manifest(
        tmp_path / "all.tsv", "subject reference prediction scan family", "01 r/1.nii.gz p/1.nii.gz t1.nii.gz A", "NA r/2.mgz",
        "03  p/3.nii.gz",
    )  # fmt: skip
    cohort = find_cohort(path)
    assert [(one.id, one.reference, one.scan, one.family) for one in cohort.subjects] == [
        ("NA", tmp_path / "r/2.mgz", None, "NA"),
        ("01", tmp_path / "r/1.nii.gz", tmp_path / "t1.nii.gz", "A"),
    ]
    found = find_predictions(path, cohort.subjects)
    assert found.paths == {"01": tmp_path / "p/1.nii.gz"}
    assert found.unmatched == ("03",)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("subject file", "a x.nii"), "columns subject, file found; expected subject and reference"),
        (("subject reference", "a x.nii", "a y.nii"), "line 3: subject a a second time"),
        (("subject reference", " x.nii"), "line 2: no subject"),
        (("subject reference", "a "), "no row with a reference"),
        (("subject,reference", "a,b"), "expected subject and reference, separated by tabs"),
    ],
)
def test_manifests_that_are_none_are_refused_with_the_line(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(CohortError, match=message):
        find_cohort(write_manifest(tmp_path / "m.tsv", *rows))
