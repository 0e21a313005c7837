"""Axes with one row per region: names and sections on the left, hemispheres in two panels or in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.transforms as mtransforms
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.figures.region_layout import RegionRow
from evaluation.figures.style import FONT_SIZE, PAGE_HEIGHT, PAGE_WIDTH

__all__ = ["RegionPanel", "column_panels", "side_panels"]

# In rows.
_HEADING = 0.9
# Inches for title, legend and axis labels.
_AROUND = 1.15


@dataclass(frozen=True)
class RegionPanel:
    """Axes and the height of each region in it; `y` increases downwards, by one per row."""

    axes: Axes
    y: dict[int, float]


def side_panels(rows: Sequence[RegionRow], label: str, *, row_inches: float) -> tuple[Figure, list[RegionPanel]]:
    """Return a figure with the left and the right hemisphere side by side, and midline regions below across the page.

    Parameters
    ----------
    rows : sequence of RegionRow
    label : str
        Name of the values, written below the lowest panels.
    row_inches : float
        Height of a row; less if the page would be too short.
    """
    paired = [row for row in rows if row.middle is None]
    middle = [row for row in rows if row.middle is not None]
    blocks = [block for block in (paired, middle) if block]
    heights = [_height(block) for block in blocks]
    figure = _page(sum(heights), len(blocks), row_inches, PAGE_WIDTH)
    grid = figure.add_gridspec(len(blocks), 2, height_ratios=heights)
    panels: list[RegionPanel] = []
    for place, block in enumerate(blocks):
        lowest = label if block is blocks[-1] else ""
        if block is middle:
            axes = figure.add_subplot(grid[place, :], xlabel=lowest)
            panels.append(RegionPanel(axes, _set_rows(axes, block, ["middle"])))
            continue
        for column, side in enumerate(("left", "right")):
            axes = figure.add_subplot(grid[place, column], xlabel=lowest)
            panels.append(RegionPanel(axes, _set_rows(axes, block, [side], named=column == 0)))
            axes.set_title(f"{side} hemisphere")
    return figure, panels


def column_panels(rows: Sequence[RegionRow], titles: Sequence[str], *, row_inches: float) -> tuple[Figure, list[RegionPanel]]:
    """Return a figure with one panel per title, all with the same rows; both sides of a pair at the same height."""
    width = min(PAGE_WIDTH, max(4.8, 1.9 + 1.8 * len(titles)))  # a title needs 4.8
    figure = _page(_height(rows), 1, row_inches, width)
    panels = []
    for column, axes in enumerate(figure.subplots(1, len(titles), squeeze=False)[0]):
        panels.append(RegionPanel(axes, _set_rows(axes, rows, ["left", "right", "middle"], named=column == 0)))
        axes.set_title(titles[column])
    return figure, panels


def _page(rows: float, blocks: int, row_inches: float, width: float) -> Figure:
    around = _AROUND + 0.3 * (blocks - 1)
    return Figure(figsize=(width, min(PAGE_HEIGHT, around + rows * row_inches)), layout="constrained")


def _height(rows: Sequence[RegionRow]) -> float:
    return len(rows) + _HEADING * len(_headed(rows))


def _headed(rows: Sequence[RegionRow]) -> set[str]:
    """Return the sections that need a heading: all except those whose only row has the name of the section."""
    return {row.section for row in rows} - {row.section for row in rows if row.name == row.section}


def _set_rows(axes: Axes, rows: Sequence[RegionRow], sides: Sequence[str], *, named: bool = True) -> dict[int, float]:
    """Give each row its height and its name on the left, and each section a heading."""
    at, section, headed = 0.0, "", _headed(rows)
    heights: list[float] = []
    y: dict[int, float] = {}
    beside = mtransforms.blended_transform_factory(axes.transAxes, axes.transData)
    style: dict[str, Any] = {"fontsize": FONT_SIZE - 0.5, "fontweight": "bold", "color": "0.25", "clip_on": False}
    for row in rows:
        if row.section != section:
            section = row.section
            if heights:
                axes.axhline(at, color="0.75", linewidth=0.6, zorder=0)
            if named and section in headed:
                axes.text(-0.02, at + 0.58, section, transform=beside, ha="right", va="center", **style)
            at += _HEADING if section in headed else 0
        heights.append(at + 0.5)
        y |= {id_: at + 0.5 for side in sides if (id_ := getattr(row, side)) is not None}
        at += 1
    for place, height in enumerate(heights):
        if place % 2 == 0:
            axes.axhspan(height - 0.5, height + 0.5, color="0.965", linewidth=0, zorder=-2)
    axes.set_ylim(at + 0.1, 0)
    axes.set_yticks(heights, [row.name for row in rows] if named else None)
    axes.tick_params(axis="y", length=0, pad=3, labelleft=named)
    axes.grid(visible=True, axis="x")
    return y
