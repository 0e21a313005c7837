"""The report of an evaluation, `report.html`: what was compared, means, figures, all regions, worst cases, tests, methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

import pandas as pd

from evaluation.report import html_page
from evaluation.report.figures import pictures
from evaluation.report.html_page import Block, Heading, Notice, Prose, Quotation, Report, Section, Table
from evaluation.report.lead import copied_sentences, lead_sentences, of_dice
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
from evaluation.report.view_commands import view_commands
from evaluation.results.folder import SIDES_MERGED, Results, read_results
from evaluation.results.labelling import KIND, means_by_labelling
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
        lead=lead_sentences(results) if _has_means(results) else [_no_means().title],
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


def _summary(results: Results) -> list[Block]:
    if not _has_means(results):
        return [_no_means(), summary_table(results)]
    blocks: list[Block] = [Notice(sentence) for sentence in copied_sentences(results.account)]
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
        commands = view_commands(results, worst)
        blocks += [commands] if commands else []
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
        apart = frame is not None and KIND in frame.columns
        blocks.append(Heading(f"{title}: each kind of reference labels apart" if apart else title))
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
    rows = of_dice(frame)
    more = " The file has the other metrics, too." if len(rows) < len(frame) else ""
    caption = f"Dice of pairs of methods in every region.{more}"
    if len(rows) > MOST_PAIRED_ROWS:
        baseline = choose_baseline(results.methods, results.summary.set_index("method")["mean_dice"])
        rows = rows[(rows["method_a"] == baseline) | (rows["method_b"] == baseline)]
        caption = f"Dice of {baseline} and each other method in every region; the file has all pairs.{more}"
    return paired_table(rows, caption)


def _ranks(frame: pd.DataFrame) -> Table:
    rows = of_dice(frame)
    more = " The file has the other metrics, too." if len(rows) < len(frame) else ""
    return rank_table(rows, f"Mean ranks of the methods within subjects by Dice; 1 is the lowest.{more}")


def _methods(results: Results) -> list[Block]:
    text = methods_text(results)
    return [
        Prose("Text for a paper, on this run only. Numbers and names are those of run.json and the tables."),
        Quotation(text.paragraphs, text.references),
    ]
