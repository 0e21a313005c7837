"""One page with a summary of a study: bars of all ratings, the tests, the readers and their agreement."""

from __future__ import annotations

import textwrap
from itertools import combinations
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from evaluation.figures.style import FONT_SIZE, PAGE_HEIGHT, PAGE_WIDTH
from evaluation.results.number_format import p_phrase
from evaluation.results.run_facts import count_of
from reader_study.figures.names import shown_names
from reader_study.figures.ratings import level_colours, likert_on
from reader_study.figures.readers import agreement_on, odds_ratios_on, severity_of, severity_on, statistics_on
from reader_study.figures.study_style import study_style
from reader_study.ratings.study_order import places_of
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import first_ratings
from reader_study.statistics.study_analysis import StudyAnalysis

__all__ = ["draw_summary_page"]

#: Most regions with bars on the page (both sides together), places with odds ratios, and pairs; other figures have all.
_MOST_BARS, _MOST_ODDS, _MOST_PAIRS = 8, 14, 3
#: Bars, and gaps of 0.8 bars between regions, whose names fit under each other.
_BAR_ROOM = 44


def draw_summary_page(analysis: StudyAnalysis, title: str) -> Figure:
    """Draw the page.

    Parameters
    ----------
    analysis : StudyAnalysis
    title : str

    Returns
    -------
    Figure
        With the size of a printed page. Parts without data say so.
    """
    ratings = first_ratings(analysis.ratings)
    with study_style():
        figure = plt.figure(figsize=(PAGE_WIDTH, PAGE_HEIGHT), layout="constrained")
        bottom_height = min(3.4, max(1.9, 0.7 + 0.15 * len(analysis.readers)))
        parts: Any = figure.subfigures(3, 1, height_ratios=(6.6 - bottom_height / 2, 2.8, bottom_height))
        top, middle, bottom = parts
        heading = textwrap.fill(f"{title}: {_facts(analysis)}", 100)
        figure.suptitle(heading, x=0.01, ha="left", fontsize=FONT_SIZE + 1)
        bars, table = top.subplots(1, 2, width_ratios=(1.5, 1))
        both_sides = ratings.assign(hemisphere="")
        places = places_of(both_sides)
        fit = max(min(_MOST_BARS, int(_BAR_ROOM / (len(analysis.methods) + 0.8)) - 1), 1)
        shown = [(ALL_REGIONS, ""), *(places[:fit] if len(places) > 1 else [])]
        likert_on(bars, both_sides, shown, analysis.methods, analysis.scale)
        if len(places) > fit:
            bars.set_xlabel(f"% of ratings ({fit} of {count_of(len(places), 'region')}; likert_bars shows all)")
        colours = level_colours(analysis.scale)
        handles = [Patch(facecolor=c, label=f"{level:g}") for c, level in zip(colours, analysis.scale.allowed, strict=True)]
        bars.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles))
        _tests_on(table, analysis)
        _models_on(middle, analysis)
        _readers_on(bottom, analysis)
    return figure


def _facts(analysis: StudyAnalysis) -> str:
    n = len(first_ratings(analysis.ratings))
    return (
        f"{count_of(n, 'rating')} of {count_of(analysis.n_cases, 'case')} by {count_of(len(analysis.readers), 'reader')}, "
        f"{count_of(len(analysis.methods), 'method')}"
    )


