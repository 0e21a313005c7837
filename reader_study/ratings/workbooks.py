"""Excel workbooks: the cells of the first sheet, and clear messages about merged cells and other sheets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

__all__ = ["kind_of_workbook", "read_workbook"]


def kind_of_workbook(start: bytes) -> str:
    """Return `xlsx` for the first bytes of one (or of another zip file), a sentence for an older one, "" for all else."""
    if start.startswith(b"PK\x03\x04"):
        return "xlsx"
    old = start.startswith(b"\xd0\xcf\x11\xe0")
    return "it is an old workbook, or one with a password; save it as .xlsx without a password" if old else ""


def read_workbook(path: Path, *, report: Callable[[str], None] | None = None) -> list[list[Any]]:
    """Read the first sheet of a workbook.

    Parameters
    ----------
    path : Path
    report : callable, optional
        Called with a sentence if there are other sheets, which are not read.

    Returns
    -------
    list of list
        One list per row of the sheet, None for empty cells; formulas as the values that were saved with them.

    Raises
    ------
    ImportError
        If openpyxl is not installed.
    ValueError
        If the file is not a workbook, a formula has no saved value, or cells are merged: only the first cell of a merged range
        holds its text, so the others would be read as empty.
    """
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    what = kind_of_workbook(path.read_bytes()[:8])
    if what != "xlsx":
        raise ValueError(what or "it is no workbook; if it is text, give it a name that ends in .csv")
    try:
        book = load_workbook(path, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError) as error:
        raise ValueError(str(error).strip("'\"")) from None
    sheet = book.worksheets[0]
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    if any(cell is None for row in rows for cell in row):
        formulas = load_workbook(path, read_only=True)
        try:
            _check_formulas(formulas.worksheets[0], rows)
        finally:
            formulas.close()
    merged = sorted(sheet.merged_cells.ranges, key=lambda cells: (cells.min_row, cells.min_col))
    if merged:
        first = merged[0]
        text = sheet.cell(first.min_row, first.min_col).value
        title = first.min_row == 1 and first.max_col > first.min_col
        advice = "delete the title above the header, or unmerge it" if title else "unmerge them and fill every cell"
        more = f" (and {len(merged) - 1} more)" if len(merged) > 1 else ""
        raise ValueError(
            f"the cells {first.coord}{more} are merged and hold {str(text or '')!r} once; expected one header in row 1 and a "
            f"value in every cell below: {advice}"
        )
    others = [one.title for one in book.worksheets[1:] if one.max_row > 1 or one.max_column > 1]
    if others and report is not None:
        report(f"{path}: only the first sheet, {sheet.title}, is read; not {', '.join(others)}")
    return rows


def _check_formulas(sheet: Any, values: list[list[Any]]) -> None:
    """Raise if a cell has a formula and no value: a program that wrote the file without computing it leaves such cells."""
    for row, found in zip(sheet.iter_rows(), values, strict=False):
        for cell, value in zip(row, found, strict=False):
            if value is None and cell.data_type == "f":
                raise ValueError(
                    f"cell {cell.coordinate} holds a formula without its value; open the file in a spreadsheet program and "
                    "save it, so that values are stored, or save it as .csv"
                )
