"""Box plots of a metric per region and method: as in the DARTS paper, and with single subjects and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cbook import boxplot_stats
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evaluation.figures.region_axes import RegionPanel, side_panels
from evaluation.figures.region_layout import Part, RegionRow
from evaluation.figures.style import FONT_SIZE, INK, PAGE_HEIGHT, PAGE_WIDTH, figure_style, legend_below, method_colours
from evaluation.results.significance import Mark

__all__ = ["FEWEST_FOR_BOXES", "MOST_DRAWN_POINTS", "draw_box_plot", "draw_published_box_plot"]

#: With fewer subjects, quartiles are meaningless: points are drawn instead of boxes.
FEWEST_FOR_BOXES = 5
#: With more points, a figure holds them as an image, else its PDF and SVG would take seconds to open.
MOST_DRAWN_POINTS = 3000
#: Whiskers, in interquartile ranges: Tukey's, and those of the DARTS paper (arXiv 1911.05567).
WHISKERS, PUBLISHED_WHISKERS = 1.5, 1.0
# Share of a region's space that its boxes take.
_ROOM = 0.84


def draw_box_plot(
    scores: pd.DataFrame,
    part: Part,
    methods: Sequence[str],
    *,
    metric: str = "dice",
    label: str = "Dice",
    marks: Mapping[tuple[int, str], Mark] | None = None,
    baseline: str = "",
) -> Figure:
    """Draw one row per region, with one box per method, each subject as a point, and marks for paired tests.

    Boxes span the quartiles, whiskers at most 1.5 interquartile ranges; with fewer than five subjects there are only points.
    Subjects that a method was trained on are crosses.

    Parameters
    ----------
    scores : DataFrame
        One row per subject, method and region: subject, method, region_id, seen_in_training and the metric.
    part : Part
        Rows of :func:`evaluation.figures.region_layout.region_rows`.
    methods : sequence of str
        In the order of drawing, which also determines the colours.
    metric, label : str
        Column, and the label of the axis.
    marks : mapping of (region id, method) to Mark, optional
        From :func:`evaluation.results.significance.marks_of`; drawn to the right of each method's box.
    baseline : str
        The method with which the marks compare.
    """
    ids = set(part.ids)
    rows = scores[scores["region_id"].isin(ids) & scores["method"].isin(methods) & np.isfinite(scores[metric])]
    colours = method_colours(methods)
    counts = {method: rows.loc[rows["method"] == method, "subject"].nunique() for method in methods}
    # A method without any value in this part takes no space.
    methods = [method for method in methods if counts[method]]
    slot = _ROOM / max(1, len(methods))
    with figure_style():
        figure, panels = side_panels(part.rows, label, row_inches=min(0.5, max(0.15, 0.07 * len(methods) + 0.03)))
        crowded = len(rows) > MOST_DRAWN_POINTS
        for panel in panels:
            for place, method in enumerate(methods):
                mine = rows[(rows["method"] == method) & rows["region_id"].isin(panel.y)]
                offset = (place - (len(methods) - 1) / 2) * slot
                y = {id_: height + offset for id_, height in panel.y.items()}
                if counts[method] >= FEWEST_FOR_BOXES:
                    values = {id_: part_[metric].to_numpy() for id_, part_ in mine.groupby("region_id")}
                    _boxes(panel.axes, {y[id_]: one for id_, one in values.items()}, 0.86 * slot, colours[method], alpha=0.35)
                _points(panel.axes, mine, metric, y, slot, colours[method], rasterized=crowded)
        bounds = _limits(rows[metric])
        for panel in panels:
            panel.axes.set_xlim(*bounds)
            _draw_marks(panel, methods, colours, slot, marks or {})
        _align_scales(panels, bounds)
        handles: list[Any] = [Patch(color=colours[name], label=f"{name} (n = {counts[name]})") for name in methods]
        if rows["seen_in_training"].astype(bool).any():
            handles.append(Line2D([], [], color=INK, marker="x", markersize=3.5, linestyle="", label="seen in training"))
        if marks:
            handles += _mark_handles(baseline)
        legend_below(figure, handles)
        figure.suptitle(f"{part.title}: {label}", x=0.01, ha="left", fontweight="bold")
    return figure


def draw_published_box_plot(
    scores: pd.DataFrame, part: Part, methods: Sequence[str], *, metric: str = "dice", label: str = "Dice"
) -> Figure:
    """Draw a part like the DARTS paper: vertical boxes, whiskers of 1.0 interquartile range, no outliers, no points.

    Parameters
    ----------
    scores, part, methods, metric, label
        As for :func:`draw_box_plot`.
    """
    names = {id_: name for row in part.rows for id_, name in row.sided_names.items()}
    rows = scores[scores["region_id"].isin(names) & scores["method"].isin(methods) & np.isfinite(scores[metric])]
    colours = method_colours(methods)
    counts = {method: rows.loc[rows["method"] == method, "subject"].nunique() for method in methods}
    methods = [method for method in methods if counts[method]]
    strips = _strips(part.rows, inches=0.07 + 0.055 * len(methods))
    slot = _ROOM / max(1, len(methods))
    with figure_style():
        height = min(PAGE_HEIGHT, 0.6 + 3.0 * len(strips))
        figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
        for axes, strip in zip(figure.subplots(len(strips), squeeze=False)[:, 0], strips, strict=True):
            for place, method in enumerate(methods):
                mine = rows[(rows["method"] == method) & rows["region_id"].isin(strip)]
                offset = (place - (len(methods) - 1) / 2) * slot
                values = {strip.index(id_) + offset: part_[metric].to_numpy() for id_, part_ in mine.groupby("region_id")}
                _boxes(axes, values, 0.86 * slot, colours[method], whiskers=PUBLISHED_WHISKERS, upright=True)
            axes.grid(visible=True, axis="y")
            axes.set_xticks(range(len(strip)), [names[id_] for id_ in strip], rotation=90, fontsize=FONT_SIZE - 0.5)
            axes.tick_params(axis="x", length=0)
            axes.set_xlim(-0.6, len(strip) - 0.4)
            axes.set_ylabel(label)
        drawn = [axes.get_ylim() for axes in figure.axes]
        low, high = min(one[0] for one in drawn), max(one[1] for one in drawn)
        for axes in figure.axes:
            axes.set_ylim(low, high)
        legend_below(figure, [Patch(color=colours[name], label=f"{name} (n = {counts[name]})") for name in methods])
        figure.suptitle(f"{part.title}: {label}", x=0.01, ha="left", fontweight="bold")
    return figure


def _boxes(
    axes: Axes, values: Mapping[float, npt.NDArray[np.float64]], width: float, colour: Any, *, whiskers: float = WHISKERS,
    alpha: float = 1.0, upright: bool = False,
) -> None:  # fmt: skip
    """Draw boxes at the given places: quartiles, median, and whiskers to the last value within their range."""
    if not values:
        return
    places = np.array(list(values))
    stats = boxplot_stats(list(values.values()), whis=whiskers)
    q1, q3, median, low, high = (np.array([one[key] for one in stats]) for key in ("q1", "q3", "med", "whislo", "whishi"))
    along, across, bars = (axes.vlines, axes.hlines, axes.bar) if upright else (axes.hlines, axes.vlines, axes.barh)
    reach = np.concatenate([places, places])
    # Between thin boxes there is no space for thick lines.
    line = 0.7 if upright else float(np.clip(0.14 * _in_points(axes, width), 0.3, 0.7))
    along(reach, np.concatenate([low, q3]), np.concatenate([q1, high]), color=colour, linewidth=line, zorder=2)
    sides: dict[str, Any] = {"bottom" if upright else "left": q1, "width" if upright else "height": width}
    bars(places, q3 - q1, **sides, color=colour, alpha=alpha, linewidth=0, zorder=2.1)
    bars(places, q3 - q1, **sides, color="none", edgecolor=colour, linewidth=line, zorder=2.2)
    if upright:
        across(np.concatenate([low, high]), reach - width / 4, reach + width / 4, color=colour, linewidth=0.7, zorder=2)
    across(median, places - width / 2, places + width / 2, color="black", linewidth=0.9, zorder=3)


def _in_points(axes: Axes, height: float) -> float:
    """Return roughly how many points (1/72 inch) one unit of the axes' data is high."""
    of_axes = float(axes.bbox.height) * 72 / float(axes.figure.dpi)
    return of_axes * height / abs(float(np.ptp(axes.get_ylim())))


