"""Figures of the readers and of the models: severity, agreement, odds ratios."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluation.figures.style import INK, PAGE_WIDTH, legend_below, method_colours, method_markers
from evaluation.results.number_format import format_value
from reader_study.figures.names import shown_names
from reader_study.figures.ratings import place_name
from reader_study.figures.study_style import label_ratios, pair_panels, study_style
from reader_study.ratings.study_order import natural_key
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import first_ratings

__all__ = [
    "agreement_on", "draw_agreement", "draw_odds_ratios", "draw_severity", "kappa_matrix", "odds_ratios_on", "severity_of",
    "severity_on", "statistics_on",
]  # fmt: skip

#: Most letters per line of a reader's name next to an axis.
READER_WIDTH = 24
_STATISTICS = {
    "kappa_light": "Light's kappa", "gwet_ac2": "Gwet's AC2", "icc_2_1": "ICC(2,1)", "icc_2_k": "ICC(2,k)",
    "alpha_ordinal": "Krippendorff's α",
}  # fmt: skip


def severity_of(effects: pd.DataFrame) -> pd.DataFrame:
    """Return the effects of readers from the model over all regions, or from the only model; empty if there are none."""
    if not len(effects):
        return effects
    readers = effects[effects["term"] == "reader"]
    overall = readers[readers["roi"] == ALL_REGIONS]
    if len(overall):
        return overall
    return readers if readers[["roi", "hemisphere"]].drop_duplicates().shape[0] == 1 else readers.head(0)


def draw_severity(ratings: pd.DataFrame, methods: Sequence[str], effects: pd.DataFrame) -> Figure:
    """Draw each reader's mean rating by method, and next to it the severity estimated by the mixed model."""
    severity = severity_of(effects)
    readers = sorted(ratings["reader"].unique(), key=natural_key)
    with study_style():
        n_panels = 2 if len(severity) else 1
        figure, grid = plt.subplots(
            1, n_panels, figsize=(PAGE_WIDTH, 0.9 + 0.24 * len(readers)), layout="constrained", sharey=True, squeeze=False
        )
        _means_on(grid[0, 0], ratings, methods, readers)
        if n_panels == 2:
            severity_on(grid[0, 1], severity, readers)
        legend_below(figure, _method_handles(methods))
    return figure


def severity_on(axes: Axes, severity: pd.DataFrame, readers: Sequence[str], *, width: int = READER_WIDTH) -> None:
    """Draw conditional modes of the readers with 95 % intervals, in log odds."""
    rows = {row["level"]: row for row in severity.to_dict("records")}
    for y, reader in enumerate(readers):
        if reader in rows:
            effect, error = rows[reader]["effect"], rows[reader]["se"]
            axes.plot([effect - 1.96 * error, effect + 1.96 * error], [y, y], color="black", linewidth=1.1)
            axes.plot(effect, y, marker="s", markersize=3.4, color="black")
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.set(ylim=(len(readers) - 0.5, -0.5), xlabel="Severe ←  log odds of a higher rating  → lenient")
    axes.set_yticks(range(len(readers)), shown_names(readers, width, 1, "reader"))
    axes.grid(visible=True, axis="x")


def draw_agreement(agreement: pd.DataFrame) -> Figure:
    """Draw the matrix of quadratic-weighted kappas, and the measures over all readers with their intervals."""
    names, _ = kappa_matrix(agreement)
    with study_style():
        side = max(1.6, 0.36 * len(names))
        wide = len(names) > 9  # the matrix needs the whole width: the measures are below it
        size = (PAGE_WIDTH, side + 3.0 if wide else side + 1.1)
        shape: dict[str, Any] = {"height_ratios": (side + 1.1, 1.9)} if wide else {"width_ratios": (1.2, 1)}
        figure, (left, right) = plt.subplots(2 if wide else 1, 1 if wide else 2, figsize=size, layout="constrained", **shape)
        agreement_on(left, agreement)
        statistics_on(right, agreement)
    return figure


def agreement_on(axes: Axes, agreement: pd.DataFrame, *, most_numbers: int = 16, labelled: bool = True) -> None:
    """Draw the matrix of kappas on axes, with numbers in the cells of up to `most_numbers` readers.

    Without labels, readers are shown by their numbers in the order of the study.
    """
    names, matrix = kappa_matrix(agreement)
    image = axes.imshow(matrix, cmap="viridis", vmin=min(0.0, float(np.nanmin(matrix, initial=0.0))), vmax=1)
    if labelled:
        shown = shown_names(names, READER_WIDTH, 1, "reader")
        axes.set_xticks(range(len(names)), shown, rotation=90)
        axes.set_yticks(range(len(names)), shown)
    else:
        axes.set_xticks(range(len(names)), [str(number) for number in range(1, len(names) + 1)], fontsize="x-small")
        axes.set_yticks(range(len(names)), [str(number) for number in range(1, len(names) + 1)], fontsize="x-small")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("Weighted kappa of two readers", loc="left")
    if len(names) <= most_numbers:
        for row, column in np.ndindex(matrix.shape):
            value = matrix[row, column]
            if not np.isnan(value):
                colour = "black" if value > 0.6 else "white"
                text = format_value(value, "number", 2)
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize="small")
    axes.figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)


