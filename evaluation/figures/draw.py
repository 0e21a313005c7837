"""All figures of a results folder, with their captions: box plots, heat map, differences, gain of an ensemble, volumes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from darts_ensemble.errors import UsageError
from evaluation.figures.bland_altman import FEWEST_FOR_LIMITS, draw_bland_altman
from evaluation.figures.box_plots import FEWEST_FOR_BOXES, PUBLISHED_WHISKERS, WHISKERS, draw_box_plot, draw_published_box_plot
from evaluation.figures.difference_plot import draw_differences
from evaluation.figures.gain_plot import VIEWS, draw_gain
from evaluation.figures.heat_map import draw_heat_map
from evaluation.figures.region_layout import Part, parts_of, readable_name, region_rows
from evaluation.figures.style import save_figure
from evaluation.results.captions import forget_pictures, write_captions
from evaluation.results.finished import file_name
from evaluation.results.folder import SIDES_MERGED, Results, read_results
from evaluation.results.metric_text import describe_metric
from evaluation.results.significance import choose_baseline, describe_family, marks_of

__all__ = ["STYLES", "DrawnFigure", "draw_figures", "save_figures"]

STYLES = ("default", "published")
# Structures whose volumes are shown: those of the published reader study, and the hippocampus.
_STRUCTURES = ("thalamus", "caudate", "putamen", "pallidum", "hippocampus", "lateral ventricle", "cingulate gyrus", "insula")


#: Who labelled each part of references that mix both kinds.
_LABELS_OF = {"subcortical": "automatic (FreeSurfer) reference labels", "cortex": "manual reference labels"}


@dataclass(frozen=True)
class DrawnFigure:
    """A figure, the name of its files without an extension, and its caption."""

    stem: str
    figure: Figure
    caption: str


@dataclass(frozen=True)
class _Content:
    """Data that all figures of a run use."""

    results: Results
    scores: pd.DataFrame
    methods: list[str]
    baseline: str
    metric: str
    label: str
    paired: pd.DataFrame | None
    parts: list[Part]

    @property
    def others(self) -> list[str]:
        return [method for method in self.methods if method != self.baseline]

    @property
    def suffix(self) -> str:
        return "" if self.metric == "dice" else f"_{self.metric}"


def save_figures(folder: Path, *, style: str = "default", metric: str = "dice", out: Path | None = None) -> list[Path]:
    """Draw the figures of a results folder as PDF, SVG and PNG, with `captions.json`.

    Figures of an earlier call that are not drawn again are removed.

    Parameters
    ----------
    folder : Path
        Results folder of darts-eval.
    style : {"default", "published"}
        Box plots with subjects and tests, or like those of the DARTS paper.
    metric : str
        Column of scores.csv.
    out : Path, optional
        `figures/` in the folder by default.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    UsageError
        If there is no such style or metric.
    CohortError
        If the folder has no results.
    ScanError
        If the folder can't be written to.
    """
    results, target = read_results(folder), out or folder / "figures"
    if style not in STYLES:
        raise UsageError(f"--style {style}; expected {' or '.join(STYLES)}")
    forget_pictures(target)
    written, captions = [], {}
    for drawn in draw_figures(results, style=style, metric=metric):
        written += save_figure(drawn.figure, target / drawn.stem)
        captions[drawn.stem] = drawn.caption + _labelling(results, drawn.stem)
    if captions:
        write_captions(target, captions)
    return written


def _labelling(results: Results, stem: str) -> str:
    """Who labelled the references of a figure, where manual and automatic labels are mixed."""
    if not results.account.get("labelled_by"):
        return ""
    part = next((key for key in _LABELS_OF if key in stem), "")
    if part:
        more = ": agreement with FreeSurfer, not accuracy" if part == "subcortical" else ""
        return f" Reference labels: {_LABELS_OF[part].removesuffix(' reference labels')}{more}."
    return " In the references the cortex is labelled by hand, all other regions automatically by FreeSurfer."


def draw_figures(results: Results, *, style: str = "default", metric: str = "dice") -> Iterator[DrawnFigure]:
    """Draw the figures of a run, one after the other.

    Methods with merged sides have other regions and are left out. Differences are drawn only if several methods were compared,
    and the gain only if a run has an ensemble and views.

    Raises
    ------
    UsageError
        If there is no such metric.
    """
    if metric not in results.metrics:
        raise UsageError(f"metric {metric}; expected {', '.join(results.metrics)}")
    content = _content(results, metric)
    if results.account.get("labelled_by"):
        parts = [replace(part, title=f"{part.title}: {_LABELS_OF[part.key]}") for part in content.parts]
        content = replace(content, parts=parts)
    if not content.parts:
        return
    yield from _box_plots(content, published=style == "published")
    means = content.scores.pivot_table(index="region_id", columns="method", values=metric, sort=False)
    # Two parts beside each other have no room for long titles.
    two_lines = [
        replace(part, title=part.title.replace(" reference labels", " labels").replace(": ", "\n")) for part in content.parts
    ]
    caption = f"Mean {content.label} over subjects, per region and method ({_counts(content)}). Hatched: no value."
    yield DrawnFigure(
        f"heat_map{content.suffix}", draw_heat_map(means, two_lines, content.methods, label=content.label), caption
    )
    if content.paired is not None and content.others:
        yield from _differences(content, content.paired)
    yield from _volumes(content)


def _content(results: Results, metric: str) -> _Content:
    """Collect the data of the figures; infinite distances are left out because they can't be drawn."""
    scores = results.counted()
    scores = scores[np.isfinite(scores[metric]) & ~scores["method"].str.endswith(SIDES_MERGED)]
    methods = [method for method in results.methods if method in set(scores["method"])]
    paired = results.paired_regions
    if paired is not None:
        paired = paired[paired["region_id"].notna() & paired["method_a"].isin(methods) & paired["method_b"].isin(methods)]
        if "metric" in paired.columns:
            paired = paired[paired["metric"] == metric]
        paired = paired.astype({"region_id": int}) if len(paired) else None
    means = scores.groupby(["method", "subject"])[metric].mean().groupby("method").mean()
    # For distances, the smallest is the best.
    worth = -means if describe_metric(metric).better == "lower" else means
    baseline = choose_baseline(methods, worth) if methods else ""
    of_baseline = scores[scores["method"] == baseline].groupby("region_id")[metric].mean()
    rows = region_rows(scores, {int(str(id_)): float(value) for id_, value in of_baseline.items()})
    label = describe_metric(metric).heading
    return _Content(results, scores, methods, baseline, metric, label, paired, parts_of(rows, scores))


