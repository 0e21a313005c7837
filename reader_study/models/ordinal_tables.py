"""Tables of a fitted cumulative-logit model: odds ratios, tests, category probabilities, severity of readers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.special import expit

from reader_study.errors import RatingsError
from reader_study.models.ordinal import OrdinalFit, fit_ordinal
from reader_study.models.ordinal_design import ordinal_design
from reader_study.models.separation import contrast_error, is_separated, is_suspicious

__all__ = [
    "category_probabilities", "likelihood_ratio", "odds_ratios", "odds_ratios_with_reasons", "proportional_odds_test",
    "random_effects", "variance_table",
]  # fmt: skip

Floats = npt.NDArray[np.float64]
#: Nodes of the Gauss-Hermite rule that averages over readers and cases.
_NODES = 40


def odds_ratios(fit: OrdinalFit, factor: str = "method", *, confidence: float = 0.95) -> pd.DataFrame:
    """Odds ratios of a higher rating between every two levels of a factor, with Wald intervals.

    Parameters
    ----------
    fit : OrdinalFit
    factor : str
        A fixed effect of the model.
    confidence : float

    Returns
    -------
    pandas.DataFrame
        `first, second, odds_ratio` (of `second` against `first`), `low, high, z, p`; `log_odds` and `se` behind them. NaN
        where the fit gives no standard error.
    """
    return odds_ratios_with_reasons(fit, factor, confidence=confidence)[0]


def odds_ratios_with_reasons(
    fit: OrdinalFit, factor: str = "method", *, confidence: float = 0.95
) -> tuple[pd.DataFrame, list[str]]:
    """Odds ratios as :func:`odds_ratios` returns them, and for each the reason not to use it, or ""."""
    vectors = _vectors(fit, factor)
    quantile = stats.norm.ppf((1 + confidence) / 2)
    rows, reasons = [], []
    for first, second in combinations(vectors, 2):
        contrast = vectors[second] - vectors[first]
        value = float(contrast @ fit.coefficients)
        error, reason = _error_of(fit, contrast, f"{first} and {second}")
        reasons.append(reason)
        z = value / error if error else math.nan
        with np.errstate(over="ignore"):  # where ratings separate, odds and their interval go beyond any number
            ratio, low, high = np.exp([value, value - quantile * error, value + quantile * error])
        rows.append((first, second, ratio, low, high, z, float(2 * stats.norm.sf(abs(z))), value, error))
    columns = ["first", "second", "odds_ratio", "low", "high", "z", "p", "log_odds", "se"]
    return pd.DataFrame(rows, columns=columns), reasons


def _vectors(fit: OrdinalFit, factor: str) -> dict[str, Floats]:
    """Return for each level of a factor the weights of the coefficients in its log odds."""
    vectors = {level: np.zeros(len(fit.design.fixed_names)) for level in _levels(fit, factor)}
    for number, level in _columns(fit, factor):
        vectors[level][number] = 1.0
    return vectors


def _error_of(fit: OrdinalFit, contrast: Floats, names: str) -> tuple[float, str]:
    """Return the standard error of a contrast, and why it or the contrast is not meaningful, or ""."""
    used = contrast != 0
    error = math.sqrt(max(contrast[used] @ fit.covariance[np.ix_(used, used)] @ contrast[used], 0.0))
    if not is_suspicious(float(contrast @ fit.coefficients), error):
        return error, ""
    # The fit has looked at each coefficient by itself. Of two that are beyond any number the difference may be finite.
    own = [name for name, one in zip(fit.design.fixed_names, used, strict=True) if one]
    if own[0] in fit.separated if len(own) == 1 else is_separated(fit.design, fit.search, contrast):
        return error, f"separation: the ratings of {names} leave no finite odds ratio"
    if math.isnan(error):
        error = contrast_error(fit.design, fit.search, contrast)
    return error, "no standard error: the information is singular" if math.isnan(error) else ""


def likelihood_ratio(larger: OrdinalFit, smaller: OrdinalFit) -> dict[str, float]:
    """Likelihood-ratio test of two nested models: `statistic`, `df`, `p` from chi-squared, as R's `anova` gives it.

    For a variance that is tested against zero, which lies on the edge, the p is too large by up to a factor of two.

    Raises
    ------
    RatingsError
        If the models are of different ratings, or the first has no more parameters than the second.
    """
    df = larger.n_parameters - smaller.n_parameters
    if df < 1 or not np.array_equal(larger.design.response, smaller.design.response):
        raise RatingsError(
            f"model: {smaller.design.formula} is not nested in {larger.design.formula}; compare models of the same ratings"
        )
    statistic = max(2 * (larger.loglik - smaller.loglik), 0.0)
    return {"statistic": statistic, "df": float(df), "p": float(stats.chi2.sf(statistic, df))}


def proportional_odds_test(
    ratings: pd.DataFrame,
    factor: str = "method",
    *,
    fixed: Sequence[str] = ("method",),
    random: Sequence[str] = ("case", "reader"),
    fit: OrdinalFit | None = None,
) -> dict[str, Any]:
    """Test that a factor shifts all thresholds alike: against a model with thresholds of its own for each level.

    A level of rating that some level of the factor never got has no threshold there; it is merged with its rarer neighbour
    first, in both models.

    Parameters
    ----------
    ratings : pandas.DataFrame
    factor : str
    fixed, random : sequence of str
        As :func:`reader_study.models.ordinal_design.ordinal_design` takes them.
    fit : OrdinalFit, optional
        The model with proportional odds of these ratings, where it has been fitted before.

    Returns
    -------
    dict
        `statistic`, `df`, `p` as :func:`likelihood_ratio`, with (levels - 1) (K - 2) degrees of freedom for the K levels of
        rating left; `merged`, which levels of rating were taken together, as ``1+2``, or "". A small p is evidence
        against proportional odds.

    Raises
    ------
    RatingsError
        If fewer than three levels of rating are left: two have one threshold, and nothing to be proportional.
    """
    table, merged = _merged_levels(ratings, factor)
    left = table["rating"].nunique()
    if left < 3:
        joined = f" once {merged} are merged, which not every {factor} got" if merged else ""
        raise RatingsError(f"model: {left} level{'s' * (left > 1)} of rating left{joined}; three are needed")
    proportional = fit
    if proportional is None or merged:
        proportional = fit_ordinal(ordinal_design(table, fixed=fixed, random=random), errors=False)
    others = [name for name in fixed if name != factor]
    own = fit_ordinal(ordinal_design(table, fixed=others, random=random, nominal=factor), errors=False)
    return {**likelihood_ratio(own, proportional), "merged": merged}


def category_probabilities(fit: OrdinalFit, factor: str = "method") -> pd.DataFrame:
    """Probability of each rating for every level of a factor, other fixed effects at the mean of the ratings fitted.

    Returns
    -------
    pandas.DataFrame
        `level` (of the factor), `rating`, `typical` (for a case and readers at zero) and
        `population` (averaged over the random effects, a normal of the sum of their variances).
    """
    design = fit.design
    if design.n_sets > 1:
        raise RatingsError(f"model: {design.formula} has several sets of thresholds; fit one with proportional odds")
    levels, columns = _levels(fit, factor), _columns(fit, factor)
    mean = design.fixed.mean(axis=0)
    mean[[number for number, _ in columns]] = 0.0
    elsewhere = float(mean @ fit.coefficients)
    shifts = dict.fromkeys(levels, elsewhere)
    for number, level in columns:
        shifts[level] += float(fit.coefficients[number])
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    spread = math.sqrt(float((fit.sds**2).sum()))
    rows = []
    for level, eta in shifts.items():
        typical = _shares(fit.thresholds[0] - eta)
        around = np.array([_shares(fit.thresholds[0] - eta - spread * node) for node in nodes])
        population = weights @ around / weights.sum()
        rows += [(level, *cells) for cells in zip(design.levels, typical, population, strict=True)]
    return pd.DataFrame(rows, columns=["level", "rating", "typical", "population"])


def random_effects(fit: OrdinalFit) -> pd.DataFrame:
    """Conditional modes of the random effects: `term, level, effect, se`; a reader below zero rates more severely."""
    design = fit.design
    levels = [level for levels in design.term_levels for level in levels]
    terms = [design.term_names[term] for term in design.term_of_mode]
    return pd.DataFrame({"term": terms, "level": levels, "effect": fit.effects, "se": fit.effect_errors})


def variance_table(fit: OrdinalFit) -> pd.DataFrame:
    """Variance of each random term: `term, levels, variance, sd`, `share` of the variance with the logistic's pi**2 / 3."""
    variances = fit.sds**2
    total = variances.sum() + math.pi**2 / 3
    sizes = [len(levels) for levels in fit.design.term_levels]
    return pd.DataFrame(
        {"term": fit.design.term_names, "levels": sizes, "variance": variances, "sd": fit.sds, "share": variances / total}
    )


