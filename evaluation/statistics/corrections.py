"""Corrections of p-values for multiple tests; a missing p-value does not affect the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["adjust_p_values", "adjust_within"]

Correction = Literal["holm", "fdr"]


def adjust_p_values(p_values: npt.ArrayLike, correction: Correction) -> npt.NDArray[np.float64]:
    """Return the adjusted p-values of one family of tests.

    Parameters
    ----------
    p_values : (n,) array_like of float
        0 to 1; NaN for tests that could not be done, which do not count as members of the family.
    correction : {"holm", "fdr"}
        Holm's step-down bound on the family-wise error, or the false discovery rate of Benjamini and Hochberg.

    Returns
    -------
    (n,) ndarray of float64
        NaN where `p_values` is NaN.

    References
    ----------
    Holm S, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    Benjamini Y, Hochberg Y, Controlling the false discovery rate, Journal of the Royal Statistical Society B 57 (1995).
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    done = np.flatnonzero(~np.isnan(p))
    m = len(done)
    order = done[np.argsort(p[done], kind="stable")]
    if correction == "holm":
        stepped = np.maximum.accumulate(p[order] * np.arange(m, 0, -1))
    elif correction == "fdr":
        stepped = np.minimum.accumulate((p[order] * m / np.arange(1, m + 1))[::-1])[::-1]
    else:
        raise ValueError(f"correction {correction!r} found; expected holm or fdr")
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def adjust_within(table: pd.DataFrame, p_column: str, family: Sequence[str], correction: Correction) -> pd.Series:
    """Return a column of p-values, adjusted within each family: rows with equal values in all columns of `family`.

    Parameters
    ----------
    table : DataFrame
    p_column : str
    family : sequence of str
        Columns; without any, all rows are one family.
    correction : {"holm", "fdr"}
    """
    if not family:
        return pd.Series(adjust_p_values(table[p_column], correction), index=table.index)
    families = table.groupby(list(family), sort=False, dropna=False)[p_column]
    return families.transform(lambda p: adjust_p_values(p, correction))
