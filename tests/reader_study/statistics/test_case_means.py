"""Tests on case means: all flips of signs counted by hand, mean squares of statsmodels, readers with missing ratings."""

from __future__ import annotations

import math
import os
from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.multitest import multipletests

from evaluation.statistics.intervals import Bootstrap
from reader_study.ratings.table import check_ratings
from reader_study.statistics.case_means import case_differences, compare_case_means
from reader_study.statistics.crossed_test import crossed_test

QUICK = Bootstrap(resamples=200)
METHODS = ("FS", "NFT", "FT")


def study(seed: int = 0, cases: int = 8, readers: int = 3, methods: tuple[str, ...] = METHODS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    shift = dict(zip(methods, (0.0, 0.3, 0.8), strict=False))
    rows = [
        (f"r{r}", f"c{c}", roi, side, m, str(int(np.clip(round(3 + shift[m] + 0.3 * r + rng.normal()), 1, 5))))
        for r, c, (roi, side), m in product(range(readers), range(cases), (("Insula", "L"), ("Insula", "R")), methods)
    ]
    table = pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"])
    return check_ratings(table)


def row_of(table: pd.DataFrame, roi: str, side: str, first: str, second: str) -> pd.Series:
    return table.set_index(["roi", "hemisphere", "first", "second"]).loc[(roi, side, first, second)]


def by_hand(ratings: pd.DataFrame, first: str, second: str) -> np.ndarray:
    """Mean difference of each case over the readers who rated it by both methods."""
    values = []
    for _, case in ratings.groupby("case", sort=False):
        pairs = []
        for _, own in case.groupby("reader"):
            rating = dict(zip(own["method"], own["rating"], strict=True))
            if first in rating and second in rating:
                pairs.append(rating[second] - rating[first])
        if pairs:
            values.append(sum(pairs) / len(pairs))
    return np.array(values)


def flipped_p(d: np.ndarray) -> float:
    """Two-sided p of Pratt's signed-rank sum, by going through all flips of signs."""
    ranks = stats.rankdata(np.round(np.abs(d), 9))
    used = ranks[np.abs(d) > 1e-9]
    w = ranks[d > 1e-9].sum()
    sums = np.array([used @ np.array(signs) for signs in product((0, 1), repeat=len(used))])
    return min(1.0, 2 * min((sums <= w + 1e-9).mean(), (sums >= w - 1e-9).mean()))


@pytest.mark.parametrize("seed", range(3))
def test_the_tests_are_made_on_means_over_readers(seed: int) -> None:
    ratings = study(seed)
    table = compare_case_means(ratings, bootstrap=QUICK)
    part = ratings[ratings["hemisphere"] == "R"]
    ps = []
    for first, second in (("FS", "NFT"), ("FS", "FT"), ("NFT", "FT")):
        row = row_of(table, "Insula", "R", first, second)
        d = by_hand(part, first, second)
        assert (row["n"], row["n_readers"], row["n_dropped"]) == (8, 3, 0)
        assert row["mean_difference"] == pytest.approx(d.mean())
        assert row["t_p"] == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
        assert row["d_z"] == pytest.approx(d.mean() / d.std(ddof=1))
        assert row["wilcoxon_p"] == pytest.approx(flipped_p(d))
        walsh = [(d[i] + d[j]) / 2 for i in range(8) for j in range(i, 8)]
        assert row["hl_estimate"] == pytest.approx(np.median(walsh))
        ps.append(row["wilcoxon_p"])
    holm = multipletests(ps, method="holm")[1]
    ours = [row_of(table, "Insula", "R", *pair)["wilcoxon_p_holm"] for pair in (("FS", "NFT"), ("FS", "FT"), ("NFT", "FT"))]
    np.testing.assert_allclose(ours, holm)


def test_flips_are_counted_beyond_the_thirteen_pairs_of_scipy() -> None:
    ratings = study(4, cases=15, readers=2, methods=("FS", "FT"))
    row = row_of(compare_case_means(ratings, bootstrap=QUICK), "Insula", "L", "FS", "FT")
    assert row["wilcoxon_method"] == "permutation"
    assert row["wilcoxon_p"] == pytest.approx(flipped_p(by_hand(ratings[ratings["hemisphere"] == "L"], "FS", "FT")))


def test_the_false_discovery_rate_is_over_all_regions_and_not_their_sum() -> None:
    table = compare_case_means(study(1), bootstrap=QUICK)
    of_regions = table[table["roi"] != "All Regions"]
    assert len(of_regions) == 6
    np.testing.assert_allclose(of_regions["t_p_fdr"], multipletests(of_regions["t_p"], method="fdr_bh")[1])
    assert table.loc[table["roi"] == "All Regions", "t_p_fdr"].isna().all()


def test_all_regions_are_a_mean_of_each_case_not_more_cases() -> None:
    ratings = study(2)
    row = row_of(compare_case_means(ratings, bootstrap=QUICK), "All Regions", "", "FS", "FT")
    sides = [by_hand(ratings[ratings["hemisphere"] == side], "FS", "FT") for side in "LR"]
    assert row["n"] == 8
    assert row["t_p"] == pytest.approx(stats.ttest_1samp((sides[0] + sides[1]) / 2, 0).pvalue)


def test_a_severe_reader_who_left_a_method_out_moves_no_difference() -> None:
    ratings = study(3)
    severe = ratings["reader"] == "r0"
    ratings.loc[severe, "rating"] = (ratings.loc[severe, "rating"] - 1).clip(lower=1)
    left_out = ratings[~(severe & (ratings["method"] == "FT"))]
    without = ratings[~severe]
    pair = (
        compare_case_means(left_out, ["FS", "FT"], bootstrap=QUICK),
        compare_case_means(without, ["FS", "FT"], bootstrap=QUICK),
    )
    assert pair[0]["n_readers"].tolist() == [2, 2, 2]
    pd.testing.assert_frame_equal(*pair)


def test_a_hidden_repeat_changes_nothing() -> None:
    ratings = study(5)
    again = ratings.head(10).assign(repeat=2, rating=1.0)
    repeated = pd.concat([ratings, again], ignore_index=True)
    pd.testing.assert_frame_equal(case_differences(repeated, "FS", "FT"), case_differences(ratings, "FS", "FT"))


@pytest.mark.parametrize("seed", range(3))
def test_the_crossed_test_is_made_of_the_mean_squares_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = rng.normal(0.3, 1, (4, 12)) + rng.normal(0, 0.5, (4, 1)) + rng.normal(0, 0.7, 12)
    long = pd.DataFrame([(r, c, d[r, c]) for r in range(4) for c in range(12)], columns=["reader", "case", "d"])
    anova = sm.stats.anova_lm(ols("d ~ C(reader) + C(case)", long).fit())["sum_sq"] / [3, 11, 33]
    readers, cases, rest = anova
    spread = readers + max(cases - rest, 0)
    uncertain = readers**2 / 3 + (cases**2 / 11 + rest**2 / 33 if cases > rest else 0)
    df = spread**2 / uncertain
    t = d.mean() / math.sqrt(spread / 48)
    found = crossed_test(d)
    assert (found.t, found.df) == (pytest.approx(t), pytest.approx(df))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), df))
    assert found.low < found.difference < found.high


