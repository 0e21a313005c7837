"""The cumulative-logit mixed model of a whole study: fitted per region and side, and once with regions as a fixed effect.

All results are tables with one row per block: a block that could not be fitted has a row with the reason and no numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evaluation.statistics.corrections import adjust_within
from reader_study.errors import RatingsError
from reader_study.models.ordinal import fit_ordinal
from reader_study.models.ordinal_design import ordinal_design
from reader_study.models.ordinal_tables import (
    category_probabilities,
    likelihood_ratio,
    odds_ratios_with_reasons,
    proportional_odds_test,
    random_effects,
    variance_table,
)
from reader_study.ratings.study_order import methods_in_order
from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import first_ratings, region_blocks

__all__ = ["MOST_LEVELS", "RANDOM_TERMS", "ModelTables", "model_study"]

#: Random effects: case and reader, and their interactions with the method.
RANDOM_TERMS = ("case", "reader", "case:method", "reader:method")
#: A model is left out if more levels than this lie outside the blocks of cases (:mod:`reader_study.models.crossed_blocks`): its
#: matrices would take minutes for every step of the search.
MOST_LEVELS = 1500
#: A proportional-odds test with a p below this, after Holm over the blocks, gives a warning.
_LEVEL = 0.05


@dataclass(frozen=True)
class ModelTables:
    """Results of the models.

    Attributes
    ----------
    tests : pandas.DataFrame
        One row per block: `roi`, `hemisphere`, `formula` (as R writes it), `n`, `n_cases`, `n_readers`, `loglik`;
        `lr_statistic`, `lr_df`, `lr_p` of the methods together, `lr_p_holm`, `lr_p_fdr` (over regions and sides);
        `po_statistic`, `po_df`, `po_p`, `po_p_holm` of proportional odds and `po_merged`; `warnings`; `reason` why there is no
        fit, or "".
    odds_ratios : pandas.DataFrame
        As :func:`reader_study.models.ordinal_tables.odds_ratios`, with `p_holm` over the pairs of a block, and `reason`.
        NaN where the ratings separate.
    variances, probabilities, random_effects : pandas.DataFrame
        As the functions of :mod:`reader_study.models.ordinal_tables` give them.
    """

    tests: pd.DataFrame
    odds_ratios: pd.DataFrame
    variances: pd.DataFrame
    probabilities: pd.DataFrame
    random_effects: pd.DataFrame


@dataclass(frozen=True)
class _Block:
    roi: str
    side: str
    ratings: pd.DataFrame
    fixed: tuple[str, ...]
    random: tuple[str, ...]
    left_out: tuple[str, ...]


def model_study(
    ratings: pd.DataFrame,
    methods: Sequence[str] | None = None,
    *,
    random: Sequence[str] = RANDOM_TERMS,
    report: Callable[[str], None] | None = None,
) -> ModelTables:
    """Fit ``rating ~ method`` per region and side, and ``rating ~ method + region`` over all of them.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it; first ratings only are used.
    methods : sequence of str, optional
        Their order; the first is the reference.
    random : sequence of str
        Random intercepts. A term that can't be estimated in a block (a single reader, one rating per level) is left out of its
        formula, with a warning.
    report : callable, optional
        Called with a line after each block.

    Returns
    -------
    ModelTables
    """
    names = methods_in_order(ratings["method"]) if methods is None else tuple(methods)
    parts: dict[str, list[pd.DataFrame]] = {"odds": [], "variances": [], "probabilities": [], "effects": []}
    rows = []
    for block in _blocks(ratings, names, random):
        row, tables = _modelled(block, names)
        rows.append(row)
        for name, table in tables.items():
            parts[name].append(_placed(table, block))
        if report is not None:
            report(f"model of {' '.join(text for text in (block.roi, block.side) if text)}")
    tests = pd.DataFrame(rows)
    of_regions = tests["roi"] != ALL_REGIONS
    for correction in ("holm", "fdr"):
        tests[f"lr_p_{correction}"] = adjust_within(tests[of_regions], "lr_p", [], correction)
    tests["po_p_holm"] = adjust_within(tests[of_regions], "po_p", [], "holm")
    tests["po_p_holm"] = tests["po_p_holm"].fillna(tests["po_p"])
    broken = tests["po_p_holm"] < _LEVEL
    said = "proportional odds are rejected: the odds ratio is a mean over thresholds that differ"
    tests.loc[broken, "warnings"] = [f"{text}; {said}" if text else said for text in tests.loc[broken, "warnings"]]
    odds = _together(parts["odds"])
    if len(odds):
        odds["p_holm"] = adjust_within(odds, "p", ["roi", "hemisphere"], "holm")
    return ModelTables(
        tests, odds, _together(parts["variances"]), _together(parts["probabilities"]), _together(parts["effects"])
    )


def _blocks(ratings: pd.DataFrame, methods: Sequence[str], random: Sequence[str]) -> Iterator[_Block]:
    rows = first_ratings(ratings)
    rows = rows[rows["method"].isin(methods)]
    place = rows["roi"] + (" " + rows["hemisphere"]).str.rstrip()
    rows = rows.assign(method=pd.Categorical(rows["method"], categories=list(methods)), region=place)
    blocks = list(region_blocks(rows))
    for roi, side, part in blocks:
        kept = _telling(part, random)
        yield _Block(roi, side, part, ("method",), kept, tuple(term for term in random if term not in kept))
    if len(blocks) > 1:
        kept = _telling(rows, random)
        yield _Block(ALL_REGIONS, "", rows, ("method", "region"), kept, tuple(t for t in random if t not in kept))


def _telling(ratings: pd.DataFrame, random: Sequence[str]) -> tuple[str, ...]:
    """Return random terms with two or more levels, but fewer than ratings, whose grouping differs from methods and others."""
    kept: list[str] = []
    seen: list[np.ndarray[Any, Any]] = [ratings.groupby("method", sort=False, observed=True).ngroup().to_numpy()]
    for term in random:
        codes = ratings.groupby(term.split(":"), sort=False, observed=True).ngroup().to_numpy()
        n_levels = codes.max() + 1 if len(codes) else 0
        if 2 <= n_levels < len(ratings) and not any(np.array_equal(codes, other) for other in seen):
            kept.append(term)
            seen.append(codes)
    return tuple(kept)


def _modelled(block: _Block, methods: Sequence[str]) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    ratings = block.ratings
    row: dict[str, Any] = {
        "roi": block.roi, "hemisphere": block.side, "formula": "", "n": len(ratings), "n_cases": ratings["case"].nunique(),
        "n_readers": ratings["reader"].nunique(), "loglik": math.nan,
        "lr_statistic": math.nan, "lr_df": math.nan, "lr_p": math.nan,
        "po_statistic": math.nan, "po_df": math.nan, "po_p": math.nan, "po_merged": "", "warnings": "", "reason": "",
    }  # fmt: skip
    try:
        design = ordinal_design(ratings, fixed=block.fixed, random=block.random)
        levels = design.rows.layout.shape[2]
        if levels > MOST_LEVELS:
            reason = (
                f"left out: {levels} crossed levels of random effects, more than {MOST_LEVELS}; --random case,reader has fewer"
            )
            return row | {"reason": reason}, {}
        fit = fit_ordinal(design)
        rest = [name for name in block.fixed if name != "method"]
        without = fit_ordinal(ordinal_design(ratings, fixed=rest, random=block.random), errors=False)
    except RatingsError as error:
        return row | {"reason": str(error).removeprefix("model: ")}, {}
    except np.linalg.LinAlgError:
        return row | {"reason": "the approximation broke down: too few ratings for this model"}, {}
    ratio = likelihood_ratio(fit, without)
    warnings = list(fit.warnings)
    if block.left_out:
        warnings.append(f"left out, as these ratings can't tell it: {', '.join(block.left_out)}")
    absent = [name for name in methods if name not in set(ratings["method"].astype(str))]
    warnings += [f"no rating of {name} here" for name in absent]
    row |= {"formula": fit.design.formula, "loglik": fit.loglik}
    row |= {"lr_statistic": ratio["statistic"], "lr_df": ratio["df"], "lr_p": ratio["p"]}
    try:
        shape = proportional_odds_test(ratings, fixed=block.fixed, random=block.random, fit=fit)
        row |= {"po_statistic": shape["statistic"], "po_df": shape["df"], "po_p": shape["p"], "po_merged": shape["merged"]}
    except (RatingsError, np.linalg.LinAlgError) as error:
        warnings.append(f"proportional odds not tested: {str(error).removeprefix('model: ')}")
    tables = {
        "odds": _without_separated(*odds_ratios_with_reasons(fit)),
        "variances": variance_table(fit),
        "probabilities": category_probabilities(fit),
        "effects": random_effects(fit),
    }
    return row | {"warnings": "; ".join(warnings)}, tables


def _without_separated(table: pd.DataFrame, reasons: list[str]) -> pd.DataFrame:
    """Return odds ratios, with NaN for those that are not meaningful according to their reason."""
    result = table.assign(reason=reasons)
    values = ["odds_ratio", "low", "high", "z", "p", "log_odds", "se"]
    result.loc[[text.startswith("separation") for text in reasons], values] = math.nan
    return result


def _placed(table: pd.DataFrame, block: _Block) -> pd.DataFrame:
    placed = table.copy()
    placed.insert(0, "roi", block.roi)
    placed.insert(1, "hemisphere", block.side)
    return placed


def _together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"roi": [], "hemisphere": []})
