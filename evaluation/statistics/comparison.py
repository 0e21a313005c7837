"""Compare the methods of a results folder: per region, over all regions, by ranks, by a mixed model, and by volumes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from darts_ensemble.results.outputs import write_text
from evaluation.results.folder import COMPARISONS, SIDES_MERGED, SURFACE_PREFIXES, Results, read_results
from evaluation.results.labelling import KIND, labelled_apart
from evaluation.statistics.agreement import agreement_with_reference
from evaluation.statistics.intervals import Bootstrap
from evaluation.statistics.overall import compare_overall
from evaluation.statistics.paired import compare_methods, rank_methods

__all__ = ["compare_results", "compared_metrics", "save_comparison"]

#: Columns that identify a region; with the sides merged, the id is that of the left region.
_REGION = ["region_id", "region_name", "hemisphere", "group"]


def save_comparison(folder: Path) -> list[Path]:
    """Read a results folder, compare its methods, and write the tables into the same folder.

    Parameters
    ----------
    folder : Path
        Folder with scores.csv and the other tables of a run.

    Returns
    -------
    list of Path
        The files written. A table of an earlier run that now would be empty is removed.

    Raises
    ------
    CohortError
        If the folder's tables can't be read.
    ScanError
        If a table can't be written.
    """
    tables = compare_results(read_results(folder))
    written = []
    for name in COMPARISONS:
        path = folder / f"{name}.csv"
        if name in tables:
            write_text(path, tables[name].to_csv(index=False, float_format="%.6g"))
            written.append(path)
        else:
            path.unlink(missing_ok=True)
    return written


def compare_results(results: Results) -> dict[str, pd.DataFrame]:
    """Compare the methods of a run on the subjects that are included in its means.

    Methods with merged sides have other regions and are compared only with each other: they share with other methods only the
    regions of the midline, which merging does not change.

    Parameters
    ----------
    results : Results
        Its account may hold the settings of the bootstrap (the fields of
        :class:`evaluation.statistics.intervals.Bootstrap`).

    Returns
    -------
    dict of str to DataFrame
        All but the last have a column `metric`, see :func:`compared_metrics`; tables per region begin with `region_id`,
        `region_name`, `hemisphere`, `group`.

        - "paired_regions": see :func:`evaluation.statistics.paired.compare_methods`;
        - "paired_overall": see :func:`evaluation.statistics.overall.compare_overall`; its columns `lmm_` are in
          "mixed_model"; families of subjects are the units if the scores name any;
        - "ranks", for three methods or more: see :func:`evaluation.statistics.paired.rank_methods`;
        - "volume_agreement", in mm3: see :func:`evaluation.statistics.agreement.agreement_with_reference`.

        If references have manual and automatic labels, the regions of each kind are compared separately, with corrections over
        the regions of that kind only, and the column `reference_labels` names the kind. Rows of one metric lie together.

        A table without rows, as with one subject or one method, is left out.
    """
    scores = results.counted()
    if scores["subject"].nunique() < 2:
        return {}
    bootstrap = Bootstrap(**results.account.get("bootstrap", {}))
    merged = scores["method"].str.endswith(SIDES_MERGED)
    # In the order of the tables; methods with merged sides come last.
    parts = [part for part in (scores[~merged], scores[merged]) if len(set(part["method"])) > 1]
    found: dict[str, list[pd.DataFrame]] = {}
    kinds = labelled_apart(results.account)
    for part, metric in itertools.product(parts, compared_metrics(scores)):
        for kind, ids in kinds.items() or [("", None)]:
            mine = part if ids is None else part[part["region_id"].isin(ids)]
            for name, table in _compare(mine.assign(family=_families(mine)), metric, bootstrap):
                if kind:
                    table.insert(1, KIND, kind)
                found.setdefault(name, []).append(table)
    volumes = [_volume_agreement(rows) for _, rows in scores.groupby("method", sort=False)]
    found["volume_agreement"] = [table for table in volumes if len(table)]
    tables = {name: pd.concat(found[name], ignore_index=True) for name in COMPARISONS if found.get(name)}
    if kinds and "volume_agreement" in tables:
        of_region = {id_: kind for kind, ids in kinds.items() for id_ in ids}
        tables["volume_agreement"][KIND] = tables["volume_agreement"]["region_id"].map(of_region)
    return tables


def _compare(scores: pd.DataFrame, metric: str, bootstrap: Bootstrap) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name and the table of every comparison of a metric; nothing for fewer than two methods."""
    if scores["method"].nunique() < 2:
        return
    family = "family" if scores["family"].nunique() < scores["subject"].nunique() else None
    rows = {"paired_regions": compare_methods(scores, metric, region="region_id", bootstrap=bootstrap)}
    overall = compare_overall(scores, metric, region="region_id", family=family, bootstrap=bootstrap)
    rows |= {"paired_overall": _without_model(overall), "mixed_model": _model_only(overall)}
    if len(set(scores["method"])) > 2:
        rows["ranks"] = rank_methods(scores, metric, region="region_id")
    for name, table in rows.items():
        table.insert(0, "metric", metric)
        yield name, _with_region(table, scores) if "region_id" in table else table


def compared_metrics(scores: pd.DataFrame) -> list[str]:
    """Return the columns that are compared: Dice, volume similarity, all distances, and surface Dice.

    Jaccard follows from Dice. Sensitivity can be raised at the cost of precision and the other way round, so that a difference
    in one of them alone means little.
    """
    return [name for name in scores.columns if name in ("dice", "volume_similarity") or str(name).startswith(SURFACE_PREFIXES)]


def _families(scores: pd.DataFrame) -> pd.Series:
    """Return the family of each row's subject; a subject without one is a family of its own."""
    named = scores["family"].astype("string").fillna("").astype(str)
    return named.mask(named == "", "subject " + scores["subject"].astype(str))


def _model_only(overall: pd.DataFrame) -> pd.DataFrame:
    pair = ["method_a", "method_b", "n", *(["n_families"] if "n_families" in overall else []), "n_regions"]
    model = [name for name in overall.columns if name.startswith("lmm_")]
    return overall[pair + model].rename(columns={"lmm_note": "note"})


def _without_model(overall: pd.DataFrame) -> pd.DataFrame:
    return overall[[name for name in overall.columns if not name.startswith("lmm_")]].copy()


def _with_region(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    named = scores[_REGION].drop_duplicates("region_id")
    joined = table.merge(named, on="region_id", how="left", validate="many_to_one")
    return joined[["metric"] * ("metric" in table) + _REGION + [name for name in joined if name not in ["metric", *_REGION]]]


def _volume_agreement(scores: pd.DataFrame) -> pd.DataFrame:
    """Compare the volumes of one method with those of the reference; a missed region counts as 0 mm3."""
    there = scores[scores["status"].isin(["scored", "missed", "invented"])]
    columns = ["subject", "region_id"]
    # One long table in which the reference is a second method, under a name that no method has.
    both = pd.concat(
        [
            there[columns].assign(source="reference", volume=there["volume_ref_mm3"]),
            there[columns].assign(source="method", volume=there["volume_pred_mm3"]),
        ]
    )
    if both.empty:
        return pd.DataFrame()
    table = agreement_with_reference(both, "volume", "reference", method="source", region="region_id")
    table["method"] = scores["method"].iloc[0]
    return _with_region(table, scores)
