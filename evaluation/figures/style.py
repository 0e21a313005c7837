"""Style of all figures, and how they are written: PDF, SVG and 300-dpi PNG with embedded fonts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from darts_ensemble.whole_files import written_whole
from evaluation.results.captions import SUFFIXES

__all__ = [
    "COLOURS", "DPI", "FONT_SIZE", "INK", "MARKERS", "PAGE_HEIGHT", "PAGE_WIDTH", "RC", "SUFFIXES", "figure_style",
    "legend_below", "method_colours", "method_markers", "save_figure",
]  # fmt: skip

#: Inches: width of two columns of a journal, and height of a page above a caption.
PAGE_WIDTH, PAGE_HEIGHT = 7.2, 9.4
#: Points, at the printed size of a figure.
FONT_SIZE = 7.0
#: Resolution of the PNG files, and of dense point clouds inside PDF and SVG.
DPI = 300
#: Colours of text and axes; a grey that is dark enough for print.
INK = "#333333"
#: Colours that readers with any common colour vision deficiency can distinguish: Okabe M, Ito K, Color universal design (2008),
#: without the yellow, which is too pale for lines and points.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
#: Markers, for prints without colour.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

RC: dict[Any, Any] = {
    # A font that comes with Matplotlib: figures are the same on every machine.
    "font.family": ["DejaVu Sans"],
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "legend.fontsize": FONT_SIZE,
    "figure.titlesize": FONT_SIZE + 2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "0.4",
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.color": "0.88",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "legend.frameon": False,
    "hatch.linewidth": 0.4,
    # TrueType, because journals refuse Type 3; in SVG, letters are outlines.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    # Names inside SVG files are the same in every run.
    "svg.hashsalt": "darts",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in the style of the project inside a `with` block, after which the caller's Matplotlib settings are restored."""
    with mpl.rc_context(RC):
        yield


def method_colours(methods: Sequence[str]) -> dict[str, Any]:
    """Return a colour for each method, by its position in the list."""
    colours = COLOURS if len(methods) <= len(COLOURS) else sns.color_palette("husl", len(methods))
    return {method: colours[place] for place, method in enumerate(methods)}


def method_markers(methods: Sequence[str]) -> dict[str, str]:
    """Return a Matplotlib marker for each method, by its position in the list."""
    return {method: MARKERS[place % len(MARKERS)] for place, method in enumerate(methods)}


def legend_below(figure: Figure, handles: Sequence[Any]) -> None:
    """Put a legend below the axes, in as many columns as fit the width of the figure."""
    # A letter is about 0.6 of the font size wide; symbol and spaces around a label are as wide as eight letters.
    widest = max((len(str(handle.get_label())) for handle in handles), default=0) + 8
    columns = int(figure.get_figwidth() * 72 / (0.6 * FONT_SIZE * widest))
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=min(len(handles), max(1, columns)))


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PDF, SVG and PNG; each file gets its name when it is complete.

    The files hold no date, so that the same figure gives the same bytes.

    Parameters
    ----------
    figure : Figure
    stem : Path
        Path without an extension; a dot in the name does not begin one.

    Returns
    -------
    list of Path
        The files, in the order of :data:`SUFFIXES`.

    Raises
    ------
    ScanError
        If the folder can't be written to or is full.
    """
    # The layout is computed once, not again for each format.
    engine = figure.get_layout_engine()
    with figure_style():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    dates: dict[str, dict[str, Any]] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}, ".png": {}}
    written = []
    for suffix in SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        with written_whole(path, extension=suffix) as temporary, figure_style():
            figure.savefig(temporary, dpi=DPI, metadata=dates[suffix])
        written.append(path)
    figure.set_layout_engine(engine)
    return written
