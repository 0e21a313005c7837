"""Compare methods on the same units, for each region: differences with intervals, paired tests, effect sizes, ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from evaluation.statistics.corrections import adjust_within
from evaluation.statistics.intervals import Bootstrap, bootstrap_mean_and_median
from evaluation.statistics.signed_rank import ZERO, Zeros, hodges_lehmann, signed_rank_test

__all__ = ["compare_methods", "paired_differences", "rank_methods", "summarise_differences", "wide_by_region"]

Values = npt.NDArray[np.float64]


def compare_methods(
    table: pd.DataFrame,
    value: str,
    *,
    unit: str = "subject",
    method: str = "method",
    region: str | None = None,
    methods: Sequence[str] | None = None,
    zeros: Zeros = "wilcox",
    bootstrap: Bootstrap | None = None,
) -> pd.DataFrame:
    """Compare every pair of methods, within each region.

    Parameters
    ----------
    table : DataFrame
        Long: one row per unit, method and region.
    value, unit, method : str
        Columns with the values, the units (subjects, cases), and the methods.
    region : str, optional
        Column of groups; each group is compared separately.
    methods : sequence of str, optional
        The methods to compare, in this order; by default all, in the order of the table.
    zeros : {"wilcox", "pratt"}
        See :func:`evaluation.statistics.signed_rank.signed_rank_test`.
    bootstrap : Bootstrap, optional

    Returns
    -------
    DataFrame
        One row per region and pair. `region` (if given), `method_a`, `method_b`, `n` complete pairs, `n_dropped` units with a
        value missing in one or both, `mean_a`, `mean_b` of the complete pairs, the columns of :func:`summarise_differences` for
        a - b, and for T = "t" and "wilcoxon": `T_p_holm_methods` (Holm over the pairs of methods within a region) and, if
        there are regions, `T_p_holm_regions` and `T_p_fdr_regions` (over the regions of one pair of methods).

    Raises
    ------
    ValueError
        If a column or method is not in the table, or a unit has two values of one method and region.
    """
    rows, differences = [], []
    for key, wide, known in wide_by_region(table, value, unit=unit, method=method, region=region, methods=methods):
        for one, two in combinations(wide.columns, 2):
            a, b = wide[one].to_numpy(), wide[two].to_numpy()
            complete = ~np.isnan(a) & ~np.isnan(b)
            head = {} if region is None else {region: key}
            n_dropped = int((known[one] | known[two]).sum() - complete.sum())
            rows.append(
                head
                | {"method_a": one, "method_b": two, "n": int(complete.sum()), "n_dropped": n_dropped}
                | {"mean_a": _mean(a[complete]), "mean_b": _mean(b[complete])}
            )
            differences.append(paired_differences(a[complete], b[complete]))
    # Ordered by n, because rows with the same n use the same resamples of the bootstrap.
    for place in sorted(range(len(rows)), key=lambda place: len(differences[place])):
        rows[place] |= summarise_differences(differences[place], zeros=zeros, bootstrap=bootstrap)
    result = pd.DataFrame(rows)
    if result.empty:
        return result
    for test in ("t", "wilcoxon"):
        result[f"{test}_p_holm_methods"] = adjust_within(result, f"{test}_p", [] if region is None else [region], "holm")
        if region is not None:
            pair = ["method_a", "method_b"]
            result[f"{test}_p_holm_regions"] = adjust_within(result, f"{test}_p", pair, "holm")
            result[f"{test}_p_fdr_regions"] = adjust_within(result, f"{test}_p", pair, "fdr")
    return result


def paired_differences(a: npt.ArrayLike, b: npt.ArrayLike) -> Values:
    """Return a - b; 0 if they differ by rounding errors only, or if both are the same infinity (both missed the region)."""
    one, two = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    same = one == two
    d = np.subtract(one, two, out=np.zeros_like(one), where=~same)
    return np.where(np.abs(d) < ZERO, 0.0, d)


def summarise_differences(
    differences: npt.ArrayLike, *, zeros: Zeros = "wilcox", bootstrap: Bootstrap | None = None
) -> dict[str, Any]:
    """Describe and test the differences of independent pairs.

    Parameters
    ----------
    differences : (n,) array_like of float
        No NaN.
    zeros : {"wilcox", "pratt"}
    bootstrap : Bootstrap, optional

    Returns
    -------
    dict
        `mean_difference`, `mean_low`, `mean_high` and `median_difference`, `median_low`, `median_high` (BCa bootstrap);
        `hl_estimate`, `hl_low`, `hl_high` (Hodges-Lehmann); `t`, `t_df`, `t_p` (paired t); `d_z` (Cohen: mean / SD of the
        differences); `wilcoxon_w`, `wilcoxon_p`, `wilcoxon_method`, `rank_biserial`; `note`: why a number is missing, or how
        it was found. Both tests are always done: neither is chosen by a test of normality.
    """
    settings = bootstrap or Bootstrap()
    d = np.asarray(differences, dtype=np.float64)
    d = np.where(np.abs(d) < ZERO, 0.0, d)
    n = len(d)
    missing = (np.nan, np.nan)
    mean_interval, median_interval, hl = missing, missing, (np.nan, np.nan, np.nan)
    t, t_p, d_z = np.nan, np.nan, np.nan
    notes = []
    finite = bool(np.isfinite(d).all())
    constant = n > 0 and finite and float(np.ptp(d)) < ZERO
    if finite and n:
        hl = hodges_lehmann(d, confidence=settings.confidence)
    if n == 0:
        notes.append("no complete pair")
    elif not finite:
        notes.append("infinite differences: no t, no d_z, no intervals")
    elif n == 1:
        notes.append("one pair: no t, no d_z, no intervals")
    elif constant and d[0] == 0:
        t, t_p, d_z = 0.0, 1.0, 0.0
        notes.append("all differences are zero: p = 1, no intervals")
    elif constant:
        notes.append("all differences are equal: no t, no d_z, no intervals")
    else:
        mean_interval, median_interval = bootstrap_mean_and_median(d, settings)
        d_z = float(d.mean() / d.std(ddof=1))
        t = d_z * np.sqrt(n)
        t_p = 2 * float(stats.t.sf(abs(t), n - 1))
        if np.isnan(mean_interval[0]) or np.isnan(median_interval[0]):
            notes.append("a BCa interval is undefined: all resamples are on one side of the estimate")
        if np.isnan(hl[1]):
            notes.append(f"{n} pairs are too few for a Hodges-Lehmann interval")
    if constant:
        hl = (hl[0], np.nan, np.nan)
    signed = signed_rank_test(d, zeros=zeros)
    return {
        "mean_difference": _mean(d), "mean_low": mean_interval[0], "mean_high": mean_interval[1],
        "median_difference": _median(d), "median_low": median_interval[0], "median_high": median_interval[1],
        "hl_estimate": hl[0], "hl_low": hl[1], "hl_high": hl[2],
        "t": t, "t_df": max(n - 1, 0), "t_p": t_p, "d_z": d_z,
        "wilcoxon_w": signed.w, "wilcoxon_p": signed.p, "wilcoxon_method": signed.method,
        "rank_biserial": signed.rank_biserial, "note": "; ".join(notes),
    }  # fmt: skip


def rank_methods(
    table: pd.DataFrame,
    value: str,
    *,
    unit: str = "subject",
    method: str = "method",
    region: str | None = None,
    methods: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Test whether three or more methods differ, by their ranks within each unit.

    Parameters
    ----------
    table, value, unit, method, region, methods
        As for :func:`compare_methods`.

    Returns
    -------
    DataFrame
        One row per region. `region` (if given), `n` units with all methods, `n_dropped`; `friedman_chi2`, `friedman_df`,
        `friedman_p`; `iman_davenport_f`, `iman_davenport_df1`, `iman_davenport_df2`, `iman_davenport_p`; `mean_rank_M` for
        each method M, where the smallest value has rank 1; `note`; if there are regions, `iman_davenport_p_holm_regions` and
        `iman_davenport_p_fdr_regions`.

    Raises
    ------
    ValueError
        As for :func:`compare_methods`, and if there are fewer than three methods.

    References
    ----------
    Friedman M, The use of ranks to avoid the assumption of normality, JASA 32 (1937), corrected for ties.
    Iman RL, Davenport JM, Approximations of the critical region of the Friedman statistic, Communications in Statistics A 9
    (1980).
    Conover WJ, Practical nonparametric statistics (1999), section 5.8, for p if all units have the same ranks.
    """
    rows = []
    for key, wide, known in wide_by_region(table, value, unit=unit, method=method, region=region, methods=methods):
        if wide.shape[1] < 3:
            raise ValueError(f"{wide.shape[1]} methods found; expected three or more to rank (compare two as a pair)")
        complete = wide.dropna()
        head = {} if region is None else {region: key}
        counts = {"n": len(complete), "n_dropped": int(known.any(axis=1).sum()) - len(complete)}
        rows.append(head | counts | _friedman(complete.to_numpy(), [str(name) for name in wide.columns]))
    result = pd.DataFrame(rows)
    if region is not None and not result.empty:
        result["iman_davenport_p_holm_regions"] = adjust_within(result, "iman_davenport_p", [], "holm")
        result["iman_davenport_p_fdr_regions"] = adjust_within(result, "iman_davenport_p", [], "fdr")
    return result


