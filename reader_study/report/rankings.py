"""The report's section on rankings, and the whole report of a study of rankings alone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from darts_ensemble.versions import package_version
from evaluation.report.embedded_images import lighter_of
from evaluation.report.html_page import Block, Column, Figure, Notice, Prose, Quotation, Report, Section, Table, write_report
from evaluation.results.number_format import p_phrase
from evaluation.results.run_facts import count_of
from reader_study.figures.draw import StudyFigure
from reader_study.rankings.ranking_analysis import RankingAnalysis

__all__ = ["ranking_lead", "ranking_section", "write_ranking_report"]

_PLACE = (Column("roi", "Region"), Column("hemisphere", "Side"))
MEAN_RANKS = (
    *_PLACE,
    Column("method", "Method"),
    Column("mean_rank", "Mean rank", "1 is the best; ties share their mean.", "number", 2),
    Column("first", "First", "Share of rankings in which it is the best; ties count in equal parts.", "percent", 0),
    Column("n_items", "Rankings", "", "integer"),
    Column("n_cases", "Cases", "", "integer"),
    Column("n_readers", "Readers", "", "integer"),
)
TESTS = (
    *_PLACE,
    Column("chi2", "χ²", "Friedman's, on the cases' mean ranks over readers.", "number", 2),
    Column("df", "df", "", "integer"),
    Column("p", "p", "Not corrected.", "p"),
    Column("p_holm", "Holm", "Over regions and sides.", "p"),
    Column("w", "W of cases", "Kendall's W: 1 if all cases rank the methods in the same order.", "number", 2),
    Column("readers_w", "W of readers", "Mean of Kendall's W of the readers who ranked the same item.", "number", 2),
    Column("n_cases", "Cases", "", "integer"),
    Column("reason", "Reason", "Why a number is missing."),
)
PAIRS = (
    *_PLACE,
    Column("first", "First"),
    Column("second", "Second", "Differences are second minus first."),
    Column("preferred", "Second preferred", "Share of rankings with it above the first, ties counting half.", "percent", 0),
    Column("rank_difference", "Rank difference", "Below 0 if the second is better; interval for other readers and cases.",
           "signed", 2, low="low", high="high"),
    Column("p", "p", "Readers and cases random.", "p"),
    Column("p_holm", "Holm", "Over the pairs of a region and side.", "p"),
    Column("n_items", "Rankings", "", "integer"),
    Column("reason", "Reason", "Why a number is missing."),
)  # fmt: skip
WORTHS = (
    *_PLACE,
    Column("method", "Method"),
    Column("worth", "Worth", "Probability of being ranked first among all methods, without ties.", "percent", 1),
    Column(
        "log_worth", "Log worth", "Relative to the first method, with its 95 % interval.", "signed", 2, low="low", high="high"
    ),
    Column("se", "SE", "Robust to cases and readers.", "number", 2),
    Column("p", "p", "Wald.", "p"),
    Column("ties", "Tie", "Davidson's parameter: 0 without ties.", "number", 2),
    Column("reason", "Note"),
)


def ranking_lead(analysis: RankingAnalysis) -> str:
    """Return one sentence: which method ranked best over all regions, and whether methods differ."""
    last = analysis.tests.iloc[-1]
    here = analysis.mean_ranks
    rows = here[(here["roi"] == last["roi"]) & (here["hemisphere"] == last["hemisphere"])].sort_values("mean_rank")
    ranks = ", ".join(f"{row['method']} {row['mean_rank']:.2f}" for row in rows.to_dict("records"))
    test = f"Friedman over {count_of(last['n_cases'], 'case')} {p_phrase(last['p'])}" if last["p"] == last["p"] else "no test"
    return f"Mean ranks (1 the best): {ranks}; {test}."


def ranking_section(analysis: RankingAnalysis, figure: StudyFigure, folder: Path) -> Section:
    """Return the section, with the figure that lies in the folder."""
    text = (
        "Readers put the methods of an item in order. Friedman's test takes cases as independent and holds for the readers "
        "of this study; pairs are tested with readers and cases random. Worths are those of the Plackett-Luce model with "
        "Davidson's ties; their errors allow for rankings of one case, and of one reader, to depend on each other."
    )
    drawn = Figure(path=lighter_of(folder / f"{figure.name}.png"), caption=figure.caption, alt=figure.alt)
    blocks: list[Block] = [Prose(ranking_lead(analysis)), Prose(text)]
    if analysis.warnings:
        blocks.append(Notice("Please note", analysis.warnings))
    blocks += [
        drawn,
        Table(analysis.mean_ranks, MEAN_RANKS, "Mean ranks", "mean_ranks.csv"),
        Table(analysis.tests, TESTS, "Tests of the rankings", "ranking_tests.csv"),
        Table(analysis.pairs, PAIRS, "Pairs of methods", "ranking_pairs.csv"),
        Table(analysis.worths, WORTHS, "Worths", "ranking_worths.csv", printed=False),
        Quotation(*_methods(analysis)),
    ]
    return Section("Rankings", blocks)


def write_ranking_report(analysis: RankingAnalysis, figure: StudyFigure, out: Path, title: str) -> Path:
    """Write `report.html` of a study without ratings, and return its path.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    rows = analysis.rankings
    subtitle = (
        f"{count_of(rows['item'].nunique(), 'ranking')}: {count_of(rows['case'].nunique(), 'case')}, "
        f"{count_of(rows['reader'].nunique(), 'reader')}, {', '.join(analysis.methods)}"
    )
    report = Report(
        title=title,
        subtitle=subtitle,
        lead=[ranking_lead(analysis)],
        sections=[ranking_section(analysis, figure, out / "figures")],
        footer=f"darts-reader-study {package_version('darts-ensemble')}, {datetime.now():%Y-%m-%d}",
    )
    return write_report(report, out / "report.html")


def _methods(analysis: RankingAnalysis) -> tuple[list[str], list[str]]:
    rows = analysis.rankings
    text = (
        f"{count_of(rows['reader'].nunique(), 'reader')} ranked {count_of(len(analysis.methods), 'method')} on "
        f"{count_of(rows['case'].nunique(), 'case')} ({count_of(rows['item'].nunique(), 'ranking')}). "
        "Methods were compared by Friedman's test on the cases' mean ranks [1] with "
        "Kendall's W [2], pairs by the mean rank difference with readers and cases random [3], Holm-adjusted. Worths are "
        "maximum likelihood estimates of the Plackett-Luce model [4] with ties [5], errors clustered by case and reader [6]."
    )
    references = [
        "Friedman M. The use of ranks to avoid the assumption of normality. JASA 32 (1937), 675-701.",
        "Kendall MG, Babington Smith B. The problem of m rankings. Annals of Mathematical Statistics 10 (1939), 275-287.",
        "Dorfman DD, Berbaum KS, Metz CE. Receiver operating characteristic rating analysis. Investigative Radiology 27 "
        "(1992), 723-731.",
        "Plackett RL. The analysis of permutations. Applied Statistics 24 (1975), 193-202.",
        "Davidson RR. On extending the Bradley-Terry model to accommodate ties. JASA 65 (1970), 317-328.",
        "Cameron AC, Gelbach JB, Miller DL. Robust inference with multiway clustering. Journal of Business and Economic "
        "Statistics 29 (2011), 238-249.",
    ]
    return [text], references
