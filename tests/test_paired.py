"""Comparison of methods on the same subjects: published examples, SciPy, statsmodels, brute force; every trap has its test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests

from evaluation.agreement import agreement_with_reference, bland_altman, intraclass_correlation
from evaluation.corrections import adjust_p_values
from evaluation.intervals import Bootstrap, bootstrap_cluster_mean, bootstrap_mean_and_median
from evaluation.overall import compare_overall, fit_mixed_model
from evaluation.paired import compare_methods, rank_methods, summarise_differences

# Hours of sleep gained with two drugs: Student (1908).
DRUGS = np.array([[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]])
# Seconds to round first base in three ways: Hollander and Wolfe (1973), table 7.1.
ROUNDING = np.array(
    [
        [5.40, 5.50, 5.55], [5.85, 5.70, 5.75], [5.20, 5.60, 5.50], [5.55, 5.50, 5.40], [5.90, 5.85, 5.70], [5.45, 5.55, 5.60],
        [5.40, 5.40, 5.35], [5.45, 5.50, 5.35], [5.25, 5.15, 5.00], [5.85, 5.80, 5.70], [5.25, 5.20, 5.10], [5.65, 5.55, 5.45],
        [5.60, 5.35, 5.45], [5.05, 5.00, 4.95], [5.50, 5.50, 5.40], [5.45, 5.55, 5.50], [5.55, 5.55, 5.35], [5.45, 5.50, 5.55],
        [5.50, 5.45, 5.25], [5.65, 5.60, 5.40], [5.70, 5.65, 5.55], [6.30, 6.30, 6.25],
    ]
)  # fmt: skip
# Peak flow by a large and a small meter: Bland and Altman (1986), first measurements.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
SMALL = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
QUICK = Bootstrap(resamples=499)


def long_table(values: np.ndarray, **columns: object) -> pd.DataFrame:
    """Subjects x methods as a long table; methods a, b, c ..."""
    subjects, methods = np.indices(values.shape)
    names = {"subject": subjects.ravel(), "method": np.array(list("abcdef"))[methods.ravel()]}
    return pd.DataFrame(names | {"dice": values.ravel()} | columns)


def corrected(p_values: np.ndarray | pd.Series, correction: str) -> np.ndarray:
    """Holm's p-values from their definition, and SciPy's of Benjamini and Hochberg; no NaN."""
    p = np.asarray(p_values, dtype=float)
    if correction == "fdr":
        return np.asarray(stats.false_discovery_control(p))
    bounds = p * (p[None] >= p[:, None]).sum(axis=1)
    return np.array([min(1.0, bounds[p <= each].max()) for each in p])


def by_region(values: np.ndarray) -> pd.DataFrame:
    """Regions x subjects x methods as a long table; regions r0, r1 ..."""
    return pd.concat([long_table(each, region=f"r{i}") for i, each in enumerate(values)], ignore_index=True)


# ---- t, effect sizes, bootstrap


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


# ---- corrections


def test_corrections_by_hand() -> None:
    p = [0.01, 0.04, np.nan, 0.03, 0.005]
    np.testing.assert_allclose(adjust_p_values(p, "holm"), [0.03, 0.06, np.nan, 0.06, 0.02])
    np.testing.assert_allclose(adjust_p_values(p, "fdr"), [0.02, 0.04, np.nan, 0.04, 0.02])


@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan)), max_size=12))
def test_p_values_that_do_not_exist_disturb_no_others(p: list[float]) -> None:
    values = np.array(p, dtype=float)
    there = ~np.isnan(values)
    for correction in ("holm", "fdr"):
        adjusted = adjust_p_values(values, correction)  # type: ignore[arg-type]
        assert np.isnan(adjusted[~there]).all()
        if there.any():
            np.testing.assert_allclose(adjusted[there], corrected(values[there], correction), atol=1e-12)


def test_corrections_are_those_of_statsmodels() -> None:
    p = np.random.default_rng(0).random(102) ** 3
    p[7] = p[8]
    for ours, theirs in (("holm", "holm"), ("fdr", "fdr_bh")):
        np.testing.assert_allclose(adjust_p_values(p, ours), multipletests(p, method=theirs)[1])  # type: ignore[arg-type]


def test_families_of_corrections_are_what_their_names_say() -> None:
    values = np.random.default_rng(1).normal([0.0, 0.7, 1.1], size=(4, 9, 3))
    values[2, :, 1] = np.nan
    table = compare_methods(by_region(values), "dice", region="region", bootstrap=QUICK)
    assert len(table) == 12
    for test in ("t", "wilcoxon"):
        for _, rows in table.groupby("region"):
            there = rows[rows[f"{test}_p"].notna()]
            np.testing.assert_allclose(there[f"{test}_p_holm_methods"], corrected(there[f"{test}_p"], "holm"))
        for (one, two), rows in table.groupby(["method_a", "method_b"]):
            there = rows[rows[f"{test}_p"].notna()]
            assert len(there) == (4 if "b" not in (one, two) else 3)
            for name in ("holm", "fdr"):
                np.testing.assert_allclose(there[f"{test}_p_{name}_regions"], corrected(there[f"{test}_p"], name))


# ---- tables


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


# ---- ranks


def test_friedmans_test_of_the_published_example() -> None:
    row = rank_methods(long_table(ROUNDING), "dice").iloc[0]
    assert row["friedman_chi2"] == pytest.approx(11.143, abs=5e-4)
    assert row["friedman_p"] == pytest.approx(0.003805, abs=5e-7)
    chi2 = stats.friedmanchisquare(*ROUNDING.T).statistic
    assert row["iman_davenport_f"] == pytest.approx(21 * chi2 / (22 * 2 - chi2))
    assert row["iman_davenport_p"] == pytest.approx(stats.f.sf(row["iman_davenport_f"], 2, 42))
    # Sums of ranks in the book: 53, 47, 32.
    np.testing.assert_allclose([row[f"mean_rank_{m}"] * 22 for m in "abc"], [53, 47, 32])


def test_ranks_of_methods_that_tie_or_always_come_in_one_order() -> None:
    alike = rank_methods(long_table(np.ones((5, 3))), "dice").iloc[0]
    assert (alike["iman_davenport_p"], alike["mean_rank_b"]) == (1, 2)
    assert "tie" in alike["note"]
    ordered = rank_methods(long_table(np.arange(15.0).reshape(5, 3)), "dice").iloc[0]
    assert np.isinf(ordered["iman_davenport_f"])
    assert ordered["iman_davenport_p"] == pytest.approx((1 / 6) ** 4)
    with pytest.raises(ValueError, match="three or more"):
        rank_methods(long_table(np.ones((5, 2))), "dice")


def test_only_units_with_all_methods_are_ranked() -> None:
    values = np.array([ROUNDING, ROUNDING + 1])
    values[1, 4, 2] = np.nan
    result = rank_methods(by_region(values), "dice", region="region")
    assert result[["n", "n_dropped"]].to_numpy().tolist() == [[22, 0], [21, 1]]
    assert result.loc[1, "friedman_chi2"] == pytest.approx(stats.friedmanchisquare(*np.delete(ROUNDING, 4, axis=0).T).statistic)
    np.testing.assert_allclose(result["iman_davenport_p_holm_regions"], corrected(result["iman_davenport_p"], "holm"))


# ---- over all regions


def nested(subjects: int, regions: int, *, between: float, seed: int = 0) -> np.ndarray:
    """Regions x subjects x two methods that differ by a subject's own amount."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(regions, subjects))
    d = 0.2 + rng.normal(0, between, size=subjects) + rng.normal(0, 0.5, size=(regions, subjects))
    return np.stack([base + d, base], axis=-1)


