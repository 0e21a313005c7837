"""Separation in a fitted cumulative-logit model: whether a log odds ratio has a finite maximum, from its profile.

A large coefficient is no sign of separation: with random effects of large variance, log odds of 12 can be finite and well
estimated. The two are distinguished by the log-likelihood with the contrast held at larger values and all other parameters
fitted again: it falls if there is a maximum, and stays constant or rises if the ratings separate.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize

from reader_study.models.cumulative_logit import laplace
from reader_study.models.ordinal_data import OrdinalDesign

__all__ = ["contrast_error", "is_separated", "is_suspicious", "profile"]

Floats = npt.NDArray[np.float64]
#: Estimates within these are finite without a look at the profile: log odds and their standard error.
_PLAIN_VALUE, _PLAIN_ERROR = 6.0, 3.0
#: Distance, in log odds, at which the profile is computed, and by how much it must have fallen there.
_FURTHER, _FALL = 10.0, 0.01
#: Half the distance of the three points that the curvature is taken from, in log odds.
_STEP = 0.5


def is_suspicious(value: float, error: float) -> bool:
    """Whether an estimate is so large or so uncertain that only its profile can tell whether it is finite."""
    return not (abs(value) <= _PLAIN_VALUE and error <= _PLAIN_ERROR)


def is_separated(design: OrdinalDesign, search: Floats, contrast: Floats) -> bool:
    """Whether the ratings separate: whether a contrast of the coefficients has no finite estimate.

    Parameters
    ----------
    design : OrdinalDesign
    search : (parameters,) float64
        Where the search ended, as :func:`reader_study.models.ordinal_data.to_search` arranges the parameters.
    contrast : (p,) float64
        Weights of the coefficients, not all zero.
    """
    here = _value(design, search, contrast)
    away = here + math.copysign(_FURTHER, here)
    return profile(design, search, contrast, away) > laplace(design, search).loglik - _FALL


def contrast_error(design: OrdinalDesign, search: Floats, contrast: Floats) -> float:
    """Standard error of a contrast from the curvature of its profile; NaN where the profile is not curved downwards.

    Equal to the error from the observed information, but also valid where other coefficients separate and the information is
    singular.
    """
    here = _value(design, search, contrast)
    below, at, above = (profile(design, search, contrast, here + step) for step in (-_STEP, 0.0, _STEP))
    bend = 2 * at - below - above
    return _STEP / math.sqrt(bend) if bend > 0 else math.nan


def profile(design: OrdinalDesign, search: Floats, contrast: Floats, value: float) -> float:
    """Largest log-likelihood with a contrast of the coefficients held at a value."""
    start = design.n_sets * design.n_thresholds
    pivot = int(np.flatnonzero(contrast)[0])
    held = start + pivot
    others = np.flatnonzero(contrast)[1:]

    def whole(free: Floats) -> Floats:
        full = np.insert(free, held, 0.0)
        full[held] = (value - contrast @ full[start : start + len(contrast)]) / contrast[pivot]
        return full

    def negative(free: Floats) -> tuple[float, Floats]:
        point = laplace(design, whole(free))
        if not np.isfinite(point.loglik):
            return math.inf, np.zeros(len(free))
        gradient = point.gradient.copy()
        gradient[start + others] -= gradient[held] * contrast[others] / contrast[pivot]
        return -point.loglik, -np.delete(gradient, held)

    with np.errstate(over="ignore", invalid="ignore"):
        found = optimize.minimize(
            negative, np.delete(search, held), jac=True, method="BFGS", options={"gtol": 1e-4, "maxiter": 300}
        )
    return -float(found.fun)


def _value(design: OrdinalDesign, search: Floats, contrast: Floats) -> float:
    start = design.n_sets * design.n_thresholds
    return float(contrast @ search[start : start + len(contrast)])
