"""Methods compared over all regions: n is subjects or families; the mixed model is R's, and that of its own likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from evaluation.statistics.overall import compare_overall, fit_mixed_model
from tests.phantoms.long_tables import QUICK, by_region, r_oracles


def nested(subjects: int, regions: int, *, between: float, seed: int = 0) -> np.ndarray:
    """Regions x subjects x two methods whose difference depends on the subject."""
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


@pytest.mark.parametrize("with_families", [False, True])
def test_the_mixed_model_of_an_incomplete_table_is_that_of_r(with_families: bool) -> None:
    oracle = r_oracles()["models"][with_families]
    fit = fit_mixed_model(oracle["d"], oracle["subject"], oracle["family"] if with_families else None)
    units = 7 if with_families else 14
    names = ["lmm_sd_family"] * with_families + ["lmm_sd_subject", "lmm_sd_region"]
    np.testing.assert_allclose([fit[name] for name in names], oracle["sds"], rtol=5e-3)
    assert fit["lmm_difference"] == pytest.approx(oracle["estimate"], rel=1e-3)
    margin = stats.t.isf(0.025, units - 1) * oracle["error"]
    assert fit["lmm_high"] - fit["lmm_low"] == pytest.approx(2 * margin, rel=5e-3)
    assert fit["lmm_p"] == pytest.approx(2 * stats.t.sf(abs(oracle["estimate"]) / oracle["error"], units - 1), rel=2e-2)
