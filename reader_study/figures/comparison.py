"""Figures that compare a study with a printed table, and show power against the size of a study."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluation.figures.style import INK, PAGE_WIDTH, legend_below, method_colours, method_markers
from evaluation.results.run_facts import count_of
from reader_study.figures.names import shown_names
from reader_study.figures.ratings import place_name
from reader_study.figures.study_style import study_style

__all__ = ["draw_comparison", "draw_power"]


def draw_comparison(comparison: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Draw both means of every region, side and method: printed (hollow) and of the study (filled), joined by a line.

    Parameters
    ----------
    comparison : pandas.DataFrame
        As :func:`reader_study.statistics.comparison.compare_with_summary` returns it.
    order : sequence of str
        Methods of the study, in its order.
    """
    rows = comparison.dropna(subset=["printed_mean", "study_mean"])
    methods = [method for method in order if method in set(rows["method"])]
    places = list(dict.fromkeys(zip(rows["roi"], rows["hemisphere"], strict=True)))
    colours, markers = method_colours(methods), method_markers(methods)
    with study_style():
        figure, axes = plt.subplots(
            figsize=(PAGE_WIDTH, 0.8 + max(0.3, 0.1 * len(methods)) * len(places)), layout="constrained"
        )
        for place in range(1, len(places)):
            axes.axhline(place - 0.5, color="0.9", linewidth=0.5)
        step = min(0.22, 0.8 / len(methods))  # the methods of a region and side stay within its row
        for row in rows.to_dict("records"):
            method = row["method"]
            y = places.index((row["roi"], row["hemisphere"])) + step * (methods.index(method) - (len(methods) - 1) / 2)
            axes.plot([row["printed_mean"], row["study_mean"]], [y, y], color=colours[method], linewidth=0.8)
            for source, face in (("printed_mean", "white"), ("study_mean", colours[method])):
                axes.plot(
                    row[source], y, marker=markers[method], markersize=4, markerfacecolor=face, markeredgecolor=colours[method],
                    linestyle="",
                )  # fmt: skip
        axes.set(ylim=(len(places) - 0.5, -0.5), xlabel="Mean rating")
        axes.set_yticks(range(len(places)), [place_name(*place) for place in places])
        axes.grid(visible=True, axis="x")
        handles = [
            Line2D([], [], marker=markers[m], color=colours[m], linestyle="", markersize=4, label=name)
            for m, name in zip(methods, shown_names(methods, 40, 1, "method"), strict=True)
        ]
        handles.append(
            Line2D([], [], marker="o", markerfacecolor="white", color="0.3", linestyle="", markersize=4, label="printed")
        )
        handles.append(Line2D([], [], marker="o", color="0.3", linestyle="", markersize=4, label="this study"))
        legend_below(figure, handles)
    return figure


def draw_power(table: pd.DataFrame, analyses: Sequence[str]) -> Figure:
    """Draw power against the number of cases: one panel per analysis, one line per number of readers and shift.

    Parameters
    ----------
    table : pandas.DataFrame
        As :func:`reader_study.simulation.power.power_table` returns it.
    analyses : sequence of str
        Panels, in order.
    """
    lines = list(dict.fromkeys(zip(table["readers"], table["shift"], strict=True)))
    names = {line: f"{count_of(line[0], 'reader')}, shift {line[1]:g}" for line in lines}
    colours = method_colours([names[line] for line in lines])
    markers = method_markers([names[line] for line in lines])
    level = table["level"].iloc[0]
    n_columns = min(len(analyses), 4)
    n_rows = -(-len(analyses) // n_columns)
    with study_style():
        size = (PAGE_WIDTH, 0.5 + 2.0 * n_rows)
        figure, grid = plt.subplots(
            n_rows, n_columns, figsize=size, layout="constrained", squeeze=False, sharey=True, sharex=True
        )
        for axes in grid.flat[len(analyses) :]:
            axes.set_visible(False)
        for axes, analysis in zip(grid.flat, analyses, strict=False):
            for line in lines:
                here = (table["readers"] == line[0]) & (table["shift"] == line[1]) & (table["analysis"] == analysis)
                part = table[here].sort_values("cases")
                colour = colours[names[line]]
                axes.errorbar(
                    part["cases"], part["power"], yerr=[part["power"] - part["low"], part["high"] - part["power"]],
                    color=colour, marker=markers[names[line]], markersize=3.5, elinewidth=0.7,
                )  # fmt: skip
            axes.axhline(0.8, color=INK, linewidth=0.5, linestyle=":")
            axes.axhline(level, color=INK, linewidth=0.5, linestyle=":")
            axes.set_title(analysis, loc="left")
            axes.set(ylim=(-0.02, 1.02), xlabel="Cases")
            axes.set_xticks(sorted(table["cases"].unique()))
            axes.grid(visible=True, axis="y")
        grid[0, 0].set_ylabel(f"Simulated studies with p < {level:g}")
        handles = [
            Line2D([], [], color=colours[name], marker=markers[name], markersize=3.5, label=name) for name in names.values()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4))
    return figure
