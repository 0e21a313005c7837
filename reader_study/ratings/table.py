"""The ratings table: reading it, the ratings without hidden repeats, and who rated what."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pandas as pd

from reader_study.ratings.checking import Problem, check_ratings, rating_problems
from reader_study.ratings.layout import COLUMNS, DESIGN, OPTIONAL_COLUMNS, SYNTHETIC, known_regions
from reader_study.ratings.scale import LIKERT, RatingScale, rating_of
from reader_study.ratings.spreadsheets import read_text_table
from reader_study.ratings.study_order import places_of

# Names of other files of this room that users of a ratings table also need.
__all__ = [
    "COLUMNS", "DESIGN", "LIKERT", "OPTIONAL_COLUMNS", "SYNTHETIC", "Problem", "RatingScale", "check_ratings", "first_ratings",
    "is_synthetic", "known_regions", "missing_ratings", "rating_of", "rating_problems", "read_ratings", "reader_column",
    "region_blocks",
    "who_rated_what",
]  # fmt: skip


def read_ratings(
    path: Path,
    scale: RatingScale = LIKERT,
    *,
    regions: Collection[str] | None = None,
    methods: Collection[str] | None = None,
    least_methods: int = 2,
    encoding: str = "",
    separator: str = "",
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Read and check a long ratings table: :func:`read_text_table`, then :func:`check_ratings`.

    `report`, if given, is called with a sentence about everything that had to be guessed or was left out.
    """
    table = read_text_table(path, encoding=encoding, separator=separator, report=report)
    return check_ratings(
        table, scale, regions=regions, methods=methods, least_methods=least_methods, source=str(path), report=report
    )


def first_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return the ratings without hidden repeats, which all comparisons of methods use."""
    return ratings[ratings["repeat"] == 1]


def region_blocks(ratings: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield `roi`, `hemisphere` and the first ratings of each region and side; the sides of a region follow each other."""
    rows = first_ratings(ratings)
    blocks = dict(iter(rows.groupby(["roi", "hemisphere"], sort=False)))
    for roi, side in places_of(rows):
        yield roi, side, blocks[(roi, side)]


def is_synthetic(ratings: pd.DataFrame) -> bool:
    """Whether any rating is marked as made up, so that all results must say so."""
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
        One row per region, side and method; one int column per reader (``reader: name`` if the reader has the name of
        another column); `complete`, whether all readers rated all the cases.
    """
    n_cases = ratings["case"].nunique()
    counts = ratings.pivot_table(
        index=list(DESIGN), columns="reader", values="case", aggfunc="nunique", fill_value=0, sort=False
    ).astype(int)
    counts.columns = pd.Index([reader_column(str(name)) for name in counts.columns])
    counts["complete"] = (counts == n_cases).all(axis=1)
    return counts.reset_index()


def reader_column(reader: str) -> str:
    """Return the name of a reader's column in :func:`who_rated_what`."""
    return f"reader: {reader}" if reader in (*DESIGN, "complete") else reader


def missing_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """List the ratings that a balanced design would also have: every reader x case x region x side x method without a rating.

    Regions and sides are crossed only where the pair occurs, so a midline region lacks no side.
    """
    pairs = ratings[["roi", "hemisphere"]].drop_duplicates()
    full = pairs
    for column in ("method", "reader", "case"):
        full = full.merge(ratings[[column]].drop_duplicates(), how="cross")
    wanted = ["reader", "case", *DESIGN]
    merged = full.merge(ratings[wanted].drop_duplicates(), on=wanted, how="left", indicator=True)
    return merged.loc[merged["_merge"] == "left_only", wanted].reset_index(drop=True)
