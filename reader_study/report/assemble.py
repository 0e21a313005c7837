"""The HTML report of a reader study: every analysis with its figure, its table, and the conclusions that it allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from darts_ensemble.versions import package_version
from evaluation.report.embedded_images import lighter_of
from evaluation.report.html_page import (
    Block,
    Column,
    Facts,
    Figure,
    Heading,
    Notice,
    Prose,
    Quotation,
    Report,
    Section,
    Table,
    write_report,
)
from evaluation.results.number_format import format_value, p_phrase
from evaluation.results.run_facts import count_of
from reader_study.figures.draw import StudyFigure
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import SYNTHETIC, reader_column
from reader_study.report.columns import (
    AGREEMENT,
    BLINDING,
    CASE_MEANS,
    COMPARISON,
    EQUIVALENCE,
    MODEL_TESTS,
    ODDS_RATIOS,
    PUBLISHED_TESTS,
    VARIANCES,
)  # fmt: skip
from reader_study.report.methods_text import study_methods
from reader_study.statistics.published_table import POOLED
from reader_study.statistics.study_analysis import StudyAnalysis

__all__ = ["study_report", "write_study_report"]


def write_study_report(
    analysis: StudyAnalysis, figures: Sequence[StudyFigure], out: Path, title: str, *, more: Sequence[Section] = ()
) -> Path:
    """Write `report.html` from an analysis and its figures in `out/figures`, and return its path.

    Sections of `more` come before the methods text.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    return write_report(study_report(analysis, figures, out / "figures", title, more=more), out / "report.html")


def study_report(
    analysis: StudyAnalysis, figures: Sequence[StudyFigure], folder: Path, title: str, *, more: Sequence[Section] = ()
) -> Report:
    """Return the report of a study whose figures lie in a folder."""
    drawn = {one.name: Figure(path=lighter_of(folder / f"{one.name}.png"), caption=one.caption, alt=one.alt) for one in figures}
    sections = [_overview(analysis, drawn), _ratings(analysis, drawn)]
    if analysis.published is not None:
        sections.append(_published(analysis))
    if analysis.case_means is not None:
        sections.append(_case_means(analysis, drawn))
    if analysis.models is not None:
        sections.append(_models(analysis, drawn))
    sections.append(_readers(analysis, drawn))
    if analysis.blinding is not None:
        sections.append(_blinding(analysis.blinding))
    if analysis.comparison is not None:
        sections.append(_comparison(analysis.comparison, drawn))
    sections += more
    paragraphs, references = study_methods(analysis)
    text = "What was computed, in words for a paper; delete what you do not report."
    sections.append(Section("Methods text", [Prose(text), Quotation(paragraphs, references)]))
    return Report(
        title=title,
        subtitle=_subtitle(analysis),
        lead=[f"{SYNTHETIC}. Nothing here says anything about a method.", *_lead(analysis)]
        if analysis.synthetic
        else _lead(analysis),
        sections=sections,
        footer=f"darts-reader-study {package_version('darts-ensemble')}, {datetime.now():%Y-%m-%d}",
    )


def _subtitle(analysis: StudyAnalysis) -> str:
    n_places = len(analysis.ratings[["roi", "hemisphere"]].drop_duplicates())
    return (
        f"{count_of(len(analysis.ratings), 'rating')}: {count_of(analysis.n_cases, 'case')}, "
        f"{count_of(len(analysis.readers), 'reader')}, {', '.join(analysis.methods)}, "
        f"{count_of(n_places, 'region and side', 'regions and sides')}"
    )


def _lead(analysis: StudyAnalysis) -> list[str]:
    """Return one sentence for each pair of methods, over all regions, by the test on case means."""
    if analysis.case_means is None:
        return ["One method was rated, so this report is about the readers only."]
    overall = analysis.case_means[analysis.case_means["roi"] == ALL_REGIONS]
    lines = []
    for row in overall.to_dict("records"):
        if pd.isna(row["wilcoxon_p_holm"]):
            lines.append(f"{row['second']} and {row['first']} can't be compared: {row['note']}.")
            continue
        estimate = format_value(row["hl_estimate"], "signed", 2)
        low, high = (format_value(row[end], "number", 2) for end in ("hl_low", "hl_high"))
        ends = f" [{low}, {high}]" if not pd.isna(row["hl_low"]) else ""
        lines.append(
            f"Over all regions, {row['second']} was rated {estimate}{ends} against {row['first']} "
            f"({count_of(row['n'], 'case')}, {p_phrase(row['wilcoxon_p_holm'])}, Wilcoxon on case means, Holm)."
        )
    return lines


