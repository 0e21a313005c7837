"""A picture of structures and methods: outlines or filled regions on the scan, with Dice, and left and right marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from evaluation.figures.style import FONT_SIZE, PAGE_HEIGHT, PAGE_WIDTH, figure_style, method_colours
from evaluation.overlays.choice import Structure, structure_dice
from evaluation.overlays.planes import EDGES, VIEW_AXES, cut_plane, largest_slice, window_around
from evaluation.results.folder import Results

__all__ = ["REFERENCE_COLOUR", "SubjectMaps", "draw_overlay"]

#: Yellow: visible on grey, and unlike the colours of the methods.
REFERENCE_COLOUR = "#F0E442"
# mm around the region.
_MARGIN = 10.0
# Width over height of a picture.
_SHAPE = 1.3
_FILL = 0.5


@dataclass(frozen=True)
class SubjectMaps:
    """The volumes of a subject on the grid of its reference, reordered to RAS.

    Attributes
    ----------
    subject : str
    reference : (x, y, z) ndarray of int
        FreeSurfer ids.
    methods : dict of str to ndarray
        FreeSurfer ids of each method that has a label map; shape of the reference.
    scan : ndarray or None
        Shape of the reference.
    voxel_sizes : tuple of float
        mm.
    """

    subject: str
    reference: npt.NDArray[Any]
    methods: dict[str, npt.NDArray[Any]]
    scan: npt.NDArray[Any] | None
    voxel_sizes: tuple[float, ...]


def draw_overlay(
    results: Results, maps: SubjectMaps, structures: Sequence[Structure], methods: Sequence[str], *, view: str = "axial",
    fill: bool = False, title: str = "",
) -> Figure:  # fmt: skip
    """Draw structures as rows, and the reference and each method as columns.

    Slice and window of a row are chosen by the reference. The thin yellow line in the columns of methods is the outline of the
    reference. Numbers are the Dice of each side, written on that side of the picture.

    Parameters
    ----------
    results : Results
        Source of the Dice.
    maps : SubjectMaps
    structures : sequence of Structure
    methods : sequence of str
        Columns; a column without a label map stays empty.
    view : {"axial", "coronal", "sagittal"}
    fill : bool
    title : str
    """
    columns = 1 + len(methods)
    colours = method_colours(methods)
    width = (PAGE_WIDTH - 0.35) / max(columns, 3)
    height = min(PAGE_HEIGHT, 0.55 + len(structures) * (width / _SHAPE + 0.04))
    brightest = _brightest(maps)
    with figure_style():
        tight = ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
        figure = Figure(figsize=(0.35 + width * columns, height), layout=tight)
        grid = figure.subplots(len(structures), columns, squeeze=False)
        for place, (row, structure) in enumerate(zip(grid, structures, strict=True)):
            mask = np.isin(maps.reference, structure.all_ids)
            index = largest_slice(mask, view)
            for axes, method in zip(row, ("", *methods), strict=True):
                axes.set_facecolor("black")
                axes.set(xticks=[], yticks=[])
                axes.set_box_aspect(1 / _SHAPE)
                axes.spines[:].set_visible(False)
                if place == 0:
                    axes.set_title(_wrapped(method) if method else "reference", fontsize=FONT_SIZE)
                if index is None:
                    _note(axes, "not in the reference")
                    continue
                pixel = _pixel(maps.voxel_sizes, view)
                window = window_around(cut_plane(mask, view, index), pixel, margin=_MARGIN, shape=_SHAPE)
                if maps.scan is not None:
                    _show(axes, cut_plane(maps.scan, view, index), pixel, cmap="gray", vmin=0, vmax=brightest)
                axes.set_xlim(window.left, window.right)
                axes.set_ylim(window.bottom, window.top)
                _mark_edges(axes, view)
                outline = cut_plane(mask, view, index)
                if not method:
                    _region(axes, outline, pixel, REFERENCE_COLOUR, fill=fill)
                    continue
                if method not in maps.methods:
                    _note(axes, "no label map")
                    continue
                found = np.isin(cut_plane(maps.methods[method], view, index), structure.all_ids)
                _region(axes, outline, pixel, REFERENCE_COLOUR, fill=False, linewidth=0.5)
                _region(axes, found, pixel, colours[method], fill=fill)
                side = _side_of_slice(maps, structure, view, index)
                _write_dice(axes, structure_dice(results, structure, maps.subject, method), side)
            row[0].set_ylabel("\n".join(wrap(structure.name, width=14)), fontsize=FONT_SIZE)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=FONT_SIZE + 1, fontweight="bold")
    return figure


def _brightest(maps: SubjectMaps) -> float:
    """Return a white level well above the brightest tissue of the brain, so that yellow lines are visible on white matter."""
    if maps.scan is None:
        return 1.0
    inside = maps.scan[maps.reference > 0]
    return 1.4 * float(np.percentile(inside, 99.5)) if inside.size else float(maps.scan.max())


def _pixel(sizes: tuple[float, ...], view: str) -> tuple[float, float]:
    """Return height and width of a picture's pixels: axial y, x; coronal z, x; sagittal z, y."""
    first, second = (size for axis, size in enumerate(sizes) if axis != VIEW_AXES[view])
    return second, first


