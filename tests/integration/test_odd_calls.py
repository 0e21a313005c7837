"""Calls that people make by mistake: one line says what was found and what to give instead, with the right exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from darts_ensemble.commands.segment import app as segment
from darts_ensemble.commands.train import app as train
from darts_ensemble.commands.weights import app as weights
from evaluation.commands.evaluate import app as evaluate
from evaluation.commands.quality import app as quality
from tests.phantoms.brain import brain, save


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """References, predictions, and files that are none of these."""
    root = tmp_path_factory.mktemp("calls")
    for number in (1, 2):
        save(root / f"gt/sub-{number}.nii.gz", brain(jitter=0.3, seed=number))
        save(root / f"pred/sub-{number}.nii.gz", brain(jitter=1.5, seed=9 + number))
        save(root / f"mixed/sub-{number}_dseg.nii.gz", brain(jitter=1.5, seed=9 + number))
        nib.save(nib.Nifti1Image(brain().astype(np.float32) * 0.37, np.eye(4)), root / f"mixed/sub-{number}.nii.gz")
    (root / "account.json").write_text(json.dumps({"scans": []}), encoding="utf-8")
    (root / "page.html").write_text("<html></html>", encoding="utf-8")
    (root / "table.csv").write_text("subject,reference\na,b\n", encoding="utf-8")
    (root / "latin.tsv").write_bytes("subject\treference\nJosé\tx.nii\n".encode("latin-1"))
    (root / "wide.tsv").write_text("subject\treference\n", encoding="utf-16")
    (root / "empty.tsv").touch()
    (root / "empty").mkdir()
    return root


#: Words after darts-eval (with {}, the folder), the exit code, and what is said.
EVAL: dict[str, tuple[list[str], int, str]] = {
    "a pair of files": (["--gt", "{}/gt/sub-1.nii.gz", "--pred", "m={}/pred/sub-1.nii.gz"], 0, "m"),
    "a file and a folder": (["--gt", "{}/gt/sub-1.nii.gz", "--pred", "m={}/pred"], 0, "m"),
    "a folder and a file": (["--gt", "{}/gt", "--pred", "m={}/pred/sub-2.nii.gz"], 0, "1 of 2"),
    "scans beside label maps": (["--gt", "{}/gt", "--pred", "m={}/mixed"], 0, "2 of 2"),
    "references with scans beside": (["--gt", "{}/mixed", "--pred", "m={}/pred"], 0, "2 of 2"),
    "no name of a method": (["--gt", "{}/gt", "--pred", "{}/pred"], 2, "expected NAME=PATH"),
    "a slash at the end": (["--gt", "{}/gt/", "--pred", "m={}/pred/"], 0, "2 of 2"),
    "JSON as references": (["--gt", "{}/account.json", "--pred", "m={}/pred"], 1, "expected"),
    "a page as references": (["--gt", "{}/page.html", "--pred", "m={}/pred"], 1, "expected"),
    "commas in place of tabs": (["--gt", "{}/table.csv", "--pred", "m={}/pred"], 1, "separated by tabs"),
    "another encoding": (["--gt", "{}/latin.tsv", "--pred", "m={}/pred"], 1, "UTF-8"),
    "UTF-16": (["--gt", "{}/wide.tsv", "--pred", "m={}/pred"], 1, "expected"),
    "an empty manifest": (["--gt", "{}/empty.tsv", "--pred", "m={}/pred"], 1, "expected"),
    "an empty folder": (["--gt", "{}/empty", "--pred", "m={}/pred"], 1, "no reference found"),
    "empty predictions": (["--gt", "{}/gt", "--pred", "m={}/empty"], 1, "no label map of any subject"),
    "no such folder": (["--gt", "{}/nowhere", "--pred", "m={}/pred"], 1, "no such folder"),
    "no such predictions": (["--gt", "{}/gt", "--pred", "m={}/nowhere"], 1, "expected"),
    "an empty method": (["--gt", "{}/gt", "--pred", "m="], 2, "expected"),
    "a method twice": (["--gt", "{}/gt", "--pred", "m={}/pred", "--pred", "m={}/mixed"], 2, "m"),
    "an unknown metric": (["--gt", "{}/gt", "--pred", "m={}/pred", "--metrics", "dyce"], 2, "is not one of"),
    "an unknown subject": (["--gt", "{}/gt", "--pred", "m={}/pred", "--subjects", "sub-9"], 1, "expected some of sub-1, sub-2"),
    "an unknown protocol": (["--gt", "{}/gt", "--pred", "m={}/pred", "--protocol", "none"], 2, "expected"),
    "the results folder is a file": (["--gt", "{}/gt", "--pred", "m={}/pred", "-o", "{}/page.html"], 1, "page.html"),
}  # fmt: skip


def said(result: Result) -> str:
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return " ".join(result.output.split())


@pytest.mark.parametrize("kind", EVAL)
def test_darts_eval(place: Path, tmp_path: Path, kind: str) -> None:
    words, code, expected = EVAL[kind]
    given = [word.replace("{}", str(place)) for word in words]
    out = [] if "-o" in given else ["-o", str(tmp_path / "out")]
    result = CliRunner().invoke(evaluate, [*given, *out, "--no-figures", "--no-report"])
    assert expected in said(result)
    assert result.exit_code == code, result.output


#: Words after darts-segment, the exit code, and what is said.
SEGMENT: dict[str, tuple[list[str], int, str]] = {
    "JSON": (["{}/account.json"], 1, "expected .nii.gz, .nii, .mgz, .mgh"),
    "a page": (["{}/page.html"], 1, "expected .nii.gz, .nii, .mgz, .mgh"),
    "a table of another separator": (["{}/table.csv"], 1, "expected"),
    "a list in another encoding": (["{}/latin.tsv"], 1, "expected a tab-separated table with a column scan"),
    "a list in UTF-16": (["{}/wide.tsv"], 1, "expected a tab-separated table with a column scan"),
    "an empty list": (["{}/empty.tsv"], 1, "expected a tab-separated table with a column scan"),
    "an empty folder": (["{}/empty"], 1, "no scan found"),
    "nowhere": (["{}/nowhere.nii.gz"], 1, "no such file"),
    "a pattern of nothing": (["{}/*.img"], 1, "matches nothing"),
    "a part of none": (["{}/gt", "--part", "0/3"], 2, "expected such as 3/10"),
    "a part of words": (["{}/gt", "--part", "a/b"], 2, "expected such as 3/10"),
    "an unknown view": (["{}/gt", "--views", "coronal,oblique"], 2, "expected some of"),
    "no view": (["{}/gt", "--views", ""], 2, "expected some of"),
    "weights of views that are no numbers": (["{}/gt", "--view-weights", "coronal=much"], 2, "expected such as"),
    "no such weights": (["{}/gt", "--weights", "{}/nowhere"], 1, "expected"),
    "JSON as weights": (["{}/gt", "--weights", "{}/account.json"], 1, "expected"),
    "an unknown region": (["{}/gt", "--save-probabilities", "Left-Hippocampuss"], 2, "no such region"),
    "agreement of one view": (["{}/gt", "--views", "axial", "--save-agreement"], 2, "expected two or three views"),
    "an unknown format": (["{}/gt", "--format", "dicom"], 2, "dicom"),
    "a label map": (["{}/gt/sub-1.nii.gz"], 1, "not a label map"),
}


@pytest.mark.parametrize("kind", SEGMENT)
def test_darts_segment(place: Path, tmp_path: Path, kind: str, tiny_weights: Path) -> None:
    words, code, expected = SEGMENT[kind]
    given = [word.replace("{}", str(place)) for word in words]
    chosen = [] if "--weights" in given else ["--weights", str(tiny_weights)]
    result = CliRunner().invoke(segment, [*given, "-o", str(tmp_path / "out"), *chosen])
    assert expected in said(result)
    assert result.exit_code == code, result.output


OTHERS: dict[str, tuple[Callable[..., Result], list[str], int, str]] = {
    "qc of nothing": (lambda words: CliRunner().invoke(quality, words), ["{}/empty"], 1, "expected"),
    "qc of a file": (lambda words: CliRunner().invoke(quality, words), ["{}/page.html"], 1, "expected"),
    "training on nothing": (
        lambda words: CliRunner().invoke(train, ["pretrain", "--data", *words, "-o", "/nowhere/w"]),
        ["{}/empty"], 1, "expected",
    ),
    "training on a page": (
        lambda words: CliRunner().invoke(train, ["pretrain", "--data", *words, "-o", "/nowhere/w"]), ["{}/page.html"], 1,
        "expected a TSV",
    ),
    "a page as weights": (
        lambda words: CliRunner().invoke(weights, ["verify", *words]), ["{}/page.html"], 1, "an HTML page, not weights",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_other_commands(place: Path, kind: str) -> None:
    run, words, code, expected = OTHERS[kind]
    result = run([word.replace("{}", str(place)) for word in words])
    assert expected in said(result)
    assert result.exit_code == code, result.output
