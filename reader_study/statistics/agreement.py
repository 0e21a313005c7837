"""Measures of how well readers agree: weighted kappa, Gwet's AC2, ICC(2,1) and (2,k), Krippendorff's ordinal alpha.

Quadratic weights use the positions of the levels on the scale; if its steps are equal, these are the ratings themselves.
Every measure is a function of sums over units, so that a resample is one weight per unit (:class:`Tally`).

References
----------
Cohen (1968), Psychol. Bull. 70:213; Light (1971), Psychol. Bull. 76:365; Gwet (2014), Handbook of Inter-Rater
Reliability, 4th ed., eq. 3.5.1 to 3.5.3; Shrout, Fleiss (1979), Psychol. Bull. 86:420; Krippendorff (2011), "Computing
Krippendorff's alpha-reliability".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from reader_study.errors import RatingsError

__all__ = ["Tally", "gwet_ac2", "icc_two_way", "krippendorff_alpha", "lights_kappa", "weighted_icc", "weighted_kappa"]

Floats = npt.NDArray[np.float64]


def weighted_kappa(first: npt.ArrayLike, second: npt.ArrayLike, levels: Sequence[float]) -> float:
    """Cohen's kappa of two readers with quadratic weights.

    Parameters
    ----------
    first, second : (units,) float
        NaN if not rated; units that both rated are used.
    levels : sequence of float
        Levels of the scale, increasing.

    Returns
    -------
    float
        1 - sum v o / sum v e, with v the squared distance of levels, o the joint and e the product frequencies; NaN if both
        always give the same single level.
    """
    matrix = np.column_stack([np.asarray(first, float), np.asarray(second, float)])
    return Tally.of(matrix, levels).kappas(np.ones(len(matrix)))[0]


def lights_kappa(matrix: npt.ArrayLike, levels: Sequence[float]) -> float:
    """Light's kappa: mean of :func:`weighted_kappa` over all pairs of readers; NaN if one of them is NaN.

    Parameters
    ----------
    matrix : (units, readers) float
        NaN where not rated.
    levels : sequence of float
    """
    ratings = np.asarray(matrix, float)
    return float(np.mean(Tally.of(ratings, levels).kappas(np.ones(len(ratings)))))


def gwet_ac2(matrix: npt.ArrayLike, levels: Sequence[float]) -> float:
    """Gwet's AC2 with quadratic weights.

    Parameters
    ----------
    matrix : (units, readers) float
        NaN if not rated; units with one rating count for the frequency of levels, not for agreement.
    levels : sequence of float
        All levels of the scale, used or not: the agreement expected by chance depends on them.

    Returns
    -------
    float
        (p_a - p_e) / (1 - p_e), with p_e = T / (q (q - 1)) sum pi (1 - pi) and T the sum of all weights.
    """
    ratings = np.asarray(matrix, float)
    return Tally.of(ratings, levels).ac2(np.ones(len(ratings)))


def icc_two_way(matrix: npt.ArrayLike) -> tuple[float, float]:
    """ICC(2,1) and ICC(2,k): two-way random effects, absolute agreement, for one reader and for the mean of all readers.

    Parameters
    ----------
    matrix : (units, readers) float
        Units that not all readers rated are left out.

    Returns
    -------
    tuple of float
        NaN if fewer than two units are complete, nothing varies, or the estimate of the variance in the denominator is not
        positive: a ratio above 1, or of two negative numbers, is not a correlation. At most 1; ICC(2,k) has no lower bound.
    """
    ratings = np.asarray(matrix, float)
    complete = ratings[~np.isnan(ratings).any(axis=1)]
    return weighted_icc(complete, np.ones(len(complete)))


def krippendorff_alpha(matrix: npt.ArrayLike, levels: Sequence[float]) -> float:
    """Krippendorff's alpha with the ordinal metric.

    Parameters
    ----------
    matrix : (units, readers) float
        NaN where not rated; units with fewer than two ratings are left out.
    levels : sequence of float

    Returns
    -------
    float
        1 - observed over expected disagreement; NaN where only one level is used.
    """
    ratings = np.asarray(matrix, float)
    return Tally.of(ratings, levels).alpha(np.ones(len(ratings)))


@dataclass(frozen=True)
class Tally:
    """What the measures need of each unit, computed once: all of them are sums over units, weighted in a resample.

    Attributes
    ----------
    indicator : (units, readers, levels) float64
        1 where the reader gave the level.
    use : (units, levels) float64
        Share of a unit's ratings at each level, 0 where it has none.
    agreed : (units,) float64
        Mean quadratic weight of a unit's pairs of ratings, 0 where there is no pair.
    coincidences : (units, levels * levels) float64
        Krippendorff's coincidences, 0 where there is no pair.
    rated, paired : (units,) float64
        1 where rated at all, and where rated twice or more.
    """

    indicator: Floats
    use: Floats
    agreed: Floats
    coincidences: Floats
    rated: Floats
    paired: Floats

    @classmethod
    def of(cls, ratings: Floats, levels: Sequence[float]) -> Tally:
        """Tally (units, readers) ratings, NaN where missing; :class:`RatingsError` for one outside the levels."""
        indicator = (ratings[:, :, None] == np.asarray(levels, float)).astype(float)
        unknown = ~np.isnan(ratings) & ~indicator.any(axis=2)
        if unknown.any():
            raise RatingsError(f"ratings: found {ratings[unknown][0]:g}, expected one of {list(levels)}; name the right scale")
        counts = indicator.sum(axis=1)
        number = counts.sum(axis=1)
        pairs = np.maximum(number * (number - 1), 1)
        weights = 1 - _squared_distance(len(levels)) / (len(levels) - 1) ** 2
        same = np.einsum("uk,kl->ul", counts, weights) - 1
        products = counts[:, :, None] * (counts[:, None, :] - np.eye(len(levels)))
        return cls(
            indicator=indicator,
            use=counts / np.maximum(number, 1)[:, None],
            agreed=(counts * same).sum(axis=1) / pairs * (number >= 2),
            coincidences=(products / np.maximum(number - 1, 1)[:, None, None]).reshape(len(ratings), -1)
            * (number >= 2)[:, None],
            rated=(number >= 1).astype(float),
            paired=(number >= 2).astype(float),
        )

    def kappas(self, weights: Floats) -> Floats:
        """Weighted kappa of every pair of readers, in the order of :func:`itertools.combinations`."""
        units, readers, levels = self.indicator.shape
        flat = self.indicator.reshape(units, -1)
        joint = (flat.T @ (weights[:, None] * flat)).reshape(readers, levels, readers, levels)
        distance = _squared_distance(levels)
        kappas = []
        for first, second in combinations(range(readers), 2):
            table = joint[first, :, second, :]
            expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(table.sum(), 1)
            chance = float((distance * expected).sum())
            kappas.append(1 - float((distance * table).sum()) / chance if chance > 0 else math.nan)
        return np.array(kappas)

    def ac2(self, weights: Floats) -> float:
        """Gwet's AC2, with a weight for each unit."""
        rated, paired = weights @ self.rated, weights @ self.paired
        if not paired:
            return math.nan
        levels = self.use.shape[1]
        share = weights @ self.use / rated
        total = (1 - _squared_distance(levels) / (levels - 1) ** 2).sum()
        by_chance = total / (levels * (levels - 1)) * (share * (1 - share)).sum()
        return float((weights @ self.agreed / paired - by_chance) / (1 - by_chance))

    def alpha(self, weights: Floats) -> float:
        """Krippendorff's alpha, with a weight for each unit."""
        levels = self.use.shape[1]
        observed = (weights @ self.coincidences).reshape(levels, levels)
        margin = observed.sum(axis=1)
        # Ordinal distance: ratings between two levels, each end counting half.
        middle = np.cumsum(margin) - margin / 2
        distance = (middle[:, None] - middle) ** 2
        expected = (np.outer(margin, margin) * distance).sum()
        return float(1 - (margin.sum() - 1) * (observed * distance).sum() / expected) if expected > 0 else math.nan


def weighted_icc(complete: Floats, weights: Floats) -> tuple[float, float]:
    """ICC(2,1) and ICC(2,k) of complete (units, readers) ratings, with a weight for each unit."""
    units, readers = float(weights.sum()), complete.shape[1]
    if units < 2 or readers < 2:
        return math.nan, math.nan
    by_unit, by_reader = complete.mean(axis=1), weights @ complete / units
    grand = by_reader.mean()
    between_units = readers * (weights @ (by_unit - grand) ** 2) / (units - 1)
    between_readers = units * ((by_reader - grand) ** 2).sum() / (readers - 1)
    rest = complete - by_unit[:, None] - by_reader + grand
    error = float((weights @ rest**2).sum()) / ((units - 1) * (readers - 1))
    shift = (between_readers - error) / units
    single, average = between_units + (readers - 1) * error + readers * shift, between_units + shift
    # Both denominators estimate a variance. If one is zero or negative by chance, the ratio is not a correlation.
    tiny = 1e-12
    return (
        float((between_units - error) / single) if single > tiny else math.nan,
        float((between_units - error) / average) if average > tiny else math.nan,
    )


def _squared_distance(levels: int) -> Floats:
    position = np.arange(levels, dtype=float)
    return (position[:, None] - position) ** 2