def test_n_is_subjects_and_never_regions_times_subjects() -> None:
    values = nested(12, 30, between=0.6)
    row = compare_overall(by_region(values), "dice", region="region", bootstrap=QUICK).iloc[0]
    assert (row["n"], row["n_regions"], row["n_dropped"], row["t_df"]) == (12, 30, 0, 11)
    means = (values[..., 0] - values[..., 1]).mean(axis=0)
    expected = stats.ttest_1samp(means, 0)
    np.testing.assert_allclose([row["mean_difference"], row["t"], row["t_p"]], [means.mean(), *expected])
    # In a complete table the mixed model is the paired t of subject means, interval and all.
    interval = expected.confidence_interval()
    model = [row["lmm_difference"], row["lmm_low"], row["lmm_high"], row["lmm_p"]]
    np.testing.assert_allclose(model, [means.mean(), interval.low, interval.high, expected.pvalue], rtol=1e-3, atol=1e-5)
    pooled = stats.ttest_1samp((values[..., 0] - values[..., 1]).ravel(), 0).pvalue
    assert row["lmm_p"] > 100 * pooled


def test_variances_of_the_mixed_model_are_those_of_the_analysis_of_variance() -> None:
    d = np.diff(nested(15, 20, between=0.6)[..., ::-1])[..., 0].T
    within = d.var(axis=1, ddof=1).mean()
    between = d.mean(axis=1).var(ddof=1) - within / 20
    fit = fit_mixed_model(d.ravel(), np.repeat(np.arange(15), 20))
    np.testing.assert_allclose([fit["lmm_sd_subject"], fit["lmm_sd_region"]], np.sqrt([between, within]), rtol=2e-3)


