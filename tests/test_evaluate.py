"""The long table and the means over it: every status, merged sides, subjects seen in training, a published table of Dice."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from darts_ensemble.checkpoints import save_view, voxel_checksum
from darts_ensemble.labels import REGIONS
from darts_ensemble.networks import DenseUNet
from darts_ensemble.scan import read_scan
from evaluation.cohort import Subject, choose_subjects, find_cohort, find_predictions
from evaluation.evaluate import (
    COLUMNS,
    Method,
    never_emitted,
    region_means,
    score_cohort,
    segment_cohort,
    subject_means,
    summarise,
)

AFFINE = np.array([[-1.0, 0, 0, 20], [0, 0, 1, -15], [0, -1, 0, 18], [0, 0, 0, 1]])
SIZE = (24, 20, 16)


def save(path: Path, values: dict[int, int]) -> Path:
    """A label map with the given number of voxels of each id, along memory from the first voxel on."""
    ids = np.zeros(int(np.prod(SIZE)), dtype=np.int16)
    stretch = np.repeat(list(values), list(values.values()))
    ids[: len(stretch)] = stretch
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(ids.reshape(SIZE), AFFINE), path)
    return path


def subject(tmp_path: Path, name: str, values: dict[int, int], *, cortex_only: bool = False) -> Subject:
    return Subject(name, "mindboggle", save(tmp_path / f"gt/{name}.nii.gz", values), None, cortex_only)


def one(table: pd.DataFrame, region: int, method: str = "m") -> pd.Series:
    rows = table[(table["region_id"] == region) & (table["method"] == method)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_status_and_its_dice(tmp_path: Path) -> None:
    reference = subject(tmp_path, "a", {17: 30, 53: 20, 77: 10, 0: 40, 1024: 10})
    prediction = save(tmp_path / "a.nii.gz", {17: 40, 0: 20, 1001: 10, 10: 20, 1024: 20})
    ids = np.asarray(nib.load(prediction).dataobj).ravel()
    truth = np.asarray(nib.load(reference.reference).dataobj).ravel()
    keep = truth != 77
    ids = np.where(np.isin(ids, [77, 1001]), 0, ids)[keep]
    truth = truth[keep]
    scores = score_cohort([reference], [Method("m", {"a": prediction})])
    table = scores.table
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 102
    for region in REGIONS:
        row = one(table, region.id)
        n_reference, n_prediction = int((truth == region.id).sum()), int((ids == region.id).sum())
        assert (row["n_ref_voxels"], row["n_pred_voxels"]) == (n_reference, n_prediction)
        if n_reference + n_prediction:
            both = int(((truth == region.id) & (ids == region.id)).sum())
            assert row["dice"] == pytest.approx(2 * both / (n_reference + n_prediction))
    statuses = {id_: one(table, id_)["status"] for id_ in (17, 53, 10, 8)}
    assert statuses == {17: "scored", 53: "missed", 10: "invented", 8: "absent"}
    assert one(table, 53)["dice"] == 0
    assert one(table, 10)["dice"] == 0
    assert np.isnan(one(table, 8)["dice"])
    assert scores.foreign_ids["a"]["m"] == {"masked": {77: 10}, "dropped": {1001: 10}}


def test_a_missed_region_lowers_the_mean_and_an_absent_one_does_not(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, "a", {17: 10, 53: 10}), subject(tmp_path, "b", {17: 10})]
    paths = {"a": save(tmp_path / "a.nii.gz", {17: 10}), "b": save(tmp_path / "b.nii.gz", {17: 10})}
    means = subject_means(score_cohort(cohort, [Method("m", paths)]).table).set_index("subject")
    assert means.loc["a", "mean_dice"] == 0.5
    assert means.loc["b", "mean_dice"] == 1
    assert (means.loc["a", "n_missed"], means.loc["b", "n_missed"]) == (1, 0)


def test_a_cortical_reference_scores_the_cortex_alone(tmp_path: Path) -> None:
    reference = subject(tmp_path, "a", {1024: 40, 2024: 20}, cortex_only=True)
    table = score_cohort([reference], [Method("m", {"a": save(tmp_path / "a.nii.gz", {1024: 40, 17: 30})}, True)]).table
    single = table[table["method"] == "m"]
    assert (single["status"] == "absent by protocol").sum() == 40
    assert single.loc[single["status"] == "absent by protocol", "dice"].isna().all()
    assert one(table, 17)["status"] == "absent by protocol"
    assert one(table, 1024)["dice"] == 1
    assert one(table, 2024)["status"] == "missed"
    assert subject_means(single)["mean_dice"].item() == 0.5


def test_merged_sides_forgive_the_wrong_side_only(tmp_path: Path) -> None:
    reference = subject(tmp_path, "a", {17: 20, 53: 20, 16: 10})
    prediction = save(tmp_path / "a.nii.gz", {53: 20, 17: 20, 16: 5})
    table = score_cohort([reference], [Method("sagittal", {"a": prediction}, also_merged=True)]).table
    merged = table[table["method"] == "sagittal (sides merged)"]
    assert len(merged) == 56
    row = one(table, 17, "sagittal (sides merged)")
    assert (row["region_name"], row["hemisphere"], row["dice"], row["n_ref_voxels"]) == ("Hippocampus", "both", 1, 40)
    assert one(table, 17, "sagittal")["dice"] == 0
    stem = one(table, 16, "sagittal (sides merged)")
    assert stem["hemisphere"] == "midline"
    assert stem["dice"] == pytest.approx(2 * 5 / 15)
    assert set(merged["hemisphere"]) == {"both", "midline"}
    assert one(table, 1024, "sagittal (sides merged)")["region_name"] == "ctx-precentral"


def test_common_regions_are_those_that_every_method_emits_somewhere(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, "a", {17: 10, 53: 10, 16: 10}), subject(tmp_path, "b", {17: 10, 53: 10, 16: 10})]
    full = {name: save(tmp_path / f"full/{name}.nii.gz", {17: 10, 53: 10, 16: 10}) for name in "ab"}
    # never 53; 16 in one of two subjects only, so that it can
    poor = {"a": save(tmp_path / "poor/a.nii.gz", {17: 10}), "b": save(tmp_path / "poor/b.nii.gz", {17: 10, 0: 10, 16: 10})}
    table = score_cohort(cohort, [Method("full", full, also_merged=True), Method("poor", poor)]).table
    assert 53 in never_emitted(table)["poor"]
    assert 16 not in never_emitted(table)["poor"]
    assert not {16, 17, 53} & set(never_emitted(table)["full"])
    means = subject_means(table).set_index(["method", "subject"])
    assert means.loc[("poor", "a"), "mean_dice"] == pytest.approx(1 / 3)
    assert means.loc[("poor", "a"), "mean_dice_common"] == pytest.approx(1 / 2)
    assert means.loc[("full", "a"), "n_regions_common"] == 2
    # the pair 17/53 is common only where both sides are
    assert means.loc[("full (sides merged)", "a"), "n_regions_common"] == 1
    summary = summarise(table).set_index("method")
    assert "Right-Hippocampus" in summary.loc["poor", "never_emitted"]
    assert "Left-Hippocampus" not in summary.loc["poor", "never_emitted"]
    assert summary.loc["poor", "mean_dice"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert summary.loc["poor", "sd_dice"] == pytest.approx(np.std([1 / 3, 2 / 3], ddof=1))


def test_subjects_seen_in_training_are_marked_and_stay_out_of_all_means(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, name, {17: 10}) for name in "ab"]
    trained = Method("trained", {n: save(tmp_path / f"t/{n}.nii.gz", {17: 10}) for n in "ab"}, seen=frozenset("a"))
    other = Method("other", {n: save(tmp_path / f"o/{n}.nii.gz", {17: 5 if n == "a" else 10}) for n in "ab"})
    table = score_cohort(cohort, [trained, other]).table
    marked = table[table["seen_in_training"]]
    assert set(zip(marked["subject"], marked["method"], strict=True)) == {("a", "trained")}
    summary = summarise(table).set_index("method")
    assert summary.loc["other", ["n_subjects", "mean_dice", "n_seen_left_out"]].tolist() == [1, 1, 1]
    with_seen = summarise(table, include_seen=True).set_index("method")
    assert with_seen.loc["other", "n_subjects"] == 2
    assert with_seen.loc["other", "mean_dice"] == pytest.approx((1 + 2 / 3) / 2)
    regions = region_means(table).set_index(["method", "region_id"])
    assert regions.loc[("other", 17), "n_subjects"] == 1
    assert regions.loc[("other", 53), "n_subjects"] == 0


def test_one_bad_file_is_named_and_the_others_are_scored(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, name, {17: 10}) for name in "abc"]
    paths = {name: save(tmp_path / f"{name}.nii.gz", {17: 10}) for name in "abc"}
    paths["b"].write_bytes(paths["b"].read_bytes()[:60])
    cohort[2].reference.write_bytes(b"no image")
    scores = score_cohort(cohort, [Method("m", paths)])
    assert set(scores.table["subject"]) == {"a"}
    assert [(one.subject, one.method) for one in scores.failures] == [("b", "m"), ("c", "")]
    assert "b.nii.gz" in scores.failures[0].reason


def test_an_empty_prediction_and_the_reference_itself_are_warned_of(tmp_path: Path) -> None:
    cohort = [subject(tmp_path, "a", {17: 10})]
    paths = {"a": save(tmp_path / "a.nii.gz", {})}
    scores = score_cohort(cohort, [Method("nothing", paths), Method("itself", {"a": cohort[0].reference})])
    assert "is empty" in scores.warnings[0]
    assert "reference file itself" in scores.warnings[1]
    assert subject_means(scores.table).set_index("method").loc["nothing", "mean_dice"] == 0


def test_a_desikan_reference_of_freesurfer_is_said(tmp_path: Path) -> None:
    path = save(tmp_path / "aparc+aseg.nii.gz", {17: 10, 1001: 5})
    cohort = [Subject("a", "freesurfer", path, None, False)]
    scores = score_cohort(cohort, [Method("m", {"a": save(tmp_path / "a.nii.gz", {17: 10})})])
    assert "Desikan" in scores.warnings[0]


@pytest.fixture
def cohort_with_scans(tmp_path: Path) -> Path:
    """Two Mindboggle-like subjects with small scans; three tiny networks, which have seen the first."""
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        folder = tmp_path / "gt" / name
        save(folder / "labels.DKT31.manual+aseg.nii.gz", {17: 3000, 1024: 2000})
        nib.save(nib.Nifti1Image(rng.uniform(50, 200, SIZE).astype(np.float32), AFFINE), folder / "t1weighted.nii.gz")
    checksum = voxel_checksum(read_scan(tmp_path / "gt/one/t1weighted.nii.gz").data)
    (tmp_path / "weights").mkdir()
    for number, view in enumerate(("coronal", "axial", "sagittal")):
        torch.manual_seed(number)
        save_view(
            tmp_path / f"weights/{view}.safetensors", DenseUNet(filters=2, convolutions=1), view=view,
            normalisation="volume-median", training_subjects=[{"id": "renamed", "sha256": checksum}],
        )  # fmt: skip
    return tmp_path


def test_views_and_ensemble_become_methods_and_are_not_done_twice(cohort_with_scans: Path) -> None:
    root = cohort_with_scans
    subjects = find_cohort(root / "gt").subjects
    lines: list[str] = []
    first = segment_cohort(subjects, root / "weights", root / "out", device="cpu", report=lines.append)
    assert [(method.name, method.also_merged) for method in first.methods] == [
        ("coronal", False), ("axial", False), ("sagittal", True), ("ensemble", False),
    ]  # fmt: skip
    assert all(method.seen == {"one"} for method in first.methods)
    assert not first.failures
    assert not first.warnings
    paths = [path for method in first.methods for path in method.paths.values()]
    written = {path: path.stat().st_mtime_ns for path in paths}
    assert len(written) == 8
    again = segment_cohort(subjects, root / "weights", root / "out", device="cpu", report=lines.append)
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in paths} == written
    assert lines[2:] == ["one: segmented earlier", "two: segmented earlier"]
    table = score_cohort(subjects, again.methods).table
    assert set(table.loc[table["seen_in_training"], "subject"]) == {"one"}
    assert set(table["method"]) == {"coronal", "axial", "sagittal", "sagittal (sides merged)", "ensemble"}


def test_other_weights_an_interruption_and_overwrite_do_it_again(cohort_with_scans: Path) -> None:
    root = cohort_with_scans
    subjects = find_cohort(root / "gt").subjects[:1]
    lines: list[str] = []
    coronal = root / "weights/coronal.safetensors"
    method = segment_cohort(subjects, coronal, root / "out", device="cpu").methods
    assert [one.name for one in method] == ["coronal"]
    segment_cohort(subjects, coronal, root / "out", device="cpu", overwrite=True, report=lines.append)
    torch.manual_seed(9)
    save_view(
        coronal, DenseUNet(filters=2, convolutions=1), view="coronal", normalisation="volume-median", training_subjects=[]
    )
    changed = segment_cohort(subjects, coronal, root / "out", device="cpu", report=lines.append)
    assert changed.methods[0].seen == frozenset()
    assert json.loads((root / "out/one.json").read_text())["seen_in_training"] is False
    (root / "out/one.json").unlink()
    segment_cohort(subjects, coronal, root / "out", device="cpu", report=lines.append)
    assert lines == ["one: segmented t1weighted.nii.gz"] * 3


def test_finetuned_weights_without_a_list_of_subjects_are_warned_of_on_mindboggle(cohort_with_scans: Path) -> None:
    root = cohort_with_scans
    subjects = find_cohort(root / "gt").subjects[:1]
    for name, warned in (("dense_unet_back2front_finetuned", True), ("dense_unet_back2front_non_finetuned", False)):
        torch.save(DenseUNet(filters=2, convolutions=1).state_dict(), root / f"{name}.pth")
        warnings = segment_cohort(subjects, root / f"{name}.pth", root / name, device="cpu").warnings
        assert any("split is unknown" in warning for warning in warnings) == warned


def test_a_scan_that_fails_is_named_and_the_others_are_segmented(cohort_with_scans: Path) -> None:
    root = cohort_with_scans
    (root / "gt/one/t1weighted.nii.gz").write_bytes(b"no scan")
    done = segment_cohort(find_cohort(root / "gt").subjects, root / "weights/axial.safetensors", root / "out", device="cpu")
    assert [failure.subject for failure in done.failures] == ["one"]
    assert list(done.methods[0].paths) == ["two"]


# Means of the README of the test data, computed there with no id masked.
MESHNET = {"sub-01": (0.6628, 0.6303), "sub-08": (0.6537, 0.6216)}


def test_it_reproduces_a_published_table_of_real_scans(shared_data: Path) -> None:
    cohort = choose_subjects(find_cohort(shared_data / "subjects"), list(MESHNET))
    paths = find_predictions(shared_data / "predictions/meshnet104", cohort.subjects)
    means = subject_means(score_cohort(cohort.subjects, [Method("meshnet104", paths)]).table).set_index("subject")
    for name, (over_97, over_102) in MESHNET.items():
        assert means.loc[name, "n_regions_common"] == 97
        assert means.loc[name, "mean_dice_common"] == pytest.approx(over_97, abs=0.002)
        assert means.loc[name, "mean_dice"] == pytest.approx(over_102, abs=0.002)
