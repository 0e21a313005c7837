"""Bland-Altman panels of volumes: a method against the reference, for each structure and side."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.figures.style import COLOURS, FONT_SIZE, PAGE_HEIGHT, PAGE_WIDTH, figure_style
from evaluation.statistics.agreement import bland_altman

__all__ = ["FEWEST_FOR_LIMITS", "draw_bland_altman"]

_COLUMNS = 4
#: For fewer points, limits are too uncertain to be drawn.
FEWEST_FOR_LIMITS = 3


def draw_bland_altman(volumes: pd.DataFrame, method: str) -> Figure:
    """Draw the difference of volumes, method - reference, against their mean, one panel per structure.

    A line marks the mean difference, the band around it is its 95 % interval; dashed lines are the limits of agreement.

    Parameters
    ----------
    volumes : DataFrame
        One row per subject and structure: `structure` (its name, in the order of the panels), `volume_ref_mm3`,
        `volume_pred_mm3`. Only rows of the method.
    method : str
        Its name, for the axes.
    """
    structures = list(dict.fromkeys(volumes["structure"]))
    n_rows = int(np.ceil(len(structures) / _COLUMNS))
    with figure_style():
        figure = Figure(figsize=(PAGE_WIDTH, min(PAGE_HEIGHT, 0.7 + 1.65 * n_rows)), layout="constrained")
        grid = figure.subplots(n_rows, _COLUMNS, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place < len(structures):
                _panel(axes, volumes[volumes["structure"] == structures[place]])
                axes.set_title(structures[place], fontweight="bold")
            else:
                axes.set_axis_off()
        figure.supxlabel(f"mean of {method} and reference (mL)", fontsize=FONT_SIZE)
        figure.supylabel(f"{method} − reference (mL)", fontsize=FONT_SIZE)
        figure.suptitle(f"Volumes: {method} against the reference", x=0.01, ha="left", fontweight="bold")
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    reference, measured = (rows[column].to_numpy(dtype=float) / 1000 for column in ("volume_ref_mm3", "volume_pred_mm3"))
    axes.axhline(0, color="0.6", linewidth=0.6, zorder=1)
    faint = 0.5 if len(rows) > 40 else 0.9
    axes.scatter((reference + measured) / 2, measured - reference, s=6, linewidth=0, color=COLOURS[0], alpha=faint, zorder=3)
    limits = bland_altman(reference, measured)
    ends = [0.0, *(measured - reference)]
    if limits.n >= FEWEST_FOR_LIMITS:
        axes.axhspan(limits.bias_low, limits.bias_high, color=COLOURS[0], alpha=0.15, linewidth=0, zorder=0)
        axes.axhline(limits.bias, color=COLOURS[0], linewidth=0.9, zorder=2)
        for level in (limits.lower, limits.upper):
            axes.axhline(level, color=COLOURS[3], linewidth=0.8, linestyle=(0, (4, 2)), zorder=2)
        ends += [limits.lower, limits.upper, limits.bias_low, limits.bias_high]
        text = f"{_signed(limits.bias)} [{_signed(limits.lower)}, {_signed(limits.upper)}]"
        axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=FONT_SIZE - 1)
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    span = high - low or 1.0
    # Space above for the numbers.
    axes.set_ylim(low - 0.08 * span, high + 0.25 * span)
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=4)
    axes.locator_params(axis="y", nbins=5)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
