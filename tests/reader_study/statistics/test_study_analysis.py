"""Very small studies: every result is a number or NaN with its reason, and every figure is drawn."""

from __future__ import annotations

from functools import cache
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from evaluation.statistics.intervals import Bootstrap
from reader_study.figures.draw import study_figures
from reader_study.ratings.table import check_ratings
from reader_study.statistics.study_analysis import StudyAnalysis, analyse_study

METHODS = ("FS", "NFT", "FT")


def study(cases: int = 5, readers: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        (f"r{r}", f"c{c}", "Insula", side, m, str(rng.integers(1, 6)))
        for r, c, side, m in product(range(readers), range(cases), "LR", METHODS)
    ]
    return check_ratings(pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"]))


def without(ratings: pd.DataFrame, reader: str, method: str) -> pd.DataFrame:
    return ratings[~((ratings["reader"] == reader) & (ratings["method"] == method))]


STUDIES = {
    "all ratings equal": study().assign(rating=3.0),
    "one reader": study(readers=1),
    "one case": study(cases=1),
    "one rating of each": study(cases=1, readers=1),
    "two cases": study(cases=2),
    "a method missing for a reader": without(study(), "r1", "FT"),
    "a method missing in a region": study().query("not (hemisphere == 'R' and method == 'FT')"),
    "a reader without a case in common": study().query("(reader == 'r0') == (case == 'c0')"),
    "ties everywhere": study().assign(rating=lambda t: np.where((t["method"] == "FT") & (t["case"] == "c0"), 4.0, 3.0)),
    "one method": study().query("method == 'FS'"),
}  # fmt: skip


#: Those with the least to draw; one with all there is stands for the others.
DRAWN = ("all ratings equal", "one rating of each", "a reader without a case in common", "one method")


@cache
def analysed(name: str) -> StudyAnalysis:
    return analyse_study(STUDIES[name], bootstrap=Bootstrap(resamples=100), random=("case", "reader"))


@pytest.fixture(params=STUDIES, ids=lambda name: name.replace(" ", "-"))
def analysis(request: pytest.FixtureRequest) -> StudyAnalysis:
    return analysed(request.param)


def missing_without_reason(table: pd.DataFrame, values: list[str], reasons: list[str]) -> pd.DataFrame:
    said = (table[reasons] != "").any(axis=1)
    return table[table[values].isna().any(axis=1) & ~said]


def test_every_missing_number_has_its_reason(analysis: StudyAnalysis) -> None:
    if analysis.published is not None:
        tests = analysis.published.tests
        assert missing_without_reason(tests, ["t_p", "wilcoxon_p"], ["reason"]).empty
    if analysis.case_means is not None:
        means = analysis.case_means
        assert missing_without_reason(means, ["t_p", "wilcoxon_p", "hl_low", "d_z"], ["note"]).empty
        assert missing_without_reason(means, ["crossed_p"], ["crossed_note"]).empty
    if analysis.models is not None:
        tests, odds = analysis.models.tests, analysis.models.odds_ratios
        assert missing_without_reason(tests, ["loglik", "lr_p"], ["reason"]).empty
        assert missing_without_reason(tests, ["po_p"], ["reason", "warnings"]).empty
        if len(odds):
            assert missing_without_reason(odds, ["odds_ratio", "p", "low"], ["reason"]).empty
    if len(analysis.agreement):
        assert missing_without_reason(analysis.agreement, ["value", "low"], ["reason"]).empty


def test_every_p_is_one(analysis: StudyAnalysis) -> None:
    tables = [analysis.case_means]
    if analysis.published is not None:
        tables.append(analysis.published.tests)
    if analysis.models is not None:
        tables += [analysis.models.tests, analysis.models.odds_ratios]
    for table in tables:
        for name in [] if table is None else [c for c in table.columns if c == "p" or c.endswith("_p") or "_p_" in c]:
            values = table[name].dropna()
            assert values.between(0, 1).all(), name


@pytest.mark.filterwarnings("ignore:vert")
@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_drawn(name: str) -> None:
    for one in study_figures(analysed(name), "A study"):
        drawn = one.draw()
        drawn.canvas.draw()
        plt.close(drawn)


def test_what_is_no_study_is_said_in_the_warnings() -> None:
    names = ("one reader", "one method", "a method missing for a reader", "two cases")
    warned = {name: " ".join(analysed(name).warnings) for name in names}
    assert "one reader" in warned["one reader"]
    assert "nothing to compare" in warned["one method"]
    assert "10 ratings of a complete one are missing" in warned["a method missing for a reader"]
    assert warned["two cases"] == ""


def test_one_missing_rating_and_the_one_case_without_it_are_told_in_the_singular() -> None:
    found = analyse_study(
        study(cases=4).query("hemisphere == 'L'").iloc[1:], bootstrap=Bootstrap(resamples=100), random=("case",)
    )
    assert "1 rating of a complete one is missing" in " ".join(found.warnings)
    assert found.case_means is not None
    assert {"1 case left out that not all readers rated by both"} <= set(found.case_means["crossed_note"])
