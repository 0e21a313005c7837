"""Compare methods with cases as the independent units: tests on case means over readers, with intervals and corrections.

For each case, the differences of two methods are averaged over the readers who rated both: otherwise, the severity of a reader
who left out one method would change its mean. These tests hold for the readers of the study;
:mod:`reader_study.statistics.crossed_test`, done as well, holds for other readers, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from evaluation.results.run_facts import count_of
from evaluation.statistics.corrections import adjust_within
from evaluation.statistics.intervals import Bootstrap
from evaluation.statistics.paired import paired_differences, summarise_differences
from evaluation.statistics.signed_rank import signed_rank_test
from reader_study.ratings.study_order import methods_in_order
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import first_ratings, region_blocks
from reader_study.statistics.crossed_test import crossed_test
from reader_study.statistics.few_cases import FEWEST_CASES, few_cases_note

__all__ = ["case_differences", "column_differences", "compare_case_means", "method_columns"]

#: Up to this number of cases, all combinations of signs are counted; for more, the normal approximation is as good.
_MOST_FOR_PERMUTATION = 400


def case_differences(ratings: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Differences of two methods, rating by rating.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it.
    first, second : str
        Methods; the difference is `second` - `first`.

    Returns
    -------
    pandas.DataFrame
        One row per case and one column per reader, with the mean over the regions, sides and views that the reader rated for
        both methods; NaN if there are none. Cases without any value are left out.
    """
    rows = first_ratings(ratings)
    return column_differences(method_columns(rows[rows["method"].isin([first, second])]), first, second)


def method_columns(ratings: pd.DataFrame) -> pd.DataFrame:
    """First ratings with one column per method, one row per case, reader, region, side and view; NaN where not rated."""
    rows = first_ratings(ratings)
    keys = [column for column in ("case", "reader", "roi", "hemisphere", "view") if column in rows]
    return rows.pivot_table(index=keys, columns="method", values="rating", aggfunc="first", sort=False)


def column_differences(columns: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Differences of two methods, as :func:`case_differences` returns them, of the table of :func:`method_columns`."""
    both = columns.reindex(columns=[first, second]).dropna()
    if both.empty:
        return pd.DataFrame(columns=columns.index.unique("reader"), dtype=np.float64)
    difference = pd.Series(paired_differences(both[second], both[first]), index=both.index)
    return difference.groupby(["case", "reader"], sort=False).mean().unstack("reader")  # noqa: PD010


def compare_case_means(
    ratings: pd.DataFrame, methods: Sequence[str] | None = None, *, bootstrap: Bootstrap | None = None
) -> pd.DataFrame:
    """Compare every pair of methods on case means, within each region and side and over all regions.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it; first ratings only are used.
    methods : sequence of str, optional
        Their order; the difference is `second` - `first`.
    bootstrap : Bootstrap, optional

    Returns
    -------
    pandas.DataFrame
        One row per region, side and pair, then those for all regions (means of a case over regions): `roi`, `hemisphere`,
        `first`, `second`; `n` cases, `n_readers`, `n_dropped` (cases without a pair of ratings); the columns of
        :func:`evaluation.statistics.paired.summarise_differences`, with Pratt's zeros and all combinations of signs counted;
        `t_p_holm`, `wilcoxon_p_holm` (over the pairs within a region and side), `t_p_fdr`, `wilcoxon_p_fdr` (over all rows of
        regions; not those of all regions); `crossed_difference`, `crossed_low`, `crossed_high`, `crossed_t`, `crossed_df`,
        `crossed_p`, `crossed_p_holm` of :func:`reader_study.statistics.crossed_test.crossed_test`, and `crossed_note`.
    """
    settings = bootstrap or Bootstrap()
    names = methods_in_order(ratings["method"]) if methods is None else tuple(methods)
    everything = (ALL_REGIONS, "", first_ratings(ratings))
    rows = []
    for roi, side, part in [*region_blocks(ratings), everything]:
        columns = method_columns(part)
        for first, second in combinations(names, 2):
            table = column_differences(columns, first, second)
            values = table.mean(axis=1).to_numpy(dtype=np.float64)
            few = few_cases_note(len(values))
            known = part.loc[part["method"].isin([first, second]), "case"].nunique()
            summary = summarise_differences(values, zeros="pratt", bootstrap=settings)
            if few:
                summary["note"] = "; ".join(filter(None, [summary["note"], few]))
            if len(values) < FEWEST_CASES:
                summary |= dict.fromkeys(("mean_low", "mean_high", "median_low", "median_high"), np.nan)
            signed = signed_rank_test(values, zeros="pratt", most_for_permutation=_MOST_FOR_PERMUTATION)
            summary |= {"wilcoxon_w": signed.w, "wilcoxon_p": signed.p, "wilcoxon_method": signed.method}
            used = table.dropna(axis="columns", how="all")
            complete = used.dropna().to_numpy(dtype=np.float64).T
            crossed = crossed_test(complete, confidence=settings.confidence)
            left_out = len(used) - complete.shape[1]
            note = f"{count_of(left_out, 'case')} left out that not all readers rated by both" if left_out else ""
            rows.append(
                {"roi": roi, "hemisphere": side, "first": first, "second": second}
                | {"n": len(values), "n_readers": used.shape[1], "n_dropped": known - len(values)}
                | summary
                | {
                    "crossed_difference": crossed.difference, "crossed_low": crossed.low, "crossed_high": crossed.high,
                    "crossed_t": crossed.t, "crossed_df": crossed.df, "crossed_p": crossed.p,
                    "crossed_note": "; ".join(text for text in (crossed.reason, note) if text),
                }
            )  # fmt: skip
    result = pd.DataFrame(rows)
    if result.empty:
        return result
    of_regions = result["roi"] != ALL_REGIONS
    for test in ("t", "wilcoxon", "crossed"):
        result[f"{test}_p_holm"] = adjust_within(result, f"{test}_p", ["roi", "hemisphere"], "holm")
        result[f"{test}_p_fdr"] = adjust_within(result[of_regions], f"{test}_p", [], "fdr")
    return result