def _counts(content: _Content) -> str:
    """Return the number of subjects of each method, in words."""
    counts = content.scores.groupby("method")["subject"].nunique()
    if len(set(counts)) == 1:
        return f"n = {counts.iloc[0]} subjects"
    return "; ".join(f"{method}: n = {counts[method]}" for method in content.methods)


def _box_plots(content: _Content, *, published: bool) -> Iterator[DrawnFigure]:
    if published:
        for number, part in enumerate(parts_of(region_rows(content.scores), content.scores), start=1):
            figure = draw_published_box_plot(content.scores, part, content.methods, metric=content.metric, label=content.label)
            caption = (
                f"{content.label} of {part.title.lower()} ({_counts(content)}). Boxes: quartiles and median; whiskers reach "
                f"the last value within {PUBLISHED_WHISKERS:.1f} interquartile range; outliers are not drawn."
            )
            yield DrawnFigure(f"box_plot_published_{number}{content.suffix}", figure, caption)
        return
    marks, tested = {}, "No paired tests."
    if content.paired is not None and content.others:
        marks = marks_of(content.paired, content.baseline)
        tested = (
            f"Triangles: the method's {content.label} is above (▲) or below (▼) that of {content.baseline}: "
            f"{describe_family(content.paired)}; filled where it also holds with Holm's correction over the regions."
        )
    for part in content.parts:
        figure = draw_box_plot(
            content.scores, part, content.methods, metric=content.metric, label=content.label, marks=marks,
            baseline=content.baseline,
        )  # fmt: skip
        caption = (
            f"{content.label} of {part.title.lower()} ({_counts(content)}). Points are subjects. Boxes: quartiles and median, "
            f"from {FEWEST_FOR_BOXES} subjects on; whiskers reach the last value within {WHISKERS:.1f} interquartile ranges. "
            f"Within a section, regions are ordered by the mean of {content.baseline}. {tested}"
        )
        yield DrawnFigure(f"box_plot_{part.key}{content.suffix}", figure, caption)


