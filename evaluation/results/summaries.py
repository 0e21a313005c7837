"""Means of a run's scores: within subjects, over subjects, and over subjects in each region, with their counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.protocols.protocol import homologous_id
from evaluation.results.folder import SIDES_MERGED, counted_rows, metric_columns

__all__ = ["never_emitted", "region_means", "subject_means", "summarise"]

_COUNTS = {"n_missed": ["missed"], "n_invented": ["invented"], "n_missing": ["missed", "invented"]}


def never_emitted(table: pd.DataFrame) -> dict[str, list[int]]:
    """Return for each method the ids that none of its label maps has, over the whole table.

    Regions that no reference labels are left out, because they are not scored.
    """
    methods = table["method"].unique()
    labelled = set(table.loc[table["status"] != "absent by protocol", "region_id"])
    table = table[table["region_id"].isin(labelled)]
    most = table.groupby(["method", "region_id"], sort=False)["n_pred_voxels"].max()
    return {str(name): [int(id_) for id_ in most[name].index[most[name] == 0]] for name in methods}


def subject_means(table: pd.DataFrame) -> pd.DataFrame:
    """Return the means over regions within each subject; needs all rows of a run, to know what a method never emits.

    Returns
    -------
    DataFrame
        subject, family, method, seen_in_training; for each metric M, `mean_M` over all scored regions (missed and invented
        ones count 0 in Dice and similar metrics, and by the run's policy in distances) and the number `n_M` of its regions;
        `mean_dice_common` and `n_dice_common`, over the regions that every method can produce (a merged pair needs both
        sides) and that no method copied from the reference; `n_missed`, `n_invented`, `n_missing` (both).
    """
    lacking = {id_ for name, ids in never_emitted(table).items() if not name.endswith(SIDES_MERGED) for id_ in ids}
    lacking |= set(table.loc[table["status"] == "copied", "region_id"])
    merged = table["method"].str.endswith(SIDES_MERGED)
    other_side = table["region_id"].map(homologous_id)
    special = table["region_id"].isin(lacking) | (merged & other_side.isin(lacking))
    values = table[["subject", "family", "method", "seen_in_training"]].assign(
        **{metric: table[metric] for metric in metric_columns(table)},
        dice_common=table["dice"].mask(special),
        **{name: table["status"].isin(statuses) for name, statuses in _COUNTS.items()},
    )
    metrics = [*metric_columns(table), "dice_common"]
    grouped = values.groupby(["subject", "method"], sort=False)
    aggregated = {"family": ("family", "first"), "seen_in_training": ("seen_in_training", "first")}
    for metric in metrics:
        aggregated |= {f"mean_{metric}": (metric, "mean"), f"n_{metric}": (metric, "count")}
    aggregated |= {name: (name, "sum") for name in _COUNTS}
    means = grouped.agg(**aggregated).reset_index()
    front = ["subject", "family", "method", "seen_in_training"]
    return means[[*front, *means.columns.drop(front)]]


def summarise(table: pd.DataFrame, *, include_seen: bool = False) -> pd.DataFrame:
    """Return one row per method: the mean over regions within a subject, then mean and SD (n - 1) over subjects.

    Returns
    -------
    DataFrame
        method, n_subjects; `mean_M`, `sd_M` for each metric and for `dice_common`; n_missed, n_invented, n_missing (regions,
        summed over subjects), n_seen_left_out (subjects), never_emitted (names, "; " between them).
    """
    means = subject_means(table)
    counted = counted_rows(means, include_seen=include_seen)
    names = table.drop_duplicates("region_id").set_index("region_id")["region_name"]
    rows = []
    for method, ids in never_emitted(table).items():
        mine = counted[counted["method"] == method]
        row: dict[str, object] = {"method": method, "n_subjects": len(mine)}
        for metric in [*metric_columns(table), "dice_common"]:
            row |= {f"mean_{metric}": mine[f"mean_{metric}"].mean(), f"sd_{metric}": _spread(mine[f"mean_{metric}"])}
        row |= {name: int(mine[name].sum()) for name in _COUNTS}
        row["n_seen_left_out"] = int((means["method"] == method).sum()) - len(mine)
        row["never_emitted"] = "; ".join(str(names[id_]) for id_ in ids)
        rows.append(row)
    return pd.DataFrame(rows)


def region_means(table: pd.DataFrame, *, include_seen: bool = False) -> pd.DataFrame:
    """Return one row per region and method: for each metric M `mean_M`, `sd_M` (n - 1) and the number `n_M` of subjects.

    Also the numbers of subjects `n_missed`, `n_invented` and `n_missing`: these count 0 in Dice and similar metrics, and by the
    run's policy in distances.
    """
    keys = ["method", "region_id", "region_name", "hemisphere", "group"]
    rows = counted_rows(table, include_seen=include_seen)
    grouped = rows.groupby(keys, sort=False)
    parts: dict[str, pd.Series] = {}
    for metric in metric_columns(table):
        values = grouped[metric]
        parts |= {f"mean_{metric}": values.mean(), f"sd_{metric}": values.agg(_spread), f"n_{metric}": values.count()}
    for name, statuses in _COUNTS.items():
        parts[name] = rows["status"].isin(statuses).groupby([rows[key] for key in keys], sort=False).sum()
    return pd.DataFrame(parts).reset_index()


def _spread(values: Sequence[float] | pd.Series) -> float:
    """Return the sample SD; NaN for fewer than two values, and if one is infinite."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.std(ddof=1)) if len(known) > 1 and np.isfinite(known).all() else float("nan")
