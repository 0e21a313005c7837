"""The numbers of the page on FreeSurfer and manual labels follow from the table of Dice beside it."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from scipy import stats

from evaluation.protocols.groups import DEEP_STRUCTURES
from tests.conftest import ROOT

PAGE = ROOT / "docs/reference/freesurfer_against_hand.md"
METHODS = ("freesurfer", "coronal", "axial", "sagittal", "ensemble")


@pytest.fixture(scope="module")
def dice() -> pd.DataFrame:
    return pd.read_csv(PAGE.with_suffix("") / "dice.csv")


def cells(first: str) -> list[str]:
    """The cells of the row of a table that begins so."""
    row = re.search(rf"^\| {re.escape(first)} \|.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert row, first
    return [cell.strip() for cell in row[0].strip("|").split("|")]


def test_the_table_has_twelve_people_and_the_23_structures(dice: pd.DataFrame) -> None:
    assert dice["subject"].nunique() == 12
    assert set(dice["region_id"]) == DEEP_STRUCTURES
    assert dice[list(METHODS)].notna().all(axis=None)


@pytest.mark.parametrize("method", METHODS)
def test_means_over_the_structures_are_those_of_the_table(dice: pd.DataFrame, method: str) -> None:
    people = dice.groupby("subject")[method].mean()
    _, mean, spread, ends = cells(method)
    assert float(mean) == pytest.approx(people.mean(), abs=0.0006)
    assert float(spread) == pytest.approx(people.std(), abs=0.0006)
    assert [float(end) for end in ends.split(", ")] == pytest.approx([people.min(), people.max()], abs=0.0006)


@pytest.mark.parametrize("method", METHODS[1:])
def test_differences_from_freesurfer_are_those_of_the_table(dice: pd.DataFrame, method: str) -> None:
    people = dice.groupby("subject")[[method, "freesurfer"]].mean()
    each = people[method] - people["freesurfer"]
    _, mean, _interval, d_z, p_t, *_ = cells(f"{method} − FreeSurfer")
    assert float(mean.replace("−", "-")) == pytest.approx(each.mean(), abs=0.0006)
    assert float(d_z.replace("−", "-")) == pytest.approx(each.mean() / each.std(), abs=0.05)
    p = stats.ttest_1samp(each, 0).pvalue
    assert (p_t == "<0.001" and p < 0.001) or float(p_t) == pytest.approx(p, abs=0.002)
