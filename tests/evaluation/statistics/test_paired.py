"""Comparison of methods on the same subjects, two at a time: published examples, SciPy, R; every trap has its test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evaluation.statistics.intervals import Bootstrap, bootstrap_cluster_mean, bootstrap_mean_and_median
from evaluation.statistics.paired import compare_methods, summarise_differences
from tests.phantoms.long_tables import QUICK, by_region, long_table, r_oracles

# Hours of sleep gained with two drugs: Student (1908).
DRUGS = np.array([[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]])


def test_students_example() -> None:
    row = summarise_differences(DRUGS[0] - DRUGS[1])
    assert row["t"] == pytest.approx(-4.0621, abs=5e-5)
    assert row["t_p"] == pytest.approx(0.002833, abs=5e-7)
    assert (row["t_df"], row["mean_difference"]) == (9, pytest.approx(-1.58))
    assert row["d_z"] == pytest.approx(-4.0621 / np.sqrt(10), abs=2e-5)
    # Nine of ten differ, all to one side: 2 of 512 flips.
    assert (row["wilcoxon_p"], row["wilcoxon_method"], row["rank_biserial"]) == (2 / 512, "permutation", -1)


def test_bootstrap_intervals_are_those_of_scipy_and_the_same_every_time() -> None:
    d = np.random.default_rng(5).gamma(2.0, size=23)
    mean, median = bootstrap_mean_and_median(d, Bootstrap(resamples=2000, seed=7))
    for ours, statistic in ((mean, np.mean), (median, np.median)):
        # The order of the values decides which resample a seed draws.
        rng = np.random.default_rng(7)
        expected = stats.bootstrap((np.sort(d),), statistic, n_resamples=2000, rng=rng, method="BCa").confidence_interval
        np.testing.assert_allclose(ours, expected, atol=1e-9)
    shuffled = np.random.default_rng(0).permutation(d)
    np.testing.assert_allclose(bootstrap_mean_and_median(shuffled, Bootstrap(resamples=2000, seed=7)), (mean, median))
    assert bootstrap_mean_and_median(d, Bootstrap(resamples=2000, seed=8))[0] != mean


def test_twins_tell_no_more_than_one_of_them() -> None:
    d = np.random.default_rng(6).normal(size=20)
    twins, families = np.repeat(d, 2), np.repeat(np.arange(20), 2)
    alone = bootstrap_mean_and_median(d, Bootstrap())[0]
    together = bootstrap_cluster_mean(twins, families, Bootstrap())
    naive = bootstrap_mean_and_median(twins, Bootstrap())[0]
    assert together[1] - together[0] == pytest.approx(alone[1] - alone[0], rel=0.05)
    assert naive[1] - naive[0] < 0.8 * (together[1] - together[0])


@pytest.mark.parametrize(
    ("d", "t_p", "wilcoxon_p", "word"),
    [
        ([], np.nan, np.nan, "no complete pair"),
        ([0.3], np.nan, 1.0, "one pair"),
        ([0.3, 0.1], 2 * stats.t.sf(2, 1), 0.5, "too few"),
        ([0.2] * 8, np.nan, 2 / 2**8, "equal"),
        ([0.1 + 1e-15, 0.1, 0.1 - 1e-15], np.nan, 0.25, "equal"),
        ([np.inf, 1.0, 2.0], np.nan, 0.25, "infinite"),
    ],
)
def test_too_little_to_test_gives_a_number_or_a_reason(d: list[float], t_p: float, wilcoxon_p: float, word: str) -> None:
    row = summarise_differences(d, bootstrap=QUICK)
    np.testing.assert_allclose([row["t_p"], row["wilcoxon_p"]], [t_p, wilcoxon_p])
    assert word in row["note"]


def test_a_missing_value_leaves_only_its_own_region_and_pairs() -> None:
    values = np.random.default_rng(2).normal(size=(2, 8, 3))
    values[0, 3, 0] = np.nan
    table = by_region(values)
    table = table[~((table["region"] == "r1") & (table["subject"] == 5) & (table["method"] == "c"))]
    result = compare_methods(table, "dice", region="region", bootstrap=QUICK).set_index(["region", "method_a", "method_b"])
    dropped = {("r0", "a", "b"), ("r0", "a", "c"), ("r1", "a", "c"), ("r1", "b", "c")}
    for key, row in result.iterrows():
        assert (row["n"], row["n_dropped"]) == ((7, 1) if key in dropped else (8, 0))
    row = result.loc[("r0", "a", "b")]
    a, b = np.delete(values[0, :, 0], 3), np.delete(values[0, :, 1], 3)
    expected = stats.ttest_rel(a, b)
    np.testing.assert_allclose([row["t"], row["t_p"]], expected)
    np.testing.assert_allclose([row["mean_a"], row["mean_b"], row["median_difference"]], [a.mean(), b.mean(), np.median(a - b)])
    assert row["mean_low"] < row["mean_difference"] < row["mean_high"]
    assert row["wilcoxon_p"] == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_order_of_rows_and_other_names_of_columns_change_nothing() -> None:
    table = long_table(np.random.default_rng(3).normal(size=(7, 2)))
    expected = compare_methods(table, "dice", bootstrap=QUICK)
    shuffled = table.sample(frac=1, random_state=0).rename(columns={"subject": "case", "method": "reader"})
    result = compare_methods(shuffled, "dice", unit="case", method="reader", methods=["a", "b"], bootstrap=QUICK)
    pd.testing.assert_frame_equal(result, expected, rtol=1e-12)


def test_a_distance_that_both_missed_is_no_difference() -> None:
    values = np.array([[np.inf, np.inf], [np.inf, 3.0], [2.0, 3.0], [1.0, 4.0]])
    row = compare_methods(long_table(values), "dice").iloc[0]
    assert row["n"] == 4
    # Differences 0, inf, -1, -3: of ranks 1, 2, 3 the largest is positive.
    assert (row["wilcoxon_w"], row["wilcoxon_method"]) == (3, "permutation")
    assert "infinite" in row["note"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: (pd.concat([t, t.iloc[:1]]), {}), "two values of subject 0"),
        (lambda t: (t, {"region": "lobe"}), "no column lobe"),
        (lambda t: (t, {"methods": ["a", "z"]}), "method z"),
    ],
)
def test_a_table_that_cannot_be_paired_is_refused(change, message: str) -> None:  # type: ignore[no-untyped-def]
    table, options = change(long_table(np.ones((3, 2))))
    with pytest.raises(ValueError, match=message):
        compare_methods(table, "dice", **options)


@pytest.mark.parametrize("of", ["exact", "normal"])
def test_the_paired_tests_are_those_of_r(of: str) -> None:
    for oracle in r_oracles()[of]:
        row = summarise_differences(oracle["d"], bootstrap=QUICK)
        assert row["wilcoxon_method"] == of
        assert row["wilcoxon_w"] == oracle["v"]
        found = [row["wilcoxon_p"], row["t"], row["t_p"]]
        np.testing.assert_allclose(found, [oracle["p"], oracle["t"], oracle["t_p"]], rtol=1e-9)
        # Beyond 50 pairs and with ties R searches the interval of its approximation, to 1e-4.
        if of == "exact":
            found = [row["hl_estimate"], row["hl_low"], row["hl_high"]]
            np.testing.assert_allclose(found, [oracle["estimate"], oracle["low"], oracle["high"]], atol=1e-12)
        elif len(oracle["d"]) == 80:
            found = [row["hl_estimate"], row["hl_low"], row["hl_high"]]
            np.testing.assert_allclose(found, [oracle["estimate"], oracle["low"], oracle["high"]], atol=5e-3)


def test_of_many_values_the_intervals_are_those_of_the_bootstrap_without_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).gamma(2, size=1000)
    resampled = bootstrap_mean_and_median(values, Bootstrap(resamples=4000))
    monkeypatch.setattr("evaluation.statistics.intervals.MOST_RESAMPLED", 999)
    np.testing.assert_allclose(bootstrap_mean_and_median(values, Bootstrap()), resampled, atol=0.02)
