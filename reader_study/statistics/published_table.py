"""The table as published: mean and SD per region, side and method, the best, and which pairs differ by two paired tests.

The published tests treat every reader x case rating as an independent observation. They are repeated here for comparison with
the published table, and labelled, because such tests reject too often. Tests on case means are in
:mod:`evaluation.statistics.paired`, and a model of readers and cases is in :mod:`reader_study.models.ordinal`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from reader_study.errors import RatingsError
from reader_study.ratings.cell_lists import joined_names
from reader_study.ratings.study_order import methods_in_order
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import first_ratings, region_blocks

__all__ = ["POOLED", "PublishedTable", "pair_text", "pooled_tests", "published_table"]

Floats = npt.NDArray[np.float64]
Pair = tuple[str, str]
#: How the tests of this file treat ratings, in words for every table that shows them.
POOLED = "pooled reader x case ratings, as published; not corrected for multiple tests"


@dataclass(frozen=True)
class PublishedTable:
    """The published layout.

    Attributes
    ----------
    methods : tuple of str
        In the order of the columns.
    rows : pandas.DataFrame
        One row per region and side, then :data:`reader_study.ratings.summary.ALL_REGIONS`: `roi`, `hemisphere`, then
        `<method>_mean`, `<method>_sd` (divisor n - 1) and `<method>_n` for each method, `best` (the method with the highest
        mean, ties joined by :func:`reader_study.ratings.cell_lists.joined_names`), `significant_ttest` and
        `significant_wilcoxon` (pairs as :func:`pair_text` writes them, joined in the same way) and `analysis`
        (:data:`POOLED`). Joined names are for people; programs find names in `best`, `differing` and `tests`.
    tests : pandas.DataFrame
        As :func:`pooled_tests` returns it.
    best : tuple of tuple of str
        For each row, the methods of the highest mean.
    differing : dict of {"ttest", "wilcoxon"} to tuple of tuple of (str, str)
        For each row, the pairs of methods that differ by a test.
    """

    methods: tuple[str, ...]
    rows: pd.DataFrame
    tests: pd.DataFrame
    best: tuple[tuple[str, ...], ...]
    differing: dict[str, tuple[tuple[Pair, ...], ...]]


def pair_text(pair: Pair) -> str:
    """A pair of methods in words: ``FS-FT``, or ``FreeSurfer-DKT vs FT`` where a name has a hyphen of its own."""
    return (" vs " if any("-" in name for name in pair) else "-").join(pair)


def published_table(ratings: pd.DataFrame, methods: Sequence[str] | None = None, *, level: float = 0.05) -> PublishedTable:
    """Summarise ratings as in the published table.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it; first ratings are used, hidden repeats are not.
    methods : sequence of str, optional
        Methods in the order of the columns; by default all, in the study's order (:mod:`reader_study.ratings.study_order`).
    level : float
        A pair differs if p is below this level.

    Raises
    ------
    RatingsError
        If a method has no rating.
    """
    names = _methods_of(ratings, methods)
    tests = pooled_tests(ratings, names)
    rows, best = [], []
    differing: dict[str, list[tuple[Pair, ...]]] = {"ttest": [], "wilcoxon": []}
    for roi, side, part in _blocks(ratings):
        row: dict[str, object] = {"roi": roi, "hemisphere": side}
        means = {}
        for method in names:
            given = part.loc[part["method"] == method, "rating"].to_numpy(dtype=float)
            means[method] = float(given.mean()) if len(given) else math.nan
            row[f"{method}_mean"] = means[method]
            row[f"{method}_sd"] = float(given.std(ddof=1)) if len(given) > 1 else math.nan
            row[f"{method}_n"] = len(given)
        highest = max(mean for mean in means.values() if not math.isnan(mean))
        best.append(tuple(method for method in names if math.isclose(means[method], highest, abs_tol=1e-12)))
        row["best"] = joined_names(best[-1])
        here = tests[(tests["roi"] == roi) & (tests["hemisphere"] == side)]
        for test, column in (("ttest", "t_p"), ("wilcoxon", "wilcoxon_p")):
            below = here[here[column] < level]
            differing[test].append(tuple(zip(below["first"], below["second"], strict=True)))
            row[f"significant_{test}"] = joined_names(map(pair_text, differing[test][-1]))
        row["analysis"] = POOLED
        rows.append(row)
    return PublishedTable(
        names, pd.DataFrame(rows), tests, tuple(best), {test: tuple(pairs) for test, pairs in differing.items()}
    )


def pooled_tests(ratings: pd.DataFrame, methods: Sequence[str] | None = None) -> pd.DataFrame:
    """Paired t-test and Wilcoxon signed-rank test of every pair of methods, on pooled ratings.

    A pair of ratings is by one reader, of one case, region, side and view, for both methods; ratings of only one method are
    left out. Wilcoxon: zero differences dropped (``zero_method="wilcox"``), normal approximation with the variance corrected
    for ties and without continuity correction, two-sided: SciPy's default for samples of the published size.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it; first ratings only are used.
    methods : sequence of str, optional
        Their order; the difference is `second` - `first`.

    Returns
    -------
    pandas.DataFrame
        One row per region, side and pair, and one for all regions: `roi, hemisphere, first, second, n` (pairs), `n_nonzero`,
        `mean_difference`, `t`, `t_p`, `wilcoxon_w` (the smaller rank sum), `wilcoxon_p`, `reason` (why a p is NaN, or "").
    """
    names = _methods_of(ratings, methods)
    rows = []
    for roi, side, part in _blocks(ratings):
        keys = [column for column in ("reader", "case", "roi", "hemisphere", "view") if column in part]
        wide = part.pivot_table(index=keys, columns="method", values="rating", aggfunc="first").reindex(columns=list(names))
        for first, second in combinations(names, 2):
            both = wide[[first, second]].dropna()
            difference = (both[second] - both[first]).to_numpy(dtype=float)
            rows.append({"roi": roi, "hemisphere": side, "first": first, "second": second, **_paired(difference)})
    return pd.DataFrame(rows)


def _methods_of(ratings: pd.DataFrame, methods: Sequence[str] | None) -> tuple[str, ...]:
    found = methods_in_order(ratings["method"])
    if methods is None:
        return found
    absent = [method for method in methods if method not in found]
    if absent:
        raise RatingsError(f"ratings: no rating of method {', '.join(absent)}, found {', '.join(found)}; correct the name")
    return tuple(methods)


def _blocks(ratings: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    yield from region_blocks(ratings)
    yield ALL_REGIONS, "", first_ratings(ratings)


def _paired(difference: Floats) -> dict[str, object]:
    """Return both tests of one set of differences; NaN and a reason if a test is not possible."""
    n, nonzero = len(difference), int(np.count_nonzero(difference))
    t = t_p = w = w_p = math.nan
    reasons = []
    if n < 2:
        reasons.append(f"t: {n} pair of ratings, two are needed")
    elif np.ptp(difference) == 0:
        reasons.append("t: all differences are equal")
    else:
        t = float(difference.mean() / (difference.std(ddof=1) / math.sqrt(n)))
        t_p = float(2 * stats.t.sf(abs(t), n - 1))
    if not nonzero:
        reasons.append("Wilcoxon: no difference other than zero")
    else:
        result = stats.wilcoxon(difference, zero_method="wilcox", correction=False, method="approx")
        w, w_p = float(result.statistic), float(result.pvalue)
    return {
        "n": n, "n_nonzero": nonzero, "mean_difference": float(difference.mean()) if n else math.nan,
        "t": t, "t_p": t_p, "wilcoxon_w": w, "wilcoxon_p": w_p, "reason": "; ".join(reasons),
    }  # fmt: skip
