"""Tables on disk as text, with every cell as written: CSV, TSV, Parquet and Excel."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reader_study.errors import RatingsError
from reader_study.ratings.delimited import read_delimited
from reader_study.ratings.workbooks import read_workbook

__all__ = ["as_text", "read_text_table", "row_numbers"]

_DELIMITED = (".csv", ".tsv", ".txt")
#: Name of the index that holds the rows of the file.
_ROW = "row"


def read_text_table(
    path: Path,
    error: type[Exception] = RatingsError,
    *,
    encoding: str = "",
    separator: str = "",
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Read a table with every cell as the text written in it.

    Cells are not converted, so that `3.0`, `03` and an empty cell can be distinguished when they are checked.

    Parameters
    ----------
    path : Path
        `.csv`, `.tsv`, `.txt`, `.parquet`, or `.xlsx` (first sheet).
    error : type of Exception
        Error to raise, which depends on the kind of table.
    encoding, separator : str
        Of a text file; if empty, found from the file.
    report : callable, optional
        Called with a sentence about everything that had to be guessed or was left out.

    Returns
    -------
    pandas.DataFrame
        Cells are str without surrounding spaces, "" where empty. The index holds each row's number in the file, the header
        being row 1 (:func:`row_numbers`). Rows and columns without any text are left out.

    Raises
    ------
    RatingsError, or `error`
        If the file is missing, of another kind, empty or malformed, has a header twice or an empty one, or needs a package that
        is not installed.
    """
    kind = path.suffix.lower()
    if not path.is_file():
        raise error(f"{path}: no such file; give the path of a table")
    try:
        if kind in _DELIMITED:
            records: Sequence[Sequence[Any]] = read_delimited(path, encoding=encoding, separator=separator, report=report)
        elif kind == ".parquet":
            frame = pd.read_parquet(path)
            records = [list(frame.columns), *frame.itertuples(index=False, name=None)]
        elif kind == ".xlsx":
            records = read_workbook(path, report=report)
        else:
            raise error(f"{path}: a {kind or 'nameless'} file, but a .csv, .tsv, .parquet or .xlsx table was expected")
        header, *rows = [[as_text(cell) for cell in record] for record in records] or [[]]
        return _table_of([[" ".join(name.split()) for name in header], *rows])
    except ImportError as missing:
        package = "pyarrow" if kind == ".parquet" else "openpyxl"
        raise error(
            f"{path}: {kind} needs the package {package}; install darts-ensemble[tables], or save the table as .csv"
        ) from missing
    except LookupError as problem:
        raise error(f"{path}: {problem}; expected an encoding such as utf-8, utf-16, cp1252 or latin-1") from problem
    except (ValueError, OSError) as problem:
        reason = " ".join(str(problem).split())
        raise error(f"{path}: not a readable {kind} table ({reason})") from problem


def row_numbers(table: pd.DataFrame) -> list[int]:
    """Return the number of each row as a spreadsheet shows it; for a table that no file gave, the header counts as row 1."""
    return table.index.tolist() if table.index.name == _ROW else list(range(2, len(table) + 2))


def as_text(cell: object) -> str:
    """Return a cell as text: "" for a missing value, `3` for the float 3.0 that Parquet and Excel make of whole numbers.

    An accent that is written beside its letter becomes one character with it, as it looks: macOS writes `é` so, others do not.
    """
    if isinstance(cell, str):
        text = cell if cell.isascii() else unicodedata.normalize("NFC", cell)
        return text.strip("\ufeff\u200b ").strip()
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _table_of(records: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Return header and rows of the records; the index has their positions."""
    header = list(records[0]) if records else []
    if not any(header):
        raise ValueError("its first row is empty; expected the names of the columns there")
    rows = [(number, record) for number, record in enumerate(records[1:], start=2) if any(record)]
    if not rows:
        raise ValueError("no rows below the header; expected one row per rating or summary")
    twice = [name for name, count in Counter(name for name in header if name).items() if count > 1]
    if twice:
        raise ValueError(f"the header gives {', '.join(twice)} more than once; expected a different name for every column")
    width = max(len(header), *(len(record) for _, record in rows))
    header += [""] * (width - len(header))
    padded = [[*record, *[""] * (width - len(record))] for _, record in rows]
    columns = list(zip(*padded, strict=True))
    for place, name in enumerate(header):
        if not name and any(columns[place]):
            number = next(row for (row, _), cell in zip(rows, columns[place], strict=True) if cell)
            raise ValueError(
                f"row {number} has a value in column {place + 1}, which has no name in row 1; expected as many names as cells"
            )
    kept = {name: list(columns[place]) for place, name in enumerate(header) if name}
    return pd.DataFrame(kept, dtype=object, index=pd.Index([number for number, _ in rows], name=_ROW))
