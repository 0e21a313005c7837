"""The tables of a results folder as papers print them: methods, regions and paired tests, each as CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation.figures.region_layout import SIDES, parts_of, readable_name, region_rows
from evaluation.results.folder import SIDES_MERGED, Results, read_results
from evaluation.results.labelling import KIND
from evaluation.results.metric_text import describe_metric
from evaluation.results.number_format import MISSING, as_number, format_interval, format_number, format_p
from evaluation.tables.formats import Cell, PaperTable, write_table

__all__ = ["paper_tables", "save_tables"]

_COMMON = "“Dice, common regions” is over the regions that every method has of its own."


def save_tables(folder: Path) -> list[Path]:
    """Write the tables of a results folder into its `tables/`.

    Earlier tables there are removed.

    Parameters
    ----------
    folder : Path
        Results folder of darts-eval.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    CohortError
        If the folder has no results.
    ScanError
        If it can't be written to.
    """
    results, out = read_results(folder), folder / "tables"
    for pattern in ("summary.*", "regions_*.*", "paired_overall.*", "paired_regions_*.*"):
        for path in out.glob(pattern):
            with suppress(OSError):
                path.unlink()
    return [path for table in paper_tables(results) for path in write_table(table, out)]


def paper_tables(results: Results) -> list[PaperTable]:
    """Return the summary, one table of regions per metric, and, if methods were compared, the paired tests."""
    tables = [_summary(results), *(_regions(results, metric) for metric in results.metrics)]
    if results.paired_overall is not None and len(results.paired_overall):
        tables.append(_paired_overall(results.paired_overall))
    paired = results.paired_regions
    if paired is not None and len(paired):
        paired = paired[paired["region_id"].notna()]
        metrics = list(dict.fromkeys(paired["metric"])) if "metric" in paired.columns else ["dice"]
        for metric in metrics:
            rows = paired[paired["metric"] == metric] if "metric" in paired.columns else paired
            tables.append(_paired_regions(rows, metric))
    return tables


def _summary(results: Results) -> PaperTable:
    """Return methods x mean ± SD of the main metrics, the best in bold; the CSV file has all metrics."""
    rows = results.summary
    metrics = _chief(results.metrics)
    copied = results.account.get("copied_regions", {})
    metrics[1:1] = ["dice_common"] if copied else []
    # Methods with merged sides, or with regions from the reference, have other regions: their means are not comparable.
    merged = rows["method"].str.endswith(SIDES_MERGED)
    apart = merged | rows["method"].isin(list(copied))
    best = {one: _best(one, rows[f"mean_{one}"].mask(merged if one == "dice_common" else apart)) for one in metrics}
    cells = []
    for place, row in enumerate(rows.to_dict("records")):
        shown = [_mean_sd(row, metric, bold=best[metric][place]) for metric in metrics]
        cells.append((Cell(str(row["method"])), _count(row["n_subjects"]), *shown, _count(row["n_missing"])))
    header = ("Method", "n", *(describe_metric(metric).heading for metric in metrics), "Missing")
    caption = (
        "Mean over regions within each subject, then mean ± SD over n subjects; the best of each metric is bold. Missing: "
        "regions that only one of the two maps has, summed over subjects."
    )
    for method, ids in copied.items():
        caption += f" {method} equals the reference in {len(ids)} regions and has no value there."
    caption += f" {_COMMON}" if copied else ""
    columns = [*results.metrics[:1], *(["dice_common"] if copied else []), *results.metrics[1:]]
    data = rows[["method", "n_subjects", *(f"{kind}_{m}" for m in columns for kind in ("mean", "sd")), "n_missing"]]
    return PaperTable("summary", caption, header, tuple(cells), "lr" + "r" * len(metrics) + "r", data)


def _regions(results: Results, metric: str) -> PaperTable:
    """Return regions x methods, mean ± SD of a metric, the best in bold."""
    text = describe_metric(metric)
    rows = results.regions[~results.regions["method"].str.endswith(SIDES_MERGED)]
    methods = [method for method in results.methods if method in set(rows["method"])]
    by = {(row["region_id"], row["method"]): row for row in rows.to_dict("records")}
    named = rows.drop_duplicates("region_id").set_index("region_id")
    laid_out = region_rows(rows)
    order = [id_ for part in parts_of(laid_out, rows) for id_ in part.ids]
    cells, data = [], []
    for id_ in order:
        found = [by.get((id_, method), {}) for method in methods]
        best = _best(metric, pd.Series([as_number(row.get(f"mean_{metric}")) for row in found]))
        counts = [int(as_number(row.get(f"n_{metric}", 0)) or 0) for row in found]
        n = str(counts[0]) if len(set(counts)) == 1 else "/".join(map(str, counts))
        side = SIDES.get(str(named.loc[id_, "hemisphere"]), "")
        values = [_mean_sd(row, metric, bold=best[place], missing=True) for place, row in enumerate(found)]
        cells.append((Cell(readable_name(str(named.loc[id_, "region_name"]))), Cell(side), Cell(n), *values))
        line: dict[str, Any] = {"region_id": id_}
        line |= {column: named.loc[id_, column] for column in ("region_name", "hemisphere", "group")}
        for method, row in zip(methods, found, strict=True):
            line |= {f"{method} {key}": row.get(f"{key}_{metric}") for key in ("mean", "sd", "n")}
            line[f"{method} n_missing"] = row.get("n_missing")
        data.append(line)
    caption = (
        f"Mean ± SD per region over n subjects of {text.definition} ({text.better} is better, the best is bold"
        f"{'' if len(methods) < 2 else '; several n are in the order of the methods'}). In brackets: subjects in which only "
        "one of the two maps has the region."
    )
    header = ("Region", "Side", "n", *methods)
    return PaperTable(f"regions_{metric}", caption, header, tuple(cells), "llr" + "r" * len(methods), pd.DataFrame(data))


def _paired_overall(rows: pd.DataFrame) -> PaperTable:
    """Return the comparison of pairs of methods over all regions."""
    several, named = _pairs(rows)
    # Only where pairs share different numbers of regions does a reader need to know them.
    unequal = "n_regions" in rows and len(set(rows["n_regions"])) > 1
    cells = []
    for row in rows.to_dict("records"):
        pair = (Cell(_pair(row)),) if several else ()
        kind = (Cell(str(row[KIND])),) if KIND in rows else ()
        over = (_count(row["n_regions"]),) if unequal else ()
        metric = str(row.get("metric", "dice"))
        digits = describe_metric(metric).digits
        cells.append((
            Cell(describe_metric(metric).heading), *kind, *pair, *over, _count(row["n"]),
            _difference(row, digits), _p(row, "t_p"), _p(row, "wilcoxon_p"), _p(row, "wilcoxon_p_holm_methods"),
            Cell(format_number(as_number(row.get("d_z")), 2, signed=True)),
        ))  # fmt: skip
    caption = (
        f"Paired differences of the means over regions, {named}, n subjects, with 95 % bootstrap intervals; p of the paired "
        "t-test and of the Wilcoxon signed-rank test, and the latter with Holm's correction over the pairs of methods; Cohen's "
        "d_z."
    )
    head = (*(("Reference labels",) if KIND in rows else ()), *(("A − B",) if several else ()))
    counts = (*(("Regions",) if unequal else ()), "n")
    header = ("Metric", *head, *counts, "Difference", "p (t)", "p (Wilcoxon)", "p (Holm)", "d_z")
    return PaperTable("paired_overall", caption, header, tuple(cells), "l" + "l" * len(head) + "r" * (len(counts) + 5), rows)


def _pairs(rows: pd.DataFrame) -> tuple[bool, str]:
    """Return whether there are several pairs of methods, and the name of the difference in a caption."""
    several = len({(row["method_a"], row["method_b"]) for row in rows.to_dict("records")}) > 1
    return several, "A − B" if several else _pair(rows.iloc[0])


def _pair(row: Any) -> str:
    return f"{row['method_a']} − {row['method_b']}"


def _paired_regions(rows: pd.DataFrame, metric: str) -> PaperTable:
    """Return the comparison of pairs of methods in each region."""
    text = describe_metric(metric)
    order = {id_: place for place, id_ in enumerate(id_ for row in region_rows(rows) for id_ in row.ids)}
    rows = rows.sort_values("region_id", key=lambda ids: ids.map(order), kind="stable")
    several, named = _pairs(rows)
    cells = []
    for row in rows.to_dict("records"):
        pair = (Cell(_pair(row)),) if several else ()
        cells.append((
            Cell(readable_name(str(row["region_name"]))), Cell(SIDES.get(str(row["hemisphere"]), "")), *pair, _count(row["n"]),
            _difference(row, text.digits), _p(row, "wilcoxon_p"), _p(row, "wilcoxon_p_holm_regions"),
            _p(row, "wilcoxon_p_fdr_regions"), Cell(format_number(as_number(row.get("rank_biserial")), 2, signed=True)),
        ))  # fmt: skip
    caption = (
        f"Paired differences of {text.heading} per region, {named}, n subjects, with 95 % bootstrap intervals; p of the "
        "Wilcoxon signed-rank test, with Holm's and with Benjamini and Hochberg's correction over the regions of a pair of "
        "methods; rank-biserial correlation r."
    )
    if KIND in rows:
        caption += " Regions with manual and with automatic reference labels are corrected apart."
    head = ("A − B",) if several else ()
    header = ("Region", "Side", *head, "n", "Difference", "p", "p (Holm)", "p (FDR)", "r")
    return PaperTable(f"paired_regions_{metric}", caption, header, tuple(cells), "ll" + "l" * several + "rrrrrr", rows)


def _chief(metrics: Sequence[str]) -> list[str]:
    """Return Dice, volume similarity and the first definition of each kind of distance: they fit the width of a page."""
    chief: dict[str, str] = {}
    for metric in metrics:
        kind = next((start for start in ("hd95_", "assd_", "surface_dice_") if metric.startswith(start)), metric)
        if kind not in ("jaccard", "sensitivity", "precision"):
            chief.setdefault(kind, metric)
    return list(chief.values())


def _best(metric: str, means: pd.Series) -> list[bool]:
    """Return which means are the best at the digits shown; none if there is only one mean."""
    text = describe_metric(metric)
    rounded = means.astype(float).round(text.digits)
    if rounded.notna().sum() < 2:
        return [False] * len(rounded)
    return list(rounded.eq(rounded.min() if text.better == "lower" else rounded.max()))


def _mean_sd(row: Any, metric: str, *, bold: bool, missing: bool = False) -> Cell:
    digits = describe_metric(metric).digits
    mean, sd = as_number(row.get(f"mean_{metric}")), as_number(row.get(f"sd_{metric}"))
    text = format_number(mean, digits)
    if text != MISSING and sd == sd:
        text += f" ± {format_number(sd, digits)}"
    lacking = as_number(row.get("n_missing"))
    if missing and lacking > 0:
        text += f" ({int(lacking)})"
    return Cell(text, bold)


def _difference(row: Any, digits: int) -> Cell:
    value = format_number(as_number(row.get("mean_difference")), digits, signed=True)
    between = format_interval(row.get("mean_low"), row.get("mean_high"), "signed", digits)
    return Cell(f"{value} {between}".strip())


def _p(row: Any, column: str) -> Cell:
    return Cell(format_p(as_number(row.get(column))))


def _count(value: Any) -> Cell:
    number = as_number(value)
    return Cell(MISSING if number != number else str(int(number)))
