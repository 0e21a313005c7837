"""The cumulative-logit mixed model: compared with R's published estimates, statsmodels, quadrature and finite differences."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit
from statsmodels.miscmodels.ordinal_model import OrderedModel

from reader_study.errors import RatingsError
from reader_study.models.cumulative_logit import laplace
from reader_study.models.curvature import curvature
from reader_study.models.ordinal import OrdinalFit, fit_ordinal
from reader_study.models.ordinal_data import to_search, unpack
from reader_study.models.ordinal_design import ordinal_design
from reader_study.models.ordinal_tables import (
    category_probabilities,
    likelihood_ratio,
    odds_ratios,
    odds_ratios_with_reasons,
    proportional_odds_test,
    random_effects,
)

#: Bitterness of wine, 8 bottles by 9 judges (Randall 1989, Biometrical Journal 31:781).
WINE = [
    [2, 1, 2, 3, 2, 3, 1, 2, 1], [3, 2, 3, 2, 3, 2, 1, 2, 2], [3, 1, 3, 3, 4, 3, 2, 2, 3], [4, 3, 2, 2, 3, 2, 2, 3, 2],
    [4, 2, 5, 3, 3, 2, 2, 3, 3], [4, 3, 5, 2, 3, 4, 3, 3, 2], [5, 5, 4, 5, 3, 5, 2, 3, 4], [5, 4, 4, 3, 3, 4, 3, 4, 4],
]  # fmt: skip


def wine() -> pd.DataFrame:
    rows = [
        (WINE[bottle][judge], "cold" if bottle < 4 else "warm", "no" if bottle % 4 < 2 else "yes", f"{judge + 1}")
        for judge in range(9)
        for bottle in range(8)
    ]
    return pd.DataFrame(rows, columns=["rating", "temp", "contact", "judge"])


def wine_fit() -> OrdinalFit:
    return fit_ordinal(ordinal_design(wine(), fixed=["temp", "contact"], random=["judge"]))


def study(seed: int = 0, cases: int = 20, readers: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    by_case, by_reader = rng.normal(0, 1, cases), rng.normal(0, 0.7, readers)
    rows = [
        (f"c{c}", f"r{r}", m, 1 + int(np.digitize(by_case[c] + by_reader[r] + 0.6 * k + rng.logistic(), [-2, -0.5, 0.7, 2])))
        for c, r, (k, m) in product(range(cases), range(readers), enumerate(("FS", "NFT", "FT")))
    ]
    return pd.DataFrame(rows, columns=["case", "reader", "method", "rating"])


def test_the_wine_data_give_what_r_s_clmm_published() -> None:
    """Printed by clmm(rating ~ temp + contact + (1 | judge)); coefficients, thresholds and ranef from its users' files."""
    fit = wine_fit()
    np.testing.assert_allclose(fit.coefficients, [3.0629966560421, 1.83488493779128], atol=1e-4)
    thresholds = [[-1.62366694779619, 1.51336520227968, 4.22852671695733, 6.08877259115472]]
    np.testing.assert_allclose(fit.thresholds, thresholds, atol=1e-4)
    modes = [1.69617818735249, -0.565783087989923, 0.968808284101926, -0.0595498906699359, 0.230510105429514,
             0.477038637457531, -1.91097341718148, -0.27294385809958, -0.554675767631326]  # fmt: skip
    np.testing.assert_allclose(random_effects(fit)["effect"], modes, atol=1e-4)
    assert fit.warnings == ()
    assert fit.design.formula == "factor(rating) ~ temp + contact + (1 | judge)"


def test_category_probabilities_of_the_wine_data_are_those_ggeffects_prints() -> None:
    """ggeffects: 0.09760731 is P(1) for cold averaged over contact, 0.0730260 that at the mean contact."""
    fit = wine_fit()
    at_mean = category_probabilities(fit, "temp").set_index(["level", "rating"])
    assert at_mean.loc[("cold", "1"), "typical"] == pytest.approx(0.0730260420584538, abs=2e-5)
    by_contact = [expit(fit.thresholds[0, 0] - shift) for shift in (0, fit.coefficients[1])]
    assert np.mean(by_contact) == pytest.approx(0.09760731, abs=1e-5)
    np.testing.assert_allclose(at_mean.groupby("level")[["typical", "population"]].sum(), 1.0)
    rng = np.random.default_rng(0)
    drawn = expit(fit.thresholds[0, 0] - fit.coefficients[1] / 2 - fit.sds[0] * rng.standard_normal(400_000)).mean()
    assert at_mean.loc[("cold", "1"), "population"] == pytest.approx(drawn, abs=1e-3)


