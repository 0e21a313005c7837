"""Gain of an ensemble over each of its views, per region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluation.figures.difference_plot import difference_limits, intervals
from evaluation.figures.region_axes import side_panels
from evaluation.figures.region_layout import Part
from evaluation.figures.style import INK, figure_style, legend_below, method_colours, method_markers
from evaluation.results.significance import ALPHA, CORRECTED, FAMILY_SHORT, oriented

__all__ = ["VIEWS", "draw_gain"]

#: Names of the methods that are single views.
VIEWS = ("coronal", "axial", "sagittal")


def draw_gain(paired: pd.DataFrame, part: Part, ensemble: str, views: Sequence[str], *, label: str = "Dice") -> Figure:
    """Draw the mean difference ensemble - view of each region with its interval, all views in one row.

    Parameters
    ----------
    paired : DataFrame
        From :func:`evaluation.statistics.paired.compare_methods`, one metric.
    part : Part
    ensemble : str
        Name of the ensemble's method.
    views : sequence of str
        The methods that are single views.
    label : str
        Name of the values.
    """
    rows = oriented(paired, ensemble, baseline_first=True)
    rows = rows[rows["region_id"].isin(part.ids) & rows["other"].isin(views)]
    colours, markers = method_colours(views), method_markers(views)
    slot = 0.7 / len(views)
    with figure_style():
        figure, panels = side_panels(part.rows, f"gain of {label}: {ensemble} − view", row_inches=0.19)
        limits = difference_limits(rows)
        for panel in panels:
            panel.axes.axvline(0, color="0.4", linewidth=0.8, zorder=1)
            for place, view in enumerate(views):
                shift = (place - (len(views) - 1) / 2) * slot
                mine = rows[(rows["other"] == view) & rows["region_id"].isin(panel.y)]
                significant = mine[CORRECTED] < ALPHA
                for filled, some in ((True, mine[significant]), (False, mine[~significant])):
                    y = [panel.y[int(id_)] + shift for id_ in some["region_id"]]
                    intervals(panel.axes, some, y, colours[view], markers[view], filled=filled)
            panel.axes.set_xlim(*limits)
        style: dict[str, Any] = {"linestyle": "", "markersize": 3.5, "markeredgewidth": 0.6}
        handles = [Line2D([], [], color=colours[v], marker=markers[v], label=f"over {v}", **style) for v in views]
        handles.append(
            Line2D([], [], color=INK, marker="o", fillstyle="none", label=f"hollow: p ≥ {ALPHA:g}, {FAMILY_SHORT}", **style)
        )
        legend_below(figure, handles)
        figure.suptitle(f"{part.title}: gain of the {ensemble} over single views", x=0.01, ha="left", fontweight="bold")
    return figure
