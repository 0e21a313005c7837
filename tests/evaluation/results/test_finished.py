"""Only finished pairs are reused: with changed files or options, damaged records and --overwrite, pairs are scored again."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import evaluation.run.subject_scores as module
from evaluation.cohort.find import Subject
from evaluation.results.finished import finished_file
from evaluation.run.evaluate import Method, Scores, score_cohort
from tests.evaluation.run.test_evaluate import OVERLAP, save, subject


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that are read as label maps, by their folder and name."""
    read: list[str] = []
    for name in ("read_reference", "read_prediction"):
        original = getattr(module, name)

        def noted(path: Path, *rest: object, original: object = original) -> object:
            read.append(f"{path.parent.name}/{path.name}")
            return original(path, *rest)  # type: ignore[operator]

        monkeypatch.setattr(module, name, noted)
    return read


@pytest.fixture
def run(tmp_path: Path) -> tuple[list[Subject], list[Method]]:
    cohort = [subject(tmp_path, name, {17: 10, 53: 5}) for name in "ab"]
    methods = [Method(m, {n: save(tmp_path / f"{m}/{n}.nii.gz", {17: 5}) for n in "ab"}) for m in ("x", "y")]
    return cohort, methods


def score(run: tuple[list[Subject], list[Method]], tmp_path: Path, **options: object) -> Scores:
    return score_cohort(*run, OVERLAP, finished=tmp_path / "done", **options)  # type: ignore[arg-type]


def test_a_reference_is_read_once_for_all_methods_and_a_second_run_reads_nothing(
    run: tuple[list[Subject], list[Method]], tmp_path: Path, counted: list[str]
) -> None:
    first = score(run, tmp_path)
    assert counted == ["gt/a.nii.gz", "x/a.nii.gz", "y/a.nii.gz", "gt/b.nii.gz", "x/b.nii.gz", "y/b.nii.gz"]
    counted.clear()
    again = score(run, tmp_path)
    assert counted == []
    assert (first.n_reused, again.n_reused) == (0, 4)
    assert again.table.equals(first.table)
    assert again.groups.equals(first.groups)
    assert again.checksums == first.checksums
    score(run, tmp_path, overwrite=True)
    assert len(counted) == 6


def test_a_new_method_costs_only_itself_and_a_renamed_one_nothing(
    run: tuple[list[Subject], list[Method]], tmp_path: Path, counted: list[str]
) -> None:
    cohort, methods = run
    score((cohort, methods[:1]), tmp_path)
    counted.clear()
    score(run, tmp_path)
    assert counted == ["gt/a.nii.gz", "y/a.nii.gz", "gt/b.nii.gz", "y/b.nii.gz"]
    counted.clear()
    renamed = score((cohort, [replace(methods[0], name="z"), methods[1]]), tmp_path)
    assert counted == []
    assert renamed.table["method"].unique().tolist() == ["z", "y"]


def test_changed_files_are_scored_again_even_with_their_old_dates(
    run: tuple[list[Subject], list[Method]], tmp_path: Path, counted: list[str]
) -> None:
    score(run, tmp_path)
    path = run[1][0].paths["a"]
    before = path.stat()
    save(path, {17: 10})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    counted.clear()
    changed = score(run, tmp_path)
    assert counted == ["gt/a.nii.gz", "x/a.nii.gz"]
    row = changed.table[(changed.table["subject"] == "a") & (changed.table["method"] == "x")].set_index("region_id").loc[17]
    assert row["dice"] == 1
    save(run[0][1].reference, {17: 3})
    counted.clear()
    score(run, tmp_path)
    assert counted == ["gt/b.nii.gz", "x/b.nii.gz", "y/b.nii.gz"]


def test_other_options_are_scored_again(run: tuple[list[Subject], list[Method]], tmp_path: Path, counted: list[str]) -> None:
    score(run, tmp_path)
    counted.clear()
    score_cohort(*run, replace(OVERLAP, outside="background"), finished=tmp_path / "done")
    assert len(counted) == 6


@pytest.mark.parametrize("content", ["", "{", '{"pairs": []}', '{"pairs": {"k": {}}}', "[]", '{"pairs": {"k": null}}'])
def test_a_damaged_record_is_no_record(
    run: tuple[list[Subject], list[Method]], tmp_path: Path, counted: list[str], content: str
) -> None:
    score(run, tmp_path)
    (tmp_path / "done/a.json").write_text(content)
    counted.clear()
    assert len(score(run, tmp_path).table) == 4 * 102
    assert counted == ["gt/a.nii.gz", "x/a.nii.gz", "y/a.nii.gz"]
    assert json.loads((tmp_path / "done/a.json").read_text())["subject"] == "a"


def test_a_failure_is_tried_again_and_what_was_done_stays(
    run: tuple[list[Subject], list[Method]], tmp_path: Path, counted: list[str]
) -> None:
    good = run[1][1].paths["a"].read_bytes()
    run[1][1].paths["a"].write_bytes(b"no image")
    first = score(run, tmp_path)
    assert [(one.subject, one.method) for one in first.failures] == [("a", "y")]
    run[1][1].paths["a"].write_bytes(good)
    counted.clear()
    assert not score(run, tmp_path).failures
    assert counted == ["gt/a.nii.gz", "y/a.nii.gz"]


def test_subjects_whose_names_are_no_file_names_are_kept_apart(tmp_path: Path) -> None:
    names = ["a/b", "a_b", "a b", "../a"]
    assert len({finished_file(tmp_path, name) for name in names}) == 4
    assert all(finished_file(tmp_path, name).parent == tmp_path for name in names)


def test_numbers_survive_the_record_to_the_last_digit(run: tuple[list[Subject], list[Method]], tmp_path: Path) -> None:
    scoring = replace(OVERLAP, definitions=("voxel",), misses="inf")
    first = score_cohort(*run, scoring, finished=tmp_path / "done")
    again = score_cohort(*run, scoring, finished=tmp_path / "done")
    assert again.n_reused == 4
    assert again.table.equals(first.table)
    assert np.isinf(again.table["assd_voxel_mm"]).any()


def test_why_a_pair_is_scored_again_is_said(run: tuple[list[Subject], list[Method]], tmp_path: Path) -> None:
    cohort, methods = run
    lines: list[str] = []
    score(run, tmp_path, report=lines.append)
    save(methods[0].paths["a"], {17: 4})
    score(run, tmp_path, report=lines.append)
    other = replace(OVERLAP, outside="background")
    score_cohort(cohort, methods, other, finished=tmp_path / "done", report=lines.append)
    assert lines == [
        "a: scored x, y", "b: scored x, y", "a: scored x, y; x again (changed: the label map)", "b: taken over x, y",
        "a: scored x, y; x, y again (changed: --outside-protocol)", "b: scored x, y; x, y again (changed: --outside-protocol)",
    ]  # fmt: skip
