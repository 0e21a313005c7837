"""Check a table of text: every error in it, by row and column, and the ratings table that it gives if it is valid."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from reader_study.errors import RatingsError
from reader_study.ratings.alike import alike_names
from reader_study.ratings.layout import COLUMNS, OPTIONAL_COLUMNS, SIDES, known_regions
from reader_study.ratings.scale import LIKERT, RatingScale, is_not_rated, number_of, rating_of
from reader_study.ratings.spreadsheets import row_numbers

__all__ = [
    "Problem", "check_ratings", "one_line", "rating_problems", "unrated_words", "without_unrated", "without_withdrawn",
]  # fmt: skip

_KEY = ("reader", "case", "roi", "hemisphere", "method", "view", "repeat")
_WHOLE = re.compile(r"0*[1-9][0-9]*")


@dataclass(frozen=True)
class Problem:
    """An error in a table: row as a spreadsheet numbers it (the header is row 1), column, found, expected."""

    row: int
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column}: found {self.found or 'nothing'}, expected {self.expected}"


def without_unrated(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows whose rating is blank, N/A or similar: items without a rating have no row in a ratings table."""
    return table[[not is_not_rated(cell) for cell in table["rating"]]] if "rating" in table else table


def rating_problems(
    table: pd.DataFrame,
    scale: RatingScale = LIKERT,
    *,
    regions: Collection[str] | None = None,
    methods: Collection[str] | None = None,
) -> list[Problem]:
    """Find all errors in the cells of a ratings table.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per rating, every cell text; at least the columns :data:`reader_study.ratings.layout.COLUMNS`.
    scale : RatingScale
    regions : collection of str, optional
        Region names of the study; by default :func:`reader_study.ratings.layout.known_regions`.
    methods : collection of str, optional
        Method names of the study; by default any name.

    Returns
    -------
    list of Problem
        In the order of the rows; empty for a valid table.
    """
    names = tuple(regions) if regions is not None else known_regions()
    checks: dict[str, Callable[[str], str]] = {
        "reader": lambda cell: "" if cell else "a reader",
        "case": lambda cell: "" if cell else "a case",
        "roi": lambda cell: "" if cell in names else _nearest(cell, names, "region"),
        "hemisphere": lambda cell: "" if cell.lower() in SIDES else "L, R or nothing for a midline region",
        "method": lambda cell: _method_problem(cell, methods),
        "rating": lambda cell: "" if rating_of(cell, scale) is not None else f"one of {scale.describe()}",
        "repeat": lambda cell: "" if not cell or _WHOLE.fullmatch(cell) else "1, 2, ... or nothing",
        "seconds": lambda cell: "" if is_not_rated(cell) or _is_duration(cell) else "seconds, 0 or more, or nothing",
    }
    problems = []
    numbers = row_numbers(table)
    for column, expected_of in checks.items():
        if column not in table:
            continue
        # Each different cell is checked once: a table of a million rows has few of them.
        wrong = {cell: expected for cell in pd.unique(table[column]) if (expected := expected_of(cell))}
        if wrong:
            problems += [
                Problem(row, column, repr(cell) if cell else "", wrong[cell])
                for row, cell in zip(numbers, table[column], strict=True)
                if cell in wrong
            ]
    problems += _duplicates(table, numbers)
    return sorted(problems, key=lambda problem: problem.row)


