"""Laplace approximation of a cumulative-logit model with crossed random intercepts: log-likelihood, gradient, modes.

P(Y_i <= j) = F(theta_j - eta_i), F the logistic distribution, eta = X beta + sum_t sigma_t b_t[group_t(i)], b ~ N(0, I).
Integrating b out at the mode b^ of l(b) - b'b / 2, with H = I + S Z'WZ S and W = -d2 l / d eta2:

    log L = l(b^) - b^'b^ / 2 - log|H| / 2.

For the logistic distribution, with a = theta_y - eta and c = theta_(y-1) - eta, dl/d eta = F(a) + F(c) - 1 and
W = f(a) + f(c): positive, so the inner problem is concave, and every derivative of the approximation is in closed form.
The standard deviations enter as they are, not as logarithms, so that a variance of zero is an inner point of the search.

References
----------
Tierney, Kadane (1986), J. Am. Stat. Assoc. 81:82; Hedeker, Gibbons (1994), Biometrics 50:933; Christensen, R package
`ordinal`, whose `clmm` maximises the same approximation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, log_expit

__all__ = ["Laplace", "OrdinalDesign", "laplace", "thresholds_of", "to_search", "unpack"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_MODE_TOLERANCE = 1e-10
_MODE_STEPS = 100


@dataclass(frozen=True)
class OrdinalDesign:
    """The data that a model is fitted to.

    Attributes
    ----------
    response : (n,) int64
        Level of each rating, 0 to K - 1, every one used.
    levels : tuple of str
        Names of the K levels, from low to high.
    fixed : (n, p) float64
        Columns of the fixed effects, without an intercept: the thresholds are one.
    factors : tuple of (str, tuple of str)
        Each factor of the fixed effects with its levels, the reference first; every other level has a column, in this order.
    groups : (n, terms) int64
        Level of each random term for each rating, from 0.
    term_names : tuple of str
    term_levels : tuple of tuple of str
        Names of the levels of each term.
    threshold_set : (n,) int64
        Which set of thresholds applies: all 0 for proportional odds.
    n_sets : int
    formula : str
        The model as R writes it.
    """

    response: Ints
    levels: tuple[str, ...]
    fixed: Floats
    factors: tuple[tuple[str, tuple[str, ...]], ...]
    groups: Ints
    term_names: tuple[str, ...]
    term_levels: tuple[tuple[str, ...], ...]
    threshold_set: Ints
    n_sets: int
    formula: str

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the columns of the fixed effects, as in R: factor and level."""
        return tuple(f"{factor}{level}" for factor, levels in self.factors for level in levels[1:])

    @property
    def n_thresholds(self) -> int:
        """Thresholds of one set."""
        return len(self.levels) - 1

    @property
    def n_parameters(self) -> int:
        """Thresholds of all sets, fixed effects and standard deviations."""
        return self.n_sets * self.n_thresholds + len(self.fixed_names) + len(self.term_names)

    @cached_property
    def columns(self) -> Ints:
        """Columns of Z that are 1 for each rating, (n, terms)."""
        sizes = [len(levels) for levels in self.term_levels]
        return self.groups + np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if sizes else self.groups

    @cached_property
    def term_of_mode(self) -> Ints:
        """The term of each of the q random effects, (q,)."""
        return np.repeat(np.arange(len(self.term_levels)), [len(levels) for levels in self.term_levels]).astype(np.int64)


@dataclass(frozen=True)
class Laplace:
    """Value of the approximation at one point.

    Attributes
    ----------
    loglik : float
    gradient : (parameters,) float64
        With respect to the search parameters of :func:`to_search`.
    modes : (q,) float64
        Standardised random effects b^; times sigma they are those of the ratings.
    mode_covariance : (q, q) float64
        Inverse of H.
    """

    loglik: float
    gradient: Floats
    modes: Floats
    mode_covariance: Floats


def to_search(thresholds: Floats, coefficients: Floats, sds: Floats) -> Floats:
    """Parameters to search over: per set the first threshold and the logarithms of the gaps, coefficients, SDs."""
    gaps = np.log(np.diff(thresholds, axis=1))
    return np.concatenate([np.hstack([thresholds[:, :1], gaps]).ravel(), coefficients, sds])


def thresholds_of(design: OrdinalDesign, search: Floats) -> Floats:
    """Thresholds of search parameters, (sets, K - 1), increasing in each set."""
    raw = search[: design.n_sets * design.n_thresholds].reshape(design.n_sets, design.n_thresholds)
    return np.cumsum(np.hstack([raw[:, :1], np.exp(raw[:, 1:])]), axis=1)


def unpack(design: OrdinalDesign, search: Floats) -> tuple[Floats, Floats, Floats]:
    """Thresholds (sets, K - 1), coefficients (p,) and SDs (terms,; the sign is of no meaning) of search parameters."""
    start = design.n_sets * design.n_thresholds
    end = start + len(design.fixed_names)
    return thresholds_of(design, search), search[start:end], search[end:]


