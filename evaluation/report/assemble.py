"""The report of an evaluation, `report.html`: what was compared, means, figures, all regions, worst cases, tests, methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from evaluation.report import html_page
from evaluation.report.figures import pictures
from evaluation.report.html_page import Block, Heading, Notice, Prose, Quotation, Report, Section, Table
from evaluation.report.methods_text import methods_text
from evaluation.report.overview import n_subjects, overview, when
from evaluation.report.tables import (
    MOST_PAIRED_ROWS,
    agreement_table,
    dice_table,
    group_table,
    labelling_table,
    misses_table,
    mixed_model_table,
    overall_table,
    paired_table,
    rank_table,
    region_table,
    subject_table,
    summary_table,
    worst_cases,
    worst_table,
)
from evaluation.results.folder import SIDES_MERGED, Results, read_results
from evaluation.results.labelling import AUTOMATIC, KIND, means_by_labelling
from evaluation.results.number_format import format_interval, format_p, format_value
from evaluation.results.run_facts import count_of, listed
from evaluation.results.significance import choose_baseline

__all__ = ["evaluation_report", "write_report"]

#: Said if references have both kinds of labels.
MIXED_LABELS = (
    "In the references the cortex is labelled by hand, all other regions automatically by FreeSurfer. Agreement with automatic "
    "labels is not accuracy: read the two kinds separately."
)
#: Number of worst cases in the list, and of methods named in the first paragraph.
WORST_CASES, NAMED_METHODS = 20, 5


def write_report(folder: str | Path) -> Path:
    """Write `report.html` into a results folder and return its path.

    Raises
    ------
    CohortError
        If the folder has no results.
    ScanError
        If the folder can't be written to.
    """
    return html_page.write_report(evaluation_report(read_results(folder)), Path(folder) / "report.html")


def evaluation_report(results: Results) -> Report:
    """Return the report of a run; for what a run doesn't have, the reason is given."""
    account = results.account
    made = f"darts-eval of darts-ensemble {account.get('versions', {}).get('darts-ensemble', '')}".strip()
    return Report(
        title=f"Evaluation of {listed(_first(results.methods, NAMED_METHODS))}",
        subtitle=_subtitle(results),
        lead=_lead(results),
        sections=[
            Section("What was compared", overview(results)),
            Section("Summary", _summary(results)),
            Section("Figures", pictures(results.folder / "figures", "figure", "darts-eval figures draws them")),
            Section("All regions", [dice_table(results), region_table(results)] if _has_means(results) else [_no_means()]),
            Section("Worst cases", _worst(results)),
            Section("Paired tests", _paired(results)),
            Section("Methods", _methods(results)),
        ],
        footer=f"Written by {made} from a run of {when(account)}. Exact values are in the CSV files of this folder.",
    )


def _first(names: Sequence[str], number: int) -> list[str]:
    return list(names) if len(names) <= number else [*names[: number - 1], f"{len(names) - number + 1} more"]


def _has_means(results: Results) -> bool:
    return not results.regions.empty


def _no_means() -> Notice:
    text = "Every subject was seen in training by one of the methods: there are no means. --include-seen keeps them."
    return Notice(text, level="note")


def _subtitle(results: Results) -> str:
    protocol = results.account.get("protocol", {}).get("name")
    parts = [count_of(n_subjects(results), "subject"), count_of(len(results.methods), "method")]
    parts.append(count_of(results.scores["region_id"].nunique(), "region"))
    return " · ".join([*parts, *([f"protocol {PurePath(str(protocol)).name}"] if protocol else [])])


