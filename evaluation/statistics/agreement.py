"""Agreement of measurements, such as region volumes, with a reference: bias, Bland-Altman limits, intraclass correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from evaluation.statistics.paired import wide_by_region
from evaluation.statistics.signed_rank import ZERO

__all__ = ["BlandAltman", "IntraclassCorrelation", "agreement_with_reference", "bland_altman", "intraclass_correlation"]


@dataclass(frozen=True)
class BlandAltman:
    """Limits of agreement of a method with a reference, in the unit of the values.

    Attributes
    ----------
    n : int
        Number of complete pairs.
    bias, bias_low, bias_high : float
        Mean of method - reference, with its interval.
    sd : float
        Standard deviation of the differences.
    lower, upper : float
        Limits of agreement, `bias -+ 1.96 sd` at 95 %.
    lower_low, lower_high, upper_low, upper_high : float
        Intervals of the limits.
    """

    n: int
    bias: float
    bias_low: float
    bias_high: float
    sd: float
    lower: float
    upper: float
    lower_low: float
    lower_high: float
    upper_low: float
    upper_high: float


@dataclass(frozen=True)
class IntraclassCorrelation:
    """ICC of single measurements of n targets: `a1` for absolute agreement, `c1` for consistency, with intervals."""

    n: int
    a1: float
    a1_low: float
    a1_high: float
    c1: float
    c1_low: float
    c1_high: float


def bland_altman(reference: npt.ArrayLike, measured: npt.ArrayLike, *, confidence: float = 0.95) -> BlandAltman:
    """Return the bias of a method and the limits between which its differences from the reference lie.

    Parameters
    ----------
    reference, measured : (n,) array_like of float
        Pairs with a NaN are left out.
    confidence : float
        Level of the intervals, and share of the differences between the limits.

    References
    ----------
    Bland JM, Altman DG, Statistical methods for assessing agreement between two methods of clinical measurement, Lancet 327
    (1986); the variance of the limits from their Measuring agreement in method comparison studies, Statistical Methods in
    Medical Research 8 (1999).
    """
    d = np.asarray(measured, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    d = d[~np.isnan(d)]
    n = len(d)
    if n < 2:
        return BlandAltman(n, float(d.mean()) if n else np.nan, *[np.nan] * 9)
    bias, sd = float(d.mean()), float(d.std(ddof=1))
    z, t = float(stats.norm.isf((1 - confidence) / 2)), float(stats.t.isf((1 - confidence) / 2, n - 1))
    of_bias = t * sd * float(np.sqrt(1 / n))
    of_limit = t * sd * float(np.sqrt(1 / n + z**2 / (2 * (n - 1))))
    lower, upper = bias - z * sd, bias + z * sd
    intervals = (lower - of_limit, lower + of_limit, upper - of_limit, upper + of_limit)
    return BlandAltman(n, bias, bias - of_bias, bias + of_bias, sd, lower, upper, *intervals)


def intraclass_correlation(values: npt.ArrayLike, *, confidence: float = 0.95) -> IntraclassCorrelation:
    """Return the intraclass correlations of two-way layouts, ICC(A,1) and ICC(C,1).

    Parameters
    ----------
    values : (n, k) array_like of float
        Targets x methods; targets with a NaN are left out.
    confidence : float

    Returns
    -------
    IntraclassCorrelation
        NaN for fewer than two targets, and if all values are equal.

    Notes
    -----
    With the mean squares of targets R, methods C and error E: `C1 = (R - E) / (R + (k - 1) E)`,
    `A1 = (R - E) / (R + (k - 1) E + k (C - E) / n)`; intervals by the F distribution, for A1 with Satterthwaite's degrees of
    freedom.

    References
    ----------
    McGraw KO, Wong SP, Forming inferences about some intraclass correlation coefficients, Psychological Methods 1 (1996).
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"shape {x.shape} found; expected targets x two methods or more")
    x = x[~np.isnan(x).any(axis=1)]
    n, k = x.shape
    if n < 2 or float(np.ptp(x)) < ZERO or float(np.ptp(x - x.mean(axis=0))) < ZERO:
        return IntraclassCorrelation(n, *[np.nan] * 6)
    rows, columns, mean = x.mean(axis=1), x.mean(axis=0), x.mean()
    error_df = (n - 1) * (k - 1)
    r = k * float(((rows - mean) ** 2).sum()) / (n - 1)
    c = n * float(((columns - mean) ** 2).sum()) / (k - 1)
    e = float(((x - rows[:, None] - columns + mean) ** 2).sum()) / error_df
    tail = (1 - confidence) / 2
    c1 = (r - e) / (r + (k - 1) * e)
    a1 = (r - e) / (r + (k - 1) * e + k * (c - e) / n)
    if e <= ZERO * r:
        # Methods differ at most by a constant: consistency is perfect, and F is not defined.
        return IntraclassCorrelation(n, a1, np.nan, np.nan, c1, c1, c1)
    f_low = r / e / float(stats.f.isf(tail, n - 1, error_df))
    f_high = r / e * float(stats.f.isf(tail, error_df, n - 1))
    a, b = k * a1 / (n * (1 - a1)), 1 + k * a1 * (n - 1) / (n * (1 - a1))
    df = (a * c + b * e) ** 2 / ((a * c) ** 2 / (k - 1) + (b * e) ** 2 / error_df)
    less, more = float(stats.f.isf(tail, n - 1, df)), float(stats.f.isf(tail, df, n - 1))
    rest = k * c + (k * n - k - n) * e
    a1_low = n * (r - less * e) / (less * rest + n * r)
    a1_high = n * (more * r - e) / (rest + n * more * r)
    return IntraclassCorrelation(n, a1, a1_low, a1_high, c1, (f_low - 1) / (f_low + k - 1), (f_high - 1) / (f_high + k - 1))


