"""Heat map of the mean of a metric: regions x methods, left and right hemisphere side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from evaluation.figures.region_layout import Part, RegionRow
from evaluation.figures.style import FONT_SIZE, PAGE_HEIGHT, figure_style

__all__ = ["draw_heat_map"]

#: Perceptually uniform, and suitable for colour-blind readers.
COLOUR_MAP = "cividis"
_CELL_INCHES = 0.21


def draw_heat_map(means: pd.DataFrame, parts: Sequence[Part], methods: Sequence[str], *, label: str = "Dice") -> Figure:
    """Draw the mean of each region and method as a coloured cell with its value, parts side by side.

    Cells without a value are hatched. Shares are written without the zero before the decimal point.

    Parameters
    ----------
    means : DataFrame
        Regions (index: id) x methods.
    parts : sequence of Part
    methods : sequence of str
        Columns, in this order.
    label : str
        Name of the values.
    """
    values = means.reindex(columns=list(methods)).to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    shares = low >= 0 and high <= 1
    norm = Normalize(np.floor(low * 10) / 10 if shares else low, 1.0 if shares else high)
    columns = len(methods) * 2
    width = len(parts) * (1.55 + columns * _CELL_INCHES) + 0.6
    longest = max(len(part.rows) + len({row.section for row in part.rows}) * 0.25 for part in parts)
    names_inches = 0.075 * max(len(method) for method in methods)
    height = min(PAGE_HEIGHT, longest * 0.185 + names_inches + 0.9)
    with figure_style():
        figure = Figure(figsize=(width, height), layout="constrained")
        for axes, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
            _draw_part(axes, part, means, methods, norm, shares)
            axes.set_ylim(longest, -0.1)
        bar = figure.colorbar(
            mpl.cm.ScalarMappable(norm, COLOUR_MAP), ax=figure.axes, location="right", aspect=40, pad=0.01, shrink=0.6
        )
        bar.set_label(f"mean {label}")
        bar.outline.set_visible(False)
        figure.suptitle(f"Mean {label} per region and method", x=0.01, ha="left", fontweight="bold")
    return figure


def _draw_part(
    axes: mpl.axes.Axes, part: Part, means: pd.DataFrame, methods: Sequence[str], norm: Normalize, shares: bool
) -> None:
    """Draw the cells of one part: columns of the left side, a gap, columns of the right; midline regions on the left."""
    n, gap = len(methods), 0.3
    colours = mpl.colormaps[COLOUR_MAP]
    paired = any(row.middle is None for row in part.rows)
    at, heights, section = 0.0, [], ""
    for row in part.rows:
        at += 0.25 if section not in ("", row.section) else 0
        section = row.section
        heights.append(at + 0.5)
        for start, id_ in _starts(row, n + gap):
            for place, method in enumerate(methods):
                value = float(means[method].get(id_, np.nan))
                cell: dict[str, Any] = {
                    "xy": (start + place, at),
                    "width": 1,
                    "height": 1,
                    "linewidth": 0.5,
                    "edgecolor": "white",
                }
                if not np.isfinite(value):
                    axes.add_patch(mpl.patches.Rectangle(**cell | {"facecolor": "0.93", "edgecolor": "0.6", "hatch": "////"}))
                    continue
                colour = colours(norm(value))
                axes.add_patch(mpl.patches.Rectangle(**cell, facecolor=colour))
                dark = float(np.dot(colour[:3], (0.299, 0.587, 0.114))) < 0.55
                text = f"{value:.2f}".removeprefix("0") if shares else f"{value:.1f}"
                axes.text(
                    start + place + 0.5, at + 0.53, text, ha="center", va="center", fontsize=FONT_SIZE - 1.5,
                    color="white" if dark else "black",
                )  # fmt: skip
        at += 1
    axes.set_xlim(0, 2 * n + gap)
    axes.set_yticks(heights, [row.name for row in part.rows])
    ticks = [place + 0.5 for place in range(n)] + [n + gap + place + 0.5 for place in range(n)]
    axes.set_xticks(ticks if paired else ticks[:n], list(methods) * (2 if paired else 1), rotation=90)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)
    axes.set_title(part.title, fontweight="bold", pad=6, loc="left")
    if paired:
        midline = any(row.middle is not None for row in part.rows)
        for start, side in ((0.0, "left, midline" if midline else "left"), (n + gap, "right")):
            axes.text(start + n / 2, heights[-1] + 0.7, side, ha="center", va="top", color="0.3")


def _starts(row: RegionRow, right: float) -> list[tuple[float, int]]:
    """Yield, for each region of a row, the place of its first column, and its id."""
    places = ((0.0, row.left), (right, row.right), (0.0, row.middle))
    return [(start, id_) for start, id_ in places if id_ is not None]