def _overview(analysis: StudyAnalysis, drawn: dict[str, Figure]) -> Section:
    scale = ", ".join(f"{level} {word}" for level, word in zip(analysis.scale.levels, analysis.scale.words, strict=True))
    blocks: list[Block] = []
    if analysis.synthetic:
        marks = dict.fromkeys(text for text in analysis.ratings["synthetic"] if text)
        blocks.append(Notice(SYNTHETIC, [f"marked in the ratings table: {', '.join(marks)}"]))
    if analysis.warnings:
        blocks.append(Notice("Please note", analysis.warnings))
    repeats = int((analysis.ratings["repeat"] > 1).sum())
    facts = [("Scale", scale), ("Readers", ", ".join(analysis.readers)), ("Hidden repeats", str(repeats))]
    blocks.append(Facts([*facts, ("Missing in a complete design", str(analysis.n_missing))]))
    blocks += [drawn[name] for name in ("summary_page",) if name in drawn]
    return Section("Overview", blocks)


def _ratings(analysis: StudyAnalysis, drawn: dict[str, Figure]) -> Section:
    blocks: list[Block] = [drawn["likert_bars"], drawn["box_plots"]]
    if analysis.n_missing:
        columns = [Column("roi", "Region"), Column("hemisphere", "Side"), Column("method", "Method")]
        columns += [Column(reader_column(name), name, "Cases that this reader rated.", "integer") for name in analysis.readers]
        caption = "Who rated what: cases rated, of " + str(analysis.n_cases)
        blocks.append(Table(analysis.who_rated, columns, caption, "who_rated_what.csv"))
    return Section("Ratings", blocks)


def _published(analysis: StudyAnalysis) -> Section:
    table = analysis.published
    assert table is not None
    columns = [Column("roi", "Region"), Column("hemisphere", "Side")]
    for method in table.methods:
        columns.append(Column(f"{method}_mean", method, "Mean ± SD (n - 1).", "number", 2, spread=f"{method}_sd"))
        columns.append(Column(f"{method}_n", f"n {method}", "Ratings behind the mean.", "integer"))
    columns += [
        Column("best", "Best", "Method with the highest mean; several if they are equal."),
        Column("significant_ttest", "t-test", "Pairs with p < 0.05, not corrected."),
        Column("significant_wilcoxon", "Wilcoxon", "Pairs with p < 0.05, not corrected."),
    ]
    pooled = (
        f"The layout and the tests of the published table: {POOLED}. The rows are reader x case ratings, which are not "
        "independent, so these tests reject more often than at their level; the sections below say what the study supports. "
        "Wilcoxon: zeros dropped, normal approximation, no correction for continuity."
    )
    blocks: list[Block] = [
        Prose(pooled),
        Table(table.rows, columns, "As published: mean ± SD of pooled ratings", "published_table.csv", filtered=False),
        Table(table.tests, PUBLISHED_TESTS, "The tests behind it", "published_tests.csv", printed=False),
    ]
    return Section("The table as published", blocks)


def _case_means(analysis: StudyAnalysis, drawn: dict[str, Figure]) -> Section:
    assert analysis.case_means is not None
    text = (
        "Cases are the independent units: each case's differences are averaged over the readers first. These tests hold for "
        "the readers of this study. The columns for other readers too take readers as a random sample as well; with few "
        "readers they have little power."
    )
    blocks: list[Block] = [Prose(text)]
    blocks += [figure for name, figure in drawn.items() if name.startswith("paired_differences")]
    caption = "Differences of case means, second method minus first"
    blocks.append(Table(analysis.case_means, CASE_MEANS, caption, "case_means.csv"))
    if analysis.equivalence is not None:
        margin = analysis.equivalence["margin"].iloc[0]
        blocks.append(Heading(f"Within a margin of {margin:g}"))
        blocks.append(
            Prose(
                "Two one-sided t-tests: non-inferiority says that the second method is not rated lower by the margin or more, "
                "equivalence that the two differ by less than the margin. The margin must be chosen before the study."
            )
        )
        blocks.append(Table(analysis.equivalence, EQUIVALENCE, "Non-inferiority and equivalence", "equivalence.csv"))
    return Section("Tests on case means", blocks)


