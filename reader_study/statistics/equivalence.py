"""Non-inferiority and equivalence of methods within a margin: two one-sided tests, on case means and with readers random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from evaluation.statistics.corrections import adjust_within
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import first_ratings, region_blocks
from reader_study.statistics.case_means import column_differences, method_columns
from reader_study.statistics.crossed_test import crossed_test

__all__ = ["equivalence_table", "two_one_sided"]

#: Confidence of the intervals: an interval of 90 % inside the margins is equivalence at the 5 % level.
_CONFIDENCE = 0.90


def two_one_sided(estimate: float, error: float, df: float, margin: float) -> tuple[float, float]:
    """Return p of non-inferiority (the estimate is above -margin) and of equivalence (it lies between -margin and margin).

    Parameters
    ----------
    estimate, error, df : float
        A mean difference, its standard error above 0, and its degrees of freedom.
    margin : float
        Above 0.

    References
    ----------
    Schuirmann DJ, A comparison of the two one-sided tests procedure and the power approach, Journal of Pharmacokinetics and
    Biopharmaceutics 15 (1987).
    """
    above = float(stats.t.sf((estimate + margin) / error, df))
    below = float(stats.t.cdf((estimate - margin) / error, df))
    return above, max(above, below)


def equivalence_table(ratings: pd.DataFrame, methods: Sequence[str], margin: float) -> pd.DataFrame:
    """Test every pair of methods for non-inferiority of the second and for equivalence, per region and side and over all.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it; first ratings only are used.
    methods : sequence of str
        Their order; the difference is `second` - `first`, above 0 if the second is rated higher.
    margin : float
        Largest difference in rating that does not matter, above 0.

    Returns
    -------
    pandas.DataFrame
        One row per region, side and pair: `n` cases, `margin`; on case means `difference`, `low`, `high` (90 %),
        `noninferior_p`, `equivalent_p`, each with `_holm` over the pairs; the same with readers and cases random as
        `crossed_low`, `crossed_high`, `crossed_noninferior_p`, `crossed_equivalent_p`; `reason` if a p is missing.
    """
    rows = []
    for roi, side, part in [*region_blocks(ratings), (ALL_REGIONS, "", first_ratings(ratings))]:
        columns = method_columns(part)
        for first, second in combinations(methods, 2):
            table = column_differences(columns, first, second)
            place = {"roi": roi, "hemisphere": side, "first": first, "second": second, "margin": margin}
            rows.append(place | _on_case_means(table, margin) | _with_readers(table, margin))
    result = pd.DataFrame(rows)
    result["reason"] = [
        "; ".join(filter(None, pair)) for pair in zip(result.pop("why"), result.pop("crossed_why"), strict=True)
    ]
    for test in ("noninferior", "equivalent"):
        result[f"{test}_p_holm"] = adjust_within(result, f"{test}_p", ["roi", "hemisphere"], "holm")
    return result


def _on_case_means(table: pd.DataFrame, margin: float) -> dict[str, Any]:
    values = table.mean(axis=1).to_numpy(dtype=np.float64)
    n = len(values)
    row: dict[str, Any] = dict.fromkeys(("difference", "low", "high", "noninferior_p", "equivalent_p"), math.nan)
    row |= {"n": n, "why": "", "difference": float(values.mean()) if n else math.nan}
    if n < 2 or np.ptp(values) < 1e-12:
        return row | {"why": f"{n} case{'s' * (n != 1)}" if n < 2 else "all differences are equal: no error to test with"}
    error = float(values.std(ddof=1)) / math.sqrt(n)
    half = float(stats.t.ppf((1 + _CONFIDENCE) / 2, n - 1)) * error
    noninferior, equivalent = two_one_sided(row["difference"], error, n - 1, margin)
    return row | {
        "low": row["difference"] - half, "high": row["difference"] + half,
        "noninferior_p": noninferior, "equivalent_p": equivalent,
    }  # fmt: skip


def _with_readers(table: pd.DataFrame, margin: float) -> dict[str, Any]:
    used = table.dropna(axis="columns", how="all").dropna()
    found = crossed_test(used.to_numpy(dtype=np.float64).T, confidence=_CONFIDENCE)
    row: dict[str, Any] = {"crossed_low": found.low, "crossed_high": found.high, "crossed_why": found.reason}
    if math.isnan(found.low):
        return row | {"crossed_noninferior_p": math.nan, "crossed_equivalent_p": math.nan}
    error = (found.high - found.difference) / float(stats.t.ppf((1 + _CONFIDENCE) / 2, found.df))
    noninferior, equivalent = two_one_sided(found.difference, error, found.df, margin)
    return row | {"crossed_noninferior_p": noninferior, "crossed_equivalent_p": equivalent}
