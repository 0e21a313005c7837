"""Cumulative-logit mixed model of ratings, with crossed random effects of case and reader: fit, tests, odds ratios.

The model is the one that R fits with `ordinal::clmm(factor(rating) ~ method + (1 | case) + (1 | reader))`, by the same Laplace
approximation (:mod:`reader_study.models.cumulative_logit`). A positive coefficient means higher ratings. The tests compare
it with `clmm` on five data sets, among them two to four crossed random terms and an incomplete design.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize

from reader_study.models.cumulative_logit import Laplace, laplace
from reader_study.models.curvature import curvature
from reader_study.models.ordinal_data import OrdinalDesign, thresholds_of, to_search, unpack
from reader_study.models.separation import is_separated, is_suspicious

__all__ = ["OrdinalFit", "fit_ordinal"]

Floats = npt.NDArray[np.float64]
#: A standard deviation below this is taken for zero: the fit is singular.
_ZERO_SD = 1e-3
#: Standard deviation of every term where the search begins.
_START_SD = 0.5
#: The search takes no direction for flatter than this, in log-likelihood by squared parameter.
_LEAST_CURVATURE = 0.1
#: After a step that is shorter than this, in any parameter, the information is the same.
_SAME = 1e-4


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
    search : (parameters,) float64
        The estimates as the search has them, for profiles.
    separated : tuple of str
        Names of the coefficients that the ratings put beyond any number (:mod:`reader_study.models.separation`); their
        variances are NaN.
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
    search: Floats
    separated: tuple[str, ...]
    warnings: tuple[str, ...]


def fit_ordinal(design: OrdinalDesign, *, errors: bool = True) -> OrdinalFit:
    """Fit by maximising the Laplace approximation: BFGS with its exact gradient, ended by Newton steps.

    The search is in coordinates in which the curvature at its start is the same in every direction; few steps are needed then.
    Standard errors are from the observed information, the exact curvature at the end; standard deviations at zero are held
    there.

    Parameters
    ----------
    design : OrdinalDesign
    errors : bool
        Whether to compute standard errors. Without them a fit takes less time, as the Newton steps are left out; its
        log-likelihood is as accurate, and the standard errors are NaN.

    Returns
    -------
    OrdinalFit
        Problems of the fit are listed in `warnings`; no fit is refused.
    """
    start = _start(design)
    modes = laplace(design, start).modes
    axes = _axes(design, -curvature(design, start, modes))
    last = {"modes": modes}

    def negative(moved: Floats) -> tuple[float, Floats]:
        point = laplace(design, start + axes @ moved, last["modes"])
        if not np.isfinite(point.loglik):
            return math.inf, np.zeros(len(moved))
        last["modes"] = point.modes
        return -point.loglik, -axes.T @ point.gradient

    with np.errstate(over="ignore", invalid="ignore"):
        zero = np.zeros(len(start))
        found = optimize.minimize(negative, zero, jac=True, method="BFGS", options={"gtol": 1e-4, "maxiter": 500})
    search = start + axes @ np.asarray(found.x, dtype=float)
    n_sds = len(design.term_names)
    sds = search[len(search) - n_sds :]
    singular = np.abs(sds) < _ZERO_SD
    search[len(search) - n_sds :] = np.where(singular, 0.0, np.abs(sds))
    free = np.concatenate([np.ones(len(search) - n_sds, dtype=bool), ~singular])
    if not errors:
        return _result(design, laplace(design, search), search, None, free)
    point, search, information = _finish(design, search, free)
    return _result(design, point, search, information, free)


def _axes(design: OrdinalDesign, information: Floats) -> Floats:
    """Directions of about equal curvature, in columns: the search steps along them.

    Far from the estimates, the curvature by a standard deviation is of little use. It is replaced by that of q known effects
    with this standard deviation, 2 q / sd^2.
    """
    count = len(information) - len(design.term_levels)
    values, vectors = np.linalg.eigh(information[:count, :count])
    axes = np.zeros_like(information)
    axes[:count, :count] = vectors / np.sqrt(np.maximum(np.abs(values), _LEAST_CURVATURE))
    for place, levels in enumerate(design.term_levels, start=count):
        axes[place, place] = _START_SD / math.sqrt(2 * len(levels))
    return axes


def _finish(design: OrdinalDesign, search: Floats, free: npt.NDArray[np.bool_]) -> tuple[Laplace, Floats, Floats]:
    """Newton steps from where BFGS ended, as long as the log-likelihood increases; the information at the end."""
    point = laplace(design, search)
    information = _information(design, search, free, point)
    for _ in range(5):
        if np.abs(point.gradient[free]).max() < 1e-8 or not _positive(information):
            break
        step = np.zeros(len(search))
        step[free] = np.linalg.solve(information, point.gradient[free])
        reached = laplace(design, search + step, point.modes)
        if not reached.loglik >= point.loglik - 1e-9:
            break
        search, point = search + step, reached
        if np.abs(step).max() > _SAME:
            information = _information(design, search, free, point)
    return point, search, information


def _information(design: OrdinalDesign, search: Floats, free: npt.NDArray[np.bool_], point: Laplace) -> Floats:
    """Minus the second derivatives by the free parameters."""
    return -curvature(design, search, point.modes)[np.ix_(free, free)]


def _positive(matrix: Floats) -> bool:
    return bool(np.all(np.isfinite(matrix)) and np.linalg.eigvalsh(matrix).min() > 1e-8)


def _result(
    design: OrdinalDesign, point: Laplace, search: Floats, information: Floats | None, free: npt.NDArray[np.bool_]
) -> OrdinalFit:
    thresholds, coefficients, sds = unpack(design, search)
    size, p = thresholds.size, len(coefficients)
    covariance, separated, defined = _covariance(design, search, information, free)
    # Thresholds are the first one plus exponentials of the parameters: their errors follow by the delta method.
    jacobian = np.zeros((size, size))
    for column in range(size):
        moved = search.copy()
        moved[column] += 1e-6
        jacobian[:, column] = (thresholds_of(design, moved) - thresholds).ravel() / 1e-6
    of_thresholds = jacobian @ covariance[:size, :size] @ jacobian.T
    of_coefficients = covariance[size : size + p, size : size + p]
    gradient = float(np.abs(point.gradient[free]).max())
    warnings = []
    zero = [term for term, sd in zip(design.term_names, sds, strict=True) if sd == 0]
    if zero:
        warnings.append(f"singular fit: the variance of {', '.join(zero)} is estimated as zero")
    warnings += [
        f"separation: the ratings put {name} beyond any odds ratio; its estimate and error mean nothing" for name in separated
    ]
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
        effect_errors=np.abs(scale) * np.sqrt(point.mode_variances),
        loglik=point.loglik,
        n_parameters=design.n_parameters,
        gradient=gradient,
        search=search,
        separated=separated,
        warnings=tuple(warnings),
    )


def _covariance(
    design: OrdinalDesign, search: Floats, information: Floats | None, free: npt.NDArray[np.bool_]
) -> tuple[Floats, tuple[str, ...], bool]:
    """Covariance of the free parameters, the coefficients that separate, and whether the others have standard errors.

    Coefficients that separate are held where they are: the information about them goes to zero, and would make the matrix
    singular.
    """
    count, size = int(free.sum()), design.n_sets * design.n_thresholds
    covariance = np.full((count, count), np.nan)
    if information is None:
        return covariance, (), False
    if _positive(information):
        covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    places = range(size, size + len(design.fixed_names))
    suspicious = [one for one in places if is_suspicious(search[one], math.sqrt(max(covariance[one, one], 0.0)))]
    unit = np.eye(len(design.fixed_names))
    held = [one for one in suspicious if is_separated(design, search, unit[one - size])]
    if held:
        covariance = np.full((count, count), np.nan)
        kept = np.setdiff1d(np.arange(count), held)
        rest = information[np.ix_(kept, kept)]
        if _positive(rest):
            covariance[np.ix_(kept, kept)] = np.linalg.inv(rest)
    defined = bool(np.isfinite(np.delete(np.diag(covariance), held)).all())
    return covariance, tuple(design.fixed_names[one - size] for one in held), defined


def _start(design: OrdinalDesign) -> Floats:
    """Thresholds at the observed frequencies, no effects, standard deviations of a half."""
    thresholds = np.zeros((design.n_sets, design.n_thresholds))
    for number in range(design.n_sets):
        counts = np.bincount(design.response[design.threshold_set == number], minlength=len(design.levels))
        below = np.cumsum(counts)[:-1] / counts.sum()
        thresholds[number] = np.log(below / (1 - below))
    return to_search(thresholds, np.zeros(len(design.fixed_names)), np.full(len(design.term_names), _START_SD))