def agreement_with_reference(
    table: pd.DataFrame,
    value: str,
    reference: str,
    *,
    unit: str = "subject",
    method: str = "method",
    region: str | None = None,
    methods: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Return the agreement of each method's values with those of the reference, for each region.

    Parameters
    ----------
    table : DataFrame
        Long: one row per unit, method and region.
    value, unit, method : str
        Columns.
    reference : str
        The method with which the others are compared.
    region : str, optional
        Column.
    methods : sequence of str, optional
        The methods to compare with it; by default all others.
    confidence : float

    Returns
    -------
    DataFrame
        One row per region and method. `region` (if given), `method`, `n` (number of complete pairs), `reference_mean`, `bias`
        with its interval `bias_low`, `bias_high`, `bias_percent` (of the reference's mean), `sd`, the limits `loa_lower` and
        `loa_upper`, `icc_a1` and `icc_c1`, each with its `_low` and `_high`.

    Raises
    ------
    ValueError
        As :func:`evaluation.statistics.paired.compare_methods`, also for the reference.
    """
    others = [name for name in dict.fromkeys(table[method]) if name != reference] if methods is None else list(methods)
    rows: list[dict[str, Any]] = []
    for key, wide, _ in wide_by_region(table, value, unit=unit, method=method, region=region, methods=[reference, *others]):
        for name in others:
            pairs = wide[[reference, name]].dropna().to_numpy()
            limits = bland_altman(pairs[:, 0], pairs[:, 1], confidence=confidence)
            icc = intraclass_correlation(pairs, confidence=confidence)
            mean = float(pairs[:, 0].mean()) if len(pairs) else np.nan
            head = {} if region is None else {region: key}
            rows.append(
                head
                | {"method": name, "n": limits.n, "reference_mean": mean}
                | {"bias": limits.bias, "bias_low": limits.bias_low, "bias_high": limits.bias_high}
                | {"bias_percent": 100 * limits.bias / mean if mean else np.nan, "sd": limits.sd}
                | {"loa_lower": limits.lower, "loa_lower_low": limits.lower_low, "loa_lower_high": limits.lower_high}
                | {"loa_upper": limits.upper, "loa_upper_low": limits.upper_low, "loa_upper_high": limits.upper_high}
                | {"icc_a1": icc.a1, "icc_a1_low": icc.a1_low, "icc_a1_high": icc.a1_high}
                | {"icc_c1": icc.c1, "icc_c1_low": icc.c1_low, "icc_c1_high": icc.c1_high}
            )
    return pd.DataFrame(rows)
