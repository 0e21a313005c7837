"""Ranks within items: mean ranks, Friedman's test over cases, and Kendall's W of the readers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["Friedman", "friedman", "kendalls_w"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Friedman:
    """Friedman's test: `chi2`, `df`, `p` and Kendall's `w` = chi2 / (n (k - 1)); NaN with a `reason`."""

    chi2: float
    df: int
    p: float
    w: float
    n: int
    reason: str


def friedman(values: npt.ArrayLike) -> Friedman:
    """Test that methods rank alike, by their ranks within each block; small values rank first, ties share their mean rank.

    Parameters
    ----------
    values : (blocks, methods) array_like of float
        Blocks with a NaN are left out.

    References
    ----------
    Friedman M, The use of ranks to avoid the assumption of normality, JASA 32 (1937), corrected for ties.
    Kendall MG, Babington Smith B, The problem of m rankings, Annals of Mathematical Statistics 10 (1939).
    """
    table = np.asarray(values, dtype=np.float64)
    table = table[~np.isnan(table).any(axis=1)]
    n, k = table.shape
    if n < 2 or k < 2:
        reason = f"{n} complete block{'s' * (n != 1)} of {k} methods: two of each are needed"
        return Friedman(math.nan, k - 1, math.nan, math.nan, n, reason)
    ranks = stats.rankdata(np.round(table, 12), axis=1)
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    if spread == 0:
        return Friedman(0.0, k - 1, 1.0, 0.0, n, "all methods tie in all blocks")
    chi2 = float((k - 1) * ((ranks.sum(axis=0) - n * (k + 1) / 2) ** 2).sum() / spread)
    return Friedman(chi2, k - 1, float(stats.chi2.sf(chi2, k - 1)), chi2 / (n * (k - 1)), n, "")


def kendalls_w(ranks: npt.ArrayLike) -> float:
    """Return Kendall's W of readers who ranked the same methods: 1 for agreement, about 1 / readers by chance; NaN for one."""
    found = friedman(ranks)
    return found.w if not found.reason else math.nan
