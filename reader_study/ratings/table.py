"""The ratings table: its columns, the rating scale, reading and checking it, and who rated what."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darts_ensemble.labels import REGIONS
from reader_study.errors import RatingsError
from reader_study.ratings.spreadsheets import read_text_table

__all__ = [
    "COLUMNS", "DESIGN", "LIKERT", "OPTIONAL_COLUMNS", "SYNTHETIC", "Problem", "RatingScale", "check_ratings", "first_ratings",
    "is_synthetic", "known_regions", "missing_ratings", "rating_of", "rating_problems", "read_ratings", "who_rated_what",
]  # fmt: skip

#: Columns every ratings table has, and those it may have besides; `synthetic` says how a rating was made up, "" for a reader's.
COLUMNS = ("reader", "case", "roi", "hemisphere", "method", "rating")
OPTIONAL_COLUMNS = ("view", "repeat", "seconds", "timestamp", "comment", "synthetic")
#: Columns that together name one rating of a complete design, beside the reader and the case.
DESIGN = ("roi", "hemisphere", "method")
#: What everything made of simulated ratings says.
SYNTHETIC = "Synthetic ratings: simulated, no reader gave them"
_KEY = ("reader", "case", "roi", "hemisphere", "method", "view", "repeat")
_SIDES = {"l": "L", "left": "L", "lh": "L", "r": "R", "right": "R", "rh": "R", "": "", "midline": ""}
_PUBLISHED_REGIONS = ("Insula", "Caudate", "Cingulate-Gyrus", "Lateral-Ventricles", "Pallidum", "Putamen", "Thalamus")
_SIDE_PREFIXES = ("ctx-lh-", "ctx-rh-", "Left-", "Right-")


@dataclass(frozen=True)
class RatingScale:
    """An ordinal scale.

    Attributes
    ----------
    levels : tuple of int
        Ratings from worst to best, increasing.
    words : tuple of str
        What each level means, one a level.
    half_points : bool
        Whether a rating half-way between two neighbouring levels is allowed.

    Raises
    ------
    RatingsError
        If there are fewer than two levels, they do not increase, or the words do not match them.
    """

    levels: tuple[int, ...]
    words: tuple[str, ...]
    half_points: bool = False

    def __post_init__(self) -> None:
        if len(self.levels) < 2 or any(b <= a for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise RatingsError(f"scale: levels {self.levels} do not increase over at least two; list them from worst to best")
        if len(self.words) != len(self.levels):
            raise RatingsError(f"scale: {len(self.words)} words for {len(self.levels)} levels; give one word a level")

    @property
    def allowed(self) -> tuple[float, ...]:
        """Every rating that may be given, increasing."""
        if not self.half_points:
            return tuple(float(level) for level in self.levels)
        between = [(low + high) / 2 for low, high in zip(self.levels, self.levels[1:], strict=False)]
        return tuple(sorted([*map(float, self.levels), *between]))

    def describe(self) -> str:
        """Scale in words, as errors show it: `1, 2, 3, 4, 5`."""
        return ", ".join(f"{level:g}" for level in self.allowed)


#: The scale of the published study; its table names the two ends, the words between are the usual ones.
LIKERT = RatingScale(levels=(1, 2, 3, 4, 5), words=("poor", "fair", "good", "very good", "excellent"))


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a table: row as a spreadsheet numbers it (the header is row 1), column, found, expected."""

    row: int
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column}: found {self.found or 'nothing'}, expected {self.expected}"


def known_regions() -> tuple[str, ...]:
    """Region names a table may use: the seven of the published study and the 102 regions without their side."""
    names = list(_PUBLISHED_REGIONS)
    for region in REGIONS:
        prefix = next((p for p in _SIDE_PREFIXES if region.name.startswith(p)), "")
        names.append(region.name.removeprefix(prefix))
    return tuple(dict.fromkeys(names))