def _tests_on(axes: Axes, analysis: StudyAnalysis) -> None:
    """Write mean and SD of each method, and the result of each analysis for each pair over all regions."""
    axes.axis("off")
    lines: list[tuple[str, str]] = [("All regions", "bold")]
    if analysis.published is not None:
        row = analysis.published.rows.iloc[-1]
        for method, name in zip(analysis.methods, shown_names(analysis.methods, 26, 1, "method"), strict=True):
            lines.append((f"{name}: {row[f'{method}_mean']:.2f} ± {row[f'{method}_sd']:.2f}", "normal"))
    if analysis.case_means is not None:
        overall = analysis.case_means[analysis.case_means["roi"] == ALL_REGIONS]
        if len(overall) > _MOST_PAIRS:
            lines += [("", "normal"), (f"{_MOST_PAIRS} of {len(overall)} pairs; all are in the tables", "normal")]
        for one in overall.to_dict("records")[:_MOST_PAIRS]:
            first, second = shown_names([one["first"], one["second"]], 30, 1, "method", among=analysis.methods)
            pair = f"{second} − {first}"
            lines += [("", "normal")]
            lines += [(text, "bold") for text in ([pair] if len(pair) < 36 else [second, f"− {first}"])]
            lines.append((f"case means of {count_of(one['n'], 'case')}", "normal"))
            lines.append((f"Hodges-Lehmann {_interval(one, 'hl_estimate', 'hl_low', 'hl_high')}", "normal"))
            lines.append((f"Wilcoxon {p_phrase(one['wilcoxon_p_holm'])}, t {p_phrase(one['t_p_holm'])} (Holm)", "normal"))
            lines.append((f"for other readers too: {p_phrase(one['crossed_p_holm'])} (Holm)", "normal"))
    if analysis.models is not None and len(analysis.models.tests):
        last = analysis.models.tests.iloc[-1]
        lines += [("", "normal"), ("Cumulative-logit mixed model", "bold")]
        lines.append((f"methods differ: {p_phrase(last['lr_p'])} (likelihood ratio)", "normal"))
    for number, (text, weight) in enumerate(lines):
        step = min(0.046, 0.97 / len(lines))
        axes.text(0.02, 0.99 - step * number, text, va="top", fontweight=weight, transform=axes.transAxes)


def _models_on(part: Any, analysis: StudyAnalysis) -> None:
    odds = analysis.models.odds_ratios if analysis.models is not None else None
    if odds is None or not len(odds):
        _nothing(part.subplots(), "no model could be fitted")
        return
    places = list(dict.fromkeys(zip(odds["roi"], odds["hemisphere"], strict=True)))
    kept = places if len(places) <= _MOST_ODDS + 1 else [*places[:_MOST_ODDS], places[-1]]
    every = list(combinations(analysis.methods, 2))
    pairs = every[:_MOST_PAIRS]
    left_out = [f"{len(pairs)} of {len(every)} pairs"] if len(every) > len(pairs) else []
    if len(places) > len(kept):
        left_out.append(f"{len(kept) - 1} of {len(places) - 1} regions and sides")
    if left_out:
        part.suptitle("; ".join(left_out), x=0.01, ha="left", fontsize=FONT_SIZE)
    grid = part.subplots(1, len(pairs), sharey=True, sharex=True, squeeze=False)
    for axes, (first, second) in zip(grid[0], pairs, strict=True):
        odds_ratios_on(axes, odds, kept, (first, second), analysis.methods)


def _readers_on(part: Any, analysis: StudyAnalysis) -> None:
    left, middle, right = part.subplots(1, 3, width_ratios=(1, 1, 1))
    severity = severity_of(analysis.models.random_effects) if analysis.models is not None else None
    if severity is not None and len(severity):
        severity_on(left, severity, analysis.readers, width=16)
        left.set_xlabel("Severe ← log odds → lenient")
        left.xaxis.set_major_locator(MaxNLocator(4))
    else:
        _nothing(left, "no severity: one reader, or no model")
    if len(analysis.agreement):
        fits = len(analysis.readers) <= 6 and max(map(len, analysis.readers)) <= 10
        agreement_on(middle, analysis.agreement, most_numbers=6, labelled=fits)
        middle.set_title("Weighted kappa" if fits else "Weighted kappa\n(readers numbered by name)", loc="left")
        statistics_on(right, analysis.agreement)
        right.set_xlabel("Agreement, 95 %")
    else:
        _nothing(middle, "no agreement: one reader")
        _nothing(right, "")


def _nothing(axes: Axes, text: str) -> None:
    axes.axis("off")
    axes.text(0.5, 0.5, text, ha="center", va="center", color="0.5", transform=axes.transAxes)


def _interval(row: dict[Any, Any], value: str, low: str, high: str) -> str:
    if row[value] != row[value]:
        return "n/a"
    ends = f" [{row[low]:.2f}, {row[high]:.2f}]" if row[low] == row[low] else ", no interval"
    return f"{row[value]:.2f}{ends}".replace("-", "−")
