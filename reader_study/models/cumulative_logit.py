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

import numpy as np
import numpy.typing as npt
from scipy.special import log_expit

from reader_study.models.crossed_blocks import Blocks, Inverse, inverse_of
from reader_study.models.ordinal_data import OrdinalDesign, unpack

__all__ = ["Laplace", "Mode", "Slopes", "gradient_of", "laplace", "mode_of", "slopes_of", "with_identity"]

Floats = npt.NDArray[np.float64]
_MODE_TOLERANCE = 1e-10
_MODE_STEPS = 100


@dataclass(frozen=True)
class Laplace:
    """Value of the approximation at one point.

    Attributes
    ----------
    loglik : float
    gradient : (parameters,) float64
        With respect to the search parameters of :func:`reader_study.models.ordinal_data.to_search`.
    modes : (q,) float64
        Standardised random effects b^; times sigma they are those of the ratings.
    mode_variances : (q,) float64
        Diagonal of the inverse of H.
    """

    loglik: float
    gradient: Floats
    modes: Floats
    mode_variances: Floats


@dataclass(frozen=True)
class Mode:
    """The mode of the random effects at one point, and the quantities computed there; rows are distinct rows.

    Attributes
    ----------
    loglik : float
        The approximation.
    scale, b : (places,) float64
        Standard deviation and standardised random effect at each place.
    above, below : (rows,) float64
        F(a) and F(c).
    gap : (rows,) float64
        a - c.
    cross : Blocks
        Z'WZ.
    inverse : Inverse
        Of H.
    """

    loglik: float
    scale: Floats
    b: Floats
    above: Floats
    below: Floats
    gap: Floats
    cross: Blocks
    inverse: Inverse

    @property
    def slope(self) -> Floats:
        """First derivative of each row's log-likelihood by eta."""
        return self.above + self.below - 1

    @property
    def weight(self) -> Floats:
        """Minus the second derivative of it."""
        return self.above * (1 - self.above) + self.below * (1 - self.below)


@dataclass(frozen=True)
class Slopes:
    """The quantities from which the gradient is computed.

    Attributes
    ----------
    shares : (combinations, terms) float64
        Row of H^-1 S for each term's place: times the SDs and summed, the leverage.
    leverage : (combinations,) float64
        z' S H^-1 S z.
    pull : (combinations,) float64
        Change of the modes with log|H|, per combination of levels.
    answer : (places,) float64
        The same, per place.
    to_upper, to_lower, to_eta : (rows,) float64
        Total derivatives by the thresholds above and below a rating, and by eta.
    """

    shares: Floats
    leverage: Floats
    pull: Floats
    answer: Floats
    to_upper: Floats
    to_lower: Floats
    to_eta: Floats


def laplace(design: OrdinalDesign, search: Floats, start: Floats | None = None) -> Laplace:
    """Approximate the log-likelihood and its gradient.

    Parameters
    ----------
    design : OrdinalDesign
    search : (parameters,) float64
        As :func:`reader_study.models.ordinal_data.to_search` makes them.
    start : (q,) float64, optional
        Where the search for the modes begins; zero without.

    Returns
    -------
    Laplace
    """
    mode, layout = mode_of(design, search, start), design.rows.layout
    entries = mode.inverse.entries()
    slopes = slopes_of(design, mode, entries, unpack(design, search)[2])
    diagonal = np.concatenate([np.diagonal(entries.a, axis1=1, axis2=2).ravel(), np.diag(entries.d)])
    return Laplace(mode.loglik, gradient_of(design, search, mode, slopes), mode.b[layout.place], diagonal[layout.place])