def test_the_mixed_model_of_an_incomplete_table_maximises_the_restricted_likelihood() -> None:
    d = np.diff(nested(9, 6, between=0.6, seed=4)[..., ::-1])[..., 0].T
    keep = np.random.default_rng(4).random(d.shape) < 0.6
    y, subject = d[keep], np.nonzero(keep)[0]

    def minus_twice(log_sds: np.ndarray) -> float:
        between, within = np.exp(2 * log_sds)
        cov = between * (subject[:, None] == subject) + within * np.eye(len(y))
        inverse = np.linalg.inv(cov)
        residual = y - (inverse.sum(axis=0) @ y) / inverse.sum()
        return float(np.linalg.slogdet(cov)[1] + np.log(inverse.sum()) + residual @ inverse @ residual)

    best = optimize.minimize(minus_twice, [-0.5, -0.5], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).x
    fit = fit_mixed_model(y, subject)
    np.testing.assert_allclose([fit["lmm_sd_subject"], fit["lmm_sd_region"]], np.exp(best), rtol=5e-3)
    assert fit["lmm_note"] == ""


def test_a_shared_scale_of_the_values_scales_the_model() -> None:
    d = np.diff(nested(8, 5, between=0.6)[..., ::-1])[..., 0].T.ravel()
    subjects = np.repeat(np.arange(8), 5)
    one, small = fit_mixed_model(d, subjects), fit_mixed_model(d * 1e-5, subjects)
    assert small["lmm_p"] == pytest.approx(one["lmm_p"], rel=1e-6)
    assert small["lmm_sd_subject"] == pytest.approx(one["lmm_sd_subject"] * 1e-5, rel=1e-6)