def _points(
    axes: Axes, rows: pd.DataFrame, metric: str, y: Mapping[int, float], slot: float, colour: Any, *, rasterized: bool
) -> None:
    """Draw points at the height of their box, moved a little up or down, each subject always by the same amount."""
    if rows.empty:
        return
    names = sorted(rows["subject"].unique())
    jitter = dict(zip(names, np.linspace(-0.3, 0.3, len(names)) if len(names) > 1 else [0.0], strict=True))
    heights = rows["region_id"].map(y) + rows["subject"].map(jitter) * slot
    seen = rows["seen_in_training"].astype(bool)
    faint = 0.35 if len(names) > 40 else 0.9
    # Points without a box may overlap the space of a neighbour, but must be large enough to see.
    smallest = 1.0 if len(names) >= FEWEST_FOR_BOXES else 2.2
    size = float(np.clip(0.4 * _in_points(axes, slot), smallest, 2.6))
    style: dict[str, Any] = {"color": colour, "rasterized": rasterized, "zorder": 2.5, "alpha": faint}
    axes.scatter(rows.loc[~seen, metric], heights[~seen], s=size**2, linewidth=0, **style)
    axes.scatter(rows.loc[seen, metric], heights[seen], s=2 * size**2, marker="x", linewidth=0.6, **style)


