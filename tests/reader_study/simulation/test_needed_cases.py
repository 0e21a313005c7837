"""The number of cases that a study needs: against the formula of the paired t-test, and where no number is enough."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from scipy import stats

from reader_study.simulation.needed_cases import MOST_CASES, cases_for_power, cases_for_width, smallest_size
from reader_study.simulation.simulate import Shares


@pytest.mark.parametrize("right", [2, 3, 9, 10, 11, 37, 640, 1000])
def test_the_smallest_size_is_found_within_five_percent_and_is_enough(right: int) -> None:
    asked: list[int] = []

    def enough(size: int) -> bool:
        asked.append(size)
        return size >= right

    found = smallest_size(enough)
    assert found is not None
    assert right <= found <= right + max(1, 0.06 * right)
    assert len(asked) < 14
    assert smallest_size(lambda size: False) is None


def test_cases_for_a_power_are_those_of_the_formula_of_the_t_test() -> None:
    # One reader: ratings of two methods differ with variance 2 sd^2 (1 - case - reader), and rounding adds 1 / 12 to each.
    shares = Shares(case=0.3, reader=0.0, case_method=0.2, reader_method=0.0)
    row = cases_for_power(0.8, [1], [0.5], ["t"], shares=shares, simulations=60, seed=3).iloc[0]
    spread = math.sqrt(2 * (1 - 0.3) * 0.9**2 + 2 / 12)

    def power(n: int) -> float:
        bound = stats.t.ppf(0.975, n - 1)
        return float(stats.nct.sf(bound, n - 1, 0.5 / spread * math.sqrt(n)))

    expected = next(n for n in range(2, 200) if power(n) >= 0.8)
    assert row["cases"] == pytest.approx(expected, rel=0.35)
    assert row["low"] <= row["power"] <= row["high"]
    assert row["power"] >= 0.8


def test_where_no_number_of_cases_is_enough_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two readers who prefer different methods: more cases say nothing of other readers.
    monkeypatch.setattr("reader_study.simulation.needed_cases.smallest_size", lambda enough: (enough(MOST_CASES), None)[1])
    shares = Shares(case=0.1, reader=0.1, case_method=0.0, reader_method=0.3)
    row = cases_for_power(0.9, [2], [0.2], ["crossed"], shares=shares, simulations=20).iloc[0]
    assert pd.isna(row["cases"])
    assert row["note"] == "1000 cases are not enough: more readers, or a larger difference"


def test_cases_for_a_width_are_enough_and_not_many_too_many() -> None:
    said: list[str] = []
    table = cases_for_width(0.35, [3], ["icc"], simulations=60, seed=2, report=said.append)
    row = table.iloc[0]
    assert row["width"] <= 0.35
    assert row["width"] == pytest.approx(0.35, rel=0.25)
    assert any(line.startswith(f"icc, 3 readers, {row['cases']} cases: width") for line in said)
