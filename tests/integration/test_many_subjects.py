"""Two hundred subjects in two processes, and on a Dask cluster: each ends once, bad ones are named, a second run is fast."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from evaluation.commands.evaluate import app
from tests.conftest import SOAK
from tests.phantoms.brain import AFFINE, SHAPE, brain
from tests.phantoms.brain import save as save_brain

N = 200


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """References and predictions of 200 subjects: one damaged, one exchanged, one missing, one in addition."""
    root = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    for number in range(N):
        name = f"s{number:03d}"
        if SOAK:  # the whole phantom, surfaces too
            save_brain(root / f"gt/{name}.nii.gz", brain(jitter=1, seed=number))
            save_brain(root / f"maps/{name}.nii.gz", brain(jitter=4, seed=N + number))
            continue
        ids = np.zeros((12, 12, 12), dtype=np.int16)
        ids[1:6, 1:11, 1:6], ids[6:11, 1:11, 1:6] = 17, 53
        ids[1:6, 1:11, 6:11], ids[6:11, 1:11, 6:11] = 1024, 2024
        for folder in ("gt", "maps"):
            path = root / folder / f"{name}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            changed = np.where(rng.random(ids.shape) < 0.2, 0, ids) if folder == "maps" else ids
            if folder == "maps" and number == 7:
                changed = changed[::-1]
            nib.save(nib.Nifti1Image(changed.astype(np.int16), AFFINE), path)
    if SOAK:
        save_brain(root / "maps/s007.nii.gz", brain()[::-1])
    (root / "maps/s003.nii.gz").write_bytes(b"\x1f\x8b broken")
    (root / "maps/s005.nii.gz").rename(root / "maps/t005.nii.gz")
    assert SHAPE == (40, 34, 46)
    return root


def run(root: Path, out: str, *more: str) -> Result:
    arguments = ["--gt", str(root / "gt"), "--pred", f"m={root / 'maps'}", "-o", str(root / out), "--no-figures", "--no-report"]
    return CliRunner().invoke(app, [*arguments, "--metrics", "all" if SOAK else "overlap", *more])


def test_all_but_the_bad_ones_are_scored_and_those_are_named(cohort: Path) -> None:
    result = run(cohort, "two", "--jobs", "2")
    assert result.exit_code == 1
    assert "m: not matched: no label map of s005\n" in result.stdout
    assert "m: not matched: no reference for t005\n" in result.stdout
    assert f"[{N - 1}/{N - 1}] " in result.stdout
    assert "darts-eval: s003 (m): " in result.stderr
    assert "suspected: s007 (m): left and right exchanged" in result.stderr
    scores = pd.read_csv(cohort / "two/scores.csv")
    assert set(scores["subject"]) == {f"s{number:03d}" for number in range(N)} - {"s003", "s005", "s007"}
    assert len(scores) == (N - 3) * 102
    counts = json.loads((cohort / "two/run.json").read_text())["counts"]
    assert (counts["pairs_scored"], counts["pairs_suspected"], counts["failures"]) == (N - 2, 1, 1)
    again = run(cohort, "two", "--jobs", "2")
    assert again.stdout.count("taken over m") == N - 2
    assert pd.read_csv(cohort / "two/scores.csv").equals(scores)


def test_a_dask_cluster_gives_the_same_scores(cohort: Path) -> None:
    pytest.importorskip("distributed")
    names = ",".join(f"s{number:03d}" for number in range(10))
    on_cluster = run(cohort, "dask", "--dask", "local:2", "--subjects", names)
    here = run(cohort, "here", "--subjects", names)
    assert on_cluster.exit_code == here.exit_code == 1
    assert "darts-eval: s003 (m): " in on_cluster.stderr
    assert (cohort / "dask/scores.csv").read_bytes() == (cohort / "here/scores.csv").read_bytes()


def test_a_cluster_that_is_none_is_refused_in_one_line(cohort: Path) -> None:
    result = run(cohort, "none", "--dask", "local:0")
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert "local:0" in result.stderr
