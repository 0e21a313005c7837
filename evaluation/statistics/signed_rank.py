"""Wilcoxon's signed-rank test with the method of its p-value, rank-biserial correlation and Hodges-Lehmann interval."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["ZERO", "SignedRank", "Zeros", "hodges_lehmann", "signed_rank_test", "without_noise"]

#: Differences below this are rounding errors: (0.1 + 0.2) - 0.3 counts as 0.
ZERO = 1e-12
#: Most pairs for which the exact distribution is used without ties and zeros; for more, it agrees with the normal one.
MOST_FOR_EXACT = 50
#: Most differences of which the means of all pairs are held in memory.
MOST_FOR_ALL_PAIRS = 1000
#: Most pairs for which all combinations of signs are counted if there are ties or zeros.
MOST_FOR_PERMUTATION = 13

Zeros = Literal["wilcox", "pratt"]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SignedRank:
    """A signed-rank test.

    Attributes
    ----------
    w : float
        Sum of the ranks of the positive differences.
    p : float
        Two-sided.
    method : {"exact", "permutation", "normal", "none"}
        How p was found; "none" if there is no difference to test.
    rank_biserial : float
        -1 to 1: (rank sum of positive - rank sum of negative differences) / their total; 0 if all differences are zero.
    """

    w: float
    p: float
    method: Literal["exact", "permutation", "normal", "none"]
    rank_biserial: float


def without_noise(differences: npt.ArrayLike) -> Values:
    """Return differences in which those below `ZERO` are 0, and those that differ by rounding errors only are made equal."""
    # Two roundings of one number must be tied, else ranks would depend on rounding errors.
    d = np.round(np.asarray(differences, dtype=np.float64), 12)
    return np.where(np.abs(d) <= ZERO, 0.0, d)


def signed_rank_test(
    differences: npt.ArrayLike, *, zeros: Zeros = "wilcox", most_for_permutation: int = MOST_FOR_PERMUTATION
) -> SignedRank:
    """Test whether paired differences are symmetric about zero.

    Parameters
    ----------
    differences : (n,) array_like of float
        No NaN; infinities have the highest ranks.
    zeros : {"wilcox", "pratt"}
        Zero differences are left out before ranking, or ranked and then left out.
    most_for_permutation : int
        Most pairs for which all combinations of signs are counted if there are ties or zeros. Counting is fast for up to some
        hundred pairs; with the default, results are those of other software.

    Returns
    -------
    SignedRank
        NaN if there is no difference; p = 1 if all differences are zero.

    Notes
    -----
    The null distribution is that of all combinations of signs, given the ranks. Without ties and zeros it is the tabulated one
    ("exact", up to 50 pairs); with ties or zeros it is counted for the given ranks ("permutation", up to 13 pairs, zeros
    counted as pairs). For more pairs, "normal": with the variance of the given ranks, which corrects for ties, and with the
    continuity correction that R applies by default (SciPy does not).

    References
    ----------
    Wilcoxon F, Individual comparisons by ranking methods, Biometrics Bulletin 1 (1945).
    Pratt JW, Remarks on zeros and ties in the Wilcoxon signed rank procedures, JASA 54 (1959).
    Kerby DS, The simple difference formula, Comprehensive Psychology 3 (2014), for the rank-biserial correlation.
    """
    if zeros not in ("wilcox", "pratt"):
        raise ValueError(f"zeros {zeros!r} found; expected wilcox or pratt")
    d = without_noise(differences)
    n = len(d)
    if n == 0:
        return SignedRank(np.nan, np.nan, "none", np.nan)
    nonzero = d != 0
    if not nonzero.any():
        return SignedRank(0.0, 1.0, "none", 0.0)
    ranks = stats.rankdata(np.abs(d))[nonzero] if zeros == "pratt" else stats.rankdata(np.abs(d[nonzero]))
    signs = np.sign(d[nonzero])
    w = float(ranks[signs > 0].sum())
    total = float(ranks.sum())
    biserial = (2 * w - total) / total
    plain = bool(nonzero.all()) and len(np.unique(ranks)) == n
    if n <= (MOST_FOR_EXACT if plain else most_for_permutation):
        chances = _flip_distribution(tuple(sorted(int(rank) for rank in 2 * ranks)))
        at = round(2 * w)
        p = 2 * min(float(chances[: at + 1].sum()), float(chances[at:].sum()))
        return SignedRank(w, min(p, 1.0), "exact" if plain else "permutation", biserial)
    deviation = max(abs(w - total / 2) - 0.5, 0.0)
    z = deviation / np.sqrt(float((ranks**2).sum()) / 4)
    return SignedRank(w, min(2 * float(stats.norm.sf(z)), 1.0), "normal", biserial)


def hodges_lehmann(differences: npt.ArrayLike, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the Hodges-Lehmann estimate of the location of differences, and its interval.

    Parameters
    ----------
    differences : (n,) array_like of float
        Finite.
    confidence : float

    Returns
    -------
    estimate, low, high : float
        The estimate is the median of the means of all pairs of values, including each value with itself. The interval is NaN if
        there are too few differences for the confidence (95 % needs 6).

    Notes
    -----
    The interval inverts the signed-rank test: with exact quantiles up to 50 differences (with ties, its coverage is at least
    the confidence), and with the normal approximation and its continuity correction for more.

    References
    ----------
    Hodges JL, Lehmann EL, Estimates of location based on rank tests, Annals of Mathematical Statistics 34 (1963).
    Hollander M, Wolfe DA, Nonparametric statistical methods (1999), sections 3.2 and 3.3.
    """
    d = np.asarray(differences, dtype=np.float64)
    n = len(d)
    if n == 0:
        return np.nan, np.nan, np.nan
    means = _PairMeans.of(d)
    estimate = (means[(means.size - 1) // 2] + means[means.size // 2]) / 2
    tail = (1 - confidence) / 2
    if n <= MOST_FOR_EXACT:
        chances = _flip_distribution(tuple(range(2, 2 * n + 1, 2)))[::2]
        # The largest number of means that may be cut off while the probability of at most this number stays within the tail.
        cut = int(np.searchsorted(np.cumsum(chances), tail * (1 + 1e-9), side="right"))
    else:
        cut = int(n * (n + 1) / 4 + 0.5 - stats.norm.isf(tail) * np.sqrt(n * (n + 1) * (2 * n + 1) / 24))
    if cut < 1:
        return estimate, np.nan, np.nan
    return estimate, means[cut - 1], means[means.size - cut]


@dataclass(frozen=True)
class _PairMeans:
    """The means of all pairs of values, by their place in increasing order; of many values they are not all held.

    Attributes
    ----------
    values : (n,) ndarray
        Sorted.
    means : ndarray or None
        All of them sorted, or None for more than :data:`MOST_FOR_ALL_PAIRS` values.
    size : int
    """

    values: Values
    means: Values | None
    size: int

    @classmethod
    def of(cls, values: Values) -> _PairMeans:
        ordered, n = np.sort(values), len(values)
        if n > MOST_FOR_ALL_PAIRS:
            return cls(ordered, None, n * (n + 1) // 2)
        one, two = np.triu_indices(n)
        return cls(ordered, np.sort((ordered[one] + ordered[two]) / 2), n * (n + 1) // 2)

    def __getitem__(self, place: int) -> float:
        if self.means is not None:
            return float(self.means[place])
        # The smallest number that enough means do not exceed, by halving: 100 halvings end at neighbouring numbers.
        low, high = float(self.values[0]), float(self.values[-1])
        first = np.arange(len(self.values))
        for _ in range(100):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            partners = np.searchsorted(self.values, 2 * middle - self.values, side="right") - first
            low, high = (low, middle) if np.maximum(partners, 0).sum() > place else (middle, high)
        return high


@lru_cache(maxsize=32)
def _flip_distribution(doubled_ranks: tuple[int, ...]) -> Values:
    """Return the probability of each sum of positive ranks if all signs are equally likely; ranks doubled, for midranks."""
    chances = np.zeros(sum(doubled_ranks) + 1)
    chances[0] = 1.0
    for rank in doubled_ranks:
        taken = np.zeros_like(chances)
        taken[rank:] = chances[:-rank]
        chances = (chances + taken) / 2
    return chances
