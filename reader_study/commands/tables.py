"""Tables on the terminal: names that are too long for a column go on in the next line, none is cut."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import is_numeric_dtype
from rich.table import Table

__all__ = ["shown_table"]


def shown_table(table: pd.DataFrame, title: str) -> Table:
    """Return a table as the terminal shows it: text to the left, numbers to the right."""
    drawn = Table(title=title, title_justify="left")
    for column in table.columns:
        # Two names that begin alike would be the same once cut.
        drawn.add_column(
            str(column).replace("_", " "), justify="right" if is_numeric_dtype(table[column]) else "left", overflow="fold"
        )
    for row in table.itertuples(index=False):
        drawn.add_row(*(f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row))
    return drawn
