"""Signed ranks: a published example, SciPy, and all flips of signs by brute force; rounding, ties, zeros and too few pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evaluation.statistics.intervals import Bootstrap
from evaluation.statistics.paired import summarise_differences
from evaluation.statistics.signed_rank import hodges_lehmann, signed_rank_test

# Depression scores before and after: Hollander and Wolfe (1999), table 3.1.
BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
QUICK = Bootstrap(resamples=499)


def all_flips(d: np.ndarray, zeros: str) -> tuple[float, float]:
    """W and its two-sided p by brute force."""
    kept = d if zeros == "pratt" else d[d != 0]
    ranks = stats.rankdata(np.abs(kept))
    w = ranks[kept > 0].sum()
    signs = np.array(list(itertools.product((-1, 1), repeat=len(kept))))
    flips = ((signs * kept > 0) * ranks).sum(axis=1)
    return w, min(1.0, 2 * min((flips <= w).mean(), (flips >= w).mean()))


def test_the_published_example_of_the_signed_rank_test_and_interval() -> None:
    result = signed_rank_test(BEFORE - AFTER)
    assert (result.w, result.method) == (40, "exact")
    assert result.p == pytest.approx(2 * 0.01953125)
    assert result.rank_biserial == pytest.approx((40 - 5) / 45)
    np.testing.assert_allclose(hodges_lehmann(BEFORE - AFTER), [0.46, 0.010, 0.786], atol=1e-12)


@pytest.mark.parametrize("zeros", ["wilcox", "pratt"])
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_with_ties_and_zeros_p_is_that_of_all_flips_of_signs(zeros: str, d: list[int]) -> None:
    differences = np.array(d, dtype=float)
    result = signed_rank_test(differences / 10, zeros=zeros)  # type: ignore[arg-type]
    if not differences.any():
        assert (result.w, result.p, result.method) == (0, 1, "none")
        return
    w, brute = all_flips(differences, zeros)
    assert result.w == w
    assert result.p == pytest.approx(brute, abs=1e-12)
    plain = len(set(np.abs(d))) == len(d) and 0 not in d
    assert result.method == ("exact" if plain else "permutation")


@pytest.mark.parametrize(
    ("n", "tied", "method"),
    [(50, False, "exact"), (51, False, "normal"), (13, True, "permutation"), (14, True, "normal")],
)
def test_the_method_is_stated_and_p_is_that_of_scipy(n: int, tied: bool, method: str) -> None:
    rng = np.random.default_rng(n)
    d = rng.normal(0.3, 1, n)
    if tied:
        d = np.round(d)
        d[:2] = 1.0, 0.0
    result = signed_rank_test(d)
    assert result.method == method
    if method == "permutation":
        expected = all_flips(d, "wilcox")[1]
    else:
        how = "exact" if method == "exact" else "asymptotic"
        expected = stats.wilcoxon(d, method=how, correction=method == "normal").pvalue
    assert result.p == pytest.approx(expected, rel=1e-9)


def test_a_pair_that_differs_by_rounding_alone_is_no_difference_and_ties_are_found() -> None:
    noise = np.full(10, (0.1 + 0.2) - 0.3)
    assert noise[0] != 0
    row = summarise_differences(noise)
    assert (row["wilcoxon_p"], row["t_p"], row["mean_difference"], row["rank_biserial"]) == (1, 1, 0, 0)
    assert "zero" in row["note"]
    # 0.3 - 0.2 and 0.2 - 0.1 are 0.1 twice: ranks 1.5, 1.5, 3.
    assert signed_rank_test([0.3 - 0.2, -(0.2 - 0.1), 0.5]).w == 4.5


@pytest.mark.parametrize("zeros", ["wilcox", "pratt"])
def test_methods_that_never_differ_have_p_one(zeros: str) -> None:
    row = summarise_differences(np.zeros(10), zeros=zeros)  # type: ignore[arg-type]
    assert (row["wilcoxon_p"], row["t_p"], row["wilcoxon_method"]) == (1, 1, "none")
    assert row["note"]


@pytest.mark.parametrize("n", [6, 7, 12, 30, 50, 51, 80])
def test_the_hodges_lehmann_interval_holds_what_the_test_does_not_reject(n: int) -> None:
    d = np.random.default_rng(n).normal(0.2, 1, n)
    estimate, low, high = hodges_lehmann(d)
    assert low < estimate < high
    step = 1e-6

    def p(shift: float) -> float:
        return float(stats.wilcoxon(d - shift, correction=True, method="exact" if n <= 50 else "asymptotic").pvalue)

    assert p(low + step) >= 0.05 > p(low - step)
    assert p(high - step) >= 0.05 > p(high + step)


def test_five_pairs_are_too_few_for_an_interval_of_ranks() -> None:
    estimate, low, high = hodges_lehmann([1.0, 2.0, 3.0, 4.0, 5.0])
    assert estimate == 3
    assert np.isnan([low, high]).all()
    row = summarise_differences([1.0, 2.0, 3.0, 4.0, 5.0], bootstrap=QUICK)
    assert row["wilcoxon_p"] == 0.0625
    assert "too few" in row["note"]


def test_among_102_regions_fewer_than_12_subjects_can_never_pass_bonferroni() -> None:
    smallest = {n: signed_rank_test(np.arange(1.0, n + 1)).p for n in (11, 12)}
    assert smallest[12] < 0.05 / 102 < smallest[11]
    assert smallest == {n: 2 / 2**n for n in (11, 12)}


@pytest.mark.parametrize("n", [7, 60, 61])
def test_of_many_differences_the_pair_means_are_found_without_holding_them_all(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(n)
    for d in (rng.normal(size=n), rng.integers(-6, 7, n) / 3, np.zeros(n)):
        few = hodges_lehmann(d)
        monkeypatch.setattr("evaluation.statistics.signed_rank.MOST_FOR_ALL_PAIRS", 5)
        np.testing.assert_allclose(hodges_lehmann(d), few, atol=1e-12)
        monkeypatch.undo()
