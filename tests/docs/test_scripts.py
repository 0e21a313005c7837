"""The page of ten things in Python: its blocks run in their order, and do what the page says."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from reader_study.published import published_summary
from reader_study.simulation.simulate import simulate_study, targets_of_summary
from tests.conftest import ROOT
from tests.integration.test_darts_segment import SHAPE, head, save
from tests.phantoms.brain import brain
from tests.phantoms.brain import save as save_labels

PAGE = ROOT / "docs/how-to/scripts.md"


def few_regions(jitter: float, seed: int) -> np.ndarray:
    ids = brain(jitter=jitter, seed=seed)
    return np.where(np.isin(ids, (10, 17, 49, 53, 1024, 2024)), ids, 0)


def prepared(folder: Path) -> None:
    """The files that the page names."""
    save(folder / "scan.nii.gz")
    for number, name in enumerate(("sub-01", "sub-02", "sub-03")):
        save(folder / f"scans/{name}.nii.gz", head(number))
        save_labels(folder / f"manual/{name}.nii.gz", few_regions(0, number))
        save_labels(folder / f"maps/one/{name}.nii.gz", few_regions(1, number))
        save_labels(folder / f"maps/two/{name}.nii.gz", few_regions(4, number + 10))
    ratings = simulate_study(targets_of_summary(published_summary()), cases=6, readers=3, repeats=0.1, seed=1)
    ratings.to_csv(folder / "ratings.csv", index=False)


def test_the_ten_things_run_as_shown(tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(tmp_path)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/darts-eval"
    code = "from evaluation.commands.evaluate import main; main()"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@" --no-figures --no-report\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^## \d+\.", text, re.MULTILINE)) == 10
    assert len(blocks) >= 10
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks):
        # Small random networks, so that the test is quick.
        block = block.replace("Segmenter()", f'Segmenter("{tiny_weights}", device="cpu")')
        block = block.replace("Segmenter(weights=", f'Segmenter("{tiny_weights}", device="cpu", weights=')
        exec(compile(block, f"{PAGE.name}, block {number + 1}", "exec"), names)

    assert names["path"] == Path("out/scan_dseg.nii.gz")
    image: Any = nib.load(names["path"])
    assert image.shape == SHAPE == names["agreed"].shape
    assert {path.name for path in Path("out").glob("sub-*_dseg.nii.gz")} == {f"sub-0{n}_dseg.nii.gz" for n in (1, 2, 3)}
    assert len(names["hippocampi"]) == 2
    # By hand: twice the common voxels over both.
    one, other = names["reference"].data == 17, names["labels"].data == 17
    place = names["ids"].index(17)
    assert names["dice"][place] == pytest.approx(2 * (one & other).sum() / (one.sum() + other.sum()))
    means = names["scores"].table.groupby("method")["dice"].mean()
    assert means["one"] > means["two"]
    written = names["results"].scores.groupby("method")["dice"].mean()
    assert written["one"] == pytest.approx(means["one"])
    assert len(list(Path("figures").glob("*.pdf"))) >= 1
    assert len(names["study"].case_means) > 0