def test_without_random_effects_it_is_the_model_of_statsmodels() -> None:
    table = study(1)
    fit = fit_ordinal(ordinal_design(table, random=[]))
    dummies = np.column_stack([table["method"] == "NFT", table["method"] == "FT"]).astype(float)
    other = OrderedModel(table["rating"].to_numpy(), dummies, distr="logit").fit(method="bfgs", disp=False, gtol=1e-8)
    assert fit.loglik == pytest.approx(other.llf, abs=1e-6)
    np.testing.assert_allclose(fit.coefficients, other.params[:2], atol=1e-4)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), other.bse[:2], rtol=1e-3)
    row = odds_ratios(fit).set_index(["first", "second"]).loc[("FS", "FT")]
    low, high = np.exp(other.conf_int()[1])
    assert (row["low"], row["high"]) == (pytest.approx(low, rel=2e-3), pytest.approx(high, rel=2e-3))
    turned = odds_ratios(fit).set_index(["first", "second"]).loc[("NFT", "FT"), "odds_ratio"]
    assert turned == pytest.approx(math.exp(fit.coefficients[1] - fit.coefficients[0]))


@pytest.mark.parametrize("nominal", [None, "method"])
@pytest.mark.parametrize(
    ("random", "sds"),
    [
        (("case", "reader", "case:method"), (0.9, 0.5, 0.4)),
        (("case", "reader", "case:method"), (0.9, 0.5, 0.0)),
        (("case", "reader", "case:method", "reader:method"), (0.9, 0.5, 0.4, 0.3)),
        (("reader",), (0.6,)),
        ((), ()),
    ],
)
def test_gradient_and_curvature_are_those_of_finite_differences(
    random: tuple[str, ...], sds: tuple[float, ...], nominal: str | None
) -> None:
    thresholds = np.array([[-2, -0.5, 0.7, 2.0], [-1.5, -0.4, 0.6, 2.4], [-1.8, -0.1, 0.9, 1.9]])
    table = study(2, cases=12, readers=4)
    effects = np.zeros(0) if nominal else np.array([0.4, 0.9])
    design = ordinal_design(table, fixed=[] if nominal else ["method"], random=random, nominal=nominal)
    point = to_search(thresholds if nominal else thresholds[:1], effects, np.array(sds))
    beside = [(laplace(design, point + step), laplace(design, point - step)) for step in 1e-5 * np.eye(len(point))]
    slopes = [(ahead.loglik - behind.loglik) / 2e-5 for ahead, behind in beside]
    np.testing.assert_allclose(laplace(design, point).gradient, slopes, atol=1e-6)
    turns = [(ahead.gradient - behind.gradient) / 2e-5 for ahead, behind in beside]
    np.testing.assert_allclose(curvature(design, point), turns, atol=1e-6)


def test_ratings_given_several_times_count_as_often() -> None:
    table = study(8, cases=8, readers=3)
    # The same region rated in three views: rows with the same predictors, some with the same rating.
    again = pd.concat([table, table, table.assign(rating=table["rating"].clip(upper=4))], ignore_index=True)
    design = ordinal_design(again)
    assert len(design.rows.count) < len(again) == design.rows.count.sum()
    point = to_search(np.array([[-2, -0.5, 0.7, 2.0]]), np.array([0.4, 0.9]), np.array([0.9, 0.5]))
    split = ordinal_design(again.assign(view=[f"v{number}" for number in range(len(again))]), fixed=["method", "view"])
    apart = to_search(np.array([[-2, -0.5, 0.7, 2.0]]), np.append([0.4, 0.9], np.zeros(len(again) - 1)), np.array([0.9, 0.5]))
    assert len(split.rows.count) == len(again)
    assert laplace(design, point).loglik == pytest.approx(laplace(split, apart).loglik)


def judge_loglik(u: float, fit: OrdinalFit, judge: int, sd: float) -> float:
    """Log-likelihood of one judge's ratings at the effect u, with its normal density, written out."""
    mine = fit.design.groups[:, 0] == judge
    eta = fit.design.fixed[mine] @ fit.coefficients + sd * u
    bounds = np.concatenate([[-np.inf], fit.thresholds[0], [np.inf]])
    y = fit.design.response[mine]
    return float(np.log(expit(bounds[y + 1] - eta) - expit(bounds[y] - eta)).sum() - u * u / 2)


def test_one_random_effect_against_its_approximation_by_hand_and_against_quadrature() -> None:
    fit = wine_fit()
    by_hand = exact = 0.0
    for judge in range(9):
        mode = minimize_scalar(lambda u, j=judge: -judge_loglik(u, fit, j, fit.sds[0]), tol=1e-12).x
        h = 1e-4
        top = judge_loglik(mode, fit, judge, fit.sds[0])
        sides = judge_loglik(mode + h, fit, judge, fit.sds[0]) + judge_loglik(mode - h, fit, judge, fit.sds[0])
        curvature = -(sides - 2 * top) / h**2
        by_hand += top - math.log(curvature) / 2
        # Adaptive: 60 nodes around the mode, at its width.
        nodes, weights = np.polynomial.hermite.hermgauss(60)
        width = math.sqrt(2 / curvature)
        terms = [math.exp(judge_loglik(mode + width * x, fit, judge, fit.sds[0]) + x * x) for x in nodes]
        exact += math.log(width * float(weights @ terms) / math.sqrt(2 * math.pi))
    assert fit.loglik == pytest.approx(by_hand, abs=1e-5)
    # What the Laplace approximation costs with eight ratings a judge.
    assert fit.loglik == pytest.approx(exact, abs=0.2)