def mode_of(design: OrdinalDesign, search: Floats, start: Floats | None = None) -> Mode:
    """Find the mode of the random effects by Newton steps; see :func:`laplace`."""
    rows, layout = design.rows, design.rows.layout
    thresholds, coefficients, sds = unpack(design, search)
    bounds = np.pad(thresholds, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))
    upper, lower = bounds[rows.threshold_set, rows.response + 1], bounds[rows.threshold_set, rows.response]
    gap = upper - lower
    linear = (rows.cells @ coefficients)[rows.cell]
    scale, b = layout.spread(sds), np.zeros(len(layout.term))
    if start is not None:
        b[layout.place] = start
    # log(F(a) - F(c)) without cancellation: F(a) - F(c) = F(a) (1 - F(c)) (1 - exp(c - a)). The last depends on no effect.
    with np.errstate(over="ignore"):
        apart = float(rows.count @ np.log(-np.expm1(-gap)))

    def tails(b: Floats) -> tuple[Floats, Floats, float]:
        eta = linear + layout.totals(scale * b)[rows.combination]
        log_above, log_rest = log_expit(upper - eta), log_expit(eta - lower)
        return log_above, log_rest, float(rows.count @ (log_above + log_rest)) + apart - float(b @ b) / 2

    log_above, log_rest, value = tails(b)
    for _ in range(_MODE_STEPS):
        above, below = np.exp(log_above), -np.expm1(log_rest)
        weight = above * (1 - above) + below * (1 - below)
        cross = layout.cross_sums(rows.by_combination(weight))
        inverse = inverse_of(with_identity(cross.scaled(scale, scale)))
        ascent = scale * layout.collected(rows.by_combination(above + below - 1)) - b
        if not len(b) or np.abs(ascent).max() < _MODE_TOLERANCE or not np.isfinite(value):
            break
        step, size = inverse.times(ascent), 1.0
        log_above, log_rest, ahead = tails(b + step)
        # Concave, so a whole step overshoots only far from the mode; below rounding there is nothing to halve.
        while ahead < value - 1e-9 * abs(value) and size > 1e-4:
            size /= 2
            log_above, log_rest, ahead = tails(b + size * step)
        b, value = b + size * step, ahead
    return Mode(value - inverse.log_det / 2, scale, b, above, below, gap, cross, inverse)


def with_identity(matrix: Blocks) -> Blocks:
    """Add the identity."""
    return Blocks(matrix.a + np.eye(matrix.a.shape[1]), matrix.b, matrix.d + np.eye(len(matrix.d)))


def slopes_of(design: OrdinalDesign, mode: Mode, entries: Blocks, sds: Floats) -> Slopes:
    """Total derivatives by thresholds and eta: explicit, through log|H|, and through the change of the modes."""
    rows, layout = design.rows, design.rows.layout
    terms = range(len(sds))
    shares = np.zeros((len(layout.at), len(sds)))
    for s in terms:
        for t in terms:
            shares[:, s] += sds[t] * layout.entries(entries, s, t)
    leverage = shares @ sds
    density_above, density_below = mode.above * (1 - mode.above), mode.below * (1 - mode.below)
    turn_above, turn_below = density_above * (1 - 2 * mode.above), density_below * (1 - 2 * mode.below)
    weight_slope = -(turn_above + turn_below)
    answer = mode.inverse.times(mode.scale * layout.collected(leverage * rows.by_combination(weight_slope)))
    pull = layout.totals(mode.scale * answer)
    own_leverage, own_pull = leverage[rows.combination], pull[rows.combination]
    with np.errstate(over="ignore"):
        odds = 1 / np.expm1(mode.gap)
    return Slopes(
        shares=shares,
        leverage=leverage,
        pull=pull,
        answer=answer,
        to_upper=(1 - mode.above) + odds - (own_leverage * turn_above + own_pull * density_above) / 2,
        to_lower=-mode.below - odds - (own_leverage * turn_below + own_pull * density_below) / 2,
        to_eta=mode.slope - own_leverage * weight_slope / 2 + own_pull * mode.weight / 2,
    )


def gradient_of(design: OrdinalDesign, search: Floats, mode: Mode, slopes: Slopes) -> Floats:
    """Gradient by the search parameters, (parameters,)."""
    rows, layout = design.rows, design.rows.layout
    by_threshold = collected_thresholds(design, slopes.to_upper, slopes.to_lower)
    size = by_threshold.size
    by_threshold[:, 1:] *= np.exp(search[:size].reshape(by_threshold.shape)[:, 1:])
    by_effect = rows.cells.T @ rows.by_cell(slopes.to_eta)
    to_eta, slope, weight = (rows.by_combination(one) for one in (slopes.to_eta, mode.slope, mode.weight))
    by_sd = mode.b[layout.at].T @ to_eta - slopes.shares.T @ weight - slopes.answer[layout.at].T @ slope / 2
    return np.concatenate([by_threshold.ravel(), by_effect, by_sd])


def collected_thresholds(design: OrdinalDesign, to_upper: Floats, to_lower: Floats) -> Floats:
    """Sums of derivatives by each threshold and all above it, (sets, K - 1): a threshold is a sum of gaps."""
    rows, count = design.rows, design.n_thresholds
    place = rows.threshold_set * count + rows.response
    has_upper, has_lower = rows.response < count, rows.response > 0
    upper, lower = rows.count * to_upper, rows.count * to_lower
    total = np.bincount(place[has_upper], upper[has_upper], minlength=design.n_sets * count)
    total += np.bincount(place[has_lower] - 1, lower[has_lower], minlength=design.n_sets * count)
    return np.cumsum(total.reshape(design.n_sets, count)[:, ::-1], axis=1, dtype=np.float64)[:, ::-1].copy()
