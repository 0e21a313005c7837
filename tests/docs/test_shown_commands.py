"""Commands in the documentation: their options exist, the marked ones run as shown, and pages say which are not run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT
from tests.darts_ensemble.training.test_slice_pool import write_subject
from tests.docs.shown_commands import PROJECT, command_lines, epilogues, pages, shown_on, typer_app, wrong_with
from tests.phantoms.brain import brain, save

SHOWN = {path: shown_on(path) for path in pages()}
RUN = [path for path, shown in SHOWN.items() if any(one.is_run for one in shown)]


def test_every_option_of_every_shown_command_exists() -> None:
    wrong = {str(one): found for shown in SHOWN.values() for one in shown if (found := wrong_with(one.words))}
    assert wrong == {}


@pytest.mark.parametrize("script", [name for name in PROJECT["scripts"] if name != "darts"])
def test_every_option_in_the_examples_of_a_help_exists(script: str) -> None:
    examples = [
        line for text in epilogues(script) for line in command_lines(re.sub(r"\n(?! *(\n|darts-|torchrun))", " ", text))
    ]
    assert {line: found for line in examples if (found := wrong_with(tuple(shlex.split(line))))} == {}
    assert examples


def test_commands_are_found_where_they_are_shown() -> None:
    assert len(SHOWN[ROOT / "README.md"]) > 5
    assert sum(map(len, SHOWN.values())) > 60


def test_commands_stand_in_fenced_blocks_where_they_are_checked() -> None:
    assert [
        str(path) for path in pages() if re.search(r"^(    |\t)darts-", path.read_text(encoding="utf-8"), re.MULTILINE)
    ] == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("darts-eval --gt x -o y --metrics none", "none"),
        ("darts-eval --gold x -o y", "--gold"),
        ("darts-reader-study analize ratings.csv -o y", "analize"),
        ("darts-train pretrain --data x", "--out"),
        ("make everything", "everything"),
    ],
)
def test_a_command_that_does_not_exist_as_shown_is_found(line: str, found: str) -> None:
    assert found in wrong_with(tuple(line.split()))


def test_a_page_with_commands_that_are_not_run_says_so() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path, shown in SHOWN.items()
        if any(not one.is_run for one in shown)
        and "not run by the tests" not in " ".join(path.read_text(encoding="utf-8").split())
    ]
    assert silent == []


def few_regions(jitter: float, seed: int) -> np.ndarray:
    """The phantom with six of its regions, so that tests and figures of them are quick."""
    ids = brain(jitter=jitter, seed=seed)
    return np.where(np.isin(ids, (10, 17, 49, 53, 1024, 2024)), ids, 0)


def prepared(folder: Path) -> None:
    """Lay out what the pages name: references, label maps of two methods, scans and their list."""
    for number, name in enumerate(("sub-01", "sub-02")):
        save(folder / f"manual/{name}.nii.gz", few_regions(0, number))
        save(folder / f"freesurfer/{name}/mri/aparc.DKTatlas+aseg.mgz", few_regions(3, number))
        save(folder / f"maps/{name}.nii.gz", few_regions(2, number + 10))
    for number in ("0001", "0002"):
        scan = np.where(brain() > 0, 120, 5) + np.random.default_rng(int(number)).integers(0, 20, brain().shape)
        save(folder / f"raw/{number}/T1.nii.gz", scan)
    (folder / "scans.tsv").write_text("scan\tname\nraw/0001/T1.nii.gz\tann\nraw/0002/T1.nii.gz\tben\n", encoding="utf-8")


def as_run_here(words: tuple[str, ...], weights: Path) -> list[str]:
    """The arguments of a command, with small networks, and with figures drawn once: by `darts-eval figures`."""
    if words[0] == "darts-segment":
        return [*words[1:], "--weights", str(weights), "--views", "axial", "--device", "cpu"]
    return [*words[1:], "--no-figures", "--no-report"] if words[:2] == ("darts-eval", "--gt") else list(words[1:])


@pytest.mark.parametrize("page", RUN, ids=lambda path: path.stem)
def test_the_commands_marked_on_a_page_run_one_after_the_other(
    page: Path, tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(tmp_path)
    if page.stem == "fine_tune":
        for number, name in enumerate(("a", "b")):  # no two people have equal voxels
            write_subject(tmp_path / "subjects" / name, (10, 49, 77)[: 3 - number])
    monkeypatch.chdir(tmp_path)
    for one in SHOWN[page]:
        if one.is_run:
            done = CliRunner().invoke(typer_app(one.words[0]), as_run_here(one.words, tiny_weights))
            assert done.exit_code == 0, f"{one}\n{done.output}\n{done.exception!r}"
