"""Box plots of Dice per region, methods side by side: as published, and with the single subjects shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from darts_ensemble.labels import REGION_BY_ID
from evaluation.evaluate import SIDES_MERGED, counted_rows

__all__ = ["FEWEST_FOR_BOXES", "draw_regions", "region_order", "save_box_plots", "short_name"]

#: Below this number of subjects quartiles describe nothing: points stand instead of boxes.
FEWEST_FOR_BOXES = 5
#: Share of the room of a region that its boxes take.
WIDTH = 0.8
#: Inches of regions side by side before a new row of axes begins.
WIDEST = 17.0
_GROUPS = (
    "white matter", "ventricles", "deep grey", "medial temporal", "cerebellum", "brain stem", "corpus callosum", "other",
    "cortex",
)  # fmt: skip
_PARTS = ("Subcortical and midline regions", "Cortical regions")


def short_name(region_id: int) -> str:
    """Return a region's name with the side at its end: "Hippocampus L", "cuneus R"."""
    region = REGION_BY_ID[region_id]
    name = region.name.replace("_", " ")
    for prefix in ("Left-", "Right-", "ctx-lh-", "ctx-rh-"):
        name = name.removeprefix(prefix)
    name = name.replace("-", " ")
    return name if region.hemisphere == "midline" else f"{name} {region.hemisphere[0].upper()}"


def region_order(region_ids: Sequence[int]) -> list[int]:
    """Return ids group by group, left beside right."""

    def key(id_: int) -> tuple[int, int, bool]:
        region = REGION_BY_ID[id_]
        right = region.hemisphere == "right"
        return _GROUPS.index(region.group), (region.homologue or id_) if right else id_, right

    return sorted(region_ids, key=key)


def save_box_plots(table: pd.DataFrame, out: Path, *, include_seen: bool = False) -> list[Path]:
    """Draw both kinds of box plot, in two parts each, as PNG and PDF.

    `boxplot_published_1` and `_2` have boxes with whiskers of 1.0 interquartile range and no outliers, as in the DARTS paper
    (arXiv 1911.05567); `boxplot_points_1` and `_2` show each subject as well, and no box below five subjects. Part 1 holds the
    regions outside the cortex, part 2 the cortex; a part without any Dice is not drawn. Methods scored with the sides merged
    have other regions and are left out.

    Parameters
    ----------
    table : DataFrame
        Of :func:`evaluation.evaluate.score_cohort`.
    out : Path
    include_seen : bool
        Also draw subjects that a method was trained on, as crosses among the points.

    Returns
    -------
    list of Path
        The PNG files.
    """
    rows = counted_rows(table, include_seen=include_seen)
    rows = rows[rows["dice"].notna() & ~rows["method"].str.endswith(SIDES_MERGED)]
    methods = [str(method) for method in rows["method"].unique()]
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, points in (("published", False), ("points", True)):
        for number, title in enumerate(_PARTS, start=1):
            part = rows[(rows["group"] == "cortex") == (number == 2)]
            stem = out / f"boxplot_{kind}_{number}"
            if part.empty:
                # A picture of an earlier run would pass for one of this.
                for suffix in (".png", ".pdf"):
                    stem.with_suffix(suffix).unlink(missing_ok=True)
                continue
            figure = draw_regions(part, methods, title, points=points)
            written.append(_save(figure, stem))
            plt.close(figure)
    return written