def _merged_levels(ratings: pd.DataFrame, factor: str) -> tuple[pd.DataFrame, str]:
    """Ratings with levels merged until every level of a factor got each, and the names of those that hold several."""
    counts = pd.crosstab(ratings[factor], ratings["rating"])
    groups, cells = [[level] for level in counts.columns], counts.to_numpy()
    while len(groups) > 1 and (cells == 0).any():
        empty = int(np.argmin(cells.min(axis=0)))
        beside = [place for place in (empty - 1, empty + 1) if 0 <= place < len(groups)]
        other = min(beside, key=lambda place: cells[:, place].sum())
        first = min(empty, other)
        groups[first : first + 2] = [groups[first] + groups[first + 1]]
        cells = np.column_stack([cells[:, :first], cells[:, first] + cells[:, first + 1], cells[:, first + 2 :]])
    lowest = {level: group[0] for group in groups for level in group}
    names = ["+".join(f"{level:g}" for level in group) for group in groups if len(group) > 1]
    return ratings.assign(rating=ratings["rating"].map(lowest)), ", ".join(names)


def _levels(fit: OrdinalFit, factor: str) -> tuple[str, ...]:
    factors = dict(fit.design.factors)
    if factor not in factors:
        raise RatingsError(f"model: {fit.design.formula} has no fixed effect {factor}; fit one that has")
    return factors[factor]


def _columns(fit: OrdinalFit, factor: str) -> list[tuple[int, str]]:
    """Number of the column and level of each level of a factor but its reference."""
    every = [(name, level) for name, levels in fit.design.factors for level in levels[1:]]
    return [(number, level) for number, (name, level) in enumerate(every) if name == factor]


def _shares(thresholds: Floats) -> Floats:
    return np.diff(np.concatenate([[0.0], expit(thresholds), [1.0]]))
