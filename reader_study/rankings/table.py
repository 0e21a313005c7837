"""The rankings table: one row per item and method with its rank, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pandas as pd

from reader_study.errors import RatingsError
from reader_study.ratings.checking import Problem, one_line, without_withdrawn
from reader_study.ratings.layout import SIDES, known_regions
from reader_study.ratings.scale import is_not_rated, number_of
from reader_study.ratings.spreadsheets import read_text_table, row_numbers

__all__ = ["RANKING_COLUMNS", "check_rankings", "is_ranking_table", "read_rankings"]

RANKING_COLUMNS = ("reader", "case", "roi", "hemisphere", "method", "rank")
_ITEM = ["reader", "case", "roi", "hemisphere", "view"]


def is_ranking_table(table: pd.DataFrame) -> bool:
    """Whether a table of text holds rankings: a column rank, and none called rating."""
    return "rank" in table and "rating" not in table


def read_rankings(
    path: Path, *, regions: Collection[str] | None = None, report: Callable[[str], None] | None = None
) -> pd.DataFrame:
    """Read and check a rankings table: :func:`reader_study.ratings.spreadsheets.read_text_table`, :func:`check_rankings`."""
    table = without_withdrawn(read_text_table(path, report=report), str(path), report or (lambda line: None))
    return check_rankings(table, regions=regions, source=str(path))


def check_rankings(table: pd.DataFrame, *, regions: Collection[str] | None = None, source: str = "rankings") -> pd.DataFrame:
    """Turn a table of text into a rankings table, and check it.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per item and method: `reader`, `case`, `roi`, `hemisphere`, `method`, `rank` (1 the best; equal ranks are ties),
        and `view` if there are several. Rows without a rank are left out.
    regions : collection of str, optional
        Region names of the study; by default :func:`reader_study.ratings.layout.known_regions`.
    source : str
        File name at the beginning of errors.

    Returns
    -------
    pandas.DataFrame
        The columns above, `rank` as the midrank within the item (float64, ties share their mean), and `item` (int64), the
        number of the ranking that a row belongs to. Items of one method are left out: they rank nothing.

    Raises
    ------
    RatingsError
        If columns are missing, a cell is wrong, a method comes twice in an item, or no item ranks two methods.
    """
    missing = [column for column in RANKING_COLUMNS if column not in table]
    if missing:
        raise RatingsError(f"{source}: no column {', '.join(missing)}; a rankings table needs {', '.join(RANKING_COLUMNS)}")
    rows = table[[not is_not_rated(cell) for cell in table["rank"]]]
    problems = _problems(rows, tuple(regions) if regions is not None else known_regions())
    if problems:
        raise RatingsError(f"{source}: {one_line(problems)}; correct the table")
    checked = rows[[*RANKING_COLUMNS[:-1]]].assign(view=rows.get("view", "")).reset_index(drop=True)
    checked["hemisphere"] = checked["hemisphere"].str.lower().map(SIDES)
    checked["rank"] = [float(number_of(cell) or 0) for cell in rows["rank"]]
    twice = checked.duplicated([*_ITEM, "method"])
    if twice.any():
        raise RatingsError(
            f"{source}: row {row_numbers(rows)[int(np.flatnonzero(twice)[0])]}: the method has a rank in this item already; "
            "expected each method once for a reader, case, region, side and view"
        )
    checked["item"] = checked.groupby(_ITEM, sort=False).ngroup().astype(np.int64)
    checked = checked[checked.groupby("item")["method"].transform("size") > 1].reset_index(drop=True)
    if checked.empty:
        raise RatingsError(f"{source}: no item with two methods; expected rankings of two or more")
    checked["rank"] = checked.groupby("item")["rank"].rank(method="average")
    return checked


def _problems(rows: pd.DataFrame, regions: Collection[str]) -> list[Problem]:
    checks = {
        "reader": (lambda cell: bool(cell), "a reader"),
        "case": (lambda cell: bool(cell), "a case"),
        "roi": (lambda cell: cell in regions, "a known region (declare others with --region)"),
        "hemisphere": (lambda cell: cell.lower() in SIDES, "L, R or nothing for a midline region"),
        "method": (lambda cell: bool(cell), "a method"),
        "rank": (lambda cell: (number_of(cell) or 0) > 0, "1 for the best, 2, ..."),
    }
    numbers = row_numbers(rows)
    problems = [
        Problem(row, column, repr(cell) if cell else "", expected)
        for column, (is_sound, expected) in checks.items()
        for row, cell in zip(numbers, rows[column], strict=True)
        if not is_sound(cell)
    ]
    return sorted(problems, key=lambda problem: problem.row)
