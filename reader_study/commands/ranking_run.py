"""How analyse treats rankings: those beside the ratings of a study, and those of a study of rankings alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import typer
from rich.console import Console

from darts_ensemble.commands.command_line import errors
from darts_ensemble.results.outputs import write_text
from evaluation.report.html_page import Section
from evaluation.results.number_format import format_value
from reader_study.commands.options import named
from reader_study.errors import RatingsError
from reader_study.figures.draw import StudyFigure, save_ranking_figure
from reader_study.rankings.ranking_analysis import RankingAnalysis, analyse_rankings
from reader_study.rankings.table import check_rankings, read_rankings
from reader_study.ratings.study_order import StudyOrder, methods_in_order
from reader_study.report.rankings import ranking_lead, ranking_section, write_ranking_report
from reader_study.report.study_files import account_of_rankings, write_account

__all__ = ["RankingRun", "analyse_only_rankings", "rankings_beside"]


@dataclass(frozen=True)
class RankingRun:
    """Results of the rankings: sections of the report, files, warnings; all empty if there are no rankings."""

    sections: tuple[Section, ...] = ()
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    analysis: RankingAnalysis | None = None

    def show(self, console: Console) -> None:
        """Print mean ranks, the test and the readers' agreement over all regions."""
        if self.analysis is None:
            return
        console.print(f"Rankings. {ranking_lead(self.analysis)}")
        last = self.analysis.tests.iloc[-1]
        cases, readers = (format_value(last[name], "number", 2) for name in ("w", "readers_w"))
        console.print(f"  Kendall's W: of cases {cases}, of readers {readers}")


def rankings_beside(
    ratings: Path, given: Path | None, methods: Sequence[str], order: StudyOrder, regions: Sequence[str], out: Path,
    report: Callable[[str], None],
) -> RankingRun:  # fmt: skip
    """Analyse the rankings that were named, or `rankings.csv` beside the ratings if there is one.

    Raises
    ------
    RatingsError
        If rankings that were named can't be read, or rank none of the methods.
    """
    path = given or ratings.with_name("rankings.csv")
    if given is None and (not path.is_file() or path.resolve() == ratings.resolve()):
        for name in (*_FILES, *_FIGURES):
            (out / name).unlink(missing_ok=True)
        return RankingRun()
    notes: list[str] = []
    try:
        table = read_rankings(path, regions=regions, report=notes.append)
        if len(set(methods) & set(table["method"])) < 2:
            raise RatingsError(f"{path}: ranks {', '.join(sorted(set(table['method'])))}, not the methods of the ratings")
    except RatingsError as error:
        if given is not None:
            raise
        return RankingRun(warnings=(f"rankings left out: {error}",))
    analysis = analyse_rankings(table, methods, order=order, report=report)
    files, figure = _write(analysis, out)
    section = ranking_section(analysis, figure, out / "figures")
    return RankingRun((section,), tuple(files), (*notes, *analysis.warnings), analysis)


def analyse_only_rankings(
    text: pd.DataFrame, source: Path, out: Path, methods: Sequence[str], order: StudyOrder, regions: Sequence[str], title: str,
    console: Console, *, as_json: bool, notes: Sequence[str],
) -> None:  # fmt: skip
    """Analyse a study of rankings alone: tables, figure, report and account.

    Raises
    ------
    RatingsError
        If the table is not a valid rankings table.
    """
    table = check_rankings(text, regions=regions, source=str(source))
    known = methods_in_order(table["method"], order)
    analysis = analyse_rankings(table, named(methods, known, "--methods") if methods else known, order=order)
    files, figure = _write(analysis, out)
    write_ranking_report(analysis, figure, out, title)
    account = account_of_rankings(analysis, source, [*files, "report.html", "run.json"], notes)
    write_account(account, out)
    for warning in (*notes, *analysis.warnings):
        errors.print(f"warning: {warning}")
    if as_json:
        typer.echo(json.dumps(account, indent=1))
    RankingRun(analysis=analysis).show(console)
    console.print(f"{out}: report.html, figures/, and a table for each analysis")


_FILES = ("mean_ranks.csv", "ranking_tests.csv", "ranking_pairs.csv", "ranking_worths.csv")
_FIGURES = ("figures/rankings.pdf", "figures/rankings.svg", "figures/rankings.png")


def _write(analysis: RankingAnalysis, out: Path) -> tuple[list[str], StudyFigure]:
    for name, table in analysis.tables().items():
        write_text(out / name, table.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
    figure = save_ranking_figure(analysis, out / "figures")
    return [*analysis.tables(), f"figures/{figure.name}.png"], figure
