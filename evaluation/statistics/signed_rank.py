"""Wilcoxon's signed-rank test, which says how it was done, its rank-biserial correlation and the Hodges-Lehmann interval."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["ZERO", "SignedRank", "Zeros", "hodges_lehmann", "signed_rank_test", "without_noise"]

#: A difference below this is floating-point noise: (0.1 + 0.2) - 0.3 is not a difference.
ZERO = 1e-12
#: Most pairs for which the exact distribution is used where there is neither tie nor zero; beyond it the two agree.
MOST_FOR_EXACT = 50
#: Most pairs for which all flips of signs are counted where there are ties or zeros.
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
        How p was found; "none" where there was nothing to test.
    rank_biserial : float
        -1 to 1: (ranks of positive - ranks of negative differences) / all these ranks; 0 where all differences are zero.
    """

    w: float
    p: float
    method: Literal["exact", "permutation", "normal", "none"]
    rank_biserial: float


def without_noise(differences: npt.ArrayLike) -> Values:
    """Return differences with those below `ZERO` as 0, and with those that differ by noise alone made equal."""
    # Two roundings of one number must tie, or ranks would order noise.
    d = np.round(np.asarray(differences, dtype=np.float64), 12)
    return np.where(np.abs(d) <= ZERO, 0.0, d)


def signed_rank_test(
    differences: npt.ArrayLike, *, zeros: Zeros = "wilcox", most_for_permutation: int = MOST_FOR_PERMUTATION
) -> SignedRank:
    """Test whether paired differences are symmetric about zero.

    Parameters
    ----------
    differences : (n,) array_like of float
        No NaN; infinities rank last.
    zeros : {"wilcox", "pratt"}
        Zero differences are left out before ranking, or ranked and then left out.
    most_for_permutation : int
        Most pairs for which all flips of signs are counted where there are ties or zeros. Counting is quick up to hundreds; the
        default keeps to what other software gives.

    Returns
    -------
    SignedRank
        NaN throughout where there is no difference at all; p = 1 where all are zero.

    Notes
    -----
    The null distribution is that of all flips of the signs, given the ranks. Without ties and zeros it is the tabulated one
    ("exact", up to 50 pairs); with ties or zeros it is counted for the ranks at hand ("permutation", up to 13 pairs, zeros
    counted as pairs). Beyond, "normal": variance by the ranks at hand, which corrects for ties, with the correction for
    continuity that R applies by default (SciPy does not).

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
        Estimate: median of the means of all pairs, each value with itself among them. The interval is NaN where so few
        differences can't give the confidence (95 % needs 6).

    Notes
    -----
    The interval inverts the signed-rank test: exact quantiles up to 50 differences (with ties it holds the confidence or
    more), the normal approximation with its correction for continuity beyond.

    References
    ----------
    Hodges JL, Lehmann EL, Estimates of location based on rank tests, Annals of Mathematical Statistics 34 (1963).
    Hollander M, Wolfe DA, Nonparametric statistical methods (1999), sections 3.2 and 3.3.
    """
    d = np.asarray(differences, dtype=np.float64)
    n = len(d)
    if n == 0:
        return np.nan, np.nan, np.nan
    one, two = np.triu_indices(n)
    means = np.sort((d[one] + d[two]) / 2)
    estimate = float(np.median(means))
    tail = (1 - confidence) / 2
    if n <= MOST_FOR_EXACT:
        chances = _flip_distribution(tuple(range(2, 2 * n + 1, 2)))[::2]
        # The most means that may be cut off so that the chance of that few or fewer stays within the tail.
        cut = int(np.searchsorted(np.cumsum(chances), tail * (1 + 1e-9), side="right"))
    else:
        cut = int(n * (n + 1) / 4 + 0.5 - stats.norm.isf(tail) * np.sqrt(n * (n + 1) * (2 * n + 1) / 24))
    if cut < 1:
        return estimate, np.nan, np.nan
    return estimate, float(means[cut - 1]), float(means[-cut])


@lru_cache(maxsize=256)
def _flip_distribution(doubled_ranks: tuple[int, ...]) -> Values:
    """Chance of each sum of ranks that got a plus, all flips of signs being as likely; ranks doubled, for midranks."""
    chances = np.zeros(sum(doubled_ranks) + 1)
    chances[0] = 1.0
    for rank in doubled_ranks:
        taken = np.zeros_like(chances)
        taken[rank:] = chances[:-rank]
        chances = (chances + taken) / 2
    return chances