def _friedman(values: Values, methods: Sequence[str]) -> dict[str, Any]:
    n, k = values.shape
    ranks = stats.rankdata(np.round(values, 12), axis=1) if n else np.empty((0, k))
    chi2, f, chi2_p, f_p, note = np.nan, np.nan, np.nan, np.nan, ""
    # Sum of squares of the ranks about their mean: n k (k^2 - 1) / 12 without ties.
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    if n < 2:
        note = f"{n} complete units: no test"
    elif spread == 0:
        chi2, f, chi2_p, f_p, note = 0.0, 0.0, 1.0, 1.0, "all methods tie in all units: p = 1"
    else:
        chi2 = float((k - 1) * ((ranks.sum(axis=0) - n * (k + 1) / 2) ** 2).sum() / spread)
        chi2_p = float(stats.chi2.sf(chi2, k - 1))
        left = n * (k - 1) - chi2
        if left > 1e-9:
            f = (n - 1) * chi2 / left
            f_p = float(stats.f.sf(f, k - 1, (n - 1) * (k - 1)))
        else:
            f, f_p = np.inf, float(np.exp(-(n - 1) * np.log(np.arange(1, k + 1)).sum()))
            note = "all units rank the methods alike: p = (1 / k!)^(n - 1)"
    return {
        "friedman_chi2": chi2, "friedman_df": k - 1, "friedman_p": chi2_p,
        "iman_davenport_f": f, "iman_davenport_df1": k - 1, "iman_davenport_df2": max(n - 1, 0) * (k - 1),
        "iman_davenport_p": f_p,
        **{f"mean_rank_{name}": _mean(ranks[:, i]) for i, name in enumerate(methods)},
        "note": note,
    }  # fmt: skip


