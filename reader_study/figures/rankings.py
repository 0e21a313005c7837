"""The figure of rankings: how often each method came at each rank, and the worths of the Plackett-Luce model."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from evaluation.figures.style import INK, PAGE_WIDTH
from reader_study.figures.names import shown_names
from reader_study.figures.study_style import study_style
from reader_study.rankings.ranking_analysis import RankingAnalysis
from reader_study.ratings.summary import ALL_REGIONS

__all__ = ["draw_rankings"]


def draw_rankings(analysis: RankingAnalysis) -> Figure:
    """Draw both panels over all regions: stacked bars of the ranks, and log worths with their 95 % intervals.

    Ties share the ranks that they span: two methods tied for the best count half as first and half as second.
    """
    names = shown_names(analysis.methods, kind="method")
    with study_style():
        height = 1.0 + 0.34 * len(names) + 0.1 * max(name.count("\n") for name in names) * len(names)
        figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_WIDTH, max(height, 1.8)), layout="constrained", sharey=True)
        handles = _ranks_on(left, analysis)
        _worths_on(right, _overall(analysis.worths))
        left.set_yticks(range(len(names)), names)
        left.set_ylim(len(names) - 0.5, -0.5)
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return figure


def _ranks_on(axes: Axes, analysis: RankingAnalysis) -> list[Patch]:
    count = len(analysis.methods)
    shares = rank_shares(analysis)
    colours = [mpl.colormaps["BrBG"](place) for place in np.linspace(0.88, 0.12, count)]
    means = _overall(analysis.mean_ranks).set_index("method")["mean_rank"]
    for y, method in enumerate(analysis.methods):
        starts = np.concatenate([[0], np.cumsum(shares[y])[:-1]])
        axes.barh(y, 100 * shares[y], left=100 * starts, height=0.72, color=colours, linewidth=0)
        axes.text(101, y, f"{means[method]:.2f}", va="center", fontsize="small")
    axes.set(xlim=(0, 112), xlabel="% of rankings; mean rank at the right")
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.grid(visible=True, axis="x")
    return [Patch(facecolor=colour, label=f"rank {number}") for number, colour in enumerate(colours, start=1)]


def rank_shares(analysis: RankingAnalysis) -> np.ndarray:
    """Return the share of rankings with each method at each rank, (methods, ranks); ties are spread over their ranks."""
    count = len(analysis.methods)
    rows = analysis.rankings
    shares = np.zeros((count, count))
    tied = rows.groupby(["item", "rank"])["method"].transform("size").to_numpy()
    for method, rank, size in zip(rows["method"], rows["rank"], tied, strict=True):
        first = round(rank - (size - 1) / 2) - 1
        shares[analysis.methods.index(method), first : first + size] += 1 / size
    totals = shares.sum(axis=1, keepdims=True)
    return np.asarray(shares / np.maximum(totals, 1), dtype=np.float64)


def _worths_on(axes: Axes, worths: pd.DataFrame) -> None:
    for y, row in enumerate(worths.to_dict("records")):
        if np.isnan(row["log_worth"]):
            axes.text(0, y, " no finite worth", va="center", color="0.5", fontsize="small")
            continue
        if not np.isnan(row["low"]):
            axes.plot([row["low"], row["high"]], [y, y], color="black", linewidth=1.1)
        axes.plot(
            row["log_worth"], y, marker="D", markersize=3.4, color="black", markerfacecolor="white" if y == 0 else "black"
        )
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.set(xlabel="Log worth against the first method (Plackett-Luce)")
    axes.grid(visible=True, axis="x")


def _overall(table: pd.DataFrame) -> pd.DataFrame:
    overall = table[table["roi"] == ALL_REGIONS]
    return overall if len(overall) else table