def statistics_on(axes: Axes, agreement: pd.DataFrame) -> None:
    """Draw the measures over all readers, each with its interval, on axes."""
    rows = agreement.set_index("statistic")[["value", "low", "high"]].astype(float)
    for y, name in enumerate(_STATISTICS):
        value, low, high = rows.loc[name].to_numpy()
        if np.isnan(value):
            axes.text(0.02, y, "undefined", va="center", color="0.5", fontsize="small")
            continue
        if not np.isnan(low):
            axes.plot([low, high], [y, y], color="black", linewidth=1.1)
        axes.plot(max(value, -1.0), y, marker="D" if value >= -1 else "<", markersize=3.4, color="black", clip_on=False)
    lowest = float(np.nanmin(rows.loc[list(_STATISTICS), ["value", "low"]].to_numpy(dtype=float), initial=0.0))
    # ICC(2,k) has no lower bound: values below -1 are drawn at -1; the table has the number.
    lowest = max(lowest, -1.0)
    axes.set(xlim=(lowest - 0.02, 1.02), ylim=(len(_STATISTICS) - 0.5, -0.5), xlabel="Agreement (95 % interval over cases)")
    axes.set_yticks(range(len(_STATISTICS)), list(_STATISTICS.values()))
    axes.grid(visible=True, axis="x")


def kappa_matrix(agreement: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Return the readers and the symmetric matrix of their weighted kappas, NaN on the diagonal."""
    pairs = agreement[agreement["statistic"] == "kappa_quadratic"]
    split = list(zip(pairs["reader_a"], pairs["reader_b"], strict=True))
    names = list(dict.fromkeys(name for pair in split for name in pair))
    matrix = np.full((len(names), len(names)), np.nan)
    for (one, two), value in zip(split, pairs["value"], strict=True):
        matrix[names.index(one), names.index(two)] = matrix[names.index(two), names.index(one)] = value
    return names, matrix


def draw_odds_ratios(odds: pd.DataFrame, methods: Sequence[str], *, pairs: Sequence[tuple[str, str]] | None = None) -> Figure:
    """Draw the odds ratio of a higher rating of `pairs`, by default all, in every region and side, with 95 % intervals.

    A filled marker means that the pair differs after Holm within the region and side.
    """
    places = list(dict.fromkeys(zip(odds["roi"], odds["hemisphere"], strict=True)))
    pairs = list(combinations(methods, 2)) if pairs is None else pairs
    with study_style():
        figure, panels = pair_panels(len(pairs), len(places))
        for axes, (first, second) in zip(panels, pairs, strict=True):
            odds_ratios_on(axes, odds, places, (first, second), methods)
        look = {"marker": "D", "markersize": 3.4, "markeredgecolor": "black", "color": "black", "linewidth": 1.1}
        handles = [
            Line2D([], [], markerfacecolor="black", label="p < 0.05 (Wald, Holm)", **look),  # type: ignore[arg-type]
            Line2D([], [], markerfacecolor="white", label="p ≥ 0.05", **look),  # type: ignore[arg-type]
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=2)
    return figure


def odds_ratios_on(
    axes: Axes, odds: pd.DataFrame, places: Sequence[tuple[str, str]], pair: tuple[str, str], methods: Sequence[str]
) -> None:
    """Draw the odds ratios of one pair of the study's methods on axes with a logarithmic scale."""
    first, second = pair
    rows = {(r["roi"], r["hemisphere"], r["first"], r["second"]): r for r in odds.to_dict("records")}
    for y, (roi, side) in enumerate(places):
        if (roi, side, first, second) not in rows:
            axes.text(1, y, " not rated by both", va="center", color="0.5", fontsize="small")
            continue
        row = rows[(roi, side, first, second)]
        if np.isnan(row["odds_ratio"]):
            axes.text(1, y, " separated", va="center", color="0.5", fontsize="small")
            continue
        if not np.isnan(row["low"]):
            axes.plot([row["low"], row["high"]], [y, y], color="black", linewidth=1.1)
        face = "black" if row["p_holm"] < 0.05 else "white"
        axes.plot(
            row["odds_ratio"], y, marker="D", markersize=3.4, markerfacecolor=face, markeredgecolor="black",
            markeredgewidth=0.7, zorder=4,
        )  # fmt: skip
    if (ALL_REGIONS, "") in places and len(places) > 1:
        axes.axhline(len(places) - 1.5, color="0.7", linewidth=0.5)
    axes.axvline(1, color=INK, linewidth=0.6)
    label_ratios(axes, odds[["odds_ratio", "low", "high"]].to_numpy(dtype=float).ravel().tolist())
    axes.set(ylim=(len(places) - 0.5, -0.5), xlabel="Odds ratio of a higher rating")
    axes.set_title("{1}\nagainst {0}".format(*shown_names([first, second], 24, 1, "method", among=methods)), loc="left")
    axes.set_yticks(range(len(places)), [place_name(*place) for place in places])
    axes.grid(visible=True, axis="x")


def _means_on(axes: Axes, ratings: pd.DataFrame, methods: Sequence[str], readers: Sequence[str]) -> None:
    means = first_ratings(ratings).groupby(["reader", "method"])["rating"].mean()
    colours, markers = method_colours(methods), method_markers(methods)
    for y, reader in enumerate(readers):
        given = [(method, means[(reader, method)]) for method in methods if (reader, method) in means.index]
        if not given:  # hidden repeats alone
            continue
        axes.plot([min(v for _, v in given), max(v for _, v in given)], [y, y], color="0.8", linewidth=1, zorder=1)
        for method, value in given:
            axes.plot(value, y, marker=markers[method], markersize=4, color=colours[method], zorder=2)
    axes.set(ylim=(len(readers) - 0.5, -0.5), xlabel="Mean rating")
    axes.set_yticks(range(len(readers)), shown_names(readers, READER_WIDTH, 1, "reader"))
    axes.grid(visible=True, axis="x")


def _method_handles(methods: Sequence[str]) -> list[Line2D]:
    colours, markers = method_colours(methods), method_markers(methods)
    return [
        Line2D([], [], marker=markers[m], color=colours[m], linestyle="", markersize=4, label=name)
        for m, name in zip(methods, shown_names(methods, 40, 1, "method"), strict=True)
    ]