def wide_by_region(
    table: pd.DataFrame, value: str, *, unit: str, method: str, region: str | None, methods: Sequence[str] | None
) -> Iterator[tuple[Any, pd.DataFrame, pd.DataFrame]]:
    """Yield each region, its values as units x methods (NaN if there is none), and whether the table has a row (bool).

    Raises
    ------
    ValueError
        As for :func:`compare_methods`.
    """
    columns = [value, unit, method] + ([] if region is None else [region])
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise ValueError(f"no column {', '.join(absent)} in the table; found {', '.join(map(str, table.columns))}")
    chosen = list(dict.fromkeys(table[method])) if methods is None else list(methods)
    unknown = [name for name in chosen if name not in set(table[method])]
    if unknown:
        raise ValueError(f"no rows of method {', '.join(map(str, unknown))} in the table")
    rows = table[table[method].isin(chosen)]
    twice = rows.duplicated([name for name in columns if name != value])
    if twice.any():
        first = rows[twice].iloc[0]
        raise ValueError(f"two values of {unit} {first[unit]}, {method} {first[method]}; expected one for each region")
    for key, part in [(None, rows)] if region is None else rows.groupby(region, sort=False):
        row, units = pd.factorize(part[unit])
        column = pd.Index(chosen).get_indexer(pd.Index(part[method]))
        values, known = np.full((len(units), len(chosen)), np.nan), np.zeros((len(units), len(chosen)), dtype=bool)
        values[row, column] = part[value].to_numpy(dtype=np.float64)
        known[row, column] = True
        yield key, pd.DataFrame(values, units, chosen), pd.DataFrame(known, units, chosen)


def _mean(values: Values) -> float:
    # inf and -inf together have no mean; a warning would not help.
    with np.errstate(invalid="ignore"):
        return float(values.mean()) if len(values) else np.nan


def _median(values: Values) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.median(values)) if len(values) else np.nan
