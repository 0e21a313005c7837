"""A results folder: tables are read back as they were written, and nothing of an earlier run remains."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darts_ensemble.errors import CohortError, ScanError
from evaluation.results.captions import write_captions
from evaluation.results.folder import counted_rows, is_distance, metric_columns, read_results
from evaluation.run.evaluate import Method, Scores, score_cohort
from evaluation.run.write_results import write_results
from tests.evaluation.run.test_evaluate import OVERLAP, save, subject


@pytest.fixture
def scores(tmp_path: Path) -> Scores:
    """Subjects whose names pandas would take for a number and for a missing value; the second was seen in training."""
    cohort = [subject(tmp_path, name, {17: 10, 53: 4}) for name in ("01", "NA")]
    methods = [
        Method("x", {name: save(tmp_path / f"x/{name}.nii.gz", {17: 5}) for name in ("01", "NA")}, seen=frozenset({"NA"})),
        Method("null", {"01": save(tmp_path / "y/01.nii.gz", {17: 10})}),
    ]
    return score_cohort(cohort, methods, OVERLAP)


def account(**more: object) -> dict[str, object]:
    return {"include_seen": False, "failures": [], **more}


def test_a_folder_is_read_back_as_it_was_written(scores: Scores, tmp_path: Path) -> None:
    assert write_results(tmp_path / "out", scores, account(), {}) == []
    results = read_results(tmp_path / "out")
    pd.testing.assert_frame_equal(results.scores, scores.table, check_dtype=False, rtol=1e-5)
    pd.testing.assert_frame_equal(results.groups, scores.groups, check_dtype=False, rtol=1e-5)
    assert results.methods == ["x", "null"]
    assert results.metrics == ["dice", "jaccard", "sensitivity", "precision", "volume_similarity"]
    assert results.scores["subject"].unique().tolist() == ["01", "NA"]
    assert results.account["files"] == [
        "scores.csv", "groups.csv", "subjects.csv", "summary.csv", "regions.csv", "run.json",
    ]  # fmt: skip
    assert results.paired_regions is None


def test_subjects_seen_in_training_are_out_of_means_for_every_method(scores: Scores, tmp_path: Path) -> None:
    write_results(tmp_path / "out", scores, account(), {})
    results = read_results(tmp_path / "out")
    assert set(results.counted()["subject"]) == {"01"}
    assert set(results.counted(results.groups)["subject"]) == {"01"}
    write_results(tmp_path / "all", scores, account(include_seen=True), {})
    assert set(read_results(tmp_path / "all").counted()["subject"]) == {"01", "NA"}
    assert counted_rows(scores.table.iloc[:0]).empty


def test_what_an_earlier_run_left_goes_and_what_others_put_there_stays(scores: Scores, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def drawn(folder: Path) -> Sequence[Path]:
        for name in ("figures/a.png", "report.html"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
        return [folder / "figures/a.png", folder / "report.html"]

    write_results(out, scores, account(), {"figures": drawn})
    (out / "figures/mine.png").touch()
    (out / "notes.txt").touch()
    # Drawn by a command after the run, of its scores.
    write_captions(out / "overlays", {"overlay_best_axial": "the best subject of the earlier scores"})
    (out / "overlays/overlay_best_axial.png").touch()
    outside = tmp_path / "outside.txt"
    outside.touch()
    named = json.loads((out / "run.json").read_text())
    assert named["files"][-3:] == ["figures/a.png", "report.html", "run.json"]
    (out / "run.json").write_text(json.dumps({**named, "files": [*named["files"], "../outside.txt"]}))
    write_results(out, scores, account(), {})
    assert not (out / "figures/a.png").exists()
    assert not (out / "report.html").exists()
    assert not list((out / "overlays").iterdir())
    assert all(path.exists() for path in (out / "figures/mine.png", out / "notes.txt", outside, out / "scores.csv"))


def test_a_step_that_fails_is_named_and_hides_neither_the_scores_nor_the_steps_after_it(scores: Scores, tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen: list[list[dict[str, str]]] = []

    def broken(folder: Path) -> Sequence[Path]:
        raise ZeroDivisionError("no\nway")

    def full(folder: Path) -> Sequence[Path]:
        raise ScanError("disk: full")

    def last(folder: Path) -> Sequence[Path]:
        seen.append(read_results(folder).account["failures"])
        return []

    lines: list[str] = []
    one = account()
    failures = write_results(out, scores, one, {"figures": broken, "tables": full, "report": last}, lines.append)
    assert [(failure.method, failure.reason) for failure in failures] == [
        ("figures", "ZeroDivisionError: no way"), ("tables", "disk: full"),
    ]  # fmt: skip
    assert lines == ["figures: failed", "tables: failed", "report: written"]
    assert [failure["method"] for failure in seen[0]] == ["figures", "tables"]
    assert one["failures"] == read_results(out).account["failures"] == seen[0]


def test_a_folder_that_is_none_is_refused_by_name(scores: Scores, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"scores.csv: no such file; expected a folder that darts-eval wrote"):
        read_results(tmp_path)
    write_results(tmp_path, scores, account(), {})
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CohortError, match=r"run.json: .*; expected the account"):
        read_results(tmp_path)
    (tmp_path / "groups.csv").write_text("")
    with pytest.raises(CohortError, match=r"groups.csv: .*; expected a table"):
        read_results(tmp_path)


def test_metrics_are_told_from_their_columns() -> None:
    names = ["dice", "hd95_larger_voxel_mm", "surface_dice_1mm_voxel", "assd_dual_grid_mm", "status", "n_ref_voxels"]
    assert metric_columns(pd.DataFrame([[np.nan] * 6], columns=names)) == names[:4]
    assert [is_distance(name) for name in names[:4]] == [False, True, False, True]
