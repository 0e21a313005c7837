"""A report as one HTML file that needs no other file and no network: sections of prose, notices, figures and tables."""

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
    "Block", "Cell", "Column", "Facts", "Figure", "Heading", "Notice", "Prose", "Quotation", "Report", "Section", "Table",
    "render_report", "write_report",
]  # fmt: skip

#: Items of a notice that are shown at once; the others stand behind a line that opens them.
_SHOWN_ITEMS = 6


class Block:
    """What a section is made of; `macro` names the part of the template that draws it."""

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
    """Something that a reader must not miss.

    Attributes
    ----------
    title : str
    items : sequence of str
        Beyond the first six they are folded away, and opened in print.
    level : {"warning", "failure", "note"}
        "note" also says why a part of the report is not there.
    """

    title: str
    items: Sequence[str] = ()
    level: str = "warning"
    macro: ClassVar[str] = "notice"

    @property
    def shown(self) -> Sequence[str]:
        """The items that are shown at once."""
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
        SVG, PNG or what else Pillow reads.
    caption : str
    alt : str
        What the image shows, for a reader who can't see it.
    photograph : bool
        Whether it shows tissue: see :func:`evaluation.report.embedded_images.embed_image`.

    Raises
    ------
    DartsError
        If the file is no image that can be read.
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
    """Text to be copied as it is, with a button that does so: `paragraphs`, then numbered `references`."""

    paragraphs: Sequence[str]
    references: Sequence[str] = ()
    macro: ClassVar[str] = "quotation"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        Of the data frame's column.
    heading : str
    meaning : str
        One sentence; listed below the table.
    kind : Kind
        How values are written; all but "text" sort as numbers.
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
    """A cell as it is drawn; `sort` is what it sorts by: a number, "" where it is missing, None for text."""

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
        Those to show, in order; the first one heads its row.
    caption : str
    source : str
        Name of the file that holds the exact values.
    filtered : bool
        Whether there is a box to filter rows by.
    printed : bool
        Whether it goes to paper; where not, a line there says how many rows stand in `source`.

    Raises
    ------
    ValueError
        If the frame has not all columns.
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
        """Columns whose meaning is given."""
        return [column for column in self.columns if column.meaning]


@dataclass(frozen=True)
class Section:
    """A titled part of a report."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """What a link to the section names."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes
    ----------
    title, subtitle : str
    lead : sequence of str
        Paragraphs that say at once what was found.
    sections : sequence of Section
        With different titles.
    footer : str
        What made the report, and when.
    """

    title: str
    subtitle: str
    lead: Sequence[str]
    sections: Sequence[Section]
    footer: str = ""


def render_report(report: Report) -> str:
    """Return a report as HTML; the same report gives the same text.

    The page's own security policy names the hashes of its style and script: nothing else is loaded or run, whatever a subject
    is called.
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
