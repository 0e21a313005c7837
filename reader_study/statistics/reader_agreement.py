"""Agreement of the readers of a study, and of each with their own repeats, as tables with bootstrap intervals.

Intervals resample cases, not ratings: the ratings of one case for several regions and methods stay together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from reader_study.errors import RatingsError
from reader_study.ratings.table import DESIGN, LIKERT, RatingScale
from reader_study.statistics.agreement import Tally, weighted_icc
from reader_study.statistics.few_cases import FEWEST_CASES, few_cases_note
from reader_study.statistics.resampled_agreement import CaseSums, resampled_measures

__all__ = ["RatedUnits", "agreement_table", "rated_units", "repeated_units", "within_reader_table"]

Floats = npt.NDArray[np.float64]
#: If a statistic is undefined in a larger share of resamples, it gets no interval.
_UNDEFINED_SHARE = 0.05
_WHY_UNDEFINED = "undefined: no variation among the ratings that are shared"
_WHY_OUTSIDE = "undefined: the estimated variances give a denominator that is not positive (few units, or opposed readers)"


@dataclass(frozen=True)
class RatedUnits:
    """Ratings side by side.

    Attributes
    ----------
    ratings : (units, readers) float64
        NaN if a reader did not rate a unit.
    readers : tuple of str
        Names of the columns; for one reader, the repeats.
    cases : (units,) int64
        The case of each unit; intervals resample cases.
    levels : tuple of float
        Every rating the scale allows, increasing.
    """

    ratings: Floats
    readers: tuple[str, ...]
    cases: npt.NDArray[np.int64]
    levels: tuple[float, ...]


def rated_units(ratings: pd.DataFrame, scale: RatingScale = LIKERT) -> RatedUnits:
    """Arrange the first ratings of all readers in columns: one unit per case, region, side, method and view.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it.
    scale : RatingScale

    Raises
    ------
    RatingsError
        If fewer than two readers rated anything.
    """
    first = ratings[ratings["repeat"] == 1]
    if first["reader"].nunique() < 2:
        raise RatingsError(f"ratings: {first['reader'].nunique()} reader, expected two or more to agree; add a reader")
    return _side_by_side(first, "reader", scale)


def repeated_units(ratings: pd.DataFrame, reader: str, scale: RatingScale = LIKERT) -> RatedUnits:
    """Arrange the repeated ratings of one reader in columns, one per repeat; units are items rated at least twice.

    Raises
    ------
    RatingsError
        If the reader repeated nothing.
    """
    own = ratings[ratings["reader"] == reader]
    units = _side_by_side(own, "repeat", scale)
    twice = np.sum(~np.isnan(units.ratings), axis=1) >= 2
    if not twice.any():
        raise RatingsError(f"ratings: reader {reader} rated nothing twice; the column repeat marks repeats")
    return RatedUnits(units.ratings[twice], units.readers, units.cases[twice], units.levels)


def agreement_table(units: RatedUnits, *, resamples: int = 2000, confidence: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Every measure of agreement, with a percentile bootstrap interval over cases.

    Parameters
    ----------
    units : RatedUnits
    resamples : int
        Bootstrap samples, 1 or more.
    confidence : float
        Coverage of the intervals.
    seed : int
        Seed of the resampling; the same seed gives the same intervals.

    Returns
    -------
    pandas.DataFrame
        `statistic` (kappa_quadratic for each pair, kappa_light, gwet_ac2, icc_2_1, icc_2_k, alpha_ordinal), `readers`,
        `value`, `low`, `high` (float; NaN with a `reason`; no interval from fewer than six cases), `n_units` (with two
        ratings or more; for a pair, rated by both; for the ICC, by all), `n_cases`, `n_readers`, `reason` ("" without a
        problem), `reader_a`, `reader_b` (of a pair; "" otherwise).
    """
    tally = Tally.of(units.ratings, units.levels)
    given = ~np.isnan(units.ratings)
    complete = np.asarray(given.all(axis=1))

    def measure(weights: Floats) -> Floats:
        kappas = tally.kappas(weights)
        single, average = weighted_icc(units.ratings[complete], weights[complete])
        rest = [float(np.mean(kappas)), tally.ac2(weights), single, average, tally.alpha(weights)]
        return np.concatenate([kappas, rest])

    value = measure(np.ones(len(units.ratings)))
    case_codes, case_of_unit = np.unique(units.cases, return_inverse=True)
    n_cases = len(case_codes)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(n_cases, np.full(n_cases, 1 / n_cases), size=resamples)
    samples = resampled_measures(CaseSums.of(units.ratings, tally, case_of_unit.astype(np.int64)), draws.astype(np.float64))

    pairs = list(combinations(range(len(units.readers)), 2))
    names = [("kappa_quadratic", (units.readers[a], units.readers[b]), 2) for a, b in pairs]
    shared: list[npt.NDArray[np.bool_]] = [given[:, a] & given[:, b] for a, b in pairs]
    n_readers, any_two = len(units.readers), given.sum(axis=1) >= 2
    for statistic in ("kappa_light", "gwet_ac2", "icc_2_1", "icc_2_k", "alpha_ordinal"):
        names.append((statistic, ("", ""), n_readers))
        shared.append(complete if statistic.startswith("icc") else any_two)
    rows = []
    for number, (statistic, pair, count) in enumerate(names):
        used = shared[number]
        cases_used = len(np.unique(units.cases[used]))
        low, high, reason = _interval(value[number], samples[:, number], cases_used, confidence)
        if statistic.startswith("icc") and math.isnan(value[number]) and np.unique(units.ratings[complete]).size > 1:
            reason = _WHY_OUTSIDE if used.sum() >= 2 else "undefined: fewer than two items that all readers rated"
        readers = ", ".join(pair) if pair[0] else "all"
        rows.append((statistic, readers, value[number], low, high, int(used.sum()), cases_used, count, reason, *pair))
    columns = [
        "statistic", "readers", "value", "low", "high", "n_units", "n_cases", "n_readers", "reason", "reader_a", "reader_b",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def within_reader_table(
    ratings: pd.DataFrame, scale: RatingScale = LIKERT, *, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Agreement of each reader with their own repeats: :func:`agreement_table` with a column `reader` before it.

    Readers without a repeat have no rows; readers whose repeats have no other rating of the same item have a row with the
    reason. The table is empty if nobody repeated an item.
    """
    again = ratings.loc[ratings["repeat"] > 1, "reader"]
    tables = []
    for reader in dict.fromkeys(again):
        try:
            units = repeated_units(ratings, reader, scale)
        except RatingsError:
            why = "no item that the reader rated twice: the first ratings of the repeats are missing"
            nothing = {"statistic": "", "repeats": "", "value": math.nan, "low": math.nan, "high": math.nan, "n_units": 0}
            table = pd.DataFrame([{**nothing, "n_cases": 0, "n_repeats": 0, "reason": why}])
        else:
            table = agreement_table(units, resamples=resamples, confidence=confidence, seed=seed)
            table = table.rename(columns={"readers": "repeats", "n_readers": "n_repeats"})
            table = table.drop(columns=["reader_a", "reader_b"])
        table.insert(0, "reader", reader)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"reader": []})


def _interval(value: float, samples: Floats, n_cases: int, confidence: float) -> tuple[float, float, str]:
    """Return the percentile interval and a note on it, or NaN and why there is none."""
    if math.isnan(value):
        return math.nan, math.nan, _WHY_UNDEFINED
    if n_cases < FEWEST_CASES:
        return math.nan, math.nan, few_cases_note(n_cases)
    defined = samples[~np.isnan(samples)]
    share = 1 - len(defined) / len(samples)
    if share > _UNDEFINED_SHARE:
        return math.nan, math.nan, f"no interval: undefined in {share:.0%} of the resamples"
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    notes = [f"undefined in {share:.1%} of the resamples"] if share else []
    return float(low), float(high), "; ".join([*notes, *filter(None, [few_cases_note(n_cases)])])


def _side_by_side(ratings: pd.DataFrame, column: str, scale: RatingScale) -> RatedUnits:
    keys = ["case", *DESIGN, *(["view"] if "view" in ratings else [])]
    wide = ratings.pivot_table(index=keys, columns=column, values="rating", aggfunc="first", sort=False).sort_index(axis=1)
    cases = pd.factorize(wide.index.get_level_values("case"))[0]
    return RatedUnits(
        ratings=wide.to_numpy(dtype=float),
        readers=tuple(str(name) for name in wide.columns),
        cases=cases.astype(np.int64),
        levels=scale.allowed,
    )