def test_families_are_resampled_whole_and_are_what_is_counted() -> None:
    values = np.repeat(nested(10, 6, between=0.6, seed=8), 2, axis=1)
    table = by_region(values).assign(family=lambda t: "f" + (t["subject"] // 2).astype(str))
    plain = compare_overall(table, "dice", region="region", bootstrap=QUICK).iloc[0]
    row = compare_overall(table, "dice", region="region", family="family", bootstrap=QUICK).iloc[0]
    assert (row["n"], row["n_families"], row["t_df"]) == (20, 10, 9)
    means = (values[..., 0] - values[..., 1]).mean(axis=0)[::2]
    assert row["t_p"] == pytest.approx(stats.ttest_1samp(means, 0).pvalue)
    assert row["mean_high"] - row["mean_low"] > 1.25 * (plain["mean_high"] - plain["mean_low"])
    assert row["lmm_p"] == pytest.approx(row["t_p"], rel=0.02)
    with pytest.raises(ValueError, match="subject 1 has two values of family"):
        broken = table.assign(family=table["family"].where(table.index != 3, "other"))
        compare_overall(broken, "dice", region="region", family="family", bootstrap=QUICK)


def test_overall_comparison_of_methods_that_never_differ_and_of_missing_regions() -> None:
    values = nested(6, 4, between=0.3)
    same = values[..., [0, 0]]
    row = compare_overall(by_region(same), "dice", region="region", bootstrap=QUICK).iloc[0]
    assert (row["t_p"], row["wilcoxon_p"], row["mean_difference"]) == (1, 1, 0)
    assert "no mixed model" in row["lmm_note"]
    values[0, 2, 0] = np.nan
    row = compare_overall(by_region(values), "dice", region="region", bootstrap=QUICK).iloc[0]
    assert (row["n"], row["n_dropped"]) == (6, 1)
    assert row["mean_difference"] == pytest.approx(np.nanmean(values[..., 0] - values[..., 1], axis=0).mean())


# ---- agreement with a reference


def test_bland_and_altmans_example() -> None:
    result = bland_altman(SMALL, LARGE)
    assert (round(result.bias, 1), round(result.sd, 1)) == (-2.1, 38.8)
    assert (round(result.bias_low, 1), round(result.bias_high, 1)) == (-22.0, 17.8)
    # The paper takes 2 for 1.96 (limits -79.7 and 75.5), and s sqrt(3 / n) for the limits' standard error (-114.3 to -45.1).
    assert (result.lower, result.upper) == pytest.approx((-2.1176 - 1.96 * 38.765, -2.1176 + 1.96 * 38.765), abs=0.01)
    assert (result.lower_low, result.lower_high) == pytest.approx((-114.3, -45.1), abs=3)
    assert bland_altman([*SMALL, 500.0], [*LARGE, np.nan]) == result


def test_intraclass_correlations_of_shrout_and_fleiss() -> None:
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    result = intraclass_correlation(ratings)
    assert (round(result.a1, 2), round(result.c1, 2)) == (0.29, 0.71)
    # Intervals by the package psych of R for this example.
    np.testing.assert_allclose([result.a1_low, result.a1_high], [0.019, 0.76], atol=5e-3)
    np.testing.assert_allclose([result.c1_low, result.c1_high], [0.34, 0.95], atol=5e-3)
    assert intraclass_correlation([*ratings, [np.nan, 1, 2, 3]]) == result


def test_a_constant_bias_is_consistent_and_does_not_agree() -> None:
    x = np.array([10.0, 20.0, 30.0, 40.0])
    result = intraclass_correlation(np.column_stack([x, x + 10]))
    assert result.c1 == 1
    # Mean squares: targets 2 * 500 / 3, methods 4 * 2 * 25, error 0.
    assert result.a1 == pytest.approx((1000 / 3) / (1000 / 3 + 2 * 200 / 4))


def test_bias_of_volumes_per_region() -> None:
    truth = np.array([[1000.0, 1100.0, 1300.0, 900.0], [50.0, 60.0, 70.0, np.nan]])
    measured = truth * 1.1
    table = by_region(np.stack([truth, measured, truth - 5], axis=-1))
    result = agreement_with_reference(table, "dice", "a", region="region").set_index(["region", "method"])
    assert result["n"].to_dict() == {("r0", "b"): 4, ("r0", "c"): 4, ("r1", "b"): 3, ("r1", "c"): 3}
    np.testing.assert_allclose(result.loc[[("r0", "b"), ("r1", "b")], "bias_percent"], 10)
    np.testing.assert_allclose(result.loc[[("r0", "b"), ("r1", "b")], "bias"], [107.5, 6])
    np.testing.assert_allclose(
        result.loc[("r0", "c"), ["bias", "loa_lower", "loa_upper", "icc_c1"]].astype(float), [-5, -5, -5, 1]
    )
