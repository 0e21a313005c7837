"""Curvature of the Laplace approximation: its exact second derivatives, one direction at a time.

Along a direction, thresholds, eta and the modes move; every quantity of :mod:`reader_study.models.cumulative_logit` is
differentiated. The derivative of the gradient by one parameter costs about as much as the gradient itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reader_study.models.crossed_blocks import Blocks, inverse_turned
from reader_study.models.cumulative_logit import Mode, Slopes, collected_thresholds, gradient_of, mode_of, slopes_of
from reader_study.models.ordinal_data import OrdinalDesign, unpack

__all__ = ["curvature"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Rows:
    """Derivatives of F at the bounds of each row, first to third: `f`, `f'`, `f''` above and below, (rows,) float64."""

    f_above: Floats
    f_below: Floats
    turn_above: Floats
    turn_below: Floats
    third_above: Floats
    third_below: Floats
    odds: Floats


def curvature(design: OrdinalDesign, search: Floats, modes: Floats | None = None) -> Floats:
    """Second derivatives of the log-likelihood by the search parameters.

    Parameters
    ----------
    design : OrdinalDesign
    search : (parameters,) float64
        As :func:`reader_study.models.ordinal_data.to_search` makes them.
    modes : (q,) float64, optional
        Where the search for the modes begins.

    Returns
    -------
    (parameters, parameters) float64
    """
    mode = mode_of(design, search, modes)
    entries = mode.inverse.entries()
    slopes = slopes_of(design, mode, entries, unpack(design, search)[2])
    above, below = mode.above * (1 - mode.above), mode.below * (1 - mode.below)
    with np.errstate(over="ignore"):
        odds = 1 / np.expm1(mode.gap)
    values = _Rows(
        above, below, above * (1 - 2 * mode.above), below * (1 - 2 * mode.below),
        above * (1 - 6 * above), below * (1 - 6 * below), odds,
    )  # fmt: skip
    found = np.array([_turned(design, search, mode, slopes, entries, values, number) for number in range(len(search))])
    # A gap is the exponential of its parameter, which the direction of that parameter moves too.
    gaps = [number for number in range(design.n_sets * design.n_thresholds) if number % design.n_thresholds]
    found[gaps, gaps] += gradient_of(design, search, mode, slopes)[gaps]
    return (found + found.T) / 2


def _direction(design: OrdinalDesign, search: Floats, number: int) -> tuple[Floats, Floats, Floats]:
    """Changes along one parameter: of the bounds (sets, K + 1), of eta by fixed effects (cells,), of the SDs (terms,)."""
    sets, count = design.n_sets, design.n_thresholds
    bounds, cells, sds = np.zeros((sets, count + 2)), np.zeros(len(design.rows.cells)), np.zeros(len(design.term_names))
    p = len(design.fixed_names)
    if number < sets * count:
        own, first = divmod(number, count)
        bounds[own, first + 1 : -1] = np.exp(search[number]) if first else 1.0
    elif number < sets * count + p:
        cells = design.rows.cells[:, number - sets * count]
    else:
        sds[number - sets * count - p] = 1.0
    return bounds, cells, sds


def _turned(
    design: OrdinalDesign, search: Floats, mode: Mode, slopes: Slopes, entries: Blocks, values: _Rows, number: int
) -> Floats:
    """Derivative of the gradient along one parameter, without that of the exponentials of the gaps."""
    rows, layout = design.rows, design.rows.layout
    bounds, cells, sds = _direction(design, search, number)
    at_upper, at_lower = bounds[rows.threshold_set, rows.response + 1], bounds[rows.threshold_set, rows.response]
    slope, weight = rows.by_combination(mode.slope), rows.by_combination(mode.weight)

    # The modes move so that the slope at them stays zero.
    scale = layout.spread(sds)
    moved = (cells[rows.cell] if cells.any() else 0.0) + layout.totals(scale * mode.b)[rows.combination]
    pushed = rows.by_combination(values.f_above * (at_upper - moved) + values.f_below * (at_lower - moved))
    b = mode.inverse.times(mode.scale * layout.collected(pushed) + scale * layout.collected(slope))
    moved = moved + layout.totals(mode.scale * b)[rows.combination]
    up, down = at_upper - moved, at_lower - moved

    f_above, f_below = values.turn_above * up, values.turn_below * down
    turn_above, turn_below = values.third_above * up, values.third_below * down
    slope_turned, weight_turned = values.f_above * up + values.f_below * down, f_above + f_below
    weight_slope, weight_slope_turned = -(values.turn_above + values.turn_below), -(turn_above + turn_below)
    shares, answer, leverage, pull = _of_inverse(
        design, search, mode, slopes, entries, sds, weight_turned, weight_slope, weight_slope_turned
    )

    own, own_pull = slopes.leverage[rows.combination], slopes.pull[rows.combination]
    leverage, pull = leverage[rows.combination], pull[rows.combination]
    odds = -values.odds * (1 + values.odds) * (at_upper - at_lower)
    by_log_det = leverage * values.turn_above + own * turn_above + pull * values.f_above + own_pull * f_above
    to_upper = -values.f_above * up + odds - by_log_det / 2
    by_log_det = leverage * values.turn_below + own * turn_below + pull * values.f_below + own_pull * f_below
    to_lower = -values.f_below * down - odds - by_log_det / 2
    to_eta = slope_turned - (leverage * weight_slope + own * weight_slope_turned) / 2
    to_eta += (pull * mode.weight + own_pull * weight_turned) / 2

    by_threshold = collected_thresholds(design, to_upper, to_lower)
    by_threshold[:, 1:] *= np.exp(search[: by_threshold.size].reshape(by_threshold.shape)[:, 1:])
    at = layout.at
    by_sd = b[at].T @ rows.by_combination(slopes.to_eta) + mode.b[at].T @ rows.by_combination(to_eta)
    by_sd -= slopes.shares.T @ rows.by_combination(weight_turned) + shares.T @ weight
    by_sd -= (answer[at].T @ slope + slopes.answer[at].T @ rows.by_combination(slope_turned)) / 2
    return np.concatenate([by_threshold.ravel(), rows.cells.T @ rows.by_cell(to_eta), by_sd])


def _of_inverse(
    design: OrdinalDesign, search: Floats, mode: Mode, slopes: Slopes, entries: Blocks, direction: Floats,
    weight: Floats, weight_slope: Floats, weight_slope_turned: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """Changes of the gradient's quantities that depend on the inverse of H: shares, answer of the modes, leverage, pull."""
    rows, layout = design.rows, design.rows.layout
    sds, scale = unpack(design, search)[2], layout.spread(direction)
    first = mode.cross.scaled(scale, mode.scale)
    second = mode.cross.scaled(mode.scale, scale)
    third = layout.cross_sums(rows.by_combination(weight)).scaled(mode.scale, mode.scale)
    change = Blocks(first.a + second.a + third.a, first.b + second.b + third.b, first.d + second.d + third.d)
    turned = inverse_turned(mode.inverse, change)
    shares = np.zeros_like(slopes.shares)
    for s in range(len(sds)):
        for t in range(len(sds)):
            shares[:, s] += sds[t] * layout.entries(turned, s, t)
            if direction[t]:
                shares[:, s] += direction[t] * layout.entries(entries, s, t)
    leverage = slopes.shares @ direction + shares @ sds
    of_slopes = rows.by_combination(weight_slope)
    aim = leverage * of_slopes + slopes.leverage * rows.by_combination(weight_slope_turned)
    aim = scale * layout.collected(slopes.leverage * of_slopes) + mode.scale * layout.collected(aim)
    answer = mode.inverse.times(aim - change.times(slopes.answer))
    pull = layout.totals(scale * slopes.answer + mode.scale * answer)
    return shares, answer, leverage, pull
