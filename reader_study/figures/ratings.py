"""Figures of the ratings themselves: box plots as published, diverging Likert bars, paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path

from evaluation.figures.style import INK, PAGE_WIDTH, legend_below, method_colours
from reader_study.figures.names import shown_name, shown_names
from reader_study.figures.study_style import pair_panels, study_style
from reader_study.ratings.study_order import places_of
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import RatingScale, first_ratings
from reader_study.statistics.case_means import column_differences, method_columns

__all__ = [
    "draw_box_plots", "draw_differences", "draw_likert", "level_colours", "likert_on", "place_name",
]  # fmt: skip

#: Number of regions in a row of box plots, and of regions and sides in a column of bars.
_ROW, _COLUMN = 8, 16
#: Most letters per line of a method's name next to a bar.
LIKERT_WIDTH = 20
_SIDE_NAMES = {"L": "Left", "R": "Right", "": "Midline"}


def place_name(roi: str, side: str) -> str:
    """Return the name of a region and side in figures: `Lateral Ventricles L`."""
    return f"{roi.replace('-', ' ').replace('_', ' ')} {side}".rstrip()


def draw_box_plots(ratings: pd.DataFrame, methods: Sequence[str], scale: RatingScale) -> Figure:
    """Draw box plots as published: one box for all ratings of each region and method, one panel per side.

    Boxes are quartiles; whiskers reach the furthest rating within 1.5 times the length of the box; diamonds are means.
    """
    rows = first_ratings(ratings)
    rows = rows.assign(place=[place_name(roi, "") for roi in rows["roi"]])
    colours = method_colours(methods)
    panels = []
    paired = list(dict.fromkeys(place_name(roi, "") for roi, side in places_of(rows) if side))
    midline = list(dict.fromkeys(place_name(roi, "") for roi, side in places_of(rows) if not side))
    # Left above right with the same regions in the same places, so that both sides of a region are in one column.
    for names, sides in ((paired, ("L", "R")), (midline, ("",))):
        for start in range(0, len(names), _ROW):
            for side in [one for one in sides if one in set(rows["hemisphere"])]:
                panels.append((side, rows[rows["hemisphere"] == side], names[start : start + _ROW]))
    with study_style():
        height = 0.6 + 1.9 * len(panels)
        figure, grid = plt.subplots(len(panels), figsize=(PAGE_WIDTH, height), layout="constrained", squeeze=False)
        for axes, (side, part, names) in zip(grid[:, 0], panels, strict=True):
            sns.boxplot(
                data=part[part["place"].isin(names)], x="place", y="rating", hue="method", order=names, hue_order=methods,
                palette=colours, saturation=1, width=0.75, gap=0.15, linewidth=0.6, fliersize=1.5, legend=False, ax=axes,
                boxprops={"alpha": 0.55}, medianprops={"color": "black", "linewidth": 1.4}, showmeans=True,
                meanprops={"marker": "D", "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 2.6,
                           "markeredgewidth": 0.6},
            )  # fmt: skip
            axes.set(xlabel="", ylabel="Rating", xlim=(-0.5, max(len(names), 3) - 0.5))
            axes.set_xticks(range(len(names)), [shown_name(name, 15, 3) for name in names])
            axes.set_title(_SIDE_NAMES[side], loc="left", fontweight="bold")
            _name_levels(axes, scale)
        handles = [
            Patch(facecolor=colours[name], alpha=0.55, edgecolor=INK, linewidth=0.6, label=label)
            for name, label in zip(methods, shown_names(methods, 40, 1, "method"), strict=True)
        ]
        mean: Any = Line2D([], [], marker="D", markerfacecolor="white", markeredgecolor="black", linestyle="", markersize=3)
        mean.set_label("mean")
        legend_below(figure, [*handles, mean])
    return figure


def draw_likert(ratings: pd.DataFrame, methods: Sequence[str], scale: RatingScale) -> Figure:
    """Draw a bar with the share of each level for every region, side and method, centred on the middle of the scale."""
    rows = first_ratings(ratings)
    places = places_of(rows)
    n_columns = -(-len(places) // _COLUMN)
    length = -(-len(places) // n_columns)
    parts = [places[start : start + length] for start in range(0, len(places), length)]
    with study_style():
        height = 0.9 + length * (0.1 + 0.13 * len(methods))
        figure, grid = plt.subplots(1, len(parts), figsize=(PAGE_WIDTH, height), layout="constrained", squeeze=False)
        for axes, part in zip(grid[0], parts, strict=True):
            likert_on(axes, rows, part, methods, scale)
        legend_below(figure, _level_handles(scale))
    return figure


def likert_on(
    axes: Axes, ratings: pd.DataFrame, places: Sequence[tuple[str, str]], methods: Sequence[str], scale: RatingScale
) -> None:
    """Draw the bars of :func:`draw_likert` on axes; ``(ALL_REGIONS, "")`` means all ratings together."""
    levels, colours = scale.allowed, level_colours(scale)
    step = len(methods) + 0.8
    # Width in points of the widest name of a method next to the axes.
    shown = shown_names(methods, LIKERT_WIDTH, 1, "method")
    beside = 12 + max(map(_width_of_small, shown))
    labels, ends = [], []
    for number, (roi, side) in enumerate(places):
        here = ratings if roi == ALL_REGIONS else ratings[(ratings["roi"] == roi) & (ratings["hemisphere"] == side)]
        for place, method in enumerate(methods):
            given = here.loc[here["method"] == method, "rating"].to_numpy()
            y = number * step + place
            labels.append((y, shown[place]))
            if not len(given):
                axes.text(0, y, "not rated", ha="center", va="center", color="0.5", fontsize="small")
                continue
            share = np.array([100 * float((given == level).mean()) for level in levels])
            left = _start_of(share)
            axes.barh(
                y, share, left=left + np.concatenate([[0], np.cumsum(share)[:-1]]), height=0.86, color=colours, linewidth=0
            )
            ends += [left, left + share.sum()]
        axes.annotate(
            shown_name(place_name(roi, side), 16, 3), (0, number * step + (len(methods) - 1) / 2), (-beside, 0),
            ha="right", va="center",
            xycoords=axes.get_yaxis_transform(), textcoords="offset points", fontweight="bold", fontsize="small",
        )  # fmt: skip
    axes.axvline(0, color=INK, linewidth=0.6)
    least, most = (min(-5.0, *ends), max(5.0, *ends)) if ends else (-100.0, 100.0)
    axes.set(xlim=(least - 2, most + 2), ylim=(len(places) * step - 0.8, -0.8), xlabel="% of ratings")
    axes.set_yticks([y for y, _ in labels], [name for _, name in labels], fontsize="small")
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(7))
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)


def draw_differences(
    ratings: pd.DataFrame, methods: Sequence[str], case_means: pd.DataFrame, *, pairs: Sequence[tuple[str, str]] | None = None
) -> Figure:
    """Draw the differences of case means of `pairs`, by default all: dots are cases, marker and line Hodges-Lehmann.

    A filled marker means that the pair differs by Wilcoxon's test after Holm within the region and side.
    """
    places = [*places_of(first_ratings(ratings)), (ALL_REGIONS, "")]
    pairs = list(combinations(methods, 2)) if pairs is None else pairs
    rows = {(r["roi"], r["hemisphere"], r["first"], r["second"]): r for r in case_means.to_dict("records")}
    columns = [
        method_columns(ratings if roi == ALL_REGIONS else ratings[(ratings["roi"] == roi) & (ratings["hemisphere"] == side)])
        for roi, side in places
    ]
    random = np.random.default_rng(0)
    with study_style():
        figure, panels = pair_panels(len(pairs), len(places))
        for axes, (first, second) in zip(panels, pairs, strict=True):
            for y, (roi, side) in enumerate(places):
                values = column_differences(columns[y], first, second).mean(axis=1).to_numpy(dtype=np.float64)
                spread = y + random.uniform(-0.25, 0.25, len(values))
                axes.scatter(values, spread, s=3, color="0.6", linewidths=0, zorder=2)
                if (roi, side, first, second) in rows:
                    _marker(axes, y, rows[(roi, side, first, second)])
            axes.axvline(0, color=INK, linewidth=0.6)
            axes.axhline(len(places) - 1.5, color="0.7", linewidth=0.5)
            axes.set_title("{1}\n− {0}".format(*shown_names([first, second], 24, 1, "method", among=methods)), loc="left")
            axes.set(ylim=(len(places) - 0.5, -0.5), xlabel="Difference in rating")
            axes.grid(visible=True, axis="x")
            axes.set_yticks(range(len(places)), [place_name(*place) for place in places])
        figure.legend(handles=_difference_handles(), loc="outside upper right", ncols=3)
    return figure


def level_colours(scale: RatingScale) -> list[Any]:
    """Return a colour for each level, from brown for the worst through grey to blue-green for the best."""
    places = np.linspace(0.12, 0.88, len(scale.allowed))
    return ["0.86" if abs(place - 0.5) < 1e-9 else mpl.colormaps["BrBG"](place) for place in places]


def _width_of_small(name: str) -> float:
    """Width in points of a name in the small font of the figure."""
    width, _, _ = text_to_path.get_text_width_height_descent(name, FontProperties(size="small"), ismath=False)
    return float(width)


def _level_handles(scale: RatingScale) -> list[Patch]:
    words = dict(zip(map(float, scale.levels), scale.words, strict=True))
    return [
        Patch(facecolor=colour, label=f"{level:g} {words[level]}" if level in words else f"{level:g}")
        for level, colour in zip(scale.allowed, level_colours(scale), strict=True)
    ]


def _start_of(share: npt.NDArray[np.float64]) -> float:
    """Return where a bar begins so that the middle of the scale is at zero: half of a middle level on each side."""
    half = len(share) // 2
    return -float(share[:half].sum() + (share[half] / 2 if len(share) % 2 else 0))


def _name_levels(axes: Axes, scale: RatingScale) -> None:
    words = [shown_name(f"{level} {word}", 18, 2) for level, word in zip(scale.levels, scale.words, strict=True)]
    axes.set_yticks(scale.levels, words)
    axes.set_ylim(scale.levels[0] - 0.25, scale.levels[-1] + 0.25)
    axes.grid(visible=True, axis="y")


def _marker(axes: Axes, y: float, row: dict[Any, Any]) -> None:
    estimate, low, high = row["hl_estimate"], row["hl_low"], row["hl_high"]
    if np.isnan(estimate):
        axes.text(0, y, " not rated by both", va="center", color="0.5", fontsize="small")
        return
    if not np.isnan(low):
        axes.plot([low, high], [y, y], color="black", linewidth=1.1, zorder=3)
    face = "black" if row["wilcoxon_p_holm"] < 0.05 else "white"
    axes.plot(
        estimate, y, marker="D", markersize=3.4, markerfacecolor=face, markeredgecolor="black", markeredgewidth=0.7, zorder=4
    )


def _difference_handles() -> list[Line2D]:
    look = {"marker": "D", "markersize": 3.4, "markeredgecolor": "black", "color": "black", "linewidth": 1.1}
    return [
        Line2D([], [], marker="o", markersize=2, color="0.6", linestyle="", label="case, mean over readers"),
        Line2D([], [], markerfacecolor="black", label="Hodges-Lehmann, 95 %; p < 0.05 (Wilcoxon, Holm)", **look),  # type: ignore[arg-type]
        Line2D([], [], markerfacecolor="white", label="p ≥ 0.05", **look),  # type: ignore[arg-type]
    ]
