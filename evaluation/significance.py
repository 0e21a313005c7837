"""Which methods differ from one of them, region by region, according to the paired tests of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["ALPHA", "FAMILIES", "SHORT", "Mark", "choose_baseline", "describe_family", "marks_of", "oriented"]

ALPHA = 0.05
#: Families of tests, by the end of the column that holds their p, and how a caption names them.
FAMILIES = {
    "p_holm_methods": "Holm over the pairs of methods within each region",
    "p_holm_regions": "Holm over the {n} regions of each pair of methods",
    "p_fdr_regions": "Benjamini-Hochberg over the {n} regions of each pair of methods",
}
#: The same in a legend.
SHORT = {"p_holm_methods": "Holm over methods", "p_holm_regions": "Holm over regions", "p_fdr_regions": "FDR over regions"}
# Estimates that change their sign with the order of the methods, and the ends of their intervals.
_SIGNED = ("mean_difference", "median_difference", "hl_estimate", "t", "d_z", "rank_biserial")
_INTERVALS = (("mean_low", "mean_high"), ("median_low", "median_high"), ("hl_low", "hl_high"))


@dataclass(frozen=True)
class Mark:
    """A method that differs from the baseline in a region.

    Attributes
    ----------
    higher : bool
        Whether its ranks lie above the baseline's.
    strict : bool
        Whether the difference holds with Holm's correction over regions, too.
    """

    higher: bool
    strict: bool


def choose_baseline(methods: Sequence[str], means: pd.Series) -> str:
    """Return the method that the others are held against: the ensemble where there is one, else that of the highest mean.

    Parameters
    ----------
    methods : sequence of str
        At least one.
    means : Series
        Mean of each method; the first of equal ones is taken.
    """
    if "ensemble" in methods:
        return "ensemble"
    known = means.reindex(list(methods)).dropna()
    return str(known.idxmax()) if len(known) else methods[0]


def oriented(paired: pd.DataFrame, baseline: str, *, baseline_first: bool) -> pd.DataFrame:
    """Return the rows of pairs with the baseline, all of one direction.

    Parameters
    ----------
    paired : DataFrame
        Of :func:`evaluation.paired.compare_methods` or :func:`evaluation.overall.compare_overall`.
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


def marks_of(
    paired: pd.DataFrame, baseline: str, *, test: str = "wilcoxon", family: str = "p_fdr_regions", alpha: float = ALPHA
) -> dict[tuple[int, str], Mark]:
    """Return the methods whose p in a family of tests is below `alpha`, by region id and method."""
    rows = oriented(paired, baseline, baseline_first=False)
    p, strict = rows[f"{test}_{family}"].to_numpy(dtype=float), rows[f"{test}_p_holm_regions"].to_numpy(dtype=float)
    sign = rows["rank_biserial" if test == "wilcoxon" else "mean_difference"].to_numpy(dtype=float)
    return {
        (int(id_), str(other)): Mark(bool(sign[place] > 0), bool(strict[place] < alpha))
        for place, (id_, other) in enumerate(zip(rows["region_id"], rows["other"], strict=True))
        if p[place] < alpha
    }


def describe_family(paired: pd.DataFrame, *, family: str = "p_fdr_regions", alpha: float = ALPHA) -> str:
    """Return in words which family of tests stands behind marks, and where no mark was possible at all."""
    n_regions = int(paired.loc[paired["wilcoxon_p"].notna(), "region_id"].nunique())
    text = f"Wilcoxon signed-rank, {FAMILIES[family].format(n=n_regions)}, p < {alpha:g}"
    n = int(paired["n"].max()) if len(paired) else 0
    # The smallest two-sided p of an exact test is 2 / 2^n; Benjamini-Hochberg leaves it as it is where all regions have it.
    if n and 2.0 ** (1 - n) >= alpha:
        needed = int(np.floor(1 - np.log2(alpha))) + 1
        return f"{text}; {n} subjects are too few for any mark: it takes {needed}"
    return text
