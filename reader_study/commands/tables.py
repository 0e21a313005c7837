"""Tables on the terminal: names that are too long for a column go on in the next line, none is cut."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import is_numeric_dtype
from rich.cells import cell_len
from rich.table import Table

__all__ = ["shown_table"]

_ROOM_FOR_NAMES = 24


def shown_table(table: pd.DataFrame, title: str) -> Table:
    """Return a table as the terminal shows it: text to the left, numbers to the right."""
    drawn = Table(title=title, title_justify="left")
    for column in table.columns:
        heading = str(column).replace("_", " ")
        if is_numeric_dtype(table[column]):
            drawn.add_column(heading, justify="right", overflow="fold")
        else:
            # Headings give way first: names stay in one line as far as there is room.
            longest = max((cell_len(str(cell)) for cell in table[column]), default=1)
            drawn.add_column(heading, overflow="fold", min_width=min(longest, _ROOM_FOR_NAMES))
    for row in table.itertuples(index=False):
        drawn.add_row(*(f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row))
    return drawn
