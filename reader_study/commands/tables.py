"""Tables on the terminal: as wide as the terminal is, and names that are too long for a column go on in the next line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from pandas.api.types import is_numeric_dtype
from rich.cells import cell_len
from rich.table import Table

__all__ = ["fitted_table", "shown_table"]

#: Characters up to which a name stays on one line if numbers and headings can give way.
_ROOM_FOR_NAMES = 24
#: Characters that a text column keeps if even numbers have to be broken.
_LEAST = 8
#: What the frame adds: a line and two spaces for each column, and a last line.
_FRAME, _LAST = 3, 1


def shown_table(table: pd.DataFrame, title: str, width: int) -> Table:
    """Return a table for a terminal of `width` characters: text to the left, numbers to the right."""
    headings = [str(column).replace("_", " ") for column in table.columns]
    text = [not is_numeric_dtype(table[column]) for column in table.columns]
    rows = [[f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row] for row in table.itertuples(index=False)]
    return fitted_table(title, headings, rows, text, width)


def fitted_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[bool], width: int) -> Table:
    """Return a table that is at most `width` characters wide where that is possible, and that cuts nothing.

    Parameters
    ----------
    title : str
    headings : sequence of str
    rows : sequence of sequence of str
        Cells; a line feed starts a new line.
    text : sequence of bool
        For each column, whether it holds text: text is on the left and may be broken between words, numbers are on the right
        and are kept on one line as long as there is room.
    width : int
        Characters of the terminal.
    """
    table = Table(title=title, title_justify="left")
    widths = _fitted(headings, rows, text, width)
    for heading, is_text, room in zip(headings, text, widths, strict=True):
        table.add_column(heading, justify="left" if is_text else "right", overflow="fold", width=room)
    for row in rows:
        table.add_row(*row)
    return table


def _fitted(headings: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[bool], width: int) -> list[int]:
    """Widths of the columns: the widest gives way first, headings before names, and names before numbers are broken."""
    cells = [[row[column] for row in rows] for column in range(len(headings))]
    widths = [max(_longest_line([heading]), _longest_line(below)) for heading, below in zip(headings, cells, strict=True)]
    room = width - _FRAME * len(headings) - _LAST
    wished, least = [], []
    for heading, below, is_text in zip(headings, cells, text, strict=True):
        word = _longest_word(below)
        wished.append(max(min(max(word, _longest_word([heading])), _ROOM_FOR_NAMES), 0 if is_text else _longest_line(below)))
        least.append(max(min(word, _LEAST), 1) if is_text else max(word, 1))
    for limits in (wished, least):
        while sum(widths) > room:
            above = [column for column in range(len(widths)) if widths[column] > limits[column]]
            if not above:
                break
            widths[max(above, key=lambda column: widths[column])] -= 1
    return widths


def _longest_line(texts: Iterable[str]) -> int:
    return max((cell_len(line) for text in texts for line in text.split("\n")), default=1)


def _longest_word(texts: Iterable[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=1)