def rating_of(text: str, scale: RatingScale) -> float | None:
    """Rating that a cell holds, or None where it holds none of the scale."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value in scale.allowed else None


def rating_problems(
    table: pd.DataFrame,
    scale: RatingScale = LIKERT,
    *,
    regions: Collection[str] | None = None,
    methods: Collection[str] | None = None,
) -> list[Problem]:
    """Find everything wrong in the cells of a ratings table.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a rating, every cell text; at least the columns :data:`COLUMNS`.
    scale : RatingScale
    regions : collection of str, optional
        Region names of the study; :func:`known_regions` without.
    methods : collection of str, optional
        Method names of the study; any name without.

    Returns
    -------
    list of Problem
        In the order of the rows; empty for a sound table.
    """
    names = tuple(regions) if regions is not None else known_regions()
    checks: dict[str, Callable[[str], str]] = {
        "reader": lambda cell: "" if cell else "a reader",
        "case": lambda cell: "" if cell else "a case",
        "roi": lambda cell: "" if cell in names else _nearest(cell, names, "region"),
        "hemisphere": lambda cell: "" if cell.lower() in _SIDES else "L, R or nothing for a midline region",
        "method": lambda cell: _method_problem(cell, methods),
        "rating": lambda cell: "" if rating_of(cell, scale) is not None else f"one of {scale.describe()}",
        "repeat": lambda cell: "" if not cell or (cell.isdigit() and int(cell) > 0) else "1, 2, ... or nothing",
        "seconds": lambda cell: "" if not cell or _is_duration(cell) else "seconds, 0 or more, or nothing",
    }
    problems = []
    for column, expected_of in checks.items():
        if column in table:
            for row, cell in enumerate(table[column], start=2):
                expected = expected_of(cell)
                if expected:
                    problems.append(Problem(row, column, repr(cell) if cell else "", expected))
    problems += _duplicates(table)
    return sorted(problems, key=lambda problem: problem.row)


def check_ratings(
    table: pd.DataFrame,
    scale: RatingScale = LIKERT,
    *,
    regions: Collection[str] | None = None,
    methods: Collection[str] | None = None,
    least_methods: int = 2,
    source: str = "ratings",
) -> pd.DataFrame:
    """Turn a table of text into a ratings table, or say what is wrong with it.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a rating, every cell text.
    scale, regions, methods
        As for :func:`rating_problems`.
    least_methods : int
        2 where methods are compared; 1 where only readers are.
    source : str
        File name that an error starts with.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS` (rating float64, hemisphere `L`, `R` or ``""``), then `repeat` (int64, 1 where the table has
        none), then the other :data:`OPTIONAL_COLUMNS` that were there (`seconds` float64). Other columns are left out.

    Raises
    ------
    RatingsError
        If columns are missing, a cell is wrong (the first problems are named by row and column), or there are fewer than
        `least_methods` methods.
    """
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise RatingsError(
            f"{source}: no column {', '.join(missing)} among {', '.join(table.columns)}; the table needs "
            f"{', '.join(COLUMNS)}; bring another layout to it with long_from_wide"
        )
    problems = rating_problems(table, scale, regions=regions, methods=methods)
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise RatingsError(f"{source}: {'; '.join(map(str, problems[:3]))}{more}; correct the table")
    found = sorted(set(table["method"]))
    if len(found) < least_methods:
        raise RatingsError(
            f"{source}: column method holds only {', '.join(found)}, expected at least {least_methods} methods to compare; "
            "put the ratings of all methods into one table"
        )
    columns = [*COLUMNS, *(column for column in OPTIONAL_COLUMNS if column in table and column != "repeat")]
    checked = table[columns].reset_index(drop=True)
    checked["hemisphere"] = checked["hemisphere"].str.lower().map(_SIDES)
    checked["rating"] = checked["rating"].astype(float)
    repeat = table["repeat"].replace("", "1").astype(int).to_numpy() if "repeat" in table else 1
    checked.insert(len(COLUMNS), "repeat", repeat)
    if "seconds" in checked:
        checked["seconds"] = pd.to_numeric(checked["seconds"].replace("", math.nan))
    return checked


def read_ratings(
    path: Path,
    scale: RatingScale = LIKERT,
    *,
    regions: Collection[str] | None = None,
    methods: Collection[str] | None = None,
    least_methods: int = 2,
) -> pd.DataFrame:
    """Read and check a long ratings table: :func:`read_text_table`, then :func:`check_ratings`."""
    table = read_text_table(path)
    return check_ratings(table, scale, regions=regions, methods=methods, least_methods=least_methods, source=str(path))


def first_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """Ratings without hidden repeats: what every comparison of methods is made on."""
    return ratings[ratings["repeat"] == 1]


def is_synthetic(ratings: pd.DataFrame) -> bool:
    """Whether any rating is marked as made up, so that everything drawn from the table must say so."""
    return "synthetic" in ratings and bool((ratings["synthetic"] != "").any())


def who_rated_what(ratings: pd.DataFrame) -> pd.DataFrame:
    """Count the cases that each reader rated, per region, side and method.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`check_ratings` returns it.

    Returns
    -------
    pandas.DataFrame
        One row a region, side and method; one int column a reader; `complete`, whether all readers rated all the cases.
    """
    n_cases = ratings["case"].nunique()
    counts = ratings.pivot_table(
        index=list(DESIGN), columns="reader", values="case", aggfunc="nunique", fill_value=0, sort=False
    ).astype(int)
    counts["complete"] = (counts == n_cases).all(axis=1)
    counts.columns.name = None
    return counts.reset_index()


def missing_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """List what keeps a design from being balanced: every reader x case x region x side x method without a rating.

    Regions and sides are crossed only where the pair occurs, so a midline region lacks no side.
    """
    pairs = ratings[["roi", "hemisphere"]].drop_duplicates()
    full = pairs
    for column in ("method", "reader", "case"):
        full = full.merge(ratings[[column]].drop_duplicates(), how="cross")
    wanted = ["reader", "case", *DESIGN]
    merged = full.merge(ratings[wanted].drop_duplicates(), on=wanted, how="left", indicator=True)
    return merged.loc[merged["_merge"] == "left_only", wanted].reset_index(drop=True)


def _nearest(cell: str, names: Sequence[str], what: str) -> str:
    close = difflib.get_close_matches(cell, names, n=1)
    return f"a known {what}" + (f" (did you mean {close[0]}?)" if close else "")


def _method_problem(cell: str, methods: Collection[str] | None) -> str:
    if not cell:
        return "a method"
    return "" if methods is None or cell in methods else f"one of {', '.join(sorted(methods))}"


def _is_duration(cell: str) -> bool:
    try:
        return 0 <= float(cell) < math.inf
    except ValueError:
        return False


def _duplicates(table: pd.DataFrame) -> list[Problem]:
    """Rows that repeat an earlier one; sides and repeats are compared as they will be read, not as they are spelled."""
    key = table[[column for column in _KEY if column in table]].copy()
    key["hemisphere"] = key["hemisphere"].str.lower().map(lambda side: _SIDES.get(side, side))
    if "repeat" in key:
        key["repeat"] = key["repeat"].map(lambda cell: str(int(cell)) if cell.isdigit() else cell or "1")
    first: dict[tuple[str, ...], int] = {}
    problems = []
    for row, cells in enumerate(key.itertuples(index=False, name=None), start=2):
        if cells in first:
            found = f"the rating of row {first[cells]} again"
            problems.append(
                Problem(row, "reader to method", found, "one row a rating, or a column repeat that tells them apart")
            )
        else:
            first[cells] = row
    return problems