def test_where_readers_differ_about_a_method_only_the_crossed_test_is_careful() -> None:
    d = np.repeat([[0.0], [0.2], [1.2]], 30, axis=1) + np.random.default_rng(0).normal(0, 0.3, (3, 30))
    assert stats.ttest_1samp(d.mean(axis=0), 0).pvalue < 1e-6
    assert crossed_test(d).p > 0.1


def rejected(cases: int, readers: int, shares: tuple[float, float], shift: float = 0.0, studies: int = 4000) -> float:
    """Share of normal studies with p < 0.05: shares of the variance are of cases and of readers."""
    rng = np.random.default_rng(5)
    by_case, by_reader = (math.sqrt(share) for share in shares)
    rest = math.sqrt(1 - sum(shares))
    count = 0
    for _ in range(studies):
        d = rng.normal(shift, rest, (readers, cases)) + by_case * rng.normal(size=cases)
        count += crossed_test(d + by_reader * rng.normal(size=(readers, 1))).p < 0.05
    return count / studies


@pytest.mark.skipif(not os.environ.get("DARTS_SOAK"), reason="a minute; run by `make soak`")
@pytest.mark.parametrize("shares", [(0.6, 0.05), (0.3, 0.3), (0.0, 0.3)])
@pytest.mark.parametrize(("cases", "readers"), [(2, 3), (3, 10), (5, 10), (5, 5), (10, 10), (20, 5)])
def test_the_crossed_test_keeps_its_level_with_few_cases(cases: int, readers: int, shares: tuple[float, float]) -> None:
    # Three Monte Carlo errors of 4000 studies at 0.055 are 0.011.
    assert rejected(cases, readers, shares) < 0.065 + 0.011


@pytest.mark.parametrize(("cases", "readers", "shares"), [(3, 10, (0.6, 0.05)), (5, 5, (0.6, 0.05)), (2, 3, (0.6, 0.05))])
def test_few_cases_do_not_make_the_crossed_test_reject_too_often(cases: int, readers: int, shares: tuple[float, float]) -> None:
    # With the degrees of freedom of Hillis these are 0.17, 0.10 and 0.13; the Monte Carlo error of 1500 studies is 0.006.
    assert rejected(cases, readers, shares, studies=1500) < 0.08


def test_two_cases_give_the_crossed_test_few_degrees_of_freedom() -> None:
    d = np.array([[1.0, -0.2], [1.1, -0.1], [0.9, -0.2]])
    found = crossed_test(d)
    assert found.df < 2
    assert found.p > 0.3
    # Less than one: the interval would be wider than any scale.
    less = crossed_test([[0.1, -1.9], [-0.8, -1.2], [-1.05, -0.85]])
    assert less.df < 1 and less.p > 0.3
    assert math.isnan(less.low) and math.isnan(less.high)
    assert "no interval" in less.reason


@pytest.mark.parametrize(
    ("keep", "n", "missing", "says"),
    [
        ("reader == 'r0'", 8, ["crossed_p"], "one reader"),
        ("case == 'c0'", 1, ["t_p", "crossed_p"], "one case"),
        ("not (method == 'FT')", 0, ["t_p", "wilcoxon_p", "crossed_p"], "no case that every reader rated"),
    ],
)
def test_what_can_not_be_tested_has_no_p_but_a_reason(keep: str, n: int, missing: list[str], says: str) -> None:
    table = compare_case_means(study(6).query(keep), METHODS, bootstrap=QUICK)
    row = row_of(table, "Insula", "L", "FS", "FT")
    assert row["n"] == n
    assert row[missing].isna().all()
    assert says in row["crossed_note"]


def test_ratings_that_all_agree_give_no_difference_and_say_so() -> None:
    row = compare_case_means(study(7).assign(rating=4.0), bootstrap=QUICK).iloc[0]
    assert (row["mean_difference"], row["t_p"], row["wilcoxon_p"]) == (0.0, 1.0, 1.0)
    assert row["note"].startswith("all differences are zero")
    assert math.isnan(row["crossed_p"])
    assert row["crossed_note"]
