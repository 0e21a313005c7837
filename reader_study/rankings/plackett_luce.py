"""The Plackett-Luce model of rankings with ties and of incomplete rankings: worths, tie parameters, robust covariance.

A ranking is a series of choices of the best of those left. With ties, a set S of the alternatives A may be chosen::

    P(S | A) = d_|S| (prod_S w)**(1/|S|) / sum over subsets T of A with |T| <= D of d_|T| (prod_T w)**(1/|T|),

with worths w, d_1 = 1 and D the size of the largest tie. Its logarithm is linear in the log worths and log d, so that this is a
conditional logit whose alternatives are the subsets. For two methods it is the model of Bradley and Terry with Davidson's ties.

References
----------
Plackett RL, The analysis of permutations, Applied Statistics 24 (1975). Luce RD, Individual choice behavior (1959).
Davidson RR, On extending the Bradley-Terry model to accommodate ties, JASA 65 (1970).
Turner HL, van Etten J, Firth D, Kosmidis I, Modelling rankings in R: the PlackettLuce package, Computational Statistics 35
(2020), for ties in rankings of several.
Cameron AC, Gelbach JB, Miller DL, Robust inference with multiway clustering, Journal of Business and Economic Statistics 29
(2011), for the covariance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_METHODS", "PlackettLuce", "clustered_covariance", "fit_plackett_luce", "why_no_worths"]

Floats = npt.NDArray[np.float64]
#: With more methods and with ties, a choice has too many subsets.
MOST_METHODS = 12
_STEPS = 100


@dataclass(frozen=True)
class PlackettLuce:
    """A fitted model.

    Attributes
    ----------
    log_worths : (methods,) float64
        Relative to the first method, which has 0.
    log_ties : (D - 1,) float64
        Logarithms of d_2 to d_D; empty if there are no ties.
    loglik : float
    information : (parameters, parameters) float64
        Of the log worths without the first, then the log ties.
    scores : (items, parameters) float64
        Derivative of each ranking's log-likelihood, at the estimates.
    """

    log_worths: Floats
    log_ties: Floats
    loglik: float
    information: Floats
    scores: Floats


_Choice = tuple[tuple[int, ...], tuple[int, ...]]


def why_no_worths(ranks: Floats) -> str:
    """Return why worths are not finite, or "": every split of the methods must be crossed by rankings both ways.

    Parameters
    ----------
    ranks : (items, methods) float64
        1 the best, NaN where a method is not in the item.
    """
    count = ranks.shape[1]
    better = np.eye(count, dtype=bool)
    for one, two in combinations(range(count), 2):
        better[one, two] = bool((ranks[:, one] <= ranks[:, two]).any())
        better[two, one] = bool((ranks[:, two] <= ranks[:, one]).any())
    reach = np.linalg.matrix_power(better.astype(float), count) > 0
    return "" if reach.all() else "no finite worth: some methods are always ranked above the others, or never with them"


def fit_plackett_luce(ranks: npt.ArrayLike) -> PlackettLuce:
    """Fit by maximum likelihood, with Newton's steps.

    Parameters
    ----------
    ranks : (items, methods) array_like of float
        1 the best, equal for ties, NaN where a method is not in the item. :func:`why_no_worths` must be "".
    """
    table = np.asarray(ranks, dtype=np.float64)
    items = [_choices(row) for row in table]
    largest = max(len(chosen) for choices in items for _, chosen in choices)
    sets = sorted({alternatives for choices in items for alternatives, _ in choices})
    subsets = {one: _subsets(one, largest) for one in sets}
    designs = {one: np.array([_row(subset, table.shape[1], largest) for subset in subsets[one]]) for one in sets}
    counts = {one: np.zeros(len(subsets[one])) for one in sets}
    for choices in items:
        for alternatives, chosen in choices:
            counts[alternatives][subsets[alternatives].index(chosen)] += 1
    parameters = np.zeros(table.shape[1] - 1 + largest - 1)
    value, slope, information = _likelihood(parameters, designs, counts)
    for _ in range(_STEPS):
        if np.abs(slope).max() < 1e-9:
            break
        step, size = np.linalg.lstsq(information, slope, rcond=None)[0], 1.0
        while size > 1e-6 and _likelihood(parameters + size * step, designs, counts)[0] < value - 1e-12:
            size /= 2
        parameters = parameters + size * step
        value, slope, information = _likelihood(parameters, designs, counts)
    expected = {one: _shares(design @ parameters) @ design for one, design in designs.items()}
    scores = np.array([
        sum((_row(chosen, table.shape[1], largest) - expected[alternatives] for alternatives, chosen in choices),
            start=np.zeros(len(parameters)))
        for choices in items
    ])  # fmt: skip
    worths = np.concatenate([[0.0], parameters[: table.shape[1] - 1]])
    return PlackettLuce(worths, parameters[table.shape[1] - 1 :], value, information, scores)


def clustered_covariance(fit: PlackettLuce, clusters: Sequence[npt.NDArray[np.int64]]) -> Floats:
    """Return a covariance of the parameters that allows rankings of one case, and of one reader, to depend on each other.

    Parameters
    ----------
    fit : PlackettLuce
    clusters : sequence of (items,) int64
        One or two groupings of the items. For two: the sum of the sandwich estimates over each, minus that over both together;
        if this leaves no variance for a parameter, the larger of the two.

    Returns
    -------
    (parameters, parameters) float64
        With the factor G / (G - 1) for the number of groups of the smaller grouping.
    """
    bread = np.linalg.inv(fit.information)

    def sandwich(groups: npt.NDArray[np.int64]) -> Floats:
        codes = np.unique(groups, return_inverse=True)[1]
        count = int(codes.max()) + 1
        sums = np.zeros((count, fit.scores.shape[1]))
        np.add.at(sums, codes, fit.scores)
        return np.asarray(bread @ (sums.T @ sums) @ bread * (count / max(count - 1, 1)), dtype=np.float64)

    parts = [sandwich(groups) for groups in clusters]
    if len(parts) == 1:
        return parts[0]
    both = clusters[0] * (int(clusters[1].max()) + 1) + clusters[1]
    covariance = parts[0] + parts[1] - sandwich(both)
    largest = max(parts, key=lambda part: float(np.trace(part)))
    return covariance if np.linalg.eigvalsh(covariance).min() > 0 else largest


def _likelihood(
    parameters: Floats, designs: dict[tuple[int, ...], Floats], counts: dict[tuple[int, ...], Floats]
) -> tuple[float, Floats, Floats]:
    """Return the log-likelihood, its gradient, and its negative Hessian."""
    size = len(parameters)
    value, slope, information = 0.0, np.zeros(size), np.zeros((size, size))
    for alternatives, design in designs.items():
        linear, count = design @ parameters, counts[alternatives]
        share, total = _shares(linear), count.sum()
        value += float(count @ (linear - linear.max()) - total * math.log(np.exp(linear - linear.max()).sum()))
        mean = share @ design
        slope += count @ design - total * mean
        information += total * ((design.T * share) @ design - np.outer(mean, mean))
    return value, slope, information


def _shares(linear: Floats) -> Floats:
    odds = np.exp(linear - linear.max())
    return np.asarray(odds / odds.sum(), dtype=np.float64)


def _choices(ranks: Floats) -> list[_Choice]:
    """Return the choices that make up a ranking: the alternatives left and those chosen, while there is more than one."""
    left = [int(one) for one in np.flatnonzero(~np.isnan(ranks))]
    choices = []
    while len(left) > 1:
        best = min(ranks[one] for one in left)
        chosen = tuple(one for one in left if ranks[one] == best)
        choices.append((tuple(left), chosen))
        left = [one for one in left if one not in chosen]
    return choices


def _subsets(alternatives: tuple[int, ...], largest: int) -> list[tuple[int, ...]]:
    return [chosen for size in range(1, min(largest, len(alternatives)) + 1) for chosen in combinations(alternatives, size)]


def _row(chosen: tuple[int, ...], methods: int, largest: int) -> Floats:
    """Return the weights of the parameters in the logarithm of a subset's weight."""
    row = np.zeros(methods - 1 + largest - 1)
    for one in chosen:
        if one:
            row[one - 1] = 1 / len(chosen)
    if len(chosen) > 1:
        row[methods - 1 + len(chosen) - 2] = 1.0
    return row
