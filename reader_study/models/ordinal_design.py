"""A ratings table as the response, fixed effects and grouping of a cumulative-logit mixed model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.results.run_facts import count_of
from reader_study.errors import RatingsError
from reader_study.models.ordinal_data import OrdinalDesign

__all__ = ["ordinal_design"]

Ints = npt.NDArray[np.int64]


def ordinal_design(
    ratings: pd.DataFrame,
    *,
    fixed: Sequence[str] = ("method",),
    random: Sequence[str] = ("case", "reader"),
    nominal: str | None = None,
) -> OrdinalDesign:
    """Turn a ratings table into response, fixed effects and grouping of a model.

    Parameters
    ----------
    ratings : pandas.DataFrame
        A column `rating` and those named below.
    fixed : sequence of str
        Factors, coded against their first level: in the order of a categorical column, else of appearance.
    random : sequence of str
        Random intercepts: a column, or several joined by ``:``, as ``case:method``.
    nominal : str, optional
        A factor with separate thresholds for each level, instead of one shift of all thresholds; it must not be in `fixed`.

    Returns
    -------
    OrdinalDesign
        Levels of the response are the ratings that occur, as in R.

    Raises
    ------
    RatingsError
        If a column is missing, all ratings are equal, a factor has one level, a random term has one level or one for each
        rating, or a set of thresholds lacks a level of rating.
    """
    for name in [*fixed, *(part for term in random for part in term.split(":")), *([nominal] if nominal else [])]:
        if name not in ratings:
            raise RatingsError(f"model: no column {name} among {', '.join(ratings.columns)}; name columns of the ratings")
    values, response = np.unique(ratings["rating"].to_numpy(dtype=float), return_inverse=True)
    if len(values) < 2:
        raise RatingsError(f"model: all {len(ratings)} ratings are {values[0]:g}; at least two levels are needed")
    columns, factors = [], []
    for factor in fixed:
        codes, levels = _levels_of(ratings[factor])
        if len(levels) < 2:
            raise RatingsError(f"model: column {factor} holds only {levels[0]}; a fixed effect needs two levels")
        columns += [(codes == code).astype(float) for code in range(1, len(levels))]
        factors.append((factor, levels))
    groups, term_levels = [], []
    for term in random:
        codes, levels = _crossed_levels(ratings, term.split(":"))
        if len(levels) < 2 or len(levels) == len(ratings):
            size = f"{count_of(len(levels), 'level')} of {term} in {count_of(len(ratings), 'rating')}"
            raise RatingsError(f"model: {size}; leave its variance out")
        groups.append(codes)
        term_levels.append(levels)
    sets = np.zeros(len(ratings), dtype=np.int64)
    n_sets = 1
    if nominal is not None:
        sets, set_levels = _levels_of(ratings[nominal])
        n_sets = len(set_levels)
        if len(set(zip(sets, response, strict=True))) < n_sets * len(values):
            raise RatingsError(f"model: a level of {nominal} lacks a level of rating; its thresholds can't be estimated")
    effects = [*fixed, *(f"(1 | {term})" for term in random)]
    formula = f"factor(rating) ~ {' + '.join(effects) or '1'}" + (f", nominal = ~ {nominal}" if nominal else "")
    n = len(ratings)
    return OrdinalDesign(
        response=response.astype(np.int64),
        levels=tuple(f"{value:g}" for value in values),
        fixed=np.column_stack(columns) if columns else np.zeros((n, 0)),
        factors=tuple(factors),
        groups=np.column_stack(groups) if groups else np.zeros((n, 0), dtype=np.int64),
        term_names=tuple(random),
        term_levels=tuple(term_levels),
        threshold_set=sets,
        n_sets=n_sets,
        formula=formula,
    )


def _crossed_levels(ratings: pd.DataFrame, columns: Sequence[str]) -> tuple[Ints, tuple[str, ...]]:
    """Codes and names of the combinations of columns that occur, in the order of their levels."""
    codes, names = _levels_of(ratings[columns[0]])
    for column in columns[1:]:
        inner, inner_names = _levels_of(ratings[column])
        found, codes = np.unique(codes * len(inner_names) + inner, return_inverse=True)
        names = tuple(f"{names[one // len(inner_names)]}:{inner_names[one % len(inner_names)]}" for one in found)
    return codes.astype(np.int64), names


def _levels_of(column: pd.Series) -> tuple[Ints, tuple[str, ...]]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        return np.asarray(column.cat.codes, dtype=np.int64), tuple(str(level) for level in column.cat.categories)
    codes, levels = pd.factorize(column)
    return np.array(codes, dtype=np.int64), tuple(str(level) for level in levels)