def _differences(content: _Content, paired: pd.DataFrame) -> Iterator[DrawnFigure]:
    views = [view for view in VIEWS if view in content.methods]
    intervals = "Lines: 95 % BCa bootstrap intervals over subjects. Filled markers: " + describe_family(paired)
    for part in content.parts:
        inside = paired[paired["region_id"].isin(part.ids) & (paired["n"] > 0)]
        there = {*inside["method_a"], *inside["method_b"]}
        others = [other for other in content.others if other in there]
        if not others:
            continue
        figure = draw_differences(paired, part, content.baseline, others, label=content.label)
        caption = (
            f"Mean paired difference of {content.label} within subjects, {content.baseline} minus each other method, "
            f"{part.title.lower()}. {intervals}."
        )
        yield DrawnFigure(f"differences_{part.key}{content.suffix}", figure, caption)
    if "ensemble" not in content.methods or not views:
        return
    for part in content.parts:
        figure = draw_gain(paired, part, "ensemble", views, label=content.label)
        caption = (
            f"Gain of the ensemble over each single view: mean paired difference of {content.label} within subjects, "
            f"{part.title.lower()}. {intervals}."
        )
        yield DrawnFigure(f"ensemble_gain_{part.key}{content.suffix}", figure, caption)


def _volumes(content: _Content) -> Iterator[DrawnFigure]:
    """Yield Bland-Altman panels of each method that has volumes."""
    tables = [content.results.counted(), content.results.counted(content.results.groups)]
    rows = pd.concat([_structures(table) for table in tables], ignore_index=True)
    if rows.empty:
        return
    # A structure that is also a region of the run is shown once.
    rows = rows.drop_duplicates(["subject", "method", "structure"]).sort_values("order", kind="stable")
    for method in content.methods:
        mine = rows[rows["method"] == method]
        if mine.empty:
            continue
        caption = (
            f"Volumes of {method} against the reference, one point per subject. Blue: mean difference and its 95 % interval; "
            "broken: 95 % limits of agreement, mean ± 1.96 SD (Bland and Altman 1986); numbers in mL. Neither is drawn for "
            f"fewer than {FEWEST_FOR_LIMITS} subjects."
        )
        yield DrawnFigure(f"bland_altman_{file_name(method)}", draw_bland_altman(mine, method), caption)


def _structures(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of structures whose volumes are shown, for each side, if the reference or the method has them."""
    sided = table[table["hemisphere"].isin(["left", "right"]) & ~table["status"].isin(["absent by protocol", "copied"])]
    sided = sided.dropna(subset=["volume_ref_mm3", "volume_pred_mm3"])
    sided = sided[sided["volume_ref_mm3"] + sided["volume_pred_mm3"] > 0]
    names = sided["region_name"].map(_structure_name)
    known = sided[names.isin(_STRUCTURES)]
    names = names[known.index]
    order = [2 * _STRUCTURES.index(name) + (side == "right") for name, side in zip(names, known["hemisphere"], strict=True)]
    return known.assign(structure=names + " " + known["hemisphere"].str[0].str.upper(), order=order)


def _structure_name(region_name: str) -> str:
    return re.sub("^(left|right) ", "", readable_name(region_name))