def _show(axes: Axes, plane: npt.NDArray[Any], pixel: tuple[float, float], **options: Any) -> None:
    rows, columns = plane.shape[:2]
    extent = (0.0, columns * pixel[1], rows * pixel[0], 0.0)
    axes.imshow(plane, extent=extent, interpolation="nearest", aspect="auto", **options)


def _region(
    axes: Axes, plane: npt.NDArray[np.bool_], pixel: tuple[float, float], colour: str, *, fill: bool, linewidth: float = 0.9
) -> None:
    """Outline a mask, or fill it."""
    if not plane.any():
        return
    if fill:
        shades = np.zeros((*plane.shape, 4))
        shades[plane] = to_rgba(colour, _FILL)
        _show(axes, shades, pixel)
        return
    y, x = ((np.arange(size) + 0.5) * step for size, step in zip(plane.shape, pixel, strict=True))
    axes.contour(x, y, plane.astype(float), levels=[0.5], colors=[colour], linewidths=linewidth)


def _side_of_slice(maps: SubjectMaps, structure: Structure, view: str, index: int) -> str | None:
    """Return the side of the structure that a sagittal slice shows; None if it shows both."""
    if view != "sagittal":
        return None
    plane = cut_plane(maps.reference, view, index)
    return max(structure.ids, key=lambda side: int(np.isin(plane, structure.ids[side]).sum()))


def _write_dice(axes: Axes, dice: dict[str, float], side: str | None) -> None:
    """Write the Dice of each side where that side is in the picture: the right side on the left."""
    places = {"right": (0.03, "left"), "left": (0.97, "right")}
    shown = dice if side is None else {side: dice[side]}
    for name, value in shown.items():
        x, align = places[name] if len(shown) > 1 else (0.5, "center")
        text = "–" if np.isnan(value) else f"{value:.2f}"
        _text(axes, x, 0.03, text, ha=align, va="bottom", fontweight="bold")


def _mark_edges(axes: Axes, view: str) -> None:
    left, right = EDGES[view][0], EDGES[view][1]
    _text(axes, 0.02, 0.5, left, ha="left", va="center")
    _text(axes, 0.98, 0.5, right, ha="right", va="center")


def _note(axes: Axes, text: str) -> None:
    _text(axes, 0.5, 0.5, text, ha="center", va="center")


def _text(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write white letters with a black outline, legible on any grey."""
    rim = [patheffects.withStroke(linewidth=1.2, foreground="black")]
    axes.text(x, y, text, transform=axes.transAxes, color="white", path_effects=rim, fontsize=FONT_SIZE - 0.5, **style)


def _wrapped(name: str) -> str:
    """Break a long name once, so that titles of neighbouring columns don't overlap."""
    if len(name) <= 14:
        return name
    breaks = [at + 1 for at, letter in enumerate(name[:-1]) if letter in "-_ ."]
    at = min(breaks, key=lambda place: abs(place - len(name) / 2)) if breaks else 14
    return f"{name[:at]}\n{name[at:]}"