def test_effects_of_a_simulated_study_are_found_and_tested() -> None:
    table = study(3, cases=30, readers=8)
    full = fit_ordinal(ordinal_design(table))
    null = fit_ordinal(ordinal_design(table, fixed=[]))
    errors = np.sqrt(np.diag(full.covariance))
    assert (np.abs(full.coefficients - [0.6, 1.2]) < 3 * errors).all()
    assert (np.abs(full.sds - [1.0, 0.7]) < 0.4).all()
    test = likelihood_ratio(full, null)
    assert test["df"] == 2
    assert test["statistic"] == pytest.approx(2 * (full.loglik - null.loglik))
    assert test["p"] < 1e-6
    assert full.loglik >= laplace(full.design, _search(full, 1e-3)).loglik
    with pytest.raises(RatingsError, match="not nested"):
        likelihood_ratio(null, full)


def _search(fit: OrdinalFit, moved: float) -> np.ndarray:
    return to_search(fit.thresholds, fit.coefficients + moved, fit.sds)


def test_thresholds_go_into_search_parameters_and_back() -> None:
    fit = wine_fit()
    back = unpack(fit.design, _search(fit, 0.0))
    np.testing.assert_allclose(back[0], fit.thresholds)
    np.testing.assert_allclose(back[1], fit.coefficients)


def test_a_violation_of_proportional_odds_is_found_and_its_absence_is_not() -> None:
    assert proportional_odds_test(study(4))["p"] > 0.01
    table = study(4)
    rng = np.random.default_rng(0)
    at_ends = table["method"] == "FT"
    table.loc[at_ends, "rating"] = rng.choice([1, 2, 3, 4, 5], at_ends.sum(), p=[0.44, 0.04, 0.04, 0.04, 0.44])
    test = proportional_odds_test(table)
    assert test["df"] == 6
    assert test["p"] < 1e-6


def test_a_variance_of_zero_is_a_singular_fit_and_says_so() -> None:
    table = study(5)
    table["case"] = np.random.default_rng(1).permutation(table["case"])
    table["rating"] = 1 + np.arange(len(table)) % 5
    fit = fit_ordinal(ordinal_design(table, random=["case"]))
    assert fit.sds[0] == 0.0
    assert fit.warnings == ("singular fit: the variance of case is estimated as zero",)
    assert fit.loglik == pytest.approx(fit_ordinal(ordinal_design(table, random=[])).loglik, abs=1e-6)


def test_separation_is_said_and_what_can_not_be_modelled_is_refused() -> None:
    table = study(6)
    table.loc[table["method"] == "FT", "rating"] = 5
    table.loc[table["method"] != "FT", "rating"] = table["rating"].clip(upper=4)
    fit = fit_ordinal(ordinal_design(table))
    assert any(warning.startswith("separation: the ratings put methodFT") for warning in fit.warnings)
    for changed, expected in (
        (table.assign(rating=4), "all 300 ratings are 4"),
        (table.assign(method="FS"), "method holds only FS"),
        (table.assign(reader="r1"), "1 level of reader"),
    ):
        with pytest.raises(RatingsError, match=expected):
            ordinal_design(changed)
    with pytest.raises(RatingsError, match="no column site"):
        ordinal_design(table, fixed=["site"])
    with pytest.raises(RatingsError, match="lacks a level of rating"):
        ordinal_design(table, fixed=[], nominal="method")


def strong_effects() -> pd.DataFrame:
    """Ratings in which A is below every rating of B and C, while B and C overlap."""
    rng = np.random.default_rng(0)
    levels = {"A": (1, 3), "B": (3, 6), "C": (3, 6)}
    rows = [
        (f"r{r}", f"c{c}", method, float(rng.integers(*levels[method])))
        for r in range(4) for c in range(10) for method in "ABC"
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["reader", "case", "method", "rating"])


@pytest.mark.parametrize("first", ["A", "B"])
def test_separation_costs_the_pairs_it_is_about_whichever_method_is_the_reference(first: str) -> None:
    table = strong_effects()
    levels = sorted("ABC", key=lambda name: (name != first, name))
    table["method"] = pd.Categorical(table["method"], levels)
    odds, reasons = odds_ratios_with_reasons(fit_ordinal(ordinal_design(table)))
    apart = {tuple(sorted(pair)): reason for pair, reason in zip(odds[["first", "second"]].to_numpy(), reasons, strict=True)}
    assert apart[("A", "B")].startswith("separation")
    assert apart[("A", "C")].startswith("separation")
    assert apart[("B", "C")] == ""
    pair = odds[[set(pair) == {"B", "C"} for pair in odds[["first", "second"]].to_numpy()]].iloc[0]
    alone = table[table["method"] != "A"].assign(method=lambda t: t["method"].cat.remove_unused_categories())
    fit = fit_ordinal(ordinal_design(alone))
    assert abs(pair["log_odds"]) == pytest.approx(abs(fit.coefficients[0]), abs=0.02)
    assert pair["se"] == pytest.approx(float(np.sqrt(fit.covariance[0, 0])), abs=0.02)
