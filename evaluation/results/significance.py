"""Which methods differ from a baseline in each region, according to the paired tests of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.results.labelling import KIND

__all__ = ["ALPHA", "CORRECTED", "FAMILY_SHORT", "Mark", "choose_baseline", "describe_family", "marks_of", "oriented"]

ALPHA = 0.05
#: The p-value for marks, and the name of its correction in legends: Benjamini-Hochberg over the regions of a pair of methods.
CORRECTED, FAMILY_SHORT = "wilcoxon_p_fdr_regions", "FDR over regions"
# Holm's correction over the same regions.
_STRICT = "wilcoxon_p_holm_regions"
# Estimates whose sign depends on the order of the methods, and the ends of their intervals.
_SIGNED = ("mean_difference", "median_difference", "hl_estimate", "t", "d_z", "rank_biserial")
_INTERVALS = (("mean_low", "mean_high"), ("median_low", "median_high"), ("hl_low", "hl_high"))


@dataclass(frozen=True)
class Mark:
    """A method that differs from the baseline in a region.

    Attributes
    ----------
    higher : bool
        Whether its ranks are above the baseline's.
    strict : bool
        Whether the difference is also significant with Holm's correction over regions.
    """

    higher: bool
    strict: bool


def choose_baseline(methods: Sequence[str], means: pd.Series) -> str:
    """Return the method with which the others are compared: the ensemble, if there is one, else that with the highest mean.

    Parameters
    ----------
    methods : sequence of str
        At least one.
    means : Series
        Mean of each method; of equal ones, the first method is taken.
    """
    if "ensemble" in methods:
        return "ensemble"
    known = means.reindex(list(methods)).dropna()
    return str(known.idxmax()) if len(known) else methods[0]


def oriented(paired: pd.DataFrame, baseline: str, *, baseline_first: bool) -> pd.DataFrame:
    """Return the rows of pairs with the baseline, all with the same direction.

    Parameters
    ----------
    paired : DataFrame
        From :func:`evaluation.statistics.paired.compare_methods` or :func:`evaluation.statistics.overall.compare_overall`.
    baseline : str
    baseline_first : bool
        Differences are baseline - method, else method - baseline.

    Returns
    -------
    DataFrame
        The same columns, and `other`: the method that is not the baseline.
    """
    at = "method_a" if baseline_first else "method_b"
    away = "method_b" if baseline_first else "method_a"
    kept = paired[paired[at] == baseline].copy()
    turned = paired[paired[away] == baseline].copy()
    turned[["method_a", "method_b"]] = turned[["method_b", "method_a"]].to_numpy()
    for column in _SIGNED:
        if column in turned.columns:
            turned[column] = -turned[column]
    for low, high in _INTERVALS:
        if {low, high} <= set(turned.columns):
            turned[[low, high]] = -turned[[high, low]].to_numpy()
    if {"mean_a", "mean_b"} <= set(turned.columns):
        turned[["mean_a", "mean_b"]] = turned[["mean_b", "mean_a"]].to_numpy()
    both = pd.concat([kept, turned]).sort_index()
    return both.assign(other=both[away])


def marks_of(paired: pd.DataFrame, baseline: str) -> dict[tuple[int, str], Mark]:
    """Return the methods whose p in :data:`CORRECTED` is below :data:`ALPHA`, by region id and method."""
    rows = oriented(paired, baseline, baseline_first=False)
    p, strict, sign = (rows[name].to_numpy(dtype=float) for name in (CORRECTED, _STRICT, "rank_biserial"))
    return {
        (int(id_), str(other)): Mark(bool(sign[place] > 0), bool(strict[place] < ALPHA))
        for place, (id_, other) in enumerate(zip(rows["region_id"], rows["other"], strict=True))
        if p[place] < ALPHA
    }


def describe_family(paired: pd.DataFrame) -> str:
    """Return in words which family of tests the marks are based on, and whether no mark was possible."""
    n_regions = int(paired.loc[paired["wilcoxon_p"].notna(), "region_id"].nunique())
    over = f"{n_regions} regions"
    if KIND in paired.columns:
        counts = paired[paired["wilcoxon_p"].notna()].groupby(KIND, sort=False)["region_id"].nunique()
        over = " and, separately, over the ".join(f"{int(n)} regions with {kind} labels" for kind, n in counts.items())
    text = f"Wilcoxon signed-rank, Benjamini-Hochberg over the {over} of each pair of methods, p < {ALPHA:g}"
    n = int(paired["n"].max()) if len(paired) else 0
    # The smallest two-sided p of an exact test is 2 / 2^n; Benjamini-Hochberg does not change it if all regions have it.
    if n and 2.0 ** (1 - n) >= ALPHA:
        needed = int(np.floor(1 - np.log2(ALPHA))) + 1
        return f"{text}; {n} subjects are too few for any mark: {needed} are needed"
    return text
