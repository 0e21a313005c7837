"""The table of Dense U-Net against U-Net in benchmarks/README.md follows from the scores beside it."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from scipy import stats

from tests.conftest import ROOT

README, SCORES = ROOT / "benchmarks/README.md", ROOT / "benchmarks/architectures.csv"
DENSE = "Dense U-Net"
OTHERS = {"U-Net, 18 filters": "U-Net, same time", "U-Net, 6 filters": "U-Net, same parameters"}


@pytest.mark.parametrize("stage", ["pre-trained", "fine-tuned"])
@pytest.mark.parametrize("group", ["cortex", "deep structures", "pallidum"])
@pytest.mark.parametrize("against", OTHERS)
def test_each_row_follows_from_the_scores(stage: str, group: str, against: str) -> None:
    scores = pd.read_csv(SCORES)
    other = OTHERS[against]
    rows = scores[(scores["stage"] == stage) & (scores["group"] == group) & scores["networks"].isin([DENSE, other])]
    assert rows.groupby(["networks", "seed"]).size().tolist() == [4, 4, 4, 4]
    found = re.search(rf"^\| {stage} \| {group} \| {against} \|(.*)\|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    cells = [cell.strip() for cell in found[1].split("|")]
    for name, cell in zip((DENSE, other), cells[:2], strict=True):
        mine = rows[rows["networks"] == name]
        means = [mine["dice"].mean(), *mine.groupby("seed")["dice"].mean()]
        assert [float(number) for number in re.findall(r"[\d.]+", cell)] == pytest.approx(means, abs=0.0006)
    people = rows.pivot_table(index="scan", columns="networks", values="dice")
    gain = people[DENSE] - people[other]
    difference, low, high = (float(number) for number in re.findall(r"[+-][\d.]+", cells[2]))
    assert difference == pytest.approx(gain.mean(), abs=0.0006)
    assert low < gain.mean() < high
    assert float(cells[3]) == pytest.approx(stats.ttest_1samp(gain, 0).pvalue, rel=0.05)