def _models(analysis: StudyAnalysis, drawn: dict[str, Figure]) -> Section:
    models = analysis.models
    assert models is not None
    text = (
        "A cumulative-logit model with crossed random effects, fitted by the Laplace approximation that R's ordinal::clmm "
        "uses. An odds ratio above 1 means higher ratings of the second method. Its proportional odds are tested; where they "
        "are rejected the odds ratio is a mean over thresholds."
    )
    formulas = list(dict.fromkeys(text for text in models.tests["formula"] if text))
    blocks: list[Block] = [Prose(text)]
    if formulas:
        blocks.append(
            Facts([(f"Formula {number}", f"clmm({one}, data = ratings)") for number, one in enumerate(formulas, start=1)])
        )
    blocks += [figure for name, figure in drawn.items() if name.startswith("odds_ratios")]
    if len(models.odds_ratios):
        blocks.append(Table(models.odds_ratios, ODDS_RATIOS, "Odds ratios of a higher rating", "odds_ratios.csv"))
    blocks.append(Table(models.tests, MODEL_TESTS, "Tests of the models", "model_tests.csv"))
    if len(models.variances):
        blocks.append(
            Table(models.variances, VARIANCES, "Variances of the random effects", "model_variances.csv", printed=False)
        )
    if len(models.probabilities):
        blocks.append(_probabilities(models.probabilities))
    return Section("Mixed model", blocks)


def _probabilities(table: pd.DataFrame) -> Table:
    """Return the last block: all regions, or the only one."""
    last = table.iloc[-1]
    rows = table[(table["roi"] == last["roi"]) & (table["hemisphere"] == last["hemisphere"])]
    wide = rows.pivot_table(index="level", columns="rating", values="population", sort=False).reset_index()
    ratings = [str(name) for name in wide.columns[1:]]
    wide.columns = pd.Index(["level", *ratings])
    columns = [Column("level", "Method")]
    columns += [
        Column(name, name, f"Probability of rating {name}, averaged over readers and cases.", "percent", 1) for name in ratings
    ]
    where = " ".join(text for text in (str(last["roi"]), str(last["hemisphere"])) if text)
    return Table(wide, columns, f"Predicted probability of each rating, {where}", "category_probabilities.csv", filtered=False)


def _readers(analysis: StudyAnalysis, drawn: dict[str, Figure]) -> Section:
    blocks: list[Block] = [drawn[name] for name in ("reader_severity", "agreement") if name in drawn]
    if len(analysis.agreement):
        blocks.append(Table(analysis.agreement, AGREEMENT, "Agreement between readers", "agreement.csv"))
    else:
        blocks.append(Notice("No agreement between readers: there is one reader", level="note"))
    blocks.append(Heading("Each reader and their own repeats"))
    if len(analysis.within_readers):
        columns = [Column("reader", "Reader"), *(Column("repeats", "Repeats") if c.name == "readers" else c for c in AGREEMENT)]
        blocks.append(
            Table(analysis.within_readers, columns, "Agreement of repeated ratings", "within_readers.csv", printed=False)
        )
    else:
        blocks.append(Notice("No hidden repeats: how far readers agree with themselves is not known", level="note"))
    return Section("Readers", blocks)


def _blinding(table: pd.DataFrame) -> Section:
    text = (
        "Readers were asked which method they saw. James' index is 0 where all guesses are right, 0.5 by chance and 1 where "
        "nobody knows; Bang's is 1 where all are right and 0 by chance. Intervals take guesses as independent."
    )
    return Section("Blinding", [Prose(text), Table(table, BLINDING, "Blinding indices", "blinding.csv", filtered=False)])


def _comparison(table: pd.DataFrame, drawn: dict[str, Figure]) -> Section:
    text = (
        "Means of this study beside the printed ones. No test is made: the printed table does not say how its ratings depend "
        "on each other, and the number behind each mean is uncertain."
    )
    blocks: list[Block] = [Prose(text), *(drawn[name] for name in ("comparison",) if name in drawn)]
    blocks.append(Table(table, COMPARISON, "Printed and new means", "comparison.csv"))
    return Section("Beside the printed table", blocks)
