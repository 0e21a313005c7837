"""Paired differences per region with their intervals: one method against each of the others, and an ensemble's gain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluation.figures.region_axes import column_panels
from evaluation.figures.region_layout import Part
from evaluation.figures.style import COLOURS, figure_style, legend_below
from evaluation.results.significance import ALPHA, CORRECTED, FAMILY_SHORT, oriented

__all__ = ["difference_limits", "draw_differences", "intervals"]

# Marker and vertical shift, within a row, of the left side, the right side and the middle.
_SIDES = (("left", "<", -0.17), ("right", ">", 0.17), ("middle", "o", 0.0))
_LIKE = {"<": "left hemisphere", ">": "right hemisphere", "o": "midline"}


def draw_differences(
    paired: pd.DataFrame,
    part: Part,
    baseline: str,
    others: Sequence[str],
    *,
    label: str = "Dice",
) -> Figure:
    """Draw the mean difference baseline - method of each region with its interval, one panel per method.

    Markers are filled if the Wilcoxon p, corrected over the regions (FDR), is below 0.05.

    Parameters
    ----------
    paired : DataFrame
        From :func:`evaluation.statistics.paired.compare_methods`, one metric.
    part : Part
    baseline : str
    others : sequence of str
        The methods with which it is compared.
    label : str
        Name of the values.
    """
    rows = oriented(paired, baseline, baseline_first=True)
    rows = rows[rows["region_id"].isin(part.ids) & rows["other"].isin(others)]
    with figure_style():
        figure, panels = column_panels(part.rows, [f"{baseline} −\n{other}" for other in others], row_inches=0.16)
        limits = difference_limits(rows)
        for panel, other in zip(panels, others, strict=True):
            mine = rows[rows["other"] == other].set_index("region_id")
            significant = mine[CORRECTED] < ALPHA
            panel.axes.axvline(0, color="0.4", linewidth=0.8, zorder=1)
            for row in part.rows:
                for side, marker, shift in _SIDES:
                    id_ = getattr(row, side)
                    if id_ in mine.index:
                        intervals(
                            panel.axes,
                            mine.loc[[id_]],
                            [panel.y[id_] + shift],
                            COLOURS[0],
                            marker,
                            filled=bool(significant[id_]),
                        )
            panel.axes.set_xlim(*limits)
            panel.axes.set_xlabel(f"difference of {label}")
        used = {marker for row in part.rows for side, marker, _ in _SIDES if getattr(row, side) is not None}
        style: dict[str, Any] = {"color": COLOURS[0], "linestyle": "", "markersize": 3.5, "markeredgewidth": 0.6}
        handles = [Line2D([], [], marker=marker, label=_LIKE[marker], **style) for marker in _LIKE if marker in used]
        handles.append(Line2D([], [], marker="o", fillstyle="none", label=f"hollow: p ≥ {ALPHA:g}, {FAMILY_SHORT}", **style))
        legend_below(figure, handles)
        figure.suptitle(f"{part.title}: paired differences of {label}", x=0.01, ha="left", fontweight="bold")
    return figure


def intervals(axes: Axes, rows: pd.DataFrame, y: Sequence[float], colour: Any, marker: str, *, filled: bool) -> None:
    """Draw mean differences and their intervals, `mean_difference`, `mean_low` and `mean_high`, at heights `y`."""
    axes.hlines(y, rows["mean_low"], rows["mean_high"], color=colour, linewidth=0.8, zorder=2)
    axes.plot(
        rows["mean_difference"], y, marker=marker, linestyle="", color=colour, markersize=2.8, markeredgewidth=0.6,
        markerfacecolor=colour if filled else "white", zorder=3,
    )  # fmt: skip


def difference_limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return limits that include all differences and intervals, and zero."""
    values = rows[["mean_difference", "mean_low", "mean_high"]].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    low, high = (min(0.0, float(values.min())), max(0.0, float(values.max()))) if len(values) else (-0.1, 0.1)
    margin = 0.05 * (high - low or 0.2)
    return low - margin, high + margin
