"""The whole analysis of a study's rankings: mean ranks, Friedman's test, agreement, pairs, and worths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from evaluation.results.run_facts import count_of
from evaluation.statistics.corrections import adjust_within
from reader_study.rankings.friedman import friedman, kendalls_w
from reader_study.rankings.plackett_luce import (
    MOST_METHODS,
    PlackettLuce,
    clustered_covariance,
    fit_plackett_luce,
    why_no_worths,
)
from reader_study.ratings.study_order import StudyOrder, in_study_order, methods_in_order, places_of
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.statistics.crossed_test import crossed_test

__all__ = ["RankingAnalysis", "analyse_rankings"]


@dataclass(frozen=True)
class RankingAnalysis:
    """The results of a study's rankings.

    Attributes
    ----------
    rankings : pandas.DataFrame
        As :func:`reader_study.rankings.table.check_rankings` returns it, in the study's order.
    methods : tuple of str
    mean_ranks : pandas.DataFrame
        One row per region, side and method, then over all regions: `mean_rank` (1 the best), `first` (share of items in which
        the method is best; ties count in equal parts), `n_items`, `n_cases`, `n_readers`.
    tests : pandas.DataFrame
        One row per region and side, and over all: `chi2`, `df`, `p` of Friedman's test on the cases' mean ranks, `p_holm` (over
        regions and sides), `w` (Kendall's, of the cases), `n_cases`; `readers_w`, the mean of Kendall's W of the readers of a
        case and item; `reason`.
    pairs : pandas.DataFrame
        One row per region, side and pair: `preferred`, share of items in which `second` is ranked above `first`, ties counting
        half; `rank_difference` (second minus first; below 0 if the second is better) with `low`, `high`, `p` of the test with
        readers and cases random, `p_holm` over the pairs; `reason`.
    worths : pandas.DataFrame
        One row per region, side and method: `log_worth` relative to the first method with `se`, `low`, `high`, `p` (robust to
        cases and readers), `worth` (shares of 1), `ties` (Davidson's parameter of a tie of two), `reason`.
    warnings : tuple of str
    """

    rankings: pd.DataFrame
    methods: tuple[str, ...]
    mean_ranks: pd.DataFrame
    tests: pd.DataFrame
    pairs: pd.DataFrame
    worths: pd.DataFrame
    warnings: tuple[str, ...]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by the names of their files."""
        return {
            "mean_ranks.csv": self.mean_ranks, "ranking_tests.csv": self.tests, "ranking_pairs.csv": self.pairs,
            "ranking_worths.csv": self.worths,
        }  # fmt: skip


def analyse_rankings(
    rankings: pd.DataFrame,
    methods: Sequence[str] | None = None,
    *,
    order: StudyOrder | None = None,
    confidence: float = 0.95,
    report: Callable[[str], None] | None = None,
) -> RankingAnalysis:
    """Compute mean ranks, Friedman's test, agreement, pairs of methods and worths, per region and side and over all.

    Parameters
    ----------
    rankings : pandas.DataFrame
        As :func:`reader_study.rankings.table.check_rankings` returns it.
    methods : sequence of str, optional
        Their order, by default that of the study; the first is the reference of the worths.
    order : StudyOrder, optional
    confidence : float
        Of the intervals.
    report : callable, optional
        Called with a line after each step.
    """
    names = methods_in_order(rankings["method"], order) if methods is None else tuple(methods)
    names = tuple(name for name in names if name in set(rankings["method"]))
    rows = in_study_order(rankings, names, order)
    rows["rank"] = rows.groupby("item")["rank"].rank(method="average")
    rows = rows[rows.groupby("item")["method"].transform("size") > 1].reset_index(drop=True)
    parts: dict[str, list[dict[str, Any]]] = {"means": [], "tests": [], "pairs": [], "worths": []}
    for roi, side, part in _blocks(rows):
        place = {"roi": roi, "hemisphere": side}
        wide = part.pivot_table(index="item", columns="method", values="rank").reindex(columns=list(names))
        items = part.drop_duplicates("item").set_index("item").loc[wide.index]
        parts["means"] += [place | row for row in _means(wide, items, names)]
        parts["tests"].append(place | _tests(part, names))
        parts["pairs"] += [place | row for row in _pairs(wide, items, names, confidence)]
        parts["worths"] += [place | row for row in _worths(wide, items, names, confidence)]
    if report is not None:
        report("rankings")
    tests, pairs = pd.DataFrame(parts["tests"]), pd.DataFrame(parts["pairs"])
    tests["p_holm"] = adjust_within(tests[tests["roi"] != ALL_REGIONS], "p", [], "holm")
    tests["p_holm"] = tests["p_holm"].fillna(tests["p"])
    pairs["p_holm"] = adjust_within(pairs, "p", ["roi", "hemisphere"], "holm")
    incomplete = int((rows.groupby("item")["method"].size() < len(names)).sum())
    verb, them = ("does", "it") if incomplete == 1 else ("do", "them")
    told = f"{count_of(incomplete, 'ranking')} {verb} not include all methods; Friedman's test leaves {them} out"
    warnings = [told] if incomplete else []
    return RankingAnalysis(
        rows, names, pd.DataFrame(parts["means"]), tests, pairs, pd.DataFrame(parts["worths"]), tuple(warnings)
    )


def _blocks(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    places = places_of(rows)
    for roi, side in places:
        yield roi, side, rows[(rows["roi"] == roi) & (rows["hemisphere"] == side)]
    if len(places) > 1:
        yield ALL_REGIONS, "", rows


def _means(wide: pd.DataFrame, items: pd.DataFrame, methods: Sequence[str]) -> Iterator[dict[str, Any]]:
    best = wide.eq(wide.min(axis=1), axis=0)
    share = best.div(best.sum(axis=1), axis=0)
    for method in methods:
        ranked = wide[method].notna()
        yield {
            "method": method, "mean_rank": float(wide[method].mean()), "first": float(share.loc[ranked, method].mean()),
            "n_items": int(ranked.sum()), "n_cases": items.loc[ranked, "case"].nunique(),
            "n_readers": items.loc[ranked, "reader"].nunique(),
        }  # fmt: skip


def _tests(part: pd.DataFrame, methods: Sequence[str]) -> dict[str, Any]:
    complete = part[part.groupby("item")["method"].transform("size") == len(methods)]
    of_cases = complete.pivot_table(index="case", columns="method", values="rank").reindex(columns=list(methods))
    found = friedman(of_cases.to_numpy())
    agreements = []
    for _, one in complete.groupby(["case", "roi", "hemisphere", "view"], sort=False):
        ranks = one.pivot_table(index="reader", columns="method", values="rank")
        if len(ranks) > 1:
            agreements.append(kendalls_w(ranks.to_numpy()))
    readers_w = float(np.nanmean(agreements)) if np.isfinite(agreements).any() else math.nan
    reasons = [found.reason] if found.reason else []
    if not agreements:
        reasons.append("no item that two readers ranked: no agreement")
    return {
        "chi2": found.chi2, "df": found.df, "p": found.p, "w": found.w, "n_cases": found.n, "readers_w": readers_w,
        "n_items": complete["item"].nunique(), "reason": "; ".join(reasons),
    }  # fmt: skip


def _pairs(wide: pd.DataFrame, items: pd.DataFrame, methods: Sequence[str], confidence: float) -> Iterator[dict[str, Any]]:
    for first, second in combinations(methods, 2):
        difference = (wide[second] - wide[first]).dropna()
        row: dict[str, Any] = {"first": first, "second": second, "n_items": len(difference)}
        preferred = float(((difference < 0) + 0.5 * (difference == 0)).mean()) if len(difference) else math.nan
        both = items.loc[difference.index].assign(difference=difference)
        table = both.pivot_table(index="reader", columns="case", values="difference").dropna(axis=1)
        found = crossed_test(table.to_numpy(dtype=np.float64), confidence=confidence)
        left_out = both["case"].nunique() - table.shape[1]
        them = "it" if left_out == 1 else "them"
        note = f"{count_of(left_out, 'case')} left out because not all readers ranked {them}" if left_out else ""
        mean = float(difference.mean()) if len(difference) else math.nan
        yield row | {
            "preferred": preferred, "rank_difference": mean, "low": found.low, "high": found.high, "p": found.p,
            "reason": "; ".join(text for text in (found.reason, note) if text),
        }  # fmt: skip


def _worths(wide: pd.DataFrame, items: pd.DataFrame, methods: Sequence[str], confidence: float) -> Iterator[dict[str, Any]]:
    ranks = wide.to_numpy(dtype=np.float64)
    reason = why_no_worths(ranks) if len(methods) <= MOST_METHODS else f"more than {MOST_METHODS} methods: worths not fitted"
    if reason:
        nothing = dict.fromkeys(("log_worth", "se", "low", "high", "p", "worth", "ties"), math.nan)
        yield from ({"method": method, **nothing, "reason": reason} for method in methods)
        return
    fit = fit_plackett_luce(ranks)
    errors, df, note = _errors(fit, items)
    quantile = float(stats.t.ppf((1 + confidence) / 2, df)) if df > 0 else math.nan
    worths = np.exp(fit.log_worths - fit.log_worths.max())
    for place, method in enumerate(methods):
        value = float(fit.log_worths[place])
        row: dict[str, Any] = {"method": method, "log_worth": value}
        if place == 0:
            row |= {"se": math.nan, "low": math.nan, "high": math.nan, "p": math.nan}
        else:
            error = errors[place - 1]
            p = float(2 * stats.t.sf(abs(value) / error, df)) if error > 0 and df > 0 else math.nan
            row |= {"se": error, "low": value - quantile * error, "high": value + quantile * error, "p": p}
        yield row | {
            "worth": float(worths[place] / worths.sum()),
            "ties": float(np.exp(fit.log_ties[0])) if len(fit.log_ties) else 0.0,
            "reason": "the reference" if place == 0 else note,
        }  # fmt: skip


def _errors(fit: PlackettLuce, items: pd.DataFrame) -> tuple[list[float], int, str]:
    """Return robust standard errors of the log worths, degrees of freedom, and a note on them."""
    cases, readers = (pd.factorize(items[column])[0].astype(np.int64) for column in ("case", "reader"))
    groups = [codes for codes in (cases, readers) if codes.max() > 0]
    if not groups:
        return [math.nan] * (len(fit.log_worths) - 1), 0, "one case and one reader: no standard error"
    covariance = clustered_covariance(fit, groups)
    df = min(int(codes.max()) for codes in groups)
    note = "" if len(groups) == 2 else f"one {'reader' if readers.max() == 0 else 'case'}: nothing can be said about others"
    return [math.sqrt(max(covariance[one, one], 0.0)) for one in range(len(fit.log_worths) - 1)], df, note
