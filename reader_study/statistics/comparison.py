"""Compare a new study with a printed table: means and SDs of both for each region, if names agree."""

from __future__ import annotations

import math

import pandas as pd

from reader_study.errors import SummaryError
from reader_study.ratings.summary import ALL_REGIONS, Summary
from reader_study.statistics.published_table import PublishedTable

__all__ = ["compare_with_summary"]


def compare_with_summary(table: PublishedTable, summary: Summary) -> pd.DataFrame:
    """Compare the means of a study with those of a printed table.

    There is no test: a printed table does not show how its ratings depend on each other, and often not their number.

    Parameters
    ----------
    table : PublishedTable
        Table of the new study.
    summary : Summary
        The printed table.

    Returns
    -------
    pandas.DataFrame
        One row per region, side and method of either, in the study's order, those that only the printed table has after the
        others, all regions together last: `roi`, `hemisphere`, `method`,
        `printed_mean`, `printed_sd`, `study_mean`, `study_sd`, `study_n`, `difference` (study - printed),
        `printed_best`, `study_best` (methods with the highest mean there, among those that both have), `best_agrees` (True,
        False, or None if one has none); NaN if one has no such row.

    Raises
    ------
    SummaryError
        If the two have no region, side and method in common.
    """
    printed = pd.DataFrame(
        [
            (cell.roi, cell.hemisphere, cell.method, float(cell.mean), float(cell.sd) if cell.sd else math.nan)
            for cell in (*summary.cells, *summary.totals)
        ],
        columns=["roi", "hemisphere", "method", "printed_mean", "printed_sd"],
    )
    study = pd.DataFrame(
        [
            (row["roi"], row["hemisphere"], method, row[f"{method}_mean"], row[f"{method}_sd"], row[f"{method}_n"])
            for row in table.rows.to_dict("records")
            for method in table.methods
        ],
        columns=["roi", "hemisphere", "method", "study_mean", "study_sd", "study_n"],
    )
    keys = ["roi", "hemisphere", "method"]
    shared = printed.merge(study, on=keys)
    if shared[shared["roi"] != ALL_REGIONS].empty:
        raise SummaryError(
            f"nothing to compare: the printed table has {', '.join(summary.methods)} in {', '.join(_regions(printed))}, the "
            f"study {', '.join(table.methods)} in {', '.join(_regions(study))}; name methods and regions alike"
        )
    both = printed.merge(study, on=keys, how="outer", sort=False)
    both = _in_order(both, pd.concat([study, printed]))
    both["difference"] = both["study_mean"] - both["printed_mean"]
    places = list(zip(both["roi"], both["hemisphere"], strict=True))
    for source in ("printed", "study"):
        best = {
            (roi, side): ";".join(part.loc[part[f"{source}_mean"] >= part[f"{source}_mean"].max() - 1e-12, "method"])
            for (roi, side), part in shared.dropna(subset=["printed_mean", "study_mean"]).groupby(["roi", "hemisphere"])
        }
        both[f"{source}_best"] = [best.get(place, "") for place in places]
    both["best_agrees"] = [
        None if not (one and two) else one == two for one, two in zip(both["printed_best"], both["study_best"], strict=True)
    ]
    return both


def _in_order(both: pd.DataFrame, ordered: pd.DataFrame) -> pd.DataFrame:
    """Sort the rows by region and side, then by method, as they first appear in `ordered`; all regions together come last."""
    places = {place: rank for rank, place in enumerate(dict.fromkeys(zip(ordered["roi"], ordered["hemisphere"], strict=True)))}
    methods = {method: rank for rank, method in enumerate(dict.fromkeys(ordered["method"]))}
    ranks = pd.DataFrame(
        {
            "last": both["roi"] == ALL_REGIONS,
            "place": [places[place] for place in zip(both["roi"], both["hemisphere"], strict=True)],
            "method": both["method"].map(methods),
        },
        index=both.index,
    )
    return both.loc[ranks.sort_values(["last", "place", "method"]).index].reset_index(drop=True)


def _regions(table: pd.DataFrame) -> list[str]:
    return [roi for roi in dict.fromkeys(table["roi"]) if roi != ALL_REGIONS]
