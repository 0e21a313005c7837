"""What darts-reader-study prints: progress, and the results of an analysis and of a simulation of power."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from evaluation.results.number_format import format_p, format_value, p_phrase
from evaluation.results.run_facts import count_of
from reader_study.commands.tables import fitted_table
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import SYNTHETIC
from reader_study.simulation.needed_cases import MOST_CASES
from reader_study.statistics.study_analysis import StudyAnalysis

__all__ = ["counting", "show_needed", "show_power", "show_study", "show_widths", "steps"]


@contextmanager
def steps(console: Console, what: str) -> Iterator[Callable[[str], None]]:
    """Give a function that is called with a line per step: on a terminal it shows the last one, elsewhere it prints all."""
    if not console.is_terminal or console.quiet:
        yield console.print
        return
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task(what)
        yield lambda line: bar.update(task, description=f"{what}: {line}")


@contextmanager
def counting(console: Console, total: int, what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is called with the number done and the total: a bar on a terminal, a line per tenth elsewhere."""
    if not console.is_terminal or console.quiet:
        tenth = 0

        def tell(done: int, of: int) -> None:
            nonlocal tenth
            if 10 * done // of > tenth:
                tenth = 10 * done // of
                console.print(f"{what}: {done} of {of}")

        yield tell
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(elapsed_when_finished=True),
        console=console, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(what, total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def show_study(console: Console, analysis: StudyAnalysis, out: Path, *, verbose: bool) -> None:
    """Print means, tests over all regions (of each region too where `verbose`), agreement and blinding."""
    if analysis.synthetic:
        console.print(SYNTHETIC, style="bold red")
    if analysis.published is not None:
        _show_means(console, analysis)
    if analysis.case_means is not None:
        _show_tests(console, analysis.case_means, verbose)
    if analysis.models is not None:
        last = analysis.models.tests.iloc[-1]
        if last["formula"]:
            console.print(f"Mixed model: clmm({last['formula']})")
            statistic = format_value(last["lr_statistic"], "number", 2)
            console.print(f"  methods: χ² = {statistic}, df {last['lr_df']:g}, {p_phrase(last['lr_p'])}")
        warned = (analysis.models.tests["warnings"].str.contains("proportional odds are rejected|separation")).sum()
        if warned:
            console.print(
                f"  {count_of(warned, 'model')} with a warning of separation or of proportional odds: model_tests.csv"
            )
        for row in analysis.models.tests[analysis.models.tests["reason"] != ""].to_dict("records"):
            console.print(f"  no model of {row['roi']} {row['hemisphere']}: {row['reason']}")
    if len(analysis.agreement):
        rows = analysis.agreement[analysis.agreement["readers"] == "all"]
        values = [f"{row['statistic']} {format_value(row['value'], 'number', 2)}" for row in rows.to_dict("records")]
        console.print("Agreement of readers: " + ", ".join(values))
    if analysis.blinding is not None:
        rows = analysis.blinding[analysis.blinding["reader"] == "all"]
        values = [f"{' '.join((r['index'], r['method'])).strip()} {_interval(r)}" for r in rows.to_dict("records")]
        console.print("Blinding: " + ", ".join(values))
    console.print(f"{out}: report.html, figures/, and a table for each analysis")


def show_power(console: Console, table: pd.DataFrame, analyses: Sequence[str]) -> None:
    """Print the power of each analysis for each plan, with its interval."""
    between = " " if len(analyses) < 3 else "\n"
    rows = []
    for (cases, readers, shift), part in table.groupby(["cases", "readers", "shift"], sort=False):
        by_analysis = part.set_index("analysis")
        cells = []
        for name in analyses:
            power, low, high = by_analysis.loc[name, ["power", "low", "high"]].to_numpy(dtype=float)
            cells.append(f"{power:.3f}{between}[{low:.3f}, {high:.3f}]")
        rows.append([str(cases), str(readers), f"{shift:g}", *cells])
    headings = ["cases", "readers", "shift", *analyses]
    title = f"Share of simulated studies with p < {table['level'].iloc[0]:g}"
    console.print(fitted_table(title, headings, rows, [False] * len(headings), console.width))


def show_widths(console: Console, table: pd.DataFrame, wished: float | None) -> None:
    """Print the width of each agreement's interval, with * if it is as narrow as desired."""
    title = "Agreement: mean over simulated studies, and width of its 95 % interval"
    rows = []
    for row in table.to_dict("records"):
        mark = "*" if wished is not None and row["width"] <= wished else " "
        count = [str(row["cases"]), str(row["readers"])]
        rows.append([*count, row["measure"], f"{row['value']:.2f}", f"{row['width']:.2f}{mark}"])
    headings = ["cases", "readers", "measure", "value", "width"]
    text = [heading == "measure" for heading in headings]
    marked = f", * at most {wished:g}" if wished is not None else ""
    console.print(fitted_table(title + marked, headings, rows, text, console.width))


def show_needed(console: Console, table: pd.DataFrame) -> None:
    """Print the cases that each analysis or measure needs, and what a study with these cases gives."""
    for row in table.to_dict("records"):
        who = f"{row['readers']} reader{'s' * (row['readers'] != 1)}"
        if "analysis" in row:
            what = f"{row['analysis']}, {who}, shift {row['shift']:g}"
            given = f"power {row['power']:.2f} [{row['low']:.2f}, {row['high']:.2f}]; {row['wished']:g} wished"
        else:
            what = f"{row['measure']}, {who}"
            given = f"width {row['width']:.2f} at a value of {row['value']:.2f}; {row['wished']:g} wished"
        needed = f"more than {MOST_CASES} cases" if pd.isna(row["cases"]) else f"{row['cases']} cases"
        console.print(f"needed: {needed} for {what} ({given})" + (f"; {row['note']}" if row["note"] else ""))


def _show_means(console: Console, analysis: StudyAnalysis) -> None:
    published = analysis.published
    assert published is not None
    rows = []
    for row, best in zip(published.rows.to_dict("records"), published.best, strict=True):
        cells = []
        for method in published.methods:
            mean, spread = (format_value(row[f"{method}_{name}"], "number", 2) for name in ("mean", "sd"))
            cells.append(f"{mean} ± {spread}{'*' if method in best else ' '}")
        rows.append([row["roi"], row["hemisphere"], *cells])
    headings = ["region", "side", *published.methods]
    text = [True, True, *(False for _ in published.methods)]
    title = "Mean ± SD of pooled ratings, the best with *"
    console.print(fitted_table(title, headings, rows, text, console.width))


def _show_tests(console: Console, case_means: pd.DataFrame, verbose: bool) -> None:
    shown = case_means if verbose else case_means[case_means["roi"] == ALL_REGIONS]
    rows = []
    for row in shown.to_dict("records"):
        ends = "" if pd.isna(row["hl_low"]) else f" [{_number(row['hl_low'])}, {_number(row['hl_high'])}]"
        estimate = format_value(row["hl_estimate"], "signed", 2) + ends
        values = [format_p(row[f"{test}_p_holm"]) for test in ("wilcoxon", "t", "crossed")]
        place = [row["roi"], row["hemisphere"]] if verbose else []
        rows.append([*place, f"{row['second']} − {row['first']}", str(row["n"]), estimate, *values])
    texts = ["region", "side", "pair"] if verbose else ["pair"]
    numbers = ["n", "difference", "Wilcoxon", "t", "readers too"]
    what = "Differences of case means" if verbose else f"{ALL_REGIONS}: differences of case means"
    title = f"{what}, 95 % intervals, p by Holm over pairs"
    text = [True] * len(texts) + [False] * len(numbers)
    console.print(fitted_table(title, texts + numbers, rows, text, console.width))


def _number(value: float) -> str:
    return format_value(value, "number", 2)


def _interval(row: dict[Any, Any]) -> str:
    value, low, high = (format_value(row[name], "number", 2) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
