"""Wide ratings to long: tables with a column for each reader, method or region become a ratings table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from reader_study.errors import RatingsError
from reader_study.ratings.checking import Problem, one_line, unrated_words
from reader_study.ratings.layout import COLUMNS, OPTIONAL_COLUMNS
from reader_study.ratings.scale import LIKERT, RatingScale, is_not_rated, rating_of
from reader_study.ratings.spreadsheets import row_numbers

__all__ = ["long_from_wide"]

_FIELD = re.compile(r"\{(\w+)\}")


def long_from_wide(
    table: pd.DataFrame,
    headers: str,
    *,
    rename: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    scale: RatingScale = LIKERT,
    source: str = "ratings",
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Turn a table with several ratings in a row into one with one row per rating.

    Parameters
    ----------
    table : pandas.DataFrame
        Every cell text, as :func:`reader_study.ratings.spreadsheets.read_text_table` gives it.
    headers : str
        Pattern of the headers of the rating columns, with fields in braces: ``{reader}``,
        ``{roi}_{hemisphere}_{method}``, ``rating {method}``. A field stands for any text; if it could end in several
        places, it ends in the first. Columns without ratings are recognised by their names: those of the ratings
        table (after `rename`) are kept.
    rename : mapping of str to str, optional
        Header in the file to name in the ratings table, as ``{"subject": "case"}``.
    constants : mapping of str to str, optional
        Columns that the file leaves out because they never change, as ``{"method": "raw"}``.
    scale : RatingScale
    source : str
        File name that an error starts with.
    report : callable, optional
        Called with a sentence about cells that are not rated.

    Returns
    -------
    pandas.DataFrame
        Text columns, one row per rating, to be checked by :func:`reader_study.ratings.checking.check_ratings`. Cells that are
        blank or N/A were not rated and have no row.

    Raises
    ------
    RatingsError
        If a field is unknown, no header fits, a column that the table needs is missing, or a cell is not a rating of
        the scale: its row and column in the wide file are named.
    """
    table = table.rename(columns=dict(rename or {}))
    known = (*COLUMNS, *OPTIONAL_COLUMNS)
    fields = _FIELD.findall(headers)
    unknown = [field for field in fields if field not in known or field == "rating"]
    if unknown or not fields:
        raise RatingsError(f"headers {headers!r}: {unknown or 'no field'}; expected fields among {', '.join(known)} in braces")
    kept = [column for column in table.columns if column in known]
    pattern = re.compile(_pattern_of(headers))
    matches = {column: match for column in table.columns if column not in kept and (match := pattern.fullmatch(column))}
    if not matches:
        raise RatingsError(f"{source}: no header among {', '.join(table.columns)} fits {headers!r}; correct the pattern")
    given = {*kept, *fields, *(constants or {})}
    lacking = [column for column in COLUMNS if column not in given and column != "rating"]
    if lacking:
        raise RatingsError(
            f"{source}: nothing gives {', '.join(lacking)}; name it in the headers, the columns or the constants"
        )
    problems = _wrong_cells(table, list(matches), scale)
    if problems:
        raise RatingsError(f"{source}: {one_line(problems)}; correct the table")
    parts = []
    for column, match in matches.items():
        part = table[kept].copy()
        for name, value in {**(constants or {}), **match.groupdict()}.items():
            part[name] = value
        part["rating"] = table[column]
        parts.append(part[[not is_not_rated(cell) for cell in table[column]]])
    long = pd.concat(parts, ignore_index=True)
    unrated = len(table) * len(matches) - len(long)
    if unrated and report is not None:
        report(f"{source}: {unrated_words(unrated, 'cell')}")
    return long[[column for column in known if column in long]]


def _pattern_of(headers: str) -> str:
    pieces = _FIELD.split(headers)
    return "".join(f"(?P<{piece}>.+?)" if number % 2 else re.escape(piece) for number, piece in enumerate(pieces))


def _wrong_cells(table: pd.DataFrame, columns: Sequence[str], scale: RatingScale) -> list[Problem]:
    problems = [
        Problem(row, column, repr(cell), f"one of {scale.describe()}, or nothing where it was not rated")
        for column in columns
        for row, cell in zip(row_numbers(table), table[column], strict=True)
        if not is_not_rated(cell) and rating_of(cell, scale) is None
    ]
    return sorted(problems, key=lambda problem: problem.row)