def check_ratings(
    table: pd.DataFrame,
    scale: RatingScale = LIKERT,
    *,
    regions: Collection[str] | None = None,
    methods: Collection[str] | None = None,
    least_methods: int = 2,
    source: str = "ratings",
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Turn a table of text into a ratings table, and check it.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per rating, every cell text. Rows whose rating is blank or N/A were not rated and are left out.
    scale, regions, methods
        As for :func:`rating_problems`.
    least_methods : int
        2 if methods are compared; 1 if only readers are.
    source : str
        File name at the beginning of errors.
    report : callable, optional
        Called with a sentence about rows that are not rated, and about names that look alike.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`reader_study.ratings.layout.COLUMNS` (rating float64, hemisphere `L`, `R` or ``""``), then `repeat`
        (int64, 1 if the table has none), then the other optional columns that were there (`seconds` float64). Other columns
        are left out.

    Raises
    ------
    RatingsError
        If columns are missing, a cell is wrong (the first problems are named by row and column), nothing is rated, or there are
        fewer than `least_methods` methods.
    """
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise RatingsError(
            f"{source}: no column {', '.join(missing)} among {', '.join(table.columns)}; the table needs {', '.join(COLUMNS)}: "
            "`darts-reader-study import` brings other layouts to it"
        )
    rated = without_unrated(table)
    if rated.empty:
        raise RatingsError(f"{source}: no rating in the column rating; expected one of {scale.describe()} in at least one row")
    problems = rating_problems(rated, scale, regions=regions, methods=methods)
    if problems:
        raise RatingsError(f"{source}: {one_line(problems)}; correct the table")
    found = sorted(set(rated["method"]))
    if len(found) < least_methods:
        raise RatingsError(
            f"{source}: column method holds only {', '.join(found)}, expected at least {least_methods} methods to compare; "
            "put the ratings of all methods into one table"
        )
    unrated = len(table) - len(rated)
    if unrated and report is not None:
        report(f"{source}: {unrated_words(unrated, 'row')}")
    if report is not None:
        _tell_alike(rated, source, report)
    columns = [*COLUMNS, *(column for column in OPTIONAL_COLUMNS if column in rated and column != "repeat")]
    checked = rated[columns].reset_index(drop=True)
    checked["hemisphere"] = checked["hemisphere"].str.lower().map(SIDES)
    checked["rating"] = checked["rating"].map(number_of).astype(float)
    repeat = rated["repeat"].replace("", "1").astype(int).to_numpy() if "repeat" in rated else 1
    checked.insert(len(COLUMNS), "repeat", repeat)
    if "seconds" in checked:
        checked["seconds"] = [math.nan if is_not_rated(cell) else number_of(cell) for cell in checked["seconds"]]
        checked["seconds"] = checked["seconds"].astype(float)
    return checked


def without_withdrawn(table: pd.DataFrame, source: str, report: Callable[[str], None]) -> pd.DataFrame:
    """Leave out the rows that `export --with-withdrawn` marked in the column `withdrawn`, and say how many they are."""
    if "withdrawn" not in table:
        return table
    marked = table["withdrawn"] != ""
    if marked.any():
        readers = ", ".join(dict.fromkeys(table.loc[marked, "reader"])) if "reader" in table else "withdrawn readers"
        rows = f"1 row of {readers} is" if marked.sum() == 1 else f"{marked.sum()} rows of {readers} are"
        report(f"{source}: {rows} marked in the column withdrawn and left out (without that column they count)")
    return table[~marked]


def _tell_alike(table: pd.DataFrame, source: str, report: Callable[[str], None]) -> None:
    for column in ("reader", "case", "method"):
        for group in alike_names(table[column]):
            report(
                f"{source}: column {column}: {' and '.join(group)} look alike and count as {len(group)} different names; give "
                "them one spelling if they are the same"
            )


def unrated_words(count: int, what: str) -> str:
    """Return how many rows or cells count as not rated, as a sentence."""
    verb, end = ("has", "s") if count == 1 else ("have", "")
    return f"{count} {what}{'' if count == 1 else 's'} {verb} no rating (blank or N/A) and count{end} as not rated"


def one_line(problems: Sequence[Problem]) -> str:
    """Return the first three problems in a line, and how many more there are."""
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return "; ".join(map(str, problems[:3])) + more


def _nearest(cell: str, names: Sequence[str], what: str) -> str:
    close = difflib.get_close_matches(cell, names, n=1)
    return f"a known {what}" + (f" (did you mean {close[0]}?)" if close else " (declare others with --region)")


def _method_problem(cell: str, methods: Collection[str] | None) -> str:
    if not cell:
        return "a method"
    return "" if methods is None or cell in methods else f"one of {', '.join(sorted(methods))}"


def _is_duration(cell: str) -> bool:
    seconds = number_of(cell)
    return seconds is not None and seconds >= 0


def _duplicates(table: pd.DataFrame, numbers: Sequence[int]) -> list[Problem]:
    """Return rows that repeat an earlier one; sides and repeats are compared by their meaning, not by their spelling."""
    key = table[[column for column in _KEY if column in table]].copy()
    key["hemisphere"] = key["hemisphere"].str.lower().map(lambda side: SIDES.get(side, side))
    if "repeat" in key:
        key["repeat"] = key["repeat"].map(lambda cell: str(int(cell)) if _WHOLE.fullmatch(cell) else cell or "1")
    if not key.duplicated().any():
        return []
    first: dict[tuple[str, ...], int] = {}
    problems = []
    for row, cells in zip(numbers, key.itertuples(index=False, name=None), strict=True):
        if cells in first:
            found = f"the rating of row {first[cells]} again"
            problems.append(
                Problem(row, "reader to method", found, "one row per rating, or a column repeat that tells them apart")
            )
        else:
            first[cells] = row
    return problems
