"""Draw and write all figures of a study; figures of made-up ratings are marked as such."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from evaluation.figures.style import FONT_SIZE, SUFFIXES, save_figure
from reader_study.figures.comparison import draw_comparison, draw_power
from reader_study.figures.names import unshown
from reader_study.figures.rankings import draw_rankings
from reader_study.figures.ratings import draw_box_plots, draw_differences, draw_likert
from reader_study.figures.readers import draw_agreement, draw_odds_ratios, draw_severity
from reader_study.figures.study_style import pair_pages
from reader_study.figures.summary_page import draw_summary_page
from reader_study.rankings.ranking_analysis import RankingAnalysis
from reader_study.ratings.study_order import places_of
from reader_study.ratings.table import SYNTHETIC, first_ratings
from reader_study.statistics.study_analysis import StudyAnalysis

_Pairs = Sequence[tuple[str, str]]

#: Figures that not every study has, nor as many pages of them.
_SOMETIMES = ("summary_page", "paired_differences", "odds_ratios", "reader_severity", "agreement", "comparison")

__all__ = ["StudyFigure", "mark_synthetic", "save_power_curve", "save_ranking_figure", "save_study_figures", "study_figures"]


@dataclass(frozen=True)
class StudyFigure:
    """A figure: its name, also that of its files, its caption, a description, and how it is drawn."""

    name: str
    caption: str
    alt: str
    draw: Callable[[], Figure]


def study_figures(analysis: StudyAnalysis, title: str) -> list[StudyFigure]:
    """Return the figures for which a study has data; they are not drawn yet."""
    missing = [unshown(analysis.methods, "method"), unshown(analysis.readers, "reader")]
    said = "".join(f" No font has the letters of {text}." for text in missing if text)
    figures = [
        *_summary_page(analysis, title),
        *_figures_of_ratings(analysis),
        *_figures_of_tests(analysis),
        *_figures_of_readers(analysis),
        *_figure_of_comparison(analysis),
    ]
    return [replace(one, caption=f"{one.caption}{said}") for one in figures]


def _summary_page(analysis: StudyAnalysis, title: str) -> Iterator[StudyFigure]:
    if analysis.published is not None:
        yield StudyFigure(
            "summary_page", "The study on one page.", "Bars of all ratings, tests, odds ratios, and agreement of the readers",
            lambda: draw_summary_page(analysis, title),
        )  # fmt: skip


def _figures_of_ratings(analysis: StudyAnalysis) -> Iterator[StudyFigure]:
    ratings, methods, scale = analysis.ratings, analysis.methods, analysis.scale
    yield StudyFigure(
        "likert_bars",
        "Share of each rating, centred on the middle of the scale. Hidden repeats are left out here and in all "
        "comparisons.",
        "Diverging stacked bars, one for each region, side and method",
        lambda: draw_likert(ratings, methods, scale),
    )  # fmt: skip
    yield StudyFigure(
        "box_plots",
        "Ratings pooled over readers and cases, the published kind of figure: quartiles, whiskers to 1.5 of the box, "
        "means as diamonds. With so few levels a box hides most of the distribution, which the bars show.",
        "Box plots of ratings by region, side and method",
        lambda: draw_box_plots(ratings, methods, scale),
    )


def _figures_of_tests(analysis: StudyAnalysis) -> Iterator[StudyFigure]:
    ratings, methods, case_means, models = analysis.ratings, analysis.methods, analysis.case_means, analysis.models
    pairs = list(combinations(methods, 2))
    if case_means is not None and len(case_means):
        yield from _pages(
            "paired_differences",
            "Differences of two methods within a case, mean over readers; the marker is the Hodges-Lehmann estimate with its "
            "95 % interval, filled where Wilcoxon's test rejects after Holm within the region and side.",
            "Differences of case means with intervals, one panel for each pair of methods",
            pair_pages(pairs, len(places_of(first_ratings(ratings))) + 1),
            lambda page: draw_differences(ratings, methods, case_means, pairs=page),
        )
    if models is not None and len(models.odds_ratios):
        odds = models.odds_ratios
        yield from _pages(
            "odds_ratios",
            "Odds ratio of a higher rating from the cumulative-logit mixed model, with 95 % intervals (Wald).",
            "Odds ratios on a logarithmic scale, one panel for each pair of methods",
            pair_pages(pairs, len(odds[["roi", "hemisphere"]].drop_duplicates())),
            lambda page: draw_odds_ratios(odds, methods, pairs=page),
        )


def _pages(
    name: str, caption: str, alt: str, pages: Sequence[_Pairs], draw: Callable[[_Pairs], Figure]
) -> Iterator[StudyFigure]:
    """Yield a figure for each page of pairs; the names of all but the first end in their number, as in `odds_ratios_2`."""
    total, first = sum(map(len, pages)), 1
    for number, page in enumerate(pages, start=1):
        which = f" Pairs {first} to {first + len(page) - 1} of {total}." if len(pages) > 1 else ""
        own = f"{name}_{number}" if number > 1 else name
        yield StudyFigure(own, f"{caption}{which}", f"{alt}.{which}" if which else alt, partial(draw, page))
        first += len(page)


def _figures_of_readers(analysis: StudyAnalysis) -> Iterator[StudyFigure]:
    models = analysis.models
    if models is not None:
        yield StudyFigure(
            "reader_severity",
            "Left: mean rating of each reader and method. Right: the reader's effect in the mixed model with its 95 % "
            "interval, below zero for a reader who rates lower than the others.",
            "Mean ratings and severity of each reader",
            lambda: draw_severity(analysis.ratings, analysis.methods, models.random_effects),
        )
    if len(analysis.agreement):
        yield StudyFigure(
            "agreement",
            "Quadratic-weighted kappa of every two readers, and measures over all of them with bootstrap intervals over cases.",
            "Matrix of kappas and a list of measures of agreement",
            lambda: draw_agreement(analysis.agreement),
        )


def _figure_of_comparison(analysis: StudyAnalysis) -> Iterator[StudyFigure]:
    comparison = analysis.comparison
    if comparison is not None:
        yield StudyFigure(
            "comparison", "Mean ratings as printed (hollow) and of this study (filled).", "Printed and new means side by side",
            lambda: draw_comparison(comparison, analysis.methods),
        )  # fmt: skip


def save_study_figures(
    analysis: StudyAnalysis, folder: Path, title: str, *, report: Callable[[str], None] | None = None
) -> list[StudyFigure]:
    """Draw all figures and write them as PDF, SVG and PNG; remove figures of an earlier run that this study does not have.

    Returns
    -------
    list of StudyFigure
        The written figures, at ``folder / name``.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    figures = study_figures(analysis, title)
    for one in figures:
        drawn = one.draw()
        if analysis.synthetic:
            mark_synthetic(drawn)
        save_figure(drawn, folder / one.name)
        plt.close(drawn)
        if report is not None:
            report(f"figure {one.name}")
    written = {one.name for one in figures}
    for path in folder.iterdir():
        name = path.stem
        if path.suffix in SUFFIXES and name not in written and re.sub(r"_[0-9]+$", "", name) in _SOMETIMES:
            path.unlink()
    return figures


def save_ranking_figure(rankings: RankingAnalysis, folder: Path) -> StudyFigure:
    """Draw the rankings and write the figure as `rankings`.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    missing = unshown(rankings.methods, "method")
    one = StudyFigure(
        "rankings",
        "Left: share of rankings in which each method came at each rank, over all regions; ties are spread over the ranks they "
        "span. Right: log worths of the Plackett-Luce model with 95 % intervals, robust to cases and readers."
        + (f" No font has the letters of {missing}." if missing else ""),
        "Stacked bars of ranks by method, and log worths with intervals",
        lambda: draw_rankings(rankings),
    )
    drawn = one.draw()
    save_figure(drawn, folder / one.name)
    plt.close(drawn)
    return one


def save_power_curve(table: pd.DataFrame, analyses: Sequence[str], folder: Path) -> None:
    """Draw :func:`reader_study.simulation.power.power_table` and write it as `power_curve`.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    drawn = draw_power(table, analyses)
    save_figure(drawn, folder / "power_curve")
    plt.close(drawn)


def mark_synthetic(figure: Figure) -> None:
    """Write below a figure that its ratings are made up."""
    figure.supxlabel(SYNTHETIC, color="#B00020", fontweight="bold", fontsize=FONT_SIZE + 1)
