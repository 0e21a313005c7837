"""Bootstrap intervals (BCa) of a mean and a median, over subjects or over families of subjects; seeded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtrit

__all__ = ["RESAMPLES", "Bootstrap", "bca_interval", "bootstrap_cluster_mean", "bootstrap_mean_and_median"]

RESAMPLES = 9999
#: Most values that are resampled: for more, the bootstrap takes much memory and agrees with simpler intervals.
MOST_RESAMPLED = 1000
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """Settings of the bootstrap: number of `resamples`, `seed`, and `confidence` (0 to 1) of the intervals."""

    resamples: int = RESAMPLES
    seed: int = 0
    confidence: float = 0.95


def bca_interval(estimate: float, resampled: Values, left_out: Values, confidence: float) -> tuple[float, float]:
    """Return the bias-corrected and accelerated interval of an estimate.

    Parameters
    ----------
    estimate : float
    resampled : (B,) ndarray
        The estimate in each resample.
    left_out : (n,) ndarray
        The estimate without each of the n independent units in turn.
    confidence : float

    Returns
    -------
    low, high : float
        NaN if all resamples lie on one side of the estimate: then the bias is undefined.

    References
    ----------
    Efron B, Better bootstrap confidence intervals, JASA 82 (1987).
    """
    below = (np.mean(resampled < estimate) + np.mean(resampled <= estimate)) / 2
    if not 0 < below < 1:
        return np.nan, np.nan
    bias = float(ndtri(below))
    spread = left_out.mean() - left_out
    squares = float((spread**2).sum())
    acceleration = float((spread**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
    z = bias + ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    shares = ndtr(bias + z / (1 - acceleration * z))
    low, high = np.quantile(resampled, shares)
    return float(low), float(high)


def bootstrap_mean_and_median(values: npt.ArrayLike, bootstrap: Bootstrap) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the BCa intervals of the mean and of the median of independent values.

    Parameters
    ----------
    values : (n,) array_like of float
        Two or more finite values.
    bootstrap : Bootstrap

    Returns
    -------
    mean, median : (low, high)

    Notes
    -----
    Of more than :data:`MOST_RESAMPLED` values nothing is resampled: the mean has the interval of the t-distribution, and the
    median the order statistics that the sign test does not reject, by the normal approximation.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if n > MOST_RESAMPLED:
        return _intervals_of_many(ordered, bootstrap.confidence)
    counts, middle = _resamples(n, bootstrap.resamples, bootstrap.seed)
    means = counts @ ordered / n
    medians = ordered[middle].mean(axis=1)
    means_without = (ordered.sum() - ordered) / (n - 1)
    # The middle two of the n - 1 remaining values: from the one left out on, places are shifted by one.
    gone, lower, upper = np.arange(n), (n - 2) // 2, (n - 1) // 2
    medians_without = (ordered[lower + (lower >= gone)] + ordered[upper + (upper >= gone)]) / 2
    return (
        bca_interval(float(ordered.mean()), means, means_without, bootstrap.confidence),
        bca_interval(float(np.median(ordered)), medians, medians_without, bootstrap.confidence),
    )


def bootstrap_cluster_mean(values: npt.ArrayLike, clusters: npt.ArrayLike, bootstrap: Bootstrap) -> tuple[float, float]:
    """Return the BCa interval of a mean of values in clusters; whole clusters are resampled.

    Parameters
    ----------
    values : (n,) array_like of float
        Finite.
    clusters : (n,) array_like
        Cluster of each value, two clusters or more; if each value is a cluster, this is the plain bootstrap of the mean.
    bootstrap : Bootstrap
    """
    flat = np.asarray(values, dtype=np.float64)
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    sums, sizes = np.bincount(place, weights=flat), np.bincount(place)
    counts, _ = _resamples(len(sizes), bootstrap.resamples, bootstrap.seed)
    resampled = (counts @ sums) / (counts @ sizes)
    left_out = (sums.sum() - sums) / (sizes.sum() - sizes)
    return bca_interval(float(flat.mean()), resampled, left_out, bootstrap.confidence)


def _intervals_of_many(ordered: Values, confidence: float) -> tuple[tuple[float, float], tuple[float, float]]:
    n, mean = len(ordered), float(ordered.mean())
    half = float(stdtrit(n - 1, (1 + confidence) / 2) * ordered.std(ddof=1) / np.sqrt(n))
    cut = int(n / 2 - ndtri((1 + confidence) / 2) * np.sqrt(n) / 2)
    return (mean - half, mean + half), (float(ordered[cut]), float(ordered[n - 1 - cut]))


@lru_cache(maxsize=4)
def _resamples(n: int, resamples: int, seed: int) -> tuple[Values, npt.NDArray[np.intp]]:
    """Return how often each of n units is in each resample, (B, n), and the places of the middle two, (B, 2).

    All regions with n subjects use the same ones: in sorted values, the median is then found by its place.
    """
    drawn = np.sort(np.random.default_rng(seed).integers(0, n, (resamples, n)), axis=1)
    rows = np.repeat(np.arange(resamples), n)
    counts = np.bincount(rows * n + drawn.reshape(-1), minlength=resamples * n).reshape(resamples, n).astype(np.float64)
    return counts, drawn[:, [(n - 1) // 2, n // 2]]
