"""Cumulative-logit mixed model of ratings, with crossed random effects of case and reader: fit, tests, odds ratios.

The model is the one that R fits with `ordinal::clmm(factor(rating) ~ method + (1 | case) + (1 | reader))`, by the same Laplace
approximation (:mod:`reader_study.statistics.cumulative_logit`). A positive coefficient means higher ratings. The tests hold it
to `clmm` on five data sets, two to four crossed random terms and a design with holes among them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize

from reader_study.errors import RatingsError
from reader_study.statistics.cumulative_logit import Laplace, OrdinalDesign, laplace, thresholds_of, to_search, unpack

__all__ = ["OrdinalFit", "fit_ordinal", "ordinal_design"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
#: A standard deviation below this is taken for zero: the fit is singular.
_ZERO_SD = 1e-3
#: A coefficient beyond this (an odds ratio of 22,000) or with such an error means that the ratings separate.
_SEPARATED = 10.0


@dataclass(frozen=True)
class OrdinalFit:
    """A fitted model.

    Attributes
    ----------
    design : OrdinalDesign
    thresholds : (sets, K - 1) float64
        Increasing in each set.
    threshold_errors : (sets, K - 1) float64
        Standard errors.
    coefficients : (p,) float64
        Log odds ratios, in the order of ``design.fixed_names``.
    covariance : (p, p) float64
        Of the coefficients, from the observed information; NaN where it is singular.
    sds : (terms,) float64
        Standard deviations of the random effects, 0 where the fit is singular.
    effects : (q,) float64
        Conditional modes of the random effects, on the scale of the coefficients.
    effect_errors : (q,) float64
        Conditional standard deviations at the estimates.
    loglik : float
        Laplace approximation of the log-likelihood.
    n_parameters : int
    gradient : float
        Largest slope left at the estimates.
    warnings : tuple of str
        Separation, singularity, a search that did not end; empty for a sound fit.
    """

    design: OrdinalDesign
    thresholds: Floats
    threshold_errors: Floats
    coefficients: Floats
    covariance: Floats
    sds: Floats
    effects: Floats
    effect_errors: Floats
    loglik: float
    n_parameters: int
    gradient: float
    warnings: tuple[str, ...]


def ordinal_design(
    ratings: pd.DataFrame,
    *,
    fixed: Sequence[str] = ("method",),
    random: Sequence[str] = ("case", "reader"),
    nominal: str | None = None,
) -> OrdinalDesign:
    """Turn a ratings table into response, fixed effects and grouping of a model.

    Parameters
    ----------
    ratings : pandas.DataFrame
        A column `rating` and those named below.
    fixed : sequence of str
        Factors, coded against their first level: in the order of a categorical column, else of appearance.
    random : sequence of str
        Random intercepts: a column, or several joined by ``:``, as ``case:method``.
    nominal : str, optional
        A factor that has thresholds of its own per level, instead of one shift of all thresholds; it must not be in `fixed`.

    Returns
    -------
    OrdinalDesign
        Levels of the response are the ratings that occur, as in R.

    Raises
    ------
    RatingsError
        If a column is missing, all ratings are equal, a factor has one level, a random term has one level or one for each
        rating, or a set of thresholds lacks a level of rating.
    """
    for name in [*fixed, *(part for term in random for part in term.split(":")), *([nominal] if nominal else [])]:
        if name not in ratings:
            raise RatingsError(f"model: no column {name} among {', '.join(ratings.columns)}; name columns of the ratings")
    values, response = np.unique(ratings["rating"].to_numpy(dtype=float), return_inverse=True)
    if len(values) < 2:
        raise RatingsError(f"model: all {len(ratings)} ratings are {values[0]:g}; at least two levels are needed")
    columns, factors = [], []
    for factor in fixed:
        codes, levels = _levels_of(ratings[factor])
        if len(levels) < 2:
            raise RatingsError(f"model: column {factor} holds only {levels[0]}; a fixed effect needs two levels")
        columns += [(codes == code).astype(float) for code in range(1, len(levels))]
        factors.append((factor, levels))
    groups, term_levels = [], []
    for term in random:
        codes, levels = _crossed_levels(ratings, term.split(":"))
        if len(levels) < 2 or len(levels) == len(ratings):
            raise RatingsError(f"model: {len(levels)} levels of {term} in {len(ratings)} ratings; leave its variance out")
        groups.append(codes)
        term_levels.append(levels)
    sets = np.zeros(len(ratings), dtype=np.int64)
    n_sets = 1
    if nominal is not None:
        sets, set_levels = _levels_of(ratings[nominal])
        n_sets = len(set_levels)
        if len(set(zip(sets, response, strict=True))) < n_sets * len(values):
            raise RatingsError(f"model: a level of {nominal} lacks a level of rating; its thresholds can't be estimated")
    effects = [*fixed, *(f"(1 | {term})" for term in random)]
    formula = f"factor(rating) ~ {' + '.join(effects) or '1'}" + (f", nominal = ~ {nominal}" if nominal else "")
    n = len(ratings)
    return OrdinalDesign(
        response=response.astype(np.int64),
        levels=tuple(f"{value:g}" for value in values),
        fixed=np.column_stack(columns) if columns else np.zeros((n, 0)),
        factors=tuple(factors),
        groups=np.column_stack(groups) if groups else np.zeros((n, 0), dtype=np.int64),
        term_names=tuple(random),
        term_levels=tuple(term_levels),
        threshold_set=sets,
        n_sets=n_sets,
        formula=formula,
    )


def fit_ordinal(design: OrdinalDesign, *, errors: bool = True) -> OrdinalFit:
    """Fit by maximising the Laplace approximation: BFGS with its exact gradient, ended by Newton steps.

    Standard errors are from the observed information, differences of the exact gradient; standard deviations at zero are
    held there for it.

    Parameters
    ----------
    design : OrdinalDesign
    errors : bool
        Without them a fit takes half the time or less, and is as good for its log-likelihood: the Newton steps are left out,
        and the standard errors are NaN.

    Returns
    -------
    OrdinalFit
        A fit that is not sound says so in `warnings`; none is refused.
    """
    last: dict[str, Floats] = {}

    def negative(search: Floats) -> tuple[float, Floats]:
        point = laplace(design, search, last.get("modes"))
        if not np.isfinite(point.loglik):
            return math.inf, np.zeros(len(search))
        last["modes"] = point.modes
        return -point.loglik, -point.gradient

    with np.errstate(over="ignore", invalid="ignore"):
        found = optimize.minimize(negative, _start(design), jac=True, method="BFGS", options={"gtol": 1e-4, "maxiter": 500})
    search = np.asarray(found.x, dtype=float)
    n_sds = len(design.term_names)
    sds = search[len(search) - n_sds :]
    singular = np.abs(sds) < _ZERO_SD
    search[len(search) - n_sds :] = np.where(singular, 0.0, np.abs(sds))
    free = np.concatenate([np.ones(len(search) - n_sds, dtype=bool), ~singular])
    if not errors:
        return _result(design, laplace(design, search, last.get("modes")), search, None, free)
    point, search, information = _finish(design, search, free)
    return _result(design, point, search, information, free)


def _finish(design: OrdinalDesign, search: Floats, free: npt.NDArray[np.bool_]) -> tuple[Laplace, Floats, Floats]:
    """Newton steps from where BFGS ended, while they climb; the information at the end."""
    point = laplace(design, search)
    information = _information(design, search, free, point)
    for _ in range(5):
        if np.abs(point.gradient[free]).max() < 1e-8 or not _positive(information):
            break
        ahead = search.copy()
        ahead[free] += np.linalg.solve(information, point.gradient[free])
        reached = laplace(design, ahead, point.modes)
        if not reached.loglik >= point.loglik - 1e-9:
            break
        search, point = ahead, reached
        information = _information(design, search, free, point)
    return point, search, information


def _information(design: OrdinalDesign, search: Floats, free: npt.NDArray[np.bool_], point: Laplace) -> Floats:
    """Minus the Hessian over the free parameters: central differences of the gradient."""
    rows = []
    for index in np.flatnonzero(free):
        step = np.zeros(len(search))
        step[index] = 1e-4 * max(1.0, abs(search[index]))
        ahead, behind = laplace(design, search + step, point.modes), laplace(design, search - step, point.modes)
        rows.append((behind.gradient - ahead.gradient)[free] / (2 * step[index]))
    information = np.array(rows)
    return (information + information.T) / 2


def _positive(matrix: Floats) -> bool:
    return bool(np.all(np.isfinite(matrix)) and np.linalg.eigvalsh(matrix).min() > 1e-8)


def _result(
    design: OrdinalDesign, point: Laplace, search: Floats, information: Floats | None, free: npt.NDArray[np.bool_]
) -> OrdinalFit:
    thresholds, coefficients, sds = unpack(design, search)
    size, p = thresholds.size, len(coefficients)
    covariance = np.full((int(free.sum()), int(free.sum())), np.nan)
    defined = information is not None and _positive(information)
    if information is not None and defined:
        covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    # Thresholds are the first one plus exponentials of the parameters: their errors follow by the delta method.
    jacobian = np.zeros((size, size))
    for column in range(size):
        moved = search.copy()
        moved[column] += 1e-6
        jacobian[:, column] = (thresholds_of(design, moved) - thresholds).ravel() / 1e-6
    of_thresholds = jacobian @ covariance[:size, :size] @ jacobian.T
    of_coefficients = covariance[size : size + p, size : size + p]
    errors = np.sqrt(np.diag(of_coefficients))
    gradient = float(np.abs(point.gradient[free]).max())
    warnings = []
    zero = [term for term, sd in zip(design.term_names, sds, strict=True) if sd == 0]
    if zero:
        warnings.append(f"singular fit: the variance of {', '.join(zero)} is estimated as zero")
    for name, value, error in zip(design.fixed_names, coefficients, errors, strict=True):
        if abs(value) > _SEPARATED or error > _SEPARATED:
            warnings.append(f"separation: the ratings put {name} beyond any odds ratio; its estimate and error mean nothing")
    if information is not None and not defined:
        warnings.append("the information is singular: no standard errors")
    if gradient > 1e-3:
        warnings.append(f"the search did not end: a slope of {gradient:.2g} is left")
    scale = sds[design.term_of_mode]
    return OrdinalFit(
        design=design,
        thresholds=thresholds,
        threshold_errors=np.sqrt(np.diag(of_thresholds)).reshape(thresholds.shape),
        coefficients=coefficients,
        covariance=of_coefficients,
        sds=np.abs(sds),
        effects=scale * point.modes,
        effect_errors=np.abs(scale) * np.sqrt(np.diag(point.mode_covariance)),
        loglik=point.loglik,
        n_parameters=design.n_parameters,
        gradient=gradient,
        warnings=tuple(warnings),
    )


def _start(design: OrdinalDesign) -> Floats:
    """Thresholds at the observed frequencies, no effects, standard deviations of a half."""
    thresholds = np.zeros((design.n_sets, design.n_thresholds))
    for number in range(design.n_sets):
        counts = np.bincount(design.response[design.threshold_set == number], minlength=len(design.levels))
        below = np.cumsum(counts)[:-1] / counts.sum()
        thresholds[number] = np.log(below / (1 - below))
    return to_search(thresholds, np.zeros(len(design.fixed_names)), np.full(len(design.term_names), 0.5))


def _crossed_levels(ratings: pd.DataFrame, columns: Sequence[str]) -> tuple[Ints, tuple[str, ...]]:
    """Codes and names of the combinations of columns that occur, in the order of their levels."""
    codes, names = _levels_of(ratings[columns[0]])
    for column in columns[1:]:
        inner, inner_names = _levels_of(ratings[column])
        found, codes = np.unique(codes * len(inner_names) + inner, return_inverse=True)
        names = tuple(f"{names[one // len(inner_names)]}:{inner_names[one % len(inner_names)]}" for one in found)
    return codes.astype(np.int64), names


def _levels_of(column: pd.Series) -> tuple[Ints, tuple[str, ...]]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        return np.asarray(column.cat.codes, dtype=np.int64), tuple(str(level) for level in column.cat.categories)
    codes, levels = pd.factorize(column)
    return np.array(codes, dtype=np.int64), tuple(str(level) for level in levels)
