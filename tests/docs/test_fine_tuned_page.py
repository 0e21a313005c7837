"""The numbers of the page on fine-tuning follow from the scores beside it."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from scipy import stats

from tests.conftest import ROOT

PAGE = ROOT / "docs/reference/fine_tuned_against_not.md"
GROUPS = ("cortex", "deep structures", "pallidum")
METHODS = ("coronal", "axial", "sagittal", "ensemble")


@pytest.fixture(scope="module")
def dice() -> pd.DataFrame:
    return pd.read_csv(PAGE.with_suffix("") / "scores.csv")


def cells(group: str, method: str) -> list[str]:
    """The cells of a row of the table, with minus signs as computers write them."""
    row = re.search(rf"^\| {group} \| {method} \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert row, (group, method)
    return [cell.strip().replace("−", "-") for cell in row[1].split("|")]


def test_nobody_is_scored_twice_or_by_one_kind_of_networks_alone(dice: pd.DataFrame) -> None:
    counts = dice.groupby(["scan", "group", "method"])["networks"].agg(["size", "nunique"])
    assert (counts == 2).all(axis=None)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("method", METHODS)
def test_each_row_follows_from_the_scores(dice: pd.DataFrame, group: str, method: str) -> None:
    rows = dice[(dice["group"] == group) & (dice["method"] == method)]
    people = rows.pivot_table(index="scan", columns="networks", values="dice")
    gain = people["fine-tuned on 8"] - people["bundled"]
    before, after, difference, interval, p, better = cells(group, method)
    assert float(before) == pytest.approx(people["bundled"].mean(), abs=0.0006)
    assert float(after) == pytest.approx(people["fine-tuned on 8"].mean(), abs=0.0006)
    assert float(difference) == pytest.approx(gain.mean(), abs=0.0006)
    low, high = (float(end) for end in interval.strip("[]").split(", "))
    assert low < gain.mean() < high
    exact = stats.ttest_1samp(gain, 0).pvalue
    assert (p == "<0.001" and exact < 0.001) or float(p) == pytest.approx(exact, abs=0.0006)
    assert better == f"{(gain > 0).sum()} of {len(gain)}"


def test_the_curve_follows_from_the_scores(dice: pd.DataFrame) -> None:
    few = pd.read_csv(PAGE.with_suffix("") / "fewer_people.csv")
    all_ = pd.concat([few, dice[dice["scan"].isin(few["scan"])]])
    all_ = all_[all_["method"] == "ensemble"]
    means = all_.groupby(["networks", "group"])["dice"].mean()
    rows = {
        "0 (bundled)": "bundled",
        "1": "fine-tuned on 1",
        "2": "fine-tuned on 2",
        "4": "fine-tuned on 4",
        "8": "fine-tuned on 8",
    }
    for label, networks in rows.items():
        row = re.search(rf"^\| {re.escape(label)} \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        assert row, label
        shown = [float(cell) for cell in row[1].split("|")]
        assert shown == pytest.approx(
            [means[networks, group] for group in ("cortex", "deep structures", "pallidum")], abs=0.0006
        )
    people = all_[all_["group"] == "cortex"].pivot_table(index="scan", columns="networks", values="dice")
    curve = people[list(rows.values())]
    assert (curve.mean().diff().iloc[1:] > 0).all()
    assert (curve.iloc[:, 1:].gt(curve["bundled"], axis=0)).all(axis=None)
    assert (curve.diff(axis=1).iloc[:, 1:] > 0).all(axis=1).sum() == 2