def _lead(results: Results) -> list[str]:
    if not _has_means(results):
        return [_no_means().title]
    by_labelling = means_by_labelling(results.scores, results.account, include_seen=results.include_seen)
    text = []
    for kind, part in by_labelling.groupby("reference_labels", sort=False) if by_labelling is not None else []:
        rows = part[part["mean_dice"].notna()].sort_values("mean_dice", ascending=False, kind="stable").to_dict("records")
        best = "; ".join(_mean(row, with_n=False) for row in rows[:NAMED_METHODS])
        regions = count_of(int(part["n_regions"].iloc[0]), "region")
        note = " (agreement with FreeSurfer, not accuracy)" if kind == AUTOMATIC else ""
        text.append(f"Mean Dice over {regions} with {kind} reference labels{note}: {best}.")
    overall = results.paired_overall
    overall = _of_dice(overall) if overall is not None else pd.DataFrame()
    if by_labelling is not None and len(overall) and KIND in overall:
        for kind, part in ((str(name), rows) for name, rows in by_labelling.groupby(KIND, sort=False)):
            text.append(_difference(part, overall[overall[KIND] == kind], f"{kind[:1].upper()}{kind[1:]} labels, "))
        return [one for one in text if one] + _attention(results.account)
    ranked = results.summary[results.summary["mean_dice"].notna()].sort_values("mean_dice", ascending=False, kind="stable")
    # Methods on different subjects can't share one n.
    numbers = sorted(set(ranked["n_subjects"]))
    over = count_of(int(numbers[0]), "subject") if len(numbers) == 1 else "the subjects that each method has"
    means = [_mean(row, with_n=len(numbers) > 1) for row in ranked.to_dict("records")]
    shown = "; ".join(means[:NAMED_METHODS]) + (
        f"; {len(means) - NAMED_METHODS} more below" if len(means) > NAMED_METHODS else ""
    )
    which = "all regions, manual and automatic together" if text else "regions"
    text.append(f"Mean Dice over {which}, mean ± SD over {over}: {shown}.")
    if len(overall):
        text.append(_difference(results.summary, overall))
    return [one for one in text if one] + _attention(results.account)


def _attention(account: Mapping[str, Any]) -> list[str]:
    """Return how many failures, suspected pairs and warnings there are; nothing if there are none."""
    kinds = [("failures", "failure"), ("suspects", "suspected pair"), ("warnings", "warning")]
    said = [count_of(len(account[key]), noun) for key, noun in kinds if account.get(key)]
    return [f"{listed(said)}: see What was compared."] if said else []


def _mean(row: Mapping[Any, Any], *, with_n: bool) -> str:
    spread = "" if pd.isna(row["sd_dice"]) else f" ± {format_value(row['sd_dice'], 'number')}"
    n = f" (n = {row['n_subjects']})" if with_n else ""
    return f"{row['method']} {format_value(row['mean_dice'], 'number')}{spread}{n}"


def _difference(means: pd.DataFrame, overall: pd.DataFrame, which: str = "") -> str:
    """Return the difference between the two methods with the highest means, without those with merged sides."""
    ranked = means[~means["method"].str.endswith(SIDES_MERGED)]
    ranked = ranked.sort_values("mean_dice", ascending=False, kind="stable")
    best = list(ranked["method"][:2])
    rows = overall[overall["method_a"].isin(best) & overall["method_b"].isin(best)]
    if len(best) < 2 or rows.empty:
        return ""
    row = rows.iloc[0].to_dict()
    interval = format_interval(row.get("mean_low"), row.get("mean_high"), "signed")
    p_column = next((name for name in ("wilcoxon_p_holm_methods", "wilcoxon_p") if name in row), None)
    test = f"; Wilcoxon signed-rank p {_equals(row[p_column])}" if p_column else ""
    holm = " (Holm over the pairs of methods)" if p_column == "wilcoxon_p_holm_methods" and len(overall) > 1 else ""
    return (
        f"{which}{row['method_a']} − {row['method_b']}: {format_value(row['mean_difference'], 'signed')} {interval}{test}"
        f"{holm}, n = {row['n']} subjects."
    )


def _equals(p: float) -> str:
    text = format_p(p)
    return text if text[0] in "<>" else f"= {text}"


def _of_dice(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["metric"] == "dice"] if "metric" in frame.columns else frame


