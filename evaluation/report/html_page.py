"""A report as one HTML file that needs no other file and no network: sections with text, notices, figures and tables."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from darts_ensemble.results.outputs import write_text
from evaluation.report.embedded_images import EmbeddedImage, embed_image
from evaluation.results.number_format import MISSING, Kind, as_number, format_interval, format_value

__all__ = [
    "Block", "Cell", "Column", "Commands", "Facts", "Figure", "Heading", "Notice", "Prose", "Quotation", "Report", "Section",
    "Table", "render_report", "write_report",
]  # fmt: skip

#: Number of items of a notice that are visible at once; the others are folded.
_SHOWN_ITEMS = 6


class Block:
    """A block of a section; `macro` names the part of the template that draws it."""

    macro: ClassVar[str]


@dataclass(frozen=True)
class Prose(Block):
    """A paragraph of plain text."""

    text: str
    macro: ClassVar[str] = "prose"


@dataclass(frozen=True)
class Heading(Block):
    """A heading within a section."""

    text: str
    macro: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Notice(Block):
    """A notice that a reader must not miss.

    Attributes
    ----------
    title : str
    items : sequence of str
        All after the first six are folded on the screen, and visible in print.
    level : {"warning", "failure", "note"}
        "note" is also used for the reason why a part of the report is missing.
    """

    title: str
    items: Sequence[str] = ()
    level: str = "warning"
    macro: ClassVar[str] = "notice"

    @property
    def shown(self) -> Sequence[str]:
        """The items that are visible at once."""
        return self.items if len(self.items) <= _SHOWN_ITEMS + 1 else self.items[:_SHOWN_ITEMS]

    @property
    def folded(self) -> Sequence[str]:
        """The others."""
        return self.items[len(self.shown) :]


@dataclass(frozen=True)
class Facts(Block):
    """Names and their values, as (name, value) pairs of plain text."""

    pairs: Sequence[tuple[str, str]]
    macro: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Figure(Block):
    """An image file, embedded when the block is made.

    Attributes
    ----------
    path : Path
        SVG, PNG or any other format that Pillow reads.
    caption : str
    alt : str
        Description of the image for a reader who can't see it.
    photograph : bool
        Whether it shows tissue: see :func:`evaluation.report.embedded_images.embed_image`.

    Raises
    ------
    DartsError
        If the file is not an image that can be read.
    """

    path: Path
    caption: str
    alt: str
    photograph: bool = False
    image: EmbeddedImage = field(init=False, repr=False)
    macro: ClassVar[str] = "figure"

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", embed_image(self.path, photograph=self.photograph))


@dataclass(frozen=True)
class Quotation(Block):
    """Text to copy, with a button for this: `paragraphs`, then numbered `references`."""

    paragraphs: Sequence[str]
    references: Sequence[str] = ()
    macro: ClassVar[str] = "quotation"


@dataclass(frozen=True)
class Commands(Block):
    """Command lines to copy, folded: `lines` are (what it is for, command) pairs. Not printed."""

    title: str
    lines: Sequence[tuple[str, str]]
    macro: ClassVar[str] = "commands"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        Name of the column of the data frame.
    heading : str
    meaning : str
        One sentence; listed below the table.
    kind : Kind
        How values are written; all kinds except "text" are sorted as numbers.
    digits : int
        Decimals.
    spread : str
        Name of a column with standard deviations, written as `mean ± SD` in the same cell.
    low, high : str
        Names of columns with the ends of an interval, written as `estimate [low, high]` in the same cell.
    """

    name: str
    heading: str
    meaning: str = ""
    kind: Kind = "text"
    digits: int = 3
    spread: str = ""
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell as it is drawn; `sort` is the key for sorting: a number, "" if it is missing, None for text."""

    text: str
    extra: str
    sort: str | None


@dataclass(frozen=True)
class Table(Block):
    """A table that a reader can sort by every column and filter.

    Attributes
    ----------
    frame : DataFrame
    columns : sequence of Column
        Columns to show, in order; the first one is the heading of the row.
    caption : str
    source : str
        Name of the file that holds the exact values.
    filtered : bool
        Whether there is a box to filter rows.
    printed : bool
        Whether the table is printed; if not, a line on paper gives the number of rows in `source`.

    Raises
    ------
    ValueError
        If the frame lacks a column.
    """

    frame: pd.DataFrame
    columns: Sequence[Column]
    caption: str
    source: str = ""
    filtered: bool = True
    printed: bool = True
    macro: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        named = [name for one in self.columns for name in (one.name, one.spread, one.low, one.high) if name]
        absent = [name for name in named if name not in self.frame.columns]
        if absent:
            raise ValueError(f"no column {', '.join(absent)} in the table; found {', '.join(map(str, self.frame.columns))}")

    def rows(self) -> list[list[Cell]]:
        """Return the cells, row by row."""
        return [list(row) for row in zip(*(_cells(self.frame, column) for column in self.columns), strict=True)]

    @property
    def explained(self) -> list[Column]:
        """Columns with a given meaning."""
        return [column for column in self.columns if column.meaning]


@dataclass(frozen=True)
class Section:
    """A titled part of a report."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """The target of links to the section."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes
    ----------
    title, subtitle : str
    lead : sequence of str
        First paragraphs, with the main results.
    sections : sequence of Section
        With different titles.
    footer : str
        Program that made the report, and when.
    """

    title: str
    subtitle: str
    lead: Sequence[str]
    sections: Sequence[Section]
    footer: str = ""


def render_report(report: Report) -> str:
    """Return a report as HTML; the same report gives the same text.

    The security policy of the page lists the hashes of its style and script: nothing else is loaded or run, whatever the name
    of a subject is.
    """
    environment = Environment(
        loader=PackageLoader("evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assets = {}
    for kind, name in (("style", "report.css"), ("script", "report.js")):
        text = environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
        assets[kind] = Markup(text)
        assets[f"{kind}_hash"] = Markup(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii"))
    return environment.get_template("report.html").render(report=report, **assets)


def write_report(report: Report, path: Path) -> Path:
    """Write a report as an HTML file and return its path.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    write_text(path, render_report(report))
    return path


def _cells(frame: pd.DataFrame, column: Column) -> list[Cell]:
    values = frame[column.name].tolist()
    extras = [""] * len(values)
    if column.spread:
        spreads = [format_value(value, column.kind, column.digits) for value in frame[column.spread].tolist()]
        extras = ["" if text == MISSING else f"± {text}" for text in spreads]
    elif column.low:
        ends = zip(frame[column.low].tolist(), frame[column.high].tolist(), strict=True)
        extras = [format_interval(low, high, column.kind, column.digits) for low, high in ends]
    return [_cell(value, extra, column) for value, extra in zip(values, extras, strict=True)]


def _cell(value: Any, extra: str, column: Column) -> Cell:
    text = format_value(value, column.kind, column.digits)
    if column.kind == "text":
        return Cell(text, extra, None)
    number = as_number(value)
    if math.isnan(number):
        return Cell(text, "", "")
    # As JavaScript reads it.
    return Cell(text, extra, f"{number:.9g}".replace("inf", "Infinity"))