def _draw_marks(
    panel: RegionPanel, methods: Sequence[str], colours: Mapping[str, Any], slot: float, marks: Mapping[tuple[int, str], Mark]
) -> None:
    """Draw triangles outside the right edge, at the height of the method's box."""
    across = panel.axes.get_yaxis_transform()
    for (id_, method), mark in marks.items():
        if id_ not in panel.y or method not in methods:
            continue
        y = panel.y[id_] + (methods.index(method) - (len(methods) - 1) / 2) * slot
        panel.axes.plot(
            [1.012], [y], marker="^" if mark.higher else "v", markersize=2.8, color=colours[method], linestyle="",
            fillstyle="full" if mark.strict else "none", markeredgewidth=0.5, transform=across, clip_on=False,
        )  # fmt: skip


def _mark_handles(baseline: str) -> list[Line2D]:
    style: dict[str, Any] = {"color": INK, "markersize": 3.5, "linestyle": "", "markeredgewidth": 0.6}
    return [
        Line2D([], [], marker="^", label=f"higher than {baseline}", **style),
        Line2D([], [], marker="v", label=f"lower than {baseline}", **style),
        Line2D([], [], marker="v", fillstyle="none", label="hollow: not with Holm's correction", **style),
    ]


def _limits(values: pd.Series) -> tuple[float, float]:
    """Set limits to tenths for shares, and to 5 % of the range outside all other values."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if low >= 0 and high <= 1:
        return max(0.0, np.floor(low * 10 - 0.01) / 10) - 0.01, 1.01
    margin = 0.05 * (high - low or 1)
    return low - margin, high + margin


def _align_scales(panels: Sequence[RegionPanel], bounds: tuple[float, float]) -> None:
    """Set ticks of the same distance in all panels, so that a panel across the page doesn't get twice as many."""
    if bounds[1] == 1.01:
        step = 0.1 if bounds[0] > 0.35 else 0.2
        ticks = np.arange(np.ceil(bounds[0] / step - 1e-9) * step, 1.0 + 1e-9, step)
        for panel in panels:
            panel.axes.set_xticks(ticks)


def _strips(rows: Sequence[RegionRow], inches: float) -> list[list[int]]:
    """Divide the regions into strips of similar length that fit the page, with `inches` per region; pairs stay together."""
    n_strips = max(1, int(np.ceil(sum(len(row.ids) for row in rows) * inches / (PAGE_WIDTH - 0.6))))
    cuts = np.array_split(np.arange(len(rows)), n_strips)
    return [[id_ for place in cut for id_ in rows[place].ids] for cut in cuts if len(cut)]