def _summary(results: Results) -> list[Block]:
    if not _has_means(results):
        return [_no_means(), summary_table(results)]
    blocks: list[Block] = []
    by_labelling = means_by_labelling(results.scores, results.account, include_seen=results.include_seen)
    if by_labelling is not None:
        blocks.append(Notice(MIXED_LABELS, level="note"))
        blocks.append(labelling_table(results, by_labelling))
    groups = group_table(results)
    if groups is None:
        note = Notice("The protocol has no complete group of regions: none is scored.", level="note")
        return [*blocks, summary_table(results), note]
    return [*blocks, summary_table(results), groups]


def _worst(results: Results) -> list[Block]:
    worst = worst_cases(results, WORST_CASES)
    blocks: list[Block] = []
    if len(worst):
        blocks.append(worst_table(results, worst))
    else:
        blocks.append(Notice("No region is in both maps of any pair that is included in means.", level="note"))
    misses = misses_table(results)
    blocks.append(misses if misses else Notice("No region was missed or invented.", level="note"))
    blocks += [Heading("Overlays"), *pictures(results.folder / "overlays", "overlay", "darts-eval overlay draws them")]
    return [*blocks, Heading("Subjects"), subject_table(results)]


def _paired(results: Results) -> list[Block]:
    parts: list[tuple[str, pd.DataFrame | None, str, Callable[[pd.DataFrame], Table]]] = [
        ("Over all regions", results.paired_overall, "paired_overall.csv", overall_table),
        ("Mixed model", results.mixed_model, "mixed_model.csv", mixed_model_table),
        ("For each region", results.paired_regions, "paired_regions.csv", lambda frame: _paired_regions(results, frame)),
        ("Ranks of three or more methods", results.ranks, "ranks.csv", _ranks),
    ]
    blocks: list[Block] = []
    for title, frame, name, make in parts:
        blocks.append(Heading(title))
        blocks.append(make(frame) if frame is not None and len(frame) else _absent(results, name))
    volumes = results.volume_agreement
    blocks.append(Heading("Volumes compared with the reference"))
    if volumes is not None and len(volumes):
        return [*blocks, agreement_table(volumes)]
    few = n_subjects(results) < 2
    reason = "fewer than two subjects: no agreement of volumes" if few else "the folder holds no volume_agreement.csv"
    return [*blocks, Notice(f"Not here: {reason}.", level="note")]


def _absent(results: Results, name: str) -> Notice:
    """Return why there is no comparison of methods."""
    methods, n = len([one for one in results.methods if not one.endswith(SIDES_MERGED)]), n_subjects(results)
    needed = 3 if name == "ranks.csv" else 2
    if methods < needed:
        reason = f"{count_of(methods, 'method')}; {needed} are needed"
    elif n < 2:
        reason = f"{count_of(n, 'subject')} in the means; two are needed"
    else:
        reason = f"the folder holds no {name}"
    return Notice(f"Not here: {reason}.", level="note")


def _paired_regions(results: Results, frame: pd.DataFrame) -> Table:
    rows = _of_dice(frame)
    more = " The file has the other metrics, too." if len(rows) < len(frame) else ""
    caption = f"Dice of pairs of methods in every region.{more}"
    if len(rows) > MOST_PAIRED_ROWS:
        baseline = choose_baseline(results.methods, results.summary.set_index("method")["mean_dice"])
        rows = rows[(rows["method_a"] == baseline) | (rows["method_b"] == baseline)]
        caption = f"Dice of {baseline} and each other method in every region; the file has all pairs.{more}"
    return paired_table(rows, caption)


def _ranks(frame: pd.DataFrame) -> Table:
    rows = _of_dice(frame)
    more = " The file has the other metrics, too." if len(rows) < len(frame) else ""
    return rank_table(rows, f"Mean ranks of the methods within subjects by Dice; 1 is the lowest.{more}")


def _methods(results: Results) -> list[Block]:
    text = methods_text(results)
    return [
        Prose("Text for a paper, on this run only. Numbers and names are those of run.json and the tables."),
        Quotation(text.paragraphs, text.references),
    ]
