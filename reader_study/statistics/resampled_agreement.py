"""Measures of agreement in many bootstrap samples at once: each is a function of sums over cases.

The formulas are those of :mod:`reader_study.statistics.agreement`; a sample is a weight per case, so that thousands of samples
are a matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from reader_study.statistics.agreement import Tally

__all__ = ["CaseSums", "resampled_measures"]

Floats = npt.NDArray[np.float64]
#: Samples that are computed together: bounds the memory for many readers.
_CHUNK = 200


@dataclass(frozen=True)
class CaseSums:
    """Sums over the units of each case, first axis cases.

    Attributes
    ----------
    joint : (cases, readers, levels, readers, levels) float64
        How often a reader gave a level where another gave one.
    use, coincidences : (cases, levels), (cases, levels, levels) float64
    agreed, rated, paired : (cases,) float64
    count : (cases,) float64
        Units that all readers rated. Of these ratings, minus their overall mean:
    by_reader : (cases, readers) float64
        Sums.
    unit_squares, squares : (cases,) float64
        Sums of the squared means of the units, and of the squared ratings.
    """

    joint: Floats
    use: Floats
    coincidences: Floats
    agreed: Floats
    rated: Floats
    paired: Floats
    count: Floats
    by_reader: Floats
    unit_squares: Floats
    squares: Floats

    @classmethod
    def of(cls, ratings: Floats, tally: Tally, case_of_unit: npt.NDArray[np.int64]) -> CaseSums:
        """Sum (units, readers) ratings, NaN where missing, and their tally by the case of each unit."""
        cases = int(case_of_unit.max()) + 1
        units, readers, levels = tally.indicator.shape

        def summed(values: Floats) -> Floats:
            total = np.zeros((cases, *values.shape[1:]))
            np.add.at(total, case_of_unit, values)
            return total

        flat = tally.indicator.reshape(units, -1)
        joint = np.zeros((cases, readers * levels, readers * levels))
        for case in range(cases):
            own = flat[case_of_unit == case]
            joint[case] = own.T @ own
        complete = np.asarray(~np.isnan(ratings).any(axis=1))
        centred = np.where(complete[:, None], ratings - (ratings[complete].mean() if complete.any() else 0.0), 0.0)
        return cls(
            joint=joint.reshape(cases, readers, levels, readers, levels),
            use=summed(tally.use),
            coincidences=summed(tally.coincidences).reshape(cases, levels, levels),
            agreed=summed(tally.agreed),
            rated=summed(tally.rated),
            paired=summed(tally.paired),
            count=summed(complete.astype(np.float64)),
            by_reader=summed(centred),
            unit_squares=summed(np.asarray(centred.mean(axis=1) ** 2)),
            squares=summed((centred**2).sum(axis=1)),
        )


def resampled_measures(sums: CaseSums, weights: Floats) -> Floats:
    """Return every measure in every sample.

    Parameters
    ----------
    sums : CaseSums
    weights : (samples, cases) float64
        How often each case is in each sample.

    Returns
    -------
    (samples, pairs + 5) float64
        Weighted kappa of each pair of readers, Light's kappa, AC2, ICC(2,1), ICC(2,k), alpha; NaN where undefined.
    """
    parts = [weights[start : start + _CHUNK] for start in range(0, len(weights), _CHUNK)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.vstack([_measures(sums, part) for part in parts])


def _measures(sums: CaseSums, weights: Floats) -> Floats:
    kappas = _kappas(sums, weights)
    single, average = _iccs(sums, weights)
    light = kappas.mean(axis=1)
    return np.column_stack([kappas, light, _ac2(sums, weights), single, average, _alpha(sums, weights)])


def _kappas(sums: CaseSums, weights: Floats) -> Floats:
    cases, readers, levels = sums.joint.shape[:3]
    distance = _squared_distance(levels)
    columns = []
    for first, second in combinations(range(readers), 2):
        own = sums.joint[:, first, :, second, :].reshape(cases, levels**2)
        table = (weights @ own).reshape(-1, levels, levels)
        total = np.maximum(table.sum(axis=(1, 2)), 1)
        chance = np.einsum("sk,kl,sl->s", table.sum(axis=2), distance, table.sum(axis=1)) / total
        columns.append(np.where(chance > 0, 1 - np.einsum("skl,kl->s", table, distance) / chance, np.nan))
    return np.column_stack(columns)


def _ac2(sums: CaseSums, weights: Floats) -> Floats:
    levels = sums.use.shape[1]
    share = weights @ sums.use / (weights @ sums.rated)[:, None]
    total = (1 - _squared_distance(levels) / (levels - 1) ** 2).sum()
    by_chance = total / (levels * (levels - 1)) * (share * (1 - share)).sum(axis=1)
    paired = weights @ sums.paired
    return np.where(paired > 0, (weights @ sums.agreed / paired - by_chance) / (1 - by_chance), np.nan)


def _iccs(sums: CaseSums, weights: Floats) -> tuple[Floats, Floats]:
    readers = sums.by_reader.shape[1]
    units = weights @ sums.count
    means = weights @ sums.by_reader / units[:, None]
    grand = means.mean(axis=1)
    of_units = readers * (weights @ sums.unit_squares - units * grand**2)
    of_readers = units * ((means - grand[:, None]) ** 2).sum(axis=1)
    rest = weights @ sums.squares - units * readers * grand**2 - of_units - of_readers
    between, error = of_units / (units - 1), rest / ((units - 1) * (readers - 1))
    shift = (of_readers / (readers - 1) - error) / units
    single, average = between + (readers - 1) * error + readers * shift, between + shift
    tiny = 1e-9
    enough = units >= 2
    return (
        np.where(enough & (single > tiny), (between - error) / single, np.nan),
        np.where(enough & (average > tiny), (between - error) / average, np.nan),
    )


def _alpha(sums: CaseSums, weights: Floats) -> Floats:
    cases, levels = sums.use.shape
    observed = (weights @ sums.coincidences.reshape(cases, levels**2)).reshape(-1, levels, levels)
    margin = observed.sum(axis=2)
    middle = np.cumsum(margin, axis=1) - margin / 2
    distance = (middle[:, :, None] - middle[:, None, :]) ** 2
    expected = np.einsum("sk,skl,sl->s", margin, distance, margin)
    found = 1 - (margin.sum(axis=1) - 1) * (observed * distance).sum(axis=(1, 2)) / expected
    return np.where(expected > 0, found, np.nan)


def _squared_distance(levels: int) -> Floats:
    position = np.arange(levels, dtype=float)
    return (position[:, None] - position) ** 2