def laplace(design: OrdinalDesign, search: Floats, start: Floats | None = None) -> Laplace:
    """Approximate the log-likelihood and its gradient.

    Parameters
    ----------
    design : OrdinalDesign
    search : (parameters,) float64
        As :func:`to_search` makes them.
    start : (q,) float64, optional
        Where the search for the modes begins; zero without.

    Returns
    -------
    Laplace
    """
    thresholds, coefficients, sds = unpack(design, search)
    bounds = np.pad(thresholds, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))
    upper = bounds[design.threshold_set, design.response + 1]
    lower = bounds[design.threshold_set, design.response]
    linear = design.fixed @ coefficients
    scale = sds[design.term_of_mode]
    columns, q = design.columns, len(scale)

    def moved(b: Floats) -> Floats:
        return (scale * b)[columns].sum(axis=1) if q else np.zeros(len(linear))

    def penalised(b: Floats) -> float:
        eta = linear + moved(b)
        return float(_log_probability(upper - eta, lower - eta).sum() - b @ b / 2)

    b = np.zeros(q) if start is None else start
    value = penalised(b)
    for _ in range(_MODE_STEPS):
        eta = linear + moved(b)
        above, below = expit(upper - eta), expit(lower - eta)
        slope = above + below - 1
        weight = above * (1 - above) + below * (1 - below)
        crossed = _cross_product(columns, weight, q)
        hessian = np.eye(q) + scale[:, None] * crossed * scale
        factor = cho_factor(hessian, lower=True) if q else None
        ascent = scale * _transposed(columns, slope, q) - b
        if not q or np.abs(ascent).max() < _MODE_TOLERANCE:
            break
        step = cho_solve(factor, ascent)
        size, ahead = 1.0, penalised(b + step)
        # Concave, so a whole step overshoots only far from the mode; below rounding there is nothing to halve.
        while ahead < value - 1e-9 * abs(value) and size > 1e-4:
            size /= 2
            ahead = penalised(b + size * step)
        b, value = b + size * step, ahead

    inverse = cho_solve(factor, np.eye(q)) if q else np.zeros((0, 0))
    half_log_det = float(np.log(np.diag(factor[0])).sum()) if factor is not None else 0.0
    gradient = _gradient(design, search, b, slope, weight, above, below, upper - lower, inverse, crossed)
    return Laplace(penalised(b) - half_log_det, gradient, b, inverse)


def _gradient(
    design: OrdinalDesign, search: Floats, b: Floats, slope: Floats, weight: Floats,
    above: Floats, below: Floats, gap: Floats, inverse: Floats, crossed: Floats,
) -> Floats:  # fmt: skip
    """Total derivative: explicit, through log|H|, and through the modes that move with the parameters."""
    sds = unpack(design, search)[2]
    columns, scale, terms = design.columns, sds[design.term_of_mode], range(len(sds))
    q = len(b)
    density_above, density_below = above * (1 - above), below * (1 - below)
    turn_above, turn_below = density_above * (1 - 2 * above), density_below * (1 - 2 * below)
    weight_slope = -(turn_above + turn_below)

    # leverage: z_i' S H^-1 S z_i; pull: how the modes answer to a change of log|H|, carried back to the ratings.
    scaled_inverse = scale[:, None] * inverse * scale
    leverage = np.zeros(len(slope))
    for s in terms:
        for t in terms:
            leverage += scaled_inverse[columns[:, s], columns[:, t]]
    answer = inverse @ (scale * _transposed(columns, leverage * weight_slope, q))
    pull = (scale * answer)[columns].sum(axis=1) if q else np.zeros(len(slope))

    with np.errstate(over="ignore"):
        odds = 1 / np.expm1(gap)
    to_upper = (1 - above) + odds - (leverage * turn_above + pull * density_above) / 2
    to_lower = -below - odds - (leverage * turn_below + pull * density_below) / 2
    count = design.n_thresholds
    size = design.n_sets * count
    place = design.threshold_set * count + design.response
    has_upper, has_lower = design.response < count, design.response > 0
    by_threshold = np.bincount(place[has_upper], to_upper[has_upper], minlength=size)
    by_threshold += np.bincount(place[has_lower] - 1, to_lower[has_lower], minlength=size)
    # A threshold is the first one plus the gaps below it, and a gap the exponential of its parameter.
    from_above = np.cumsum(by_threshold.reshape(design.n_sets, count)[:, ::-1], axis=1)[:, ::-1].copy()
    raw = search[:size].reshape(design.n_sets, count)
    from_above[:, 1:] *= np.exp(raw[:, 1:])

    to_eta = slope - leverage * weight_slope / 2 + pull * weight / 2
    by_sd = np.zeros(len(sds))
    own_slope = _transposed(columns, slope, q)
    twisted = (crossed * (inverse * scale[:, None]).T).sum(axis=1) if q else np.zeros(0)
    for t in terms:
        mine = design.term_of_mode == t
        by_sd[t] = b[columns[:, t]] @ to_eta - twisted[mine].sum() - answer[mine] @ own_slope[mine] / 2
    return np.concatenate([from_above.ravel(), design.fixed.T @ to_eta, by_sd])


def _log_probability(upper: Floats, lower: Floats) -> Floats:
    """log(F(upper) - F(lower)) without cancellation: F(u) - F(l) = F(u) (1 - F(l)) (1 - exp(l - u))."""
    with np.errstate(over="ignore"):
        return log_expit(upper) + log_expit(-lower) + np.log(-np.expm1(lower - upper))


def _transposed(columns: Ints, values: Floats, q: int) -> Floats:
    """Z' values."""
    total = np.zeros(q)
    for column in columns.T:
        total += np.bincount(column, values, minlength=q)
    return total


def _cross_product(columns: Ints, weight: Floats, q: int) -> Floats:
    """Z'WZ, (q, q): terms in order, so what is counted for two of them lies above the diagonal."""
    above = np.zeros(q * q)
    total = np.zeros(q)
    for place, first in enumerate(columns.T):
        total += np.bincount(first, weight, minlength=q)
        for second in columns.T[place + 1 :]:
            above += np.bincount(first * q + second, weight, minlength=q * q)
    half = above.reshape(q, q)
    return half + half.T + np.diag(total)
