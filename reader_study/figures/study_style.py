"""The style of the study's figures: that of the project, with names drawn literally and readable ticks for ratios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.figures.style import PAGE_HEIGHT, PAGE_WIDTH, figure_style

__all__ = ["label_ratios", "pair_pages", "pair_panels", "ratio_ticks", "study_style"]

#: Steps within a decade, from coarse to fine: the first that gives three ticks, on both sides of 1, is used.
_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7))
#: Distances of equidistant ticks from 1, for axes of less than about a decade.
_DISTANCES = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0)
_MOST_TICKS = 5
#: A side of 1 that has this share of the axis has a tick.
_SHARE_OF_SIDE = 0.2
#: Most panels of pairs in a row, and inches of the legend above them.
_PANELS, _LEGEND = 3, 0.4
#: Odds ratios outside these limits are drawn at the limit; the table has the number.
_LEAST, _MOST = 1e-4, 1e4


@contextmanager
def study_style() -> Iterator[None]:
    """Draw in the style of the project; a dollar sign in a name is a dollar sign, not the beginning of a formula."""
    with figure_style(), mpl.rc_context({"text.parse_math": False}):
        yield


def pair_pages(pairs: Sequence[tuple[str, str]], n_places: int) -> list[Sequence[tuple[str, str]]]:
    """Split pairs of methods so that the panels of each part fit a page; a row of panels higher than a page has its own."""
    n_rows = max(int((PAGE_HEIGHT - _LEGEND) / _height_of_panel(n_places)), 1)
    return [pairs[start : start + _PANELS * n_rows] for start in range(0, len(pairs), _PANELS * n_rows)]


def _height_of_panel(n_places: int) -> float:
    """Inches."""
    return 0.95 + 0.2 * n_places


def pair_panels(n_pairs: int, n_places: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of the page's width with one panel per pair of methods, at most three in a row, for rows of places."""
    n_columns = min(n_pairs, _PANELS)
    n_rows = -(-n_pairs // n_columns)
    size = (PAGE_WIDTH, n_rows * _height_of_panel(n_places) + _LEGEND)
    figure, grid = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False, sharey=True, sharex=True)
    for axes in grid.flat[n_pairs:]:
        axes.set_visible(False)
    # The axes share their limits, but the numbers stand below every panel: a page has up to five rows of them.
    for axes in grid.flat:
        axes.tick_params(axis="x", labelbottom=True)
    return figure, list(grid.flat[:n_pairs])


def label_ratios(axes: Axes, values: Sequence[float]) -> None:
    """Give an axis of ratios a logarithmic scale over the values and 1, with at least three labelled ticks."""
    finite = [value for value in values if np.isfinite(value) and value > 0]
    low, high = max(min([*finite, 0.8]), _LEAST), min(max([*finite, 1.25]), _MOST)
    low, high = low / (high / low) ** 0.04, high * (high / low) ** 0.04
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks(ratio_ticks(low, high), minor=False)
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def ratio_ticks(low: float, high: float) -> list[float]:
    """Return three to five ticks of a logarithmic axis: 1 if it is in the range, and ticks on both sides of it."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in _STEPS:
        ticks = sorted({float(f"{step * 10.0**decade:.3g}") for decade in decades for step in steps})
        ticks = [tick for tick in ticks if low <= tick <= high]
        every = max(-(-len(ticks) // _MOST_TICKS), 1)
        origin = ticks.index(1.0) % every if 1.0 in ticks else 0
        if len(ticks) >= 3 and _on_both_sides(ticks[origin::every], low, high):
            return ticks[origin::every]
    for distance in _DISTANCES:
        first, last = int(np.ceil((low - 1) / distance)), int(np.floor((high - 1) / distance))
        if last - first < _MOST_TICKS:
            break
    return [float(f"{1 + distance * number:.3g}") for number in range(first, last + 1)]


def _on_both_sides(ticks: Sequence[float], low: float, high: float) -> bool:
    """Whether each side of 1 that takes up much of the axis has a tick of its own."""
    least = _SHARE_OF_SIDE * np.log(high / low)
    return (min(ticks) < 1 or -np.log(low) < least) and (max(ticks) > 1 or np.log(high) < least)
