"""Tables on disk, as text: CSV, TSV, Parquet and Excel read without guessing types."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reader_study.errors import RatingsError

__all__ = ["read_text_table"]

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


def read_text_table(path: Path, error: type[Exception] = RatingsError) -> pd.DataFrame:
    """Read a table with every cell as the text that stands in it.

    Types are left alone so that `3.0`, `03` and an empty cell can be told apart when they are checked.

    Parameters
    ----------
    path : Path
        `.csv`, `.tsv`, `.txt` (tab-separated), `.parquet`, or `.xlsx` (first sheet).
    error : type of Exception
        What to raise; the kind of table decides.

    Returns
    -------
    pandas.DataFrame
        Cells are str without surrounding spaces, "" where empty.

    Raises
    ------
    RatingsError, or `error`
        If the file is absent, of another kind, empty, malformed, or needs a package that is not installed.
    """
    kind = path.suffix.lower()
    if not path.is_file():
        raise error(f"{path}: no such file; give the path of a table")
    try:
        if kind in _SEPARATORS:
            table = pd.read_csv(path, sep=_SEPARATORS[kind], dtype=str, keep_default_na=False, encoding="utf-8-sig")
        elif kind == ".parquet":
            table = pd.read_parquet(path)
        elif kind == ".xlsx":
            table = pd.read_excel(path, dtype=str, keep_default_na=False, engine="openpyxl")
        else:
            raise error(f"{path}: a {kind or 'nameless'} file, but a .csv, .tsv, .parquet or .xlsx table was expected")
    except ImportError as missing:
        package = "pyarrow" if kind == ".parquet" else "openpyxl"
        raise error(
            f"{path}: {kind} needs the package {package}; install darts-ensemble[tables], or save the table as .csv"
        ) from missing
    except (ValueError, OSError) as problem:
        reason = " ".join(str(problem).split())
        raise error(f"{path}: not a readable {kind} table ({reason}); save it again as UTF-8 .csv") from problem
    if not len(table):
        raise error(f"{path}: no rows below the header; a table with one row a rating or summary was expected")
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    return table.apply(lambda column: column.map(as_text))


def as_text(cell: object) -> str:
    """Cell as text: "" for a missing value, `3` for the float 3.0 that Parquet and Excel make of whole numbers."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
