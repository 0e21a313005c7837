"""A table of means and SDs, as a paper prints it: one row per region and side, a mean and an SD for each method."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from reader_study.errors import SummaryError
from reader_study.ratings.spreadsheets import read_text_table, row_numbers

__all__ = ["ALL_REGIONS", "Cell", "Summary", "read_summary"]

#: Name of the row over all regions and sides, in the paper and here.
ALL_REGIONS = "All Regions"
_NUMBER = re.compile(r"[0-9]+([.,][0-9]*)?")
_LONG = ("roi", "hemisphere", "method", "mean", "sd")


@dataclass(frozen=True)
class Cell:
    """A printed mean and SD.

    Attributes
    ----------
    roi, hemisphere, method : str
        `hemisphere` is "" if the table has none.
    mean, sd : str
        As printed: the digits show how they were rounded.
    row : int
        Row of the file, the header being row 1.
    """

    roi: str
    hemisphere: str
    method: str
    mean: str
    sd: str
    row: int

    @property
    def where(self) -> str:
        """Place in words, as findings name it: `Putamen L, FS`."""
        return f"{' '.join(part for part in (self.roi, self.hemisphere) if part)}, {self.method}"


@dataclass(frozen=True)
class Summary:
    """A printed table of means and SDs.

    Attributes
    ----------
    cells : tuple of Cell
        Region rows.
    totals : tuple of Cell
        The rows called :data:`ALL_REGIONS`.
    decimals : int
        Decimals of the table: the largest number of any mean or SD. A paper that prints 3.0 beside 3.13 dropped a zero.
    """

    cells: tuple[Cell, ...]
    totals: tuple[Cell, ...]
    decimals: int

    @property
    def methods(self) -> tuple[str, ...]:
        """Method names in the order of the table."""
        return tuple(dict.fromkeys(cell.method for cell in (*self.cells, *self.totals)))


def read_summary(path: Path) -> Summary:
    """Read a table of means and SDs.

    Parameters
    ----------
    path : Path
        CSV, TSV, Parquet or xlsx with columns `roi`, `hemisphere` and either `<method>_mean`, `<method>_sd` for each
        method, or `method`, `mean`, `sd`. Other columns are ignored. Means without an SD may have the cell empty.

    Returns
    -------
    Summary

    Raises
    ------
    SummaryError
        If the file is not such a table; a cell that is not a number is named by row and column.
    """
    table = read_text_table(path, SummaryError)
    if "roi" not in table:
        raise SummaryError(f"{path}: no column roi among {', '.join(table.columns)}; name the regions in a column roi")
    if "hemisphere" not in table:
        table["hemisphere"] = ""
    rows = list(zip(row_numbers(table), table.to_dict("records"), strict=True))
    if set(_LONG) <= set(table.columns):
        named = [(str(row["method"]), "mean", "sd", number, row) for number, row in rows]
    else:
        methods = [c.removesuffix("_mean") for c in table.columns if c.endswith("_mean")]
        if not methods or any(f"{method}_sd" not in table for method in methods):
            raise SummaryError(
                f"{path}: columns {', '.join(table.columns)}; expected <method>_mean with <method>_sd, or method, mean, sd"
            )
        named = [(m, f"{m}_mean", f"{m}_sd", number, row) for number, row in rows for m in methods]
    cells = []
    for method, mean_column, sd_column, number, row in named:
        mean = _printed(path, number, mean_column, row[mean_column], required=True)
        sd = _printed(path, number, sd_column, row[sd_column], required=False)
        cells.append(Cell(row["roi"], row["hemisphere"], method, mean, sd, number))
    printed = [text for cell in cells for text in (cell.mean, cell.sd)]
    return Summary(
        cells=tuple(cell for cell in cells if cell.roi != ALL_REGIONS),
        totals=tuple(cell for cell in cells if cell.roi == ALL_REGIONS),
        decimals=max(len(text.partition(".")[2]) for text in printed),
    )


def _printed(path: Path, row: int, column: str, text: str, *, required: bool) -> str:
    if _NUMBER.fullmatch(text) or (not text and not required):
        return text.replace(",", ".")
    raise SummaryError(f"{path}: row {row}, column {column}: found {text!r}, expected a number like 3.41; correct the table")
