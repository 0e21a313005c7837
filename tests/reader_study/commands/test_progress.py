"""The time left of an analysis: from the work that is done, in round words, and never before something is known."""

from __future__ import annotations

import io
from itertools import product

import pandas as pd
import pytest
from rich.console import Console

from evaluation.statistics.intervals import Bootstrap
from reader_study.commands.progress import TimeLeft, analysis_work, in_words, timed_steps
from reader_study.ratings.table import check_ratings
from reader_study.statistics.study_analysis import analyse_study


def test_the_time_left_is_that_of_the_work_left() -> None:
    now = [0.0]
    left = TimeLeft({"one": 1.0, "two": 3.0, "three": 4.0}, clock=lambda: now[0])
    now[0] = 1.0
    assert left.step("one") is None  # too soon to say
    now[0] = 20.0
    assert left.step("two") == pytest.approx(20.0)
    assert left.done == pytest.approx(0.5)
    assert left.step("not expected") == pytest.approx(20.0)
    assert left.step("two") == pytest.approx(20.0)
    assert left.step("three") is None  # nothing is left
    assert [in_words(seconds) for seconds in (1, 43, 70, 1000)] == ["5 s", "45 s", "1 min", "17 min"]


def test_every_step_that_an_analysis_reports_has_its_work() -> None:
    rows = [
        (f"r{r}", f"c{c}", "Insula", side, method, str(1 + (r + c + len(method)) % 5))
        for r, c, side, method in product(range(2), range(6), "LR", ("FS", "NFT"))
    ]
    table = check_ratings(pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"]))
    said: list[str] = []
    analyse_study(table, random=("case",), bootstrap=Bootstrap(resamples=100), report=said.append)
    work = analysis_work(table, 2)
    assert set(said) <= set(work)
    assert set(work) - set(said) == {name for name in work if name.startswith("figure ")}


def test_lines_in_a_log_say_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reader_study.commands.progress._SOON", 0.0)
    out = io.StringIO()
    with timed_steps(Console(file=out, width=200), "Analysing", {"a": 1.0, "b": 3.0}) as report:
        report("a")
        report("b")
    first, second = out.getvalue().splitlines()
    assert first == "a (25% done, about 5 s left)"
    assert second == "b"
