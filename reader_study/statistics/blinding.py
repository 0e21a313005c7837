"""Whether the blinding was successful: the readers' guesses of the methods, by the indices of James and of Bang.

Both are defined for trials with two arms. James' index can be used for any number of methods. Bang's index is scaled here so
that it is 0 for guesses by chance: for K methods a wrong guess counts -1 / (K - 1) instead of -1; for two methods it is the
published index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from reader_study.errors import RatingsError
from reader_study.ratings.spreadsheets import read_text_table, row_numbers

__all__ = ["BlindingIndex", "bang_index", "blinding_table", "guess_counts", "james_index", "read_guesses"]

Floats = npt.NDArray[np.float64]
#: Cells that mean no guess, in lower case.
_UNSURE = ("", "?", "don't know", "dont know", "do not know", "unsure", "unknown", "none")
_COLUMNS = ("reader", "guess", "method")


@dataclass(frozen=True)
class BlindingIndex:
    """An index with its standard error and interval; NaN with a `reason`."""

    value: float
    se: float
    low: float
    high: float
    reason: str = ""


def read_guesses(path: Path, methods: Sequence[str] | None = None) -> pd.DataFrame:
    """Read the guesses of readers.

    Parameters
    ----------
    path : Path
        Table with columns `reader`, `guess`, `method` (others are ignored): the method guessed, "" or "don't know"
        for none, and the true one.
    methods : sequence of str, optional
        Methods of the study; by default those in the column `method`.

    Returns
    -------
    pandas.DataFrame
        Text columns `reader`, `guess` ("" for none), `method`.

    Raises
    ------
    RatingsError
        If columns are missing or a cell is not a method of the study.
    """
    table = read_text_table(path)
    missing = [column for column in _COLUMNS if column not in table]
    if missing:
        raise RatingsError(f"{path}: no column {', '.join(missing)} among {', '.join(table.columns)}; export the guesses again")
    guesses = table[list(_COLUMNS)].copy()
    guesses["guess"] = ["" if cell.lower() in _UNSURE else cell for cell in guesses["guess"]]
    known = tuple(methods) if methods is not None else tuple(dict.fromkeys(guesses["method"]))
    for column, allowed in (("method", known), ("guess", (*known, ""))):
        for row, cell in zip(row_numbers(table), guesses[column], strict=True):
            if cell not in allowed:
                raise RatingsError(
                    f"{path}: row {row}, column {column}: found {cell!r}, expected one of {', '.join(known)}"
                    f"{' or nothing' if column == 'guess' else ''}; correct the table"
                )
    return guesses


def guess_counts(guesses: pd.DataFrame, methods: Sequence[str]) -> npt.NDArray[np.int64]:
    """Count guesses, (methods + 1, methods): rows are the guesses, with "don't know" last, columns the true methods."""
    rows = [*methods, ""]
    table = pd.crosstab(guesses["guess"], guesses["method"]).reindex(index=rows, columns=list(methods), fill_value=0)
    return table.to_numpy(dtype=np.int64)


def bang_index(counts: npt.ArrayLike, arm: int, *, confidence: float = 0.95) -> BlindingIndex:
    """Bang's index of one method: 1 if every guess is right, 0 by chance, below 0 if readers take it for another method.

    Parameters
    ----------
    counts : (K + 1, K) array_like of int
        From :func:`guess_counts`.
    arm : int
        Column of the method.
    confidence : float

    Returns
    -------
    BlindingIndex
        (right - wrong / (K - 1)) / all, "don't know" counting 0, with the variance of a multinomial sample.

    References
    ----------
    Bang H, Ni L, Davis CE, Assessment of blinding in clinical trials, Controlled Clinical Trials 25 (2004).
    """
    column = np.asarray(counts, dtype=np.float64)[:, arm]
    others = len(column) - 2
    total = column.sum()
    if not total or others < 1:
        reason = "no guess about this method" if not total else "one method: there is nothing to guess"
        return BlindingIndex(math.nan, math.nan, math.nan, math.nan, reason)
    right, wrong = column[arm] / total, (column[:-1].sum() - column[arm]) / total
    value = right - wrong / others
    variance = (right + wrong / others**2 - value**2) / total
    return _index(value, max(variance, 0.0), -1 / others, 1.0, confidence)


def james_index(counts: npt.ArrayLike, *, confidence: float = 0.95) -> BlindingIndex:
    """James' index of all methods together: 0 if every guess is right, 0.5 by chance, 1 if nobody knows or all are wrong.

    Parameters
    ----------
    counts : (K + 1, K) array_like of int
        As :func:`guess_counts` returns them.
    confidence : float

    Returns
    -------
    BlindingIndex
        (1 + d + (1 - d) k) / 2, with d the share of "don't know" and k the disagreement of guesses and methods beyond
        chance, and its variance by the delta method. 1 without an error if nobody guessed.

    References
    ----------
    James KE, Bloch DA, Lee KK, Kraemer HC, Fuller RK, An index for assessing blindness in a multi-centre clinical trial,
    Statistics in Medicine 15 (1996).
    """
    table = np.asarray(counts, dtype=np.float64)
    total = table.sum()
    if not total:
        return BlindingIndex(math.nan, math.nan, math.nan, math.nan, "no guess")
    shares = table / total
    unsure = float(shares[-1].sum())
    guessed = shares[:-1]
    if not guessed.any():
        return _index(1.0, 0.0, 0.0, 1.0, confidence)
    said, true = guessed.sum(axis=1), guessed.sum(axis=0)
    wrong = 1 - np.eye(len(said))
    by_chance = float((wrong * np.outer(said, true)).sum())
    if by_chance <= 0:
        reason = "all guesses name one method, and it was always that one: none could be wrong"
        return BlindingIndex(math.nan, math.nan, math.nan, math.nan, reason)
    sure, errors = 1 - unsure, float((wrong * guessed).sum())
    ratio = errors * sure / by_chance
    value = (1 + unsure + sure * (ratio - 1)) / 2
    # Derivative of the index with respect to each share, for the variance of a multinomial sample.
    slope = np.empty_like(shares)
    of_ratio = wrong * sure / by_chance - ratio * (wrong @ true)[:, None] / by_chance - ratio * (said @ wrong) / by_chance
    slope[:-1] = sure * of_ratio / 2
    slope[-1] = (2 - ratio) / 2 - ratio / 2
    variance = (float((shares * slope**2).sum()) - float((shares * slope).sum()) ** 2) / total
    return _index(value, max(variance, 0.0), 0.0, 1.0, confidence)


def blinding_table(guesses: pd.DataFrame, methods: Sequence[str], *, confidence: float = 0.95) -> pd.DataFrame:
    """Both indices, for all readers together and for each.

    Returns
    -------
    pandas.DataFrame
        `reader` ("all" first), `index` (james, bang), `method` ("" for James), `value`, `se`, `low`, `high`, the number `n` of
        questions, `n_right`, `n_wrong`, `n_unsure`, `reason`. Intervals assume independent guesses; those of one reader are
        not independent, so that intervals for all readers are too narrow if readers differ.
    """
    groups = [("all", guesses), *((str(name), part) for name, part in guesses.groupby("reader", sort=True))]
    rows = []
    for reader, part in groups:
        counts = guess_counts(part, methods)
        right = np.diag(counts[:-1])
        unsure = counts[-1]
        found = [("james", "", james_index(counts, confidence=confidence), slice(None))]
        found += [
            ("bang", name, bang_index(counts, place, confidence=confidence), slice(place, place + 1))
            for place, name in enumerate(methods)
        ]
        for index, method, one, columns in found:
            n, n_right, n_unsure = int(counts[:, columns].sum()), int(right[columns].sum()), int(unsure[columns].sum())
            rows.append((
                reader, index, method, one.value, one.se, one.low, one.high, n, n_right, n - n_right - n_unsure, n_unsure,
                one.reason,
            ))  # fmt: skip
    names = ["reader", "index", "method", "value", "se", "low", "high", "n", "n_right", "n_wrong", "n_unsure", "reason"]
    return pd.DataFrame(rows, columns=names)


def _index(value: float, variance: float, least: float, most: float, confidence: float) -> BlindingIndex:
    error = math.sqrt(variance)
    half = float(stats.norm.ppf((1 + confidence) / 2)) * error
    low, high = max(value - half, least), min(value + half, most)
    return BlindingIndex(float(value), error, float(low), float(high))
