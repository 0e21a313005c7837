"""Methods x subjects: one long table, separate failures and suspects, reused finished pairs, means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from evaluation.cohort.find import Subject, choose_subjects, find_cohort, find_predictions
from evaluation.metrics.pair_scores import Scoring
from evaluation.protocols.protocol import load_protocol
from evaluation.results.folder import IDENTITY, OVERLAP_METRICS
from evaluation.results.summaries import never_emitted, region_means, subject_means, summarise
from evaluation.run.evaluate import Method, Scores, score_cohort
from tests.phantoms.brain import AFFINE, brain
from tests.phantoms.brain import save as save_brain

SIZE = (24, 20, 16)
DARTS = load_protocol("darts102")
OVERLAP = Scoring(DARTS, tuple(range(102)), definitions=())


def save(path: Path, values: dict[int, int]) -> Path:
    """A label map with the given number of voxels of each id, along memory from the first voxel on."""
    ids = np.zeros(int(np.prod(SIZE)), dtype=np.int16)
    stretch = np.repeat(list(values), list(values.values()))
    ids[: len(stretch)] = stretch
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(ids.reshape(SIZE), AFFINE)
    image.header["descrip"] = str(path)[-70:]  # no two files are the same bytes
    nib.save(image, path)
    return path


def subject(tmp_path: Path, name: str, values: dict[int, int]) -> Subject:
    return Subject(name, "mindboggle", save(tmp_path / f"gt/{name}.nii.gz", values), None, name)


def one(table: pd.DataFrame, region: int, method: str = "m") -> pd.Series:
    rows = table[(table["region_id"] == region) & (table["method"] == method)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_the_table_has_one_row_a_subject_method_and_region(tmp_path: Path) -> None:
    cohort = [replace(subject(tmp_path, name, {17: 10}), family="twins") for name in "ab"]
    methods = [Method(name, {n: save(tmp_path / f"{name}/{n}.nii.gz", {17: 5}) for n in "ab"}) for name in ("z", "y")]
    scores = score_cohort(cohort, methods, OVERLAP)
    assert tuple(scores.table.columns) == (*IDENTITY, *OVERLAP_METRICS)
    assert len(scores.table) == 2 * 2 * 102
    assert scores.table["method"].unique().tolist() == ["z", "y"]
    assert set(scores.table["family"]) == {"twins"}
    assert tuple(scores.groups.columns) == tuple(scores.table.columns)
    assert len(scores.groups) == 2 * 2 * 31
    assert set(scores.checksums) == {str(p) for p in tmp_path.rglob("*.nii.gz")}


def test_a_missed_region_lowers_the_mean_and_an_absent_one_does_not(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, "a", {17: 10, 53: 10}), subject(tmp_path, "b", {17: 10})]
    paths = {"a": save(tmp_path / "a.nii.gz", {17: 10}), "b": save(tmp_path / "b.nii.gz", {17: 10})}
    means = subject_means(score_cohort(cohort, [Method("m", paths)], OVERLAP).table).set_index("subject")
    assert means.loc["a", "mean_dice"] == 0.5
    assert means.loc["b", "mean_dice"] == 1
    assert (means.loc["a", "n_missed"], means.loc["b", "n_missed"]) == (1, 0)


def test_common_regions_are_those_that_every_method_emits_somewhere(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, "a", {17: 10, 53: 10, 16: 10}), subject(tmp_path, "b", {17: 10, 53: 10, 16: 10})]
    full = {name: save(tmp_path / f"full/{name}.nii.gz", {17: 10, 53: 10, 16: 10}) for name in "ab"}
    # never 53; 16 in one of two subjects only, so that it can
    poor = {"a": save(tmp_path / "poor/a.nii.gz", {17: 10}), "b": save(tmp_path / "poor/b.nii.gz", {17: 10, 0: 10, 16: 10})}
    table = score_cohort(cohort, [Method("full", full, also_merged=True), Method("poor", poor)], OVERLAP).table
    assert 53 in never_emitted(table)["poor"]
    assert 16 not in never_emitted(table)["poor"]
    assert not {16, 17, 53} & set(never_emitted(table)["full"])
    means = subject_means(table).set_index(["method", "subject"])
    assert means.loc[("poor", "a"), "mean_dice"] == pytest.approx(1 / 3)
    assert means.loc[("poor", "a"), "mean_dice_common"] == pytest.approx(1 / 2)
    assert means.loc[("full", "a"), "n_dice_common"] == 2
    # the pair 17/53 is common only where both sides are
    assert means.loc[("full (sides merged)", "a"), "n_dice_common"] == 1
    summary = summarise(table).set_index("method")
    assert "Right-Hippocampus" in summary.loc["poor", "never_emitted"]
    assert "Left-Hippocampus" not in summary.loc["poor", "never_emitted"]
    assert summary.loc["poor", "mean_dice"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert summary.loc["poor", "sd_dice"] == pytest.approx(np.std([1 / 3, 2 / 3], ddof=1))


def test_subjects_seen_in_training_are_marked_and_stay_out_of_all_means(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, name, {17: 10}) for name in "ab"]
    trained = Method("trained", {n: save(tmp_path / f"t/{n}.nii.gz", {17: 10}) for n in "ab"}, seen=frozenset("a"))
    other = Method("other", {n: save(tmp_path / f"o/{n}.nii.gz", {17: 5 if n == "a" else 10}) for n in "ab"})
    table = score_cohort(cohort, [trained, other], OVERLAP).table
    marked = table[table["seen_in_training"]]
    assert set(zip(marked["subject"], marked["method"], strict=True)) == {("a", "trained")}
    summary = summarise(table).set_index("method")
    assert summary.loc["other", ["n_subjects", "mean_dice", "n_seen_left_out"]].tolist() == [1, 1, 1]
    with_seen = summarise(table, include_seen=True).set_index("method")
    assert with_seen.loc["other", "n_subjects"] == 2
    assert with_seen.loc["other", "mean_dice"] == pytest.approx((1 + 2 / 3) / 2)
    regions = region_means(table).set_index(["method", "region_id"])
    assert regions.loc[("other", 17), "n_dice"] == 1
    assert regions.loc[("other", 53), "n_dice"] == 0


def test_one_bad_file_is_named_and_the_others_are_scored(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, name, {17: 10}) for name in "abc"]
    paths = {name: save(tmp_path / f"{name}.nii.gz", {17: 10}) for name in "abc"}
    paths["b"].write_bytes(paths["b"].read_bytes()[:60])
    cohort[2].reference.write_bytes(b"no image")
    scores = score_cohort(cohort, [Method("m", paths)], OVERLAP)
    assert set(scores.table["subject"]) == {"a"}
    assert [(one.subject, one.method) for one in scores.failures] == [("b", "m"), ("c", "")]
    assert "b.nii.gz" in scores.failures[0].reason


def test_means_over_misses_stand_beside_their_number(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, name, {17: 10, 53: 10} | ({10: 7} if name == "a" else {})) for name in "abc"]
    paths = {"a": {17: 10, 53: 10, 10: 7}, "b": {17: 10}, "c": {17: 10, 10: 7}}
    method = Method("m", {name: save(tmp_path / f"{name}.nii.gz", values) for name, values in paths.items()})
    for misses, mean, n in (("exclude", 0.0, 1), ("inf", np.inf, 3)):
        table = score_cohort(cohort, [method], replace(OVERLAP, definitions=("voxel",), misses=misses)).table
        row = region_means(table).set_index("region_id").loc[53]
        assert (row["mean_dice"], row["n_dice"]) == (pytest.approx(1 / 3), 3)
        assert (row["n_missed"], row["n_invented"], row["n_missing"]) == (2, 0, 2)
        assert (row["mean_assd_voxel_mm"], row["n_assd_voxel_mm"]) == (mean, n)
        assert np.isnan(row["sd_assd_voxel_mm"])
        means = subject_means(table).set_index("subject")
        assert means["n_missing"].to_dict() == {"a": 0, "b": 1, "c": 2}
        behind = {"a": 3, "b": 1, "c": 1} if misses == "exclude" else {"a": 3, "b": 2, "c": 3}
        assert means["n_assd_voxel_mm"].to_dict() == behind
        assert summarise(table).loc[0, ["n_missed", "n_invented", "n_missing"]].tolist() == [2, 1, 3]


def test_an_empty_prediction_counts_as_misses_and_is_said(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, "a", {17: 10})]
    scores = score_cohort(cohort, [Method("nothing", {"a": save(tmp_path / "a.nii.gz", {})})], OVERLAP)
    assert "a.nii.gz is empty" in scores.warnings[0]
    assert subject_means(scores.table)["mean_dice"].item() == 0


def test_the_reference_itself_under_any_name_is_left_out(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, "a", {17: 10})]
    copy = tmp_path / "copy.nii.gz"
    copy.write_bytes(cohort[0].reference.read_bytes())
    methods = [Method("itself", {"a": cohort[0].reference}), Method("copy", {"a": copy})]
    scores = score_cohort(cohort, methods, OVERLAP)
    assert scores.table.empty
    assert [(one.method, one.kind, one.counted) for one in scores.suspects] == [
        ("itself", "the reference itself", False), ("copy", "the reference itself", False),
    ]  # fmt: skip
    assert len(score_cohort(cohort, methods, OVERLAP, include_suspects=True).table) == 204


def suspects_of(tmp_path: Path, **options: bool) -> Scores:
    """A good pair and one whose origin is 20 mm off."""
    cohort = []
    paths = {}
    for name, shift in (("good", 0), ("shifted", 20)):
        reference = save_brain(tmp_path / f"gt/{name}.nii.gz", brain())
        cohort.append(Subject(name, "flat", reference, None, name))
        affine = AFFINE.copy()
        affine[1, 3] += shift
        paths[name] = save_brain(tmp_path / f"p/{name}.nii.gz", brain(jitter=5), affine)
    made_here = options.pop("made_here", False)
    return score_cohort(cohort, [Method("m", paths, made_here=made_here)], OVERLAP, **options)


def test_a_suspected_pair_is_named_and_enters_no_mean(tmp_path: Path) -> None:
    scores = suspects_of(tmp_path)
    (suspect,) = scores.suspects
    assert (suspect.subject, suspect.method, suspect.kind, suspect.counted) == ("shifted", "m", "origin shifted", False)
    assert set(scores.table["subject"]) == set(scores.groups["subject"]) == {"good"}
    assert not scores.failures


@pytest.mark.parametrize("options", [{"include_suspects": True}, {"made_here": True}])
def test_a_suspected_pair_is_kept_where_asked_for_or_where_no_file_can_be_at_fault(
    tmp_path: Path, options: dict[str, bool]
) -> None:
    scores = suspects_of(tmp_path, **options)
    assert [suspect.counted for suspect in scores.suspects] == [True]
    assert set(scores.table["subject"]) == {"good", "shifted"}


def desikan(ids: np.ndarray, n: int) -> np.ndarray:
    changed = ids.copy()
    changed[tuple(np.argwhere(ids == 1030)[:n].T)] = 1001
    return changed


def test_protocols_that_do_not_go_together_are_said_once(tmp_path: Path) -> None:
    cohort, dkt, dk = [], {}, {}
    for number in range(10):
        name = f"s{number}"
        cohort.append(Subject(name, "flat", save_brain(tmp_path / f"gt/{name}.nii.gz", brain(jitter=number + 1)), None, name))
        dkt[name] = save_brain(tmp_path / f"dkt/{name}.nii.gz", desikan(brain(jitter=3, seed=number), 5))
        dk[name] = save_brain(tmp_path / f"dk/{name}.nii.gz", desikan(brain(jitter=3, seed=number), 80))
    methods = [Method("dkt", dkt), Method("dk", dk)]
    assert score_cohort(cohort, methods, OVERLAP).warnings == [
        "dk follows Desikan, the references DKT, which alone lowers its cortical scores: s0, s1, s2, s3, s4, s5 and 4 more"
    ]
    dk_scoring = replace(OVERLAP, protocol=load_protocol("dk"), places=tuple(range(68)))
    under_dk = score_cohort(cohort[:1], methods, dk_scoring).warnings
    assert under_dk[-1] == (
        "absent by protocol, as no reference holds them: 6 of 68 regions (cortex (6 of 68)); they are in no mean"
    )
    swapped = [replace(cohort[0], reference=dk["s0"])]
    assert (
        "references are Desikan maps (they label bankssts): their cortex is not DKT's: s0"
        in score_cohort(swapped, [Method("dkt", dkt)], OVERLAP).warnings
    )
    stray = [replace(cohort[0], reference=dkt["s0"])]
    assert score_cohort(stray, [Method("dk", dk)], OVERLAP).warnings[0] == (
        "stray bankssts and poles in DKT references, 5 voxels masked: s0"
    )


# Means of the README of the test data, computed there with no id masked: over the 97 regions that it emits, and over 102.
MESHNET = {"sub-01": (0.6628, 0.6303, 0.6748), "sub-08": (0.6537, 0.6216, 0.6673)}


def test_it_reproduces_a_published_table_of_real_scans(shared_data: Path) -> None:
    scoring = replace(OVERLAP, outside="background")
    for file, column in (("aparc.DKTatlas+aseg.mgz", 0), ("aparc+aseg.mgz", 2)):
        subjects = choose_subjects(find_cohort(shared_data / "subjects"), list(MESHNET)).subjects
        cohort = [replace(subject, reference=subject.reference.with_name(file)) for subject in subjects]
        found = find_predictions(shared_data / "predictions/meshnet104", cohort)
        means = subject_means(score_cohort(cohort, [Method("meshnet104", found.paths)], scoring).table).set_index("subject")
        for name, published in MESHNET.items():
            assert means.loc[name, "n_dice_common"] == 97
            assert means.loc[name, "mean_dice_common"] == pytest.approx(published[column], abs=6e-5)
            if column == 0:
                assert means.loc[name, "mean_dice"] == pytest.approx(published[1], abs=6e-5)