def draw_regions(rows: pd.DataFrame, methods: Sequence[str], title: str, *, points: bool) -> Any:
    """Draw the Dice of every region in `rows`, methods side by side.

    Parameters
    ----------
    rows : DataFrame
        Columns region_id, method, subject, dice, group and seen_in_training.
    methods : sequence of str
        Their order, and so their colours.
    title : str
    points : bool
        Show each subject; without it boxes alone, whatever the number of subjects.

    Returns
    -------
    matplotlib Figure
    """
    ids = region_order([int(id_) for id_ in rows["region_id"].unique()])
    subjects = {method: rows.loc[rows["method"] == method, "subject"].nunique() for method in methods}
    palette = dict(zip(methods, sns.color_palette("colorblind", len(methods)), strict=True))
    strips = _strips(ids, inches=0.14 + 0.12 * len(methods))
    width = max(7.0, 1.2 + max(len(strip) for strip in strips) * (0.14 + 0.12 * len(methods)))
    with sns.axes_style("whitegrid", {"grid.color": "0.88", "axes.edgecolor": "0.4"}):
        figure, grid = plt.subplots(len(strips), figsize=(width, 0.9 + 4.4 * len(strips)), layout="constrained", squeeze=False)
    boxed = [method for method in methods if not points or subjects[method] >= FEWEST_FOR_BOXES]
    for axes, strip in zip(grid[:, 0], strips, strict=True):
        here = rows[rows["region_id"].isin(strip)]
        axes.grid(visible=False, axis="x")
        for at in range(0, len(strip), 2):
            axes.axvspan(at - 0.5, at + 0.5, color="0.965", linewidth=0, zorder=-1)
        sns.boxplot(
            data=here[here["method"].isin(boxed)], x="region_id", y="dice", hue="method", order=strip, hue_order=methods,
            palette=palette, saturation=1, whis=1.0, showfliers=False, width=WIDTH, gap=0.12, linewidth=0.7, ax=axes,
            legend=False, boxprops={"alpha": 0.4} if points else {}, medianprops={"color": "black", "linewidth": 1.2},
        )  # fmt: skip
        if points:
            for place, method in enumerate(methods):
                _scatter(axes, here[here["method"] == method], strip, palette[method], place, len(methods))
        _name_groups(axes, strip)
        axes.set_xticks(range(len(strip)), [short_name(id_) for id_ in strip], rotation=90, fontsize=8)
        axes.set(xlim=(-0.5, len(strip) - 0.5), ylim=(-0.02, 1.02), xlabel="", ylabel="Dice")
        axes.set_yticks(np.linspace(0, 1, 11))
    figure.suptitle(f"{title}: Dice per region", x=0.01, ha="left", fontsize=12)
    handles: list[Any] = [Patch(color=palette[method], label=f"{method} (n = {subjects[method]})") for method in methods]
    if points and rows["seen_in_training"].astype(bool).any():
        handles.append(Line2D([], [], color="0.3", marker="x", linestyle="", label="seen in training"))
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _strips(ids: list[int], inches: float) -> list[list[int]]:
    """Cut the regions into rows of like length that fit a page, at `inches` a region; a pair stays in one row."""
    n_rows = max(1, int(np.ceil(len(ids) * inches / WIDEST)))
    strips, start = [], 0
    for number in range(1, n_rows + 1):
        stop = round(len(ids) * number / n_rows)
        if stop < len(ids) and REGION_BY_ID[ids[stop]].homologue == ids[stop - 1]:
            stop += 1
        strips.append(ids[start:stop])
        start = stop
    return [strip for strip in strips if strip]


def _scatter(axes: Axes, rows: pd.DataFrame, ids: list[int], colour: Any, place: int, n_methods: int) -> None:
    """Points at the middle of the method's box, moved a little to the sides, each subject always by the same amount."""
    slot = WIDTH / n_methods
    names = sorted(rows["subject"].unique())
    jitter = dict(zip(names, np.linspace(-0.25, 0.25, len(names)) if len(names) > 1 else [0.0], strict=True))
    x = rows["region_id"].map({id_: at for at, id_ in enumerate(ids)}) + (place - (n_methods - 1) / 2) * slot
    x = x + rows["subject"].map(jitter) * slot
    seen = rows["seen_in_training"].astype(bool)
    axes.scatter(x[~seen], rows.loc[~seen, "dice"], s=9, color=colour, edgecolor="0.15", linewidth=0.3, zorder=4)
    axes.scatter(x[seen], rows.loc[seen, "dice"], s=12, color=colour, marker="x", linewidth=0.9, zorder=4)


def _name_groups(axes: Axes, ids: list[int]) -> None:
    """A line between groups and their names above the axes, every other one higher since groups can be narrow."""
    groups = [REGION_BY_ID[id_].group for id_ in ids]
    starts = [at for at in range(len(ids)) if at == 0 or groups[at] != groups[at - 1]]
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(ids)], strict=True)):
        if start:
            axes.axvline(start - 0.5, color="0.5", linewidth=0.8, zorder=0)
        height = 1.03 + 0.05 * (number % 2)
        axes.text((start + stop - 1) / 2, height, groups[start], ha="center", va="bottom", fontsize=8, color="0.3")


def _save(figure: Any, stem: Path) -> Path:
    for suffix in (".pdf", ".png"):
        path = stem.with_suffix(suffix)
        temporary = stem.with_name(f".{stem.name}.tmp{suffix}")
        figure.savefig(temporary, dpi=150)
        os.replace(temporary, path)
    return path
