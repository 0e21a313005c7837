"""Agreement of the readers of a study, and of each with himself, as tables with bootstrap intervals.

Intervals resample cases, not ratings: what one case gives in several regions and by several methods stays together.
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

__all__ = ["RatedUnits", "agreement_table", "rated_units", "repeated_units", "within_reader_table"]

Floats = npt.NDArray[np.float64]
#: Share of resamples in which a statistic may be undefined before its interval is withheld.
_UNDEFINED_SHARE = 0.05
_WHY_UNDEFINED = "undefined: no variation among the ratings that are shared"


@dataclass(frozen=True)
class RatedUnits:
    """Ratings side by side.

    Attributes
    ----------
    ratings : (units, readers) float64
        NaN where a reader did not rate a unit.
    readers : tuple of str
        Names of the columns; repeats where a reader is compared with himself.
    cases : (units,) int64
        Which case a unit belongs to; cases are what intervals resample.
    levels : tuple of float
        Every rating the scale allows, increasing.
    """

    ratings: Floats
    readers: tuple[str, ...]
    cases: npt.NDArray[np.int64]
    levels: tuple[float, ...]


def rated_units(ratings: pd.DataFrame, scale: RatingScale = LIKERT) -> RatedUnits:
    """Bring the first ratings of all readers side by side: one unit a case, region, side, method and view.

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
    """Bring the repeated ratings of one reader side by side: one unit rated at least twice, one column a repeat.

    Raises
    ------
    RatingsError
        If the reader repeated nothing.
    """
    own = ratings[ratings["reader"] == reader]
    units = _side_by_side(own, "repeat", scale)
    twice = np.sum(~np.isnan(units.ratings), axis=1) >= 2
    if not twice.any():
        raise RatingsError(f"ratings: reader {reader} rated nothing twice; repeats are told by the column repeat")
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
        Of the resampling; the same seed gives the same intervals.

    Returns
    -------
    pandas.DataFrame
        `statistic` (kappa_quadratic for each pair, kappa_light, gwet_ac2, icc_2_1, icc_2_k, alpha_ordinal), `readers`,
        `value`, `low`, `high` (float; NaN with a `reason`), `n_units` (with two ratings or more; for a pair, rated by both;
        for the ICC, by all), `n_cases`, `n_readers`, `reason` ("" where nothing is amiss).
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
    samples = np.array([measure(drawn[case_of_unit].astype(float)) for drawn in draws])

    pairs = list(combinations(range(len(units.readers)), 2))
    names = [("kappa_quadratic", f"{units.readers[a]}, {units.readers[b]}", 2) for a, b in pairs]
    shared: list[npt.NDArray[np.bool_]] = [given[:, a] & given[:, b] for a, b in pairs]
    everyone, n_readers, any_two = "all", len(units.readers), given.sum(axis=1) >= 2
    for statistic in ("kappa_light", "gwet_ac2", "icc_2_1", "icc_2_k", "alpha_ordinal"):
        names.append((statistic, everyone, n_readers))
        shared.append(complete if statistic.startswith("icc") else any_two)
    rows = []
    for number, (statistic, readers, count) in enumerate(names):
        low, high, reason = _interval(value[number], samples[:, number], n_cases, confidence)
        used = shared[number]
        rows.append((
            statistic, readers, value[number], low, high, int(used.sum()), len(np.unique(units.cases[used])), count, reason,
        ))  # fmt: skip
    columns = ["statistic", "readers", "value", "low", "high", "n_units", "n_cases", "n_readers", "reason"]
    return pd.DataFrame(rows, columns=columns)


def within_reader_table(
    ratings: pd.DataFrame, scale: RatingScale = LIKERT, *, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Agreement of each reader with himself, from repeats: :func:`agreement_table` with a column `reader` before it.

    Readers without a repeat have no rows; the table is empty where nobody repeated anything.
    """
    again = ratings.loc[ratings["repeat"] > 1, "reader"]
    tables = []
    for reader in dict.fromkeys(again):
        table = agreement_table(
            repeated_units(ratings, reader, scale), resamples=resamples, confidence=confidence, seed=seed
        ).rename(columns={"readers": "repeats", "n_readers": "n_repeats"})
        table.insert(0, "reader", reader)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"reader": []})


def _interval(value: float, samples: Floats, n_cases: int, confidence: float) -> tuple[float, float, str]:
    if math.isnan(value):
        return math.nan, math.nan, _WHY_UNDEFINED
    if n_cases < 2:
        return math.nan, math.nan, "no interval: one case"
    defined = samples[~np.isnan(samples)]
    share = 1 - len(defined) / len(samples)
    if share > _UNDEFINED_SHARE:
        return math.nan, math.nan, f"no interval: undefined in {share:.0%} of the resamples"
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), f"undefined in {share:.1%} of the resamples" if share else ""


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
