"""Made-up reader studies: ratings with chosen means, SDs and correlations, or matched to a printed table; marked synthetic.

A rating is a normal value cut at the points half-way between levels. Its mean and SD are chosen so that the cut ratings have
the wanted ones; its variance is divided among case, reader, their interactions with the method, and the residual. Cases are
drawn separately for every region and side; the severity of a reader is the same in all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize
from scipy.special import ndtr

from reader_study.errors import SummaryError
from reader_study.ratings.summary import Summary
from reader_study.ratings.table import LIKERT, RatingScale

__all__ = ["CellTarget", "Shares", "level_probabilities", "simulate_study", "targets_of_shifts", "targets_of_summary"]

Floats = npt.NDArray[np.float64]
#: If a table prints an impossible SD, this share of the largest possible one is used instead.
_MOST_OF_GREATEST = 0.98
#: Share of the residual that is the same in a hidden repeat: the reader's opinion of the item, not of the moment.
_KEPT_BY_REPEAT = 0.5


@dataclass(frozen=True)
class Shares:
    """Shares of the variance of a rating, each 0 to 1, together below 1; the rest is of the single rating.

    Attributes
    ----------
    case : float
        The correlation of two readers' ratings of one case, by different methods.
    reader : float
        The correlation of one reader's ratings of two cases.
    case_method, reader_method : float
        Interaction of a case, and of a reader, with a method.

    Raises
    ------
    SummaryError
        If a share is negative or nothing is left.
    """

    case: float = 0.25
    reader: float = 0.10
    case_method: float = 0.10
    reader_method: float = 0.05

    def __post_init__(self) -> None:
        parts = (self.case, self.reader, self.case_method, self.reader_method)
        if min(parts) < 0 or sum(parts) >= 1:
            raise SummaryError(f"shares of the variance {parts}: expected each 0 or more, and a sum below 1")

    @property
    def rest(self) -> float:
        """Share of the single rating."""
        return 1 - self.case - self.reader - self.case_method - self.reader_method


@dataclass(frozen=True)
class CellTarget:
    """Mean and SD (divisor n) with which the ratings of a region, side and method are drawn; `note` if they were changed."""

    roi: str
    hemisphere: str
    method: str
    mean: float
    sd: float
    note: str = ""


def targets_of_shifts(places: Sequence[tuple[str, str]], means: dict[str, float], sd: float) -> tuple[CellTarget, ...]:
    """Return the same means of the methods, and one SD, for every region and side."""
    return tuple(CellTarget(roi, side, method, mean, sd) for roi, side in places for method, mean in means.items())


def targets_of_summary(summary: Summary, scale: RatingScale = LIKERT) -> tuple[CellTarget, ...]:
    """Return the means and SDs of a printed table; an SD beyond what the scale allows is lowered, which its `note` says.

    Raises
    ------
    SummaryError
        If a mean lies outside the scale or has no SD.
    """
    low, high = scale.levels[0], scale.levels[-1]
    targets = []
    for cell in summary.cells:
        mean = float(cell.mean)
        if not cell.sd:
            raise SummaryError(f"row {cell.row} ({cell.where}): no SD; a study can be matched to means with SDs only")
        if not low <= mean <= high:
            raise SummaryError(f"row {cell.row} ({cell.where}): mean {cell.mean} outside the scale {low} to {high}")
        greatest = math.sqrt((mean - low) * (high - mean))
        sd, note = float(cell.sd), ""
        if sd > _MOST_OF_GREATEST * greatest:
            note = f"SD {cell.sd} lowered to {_MOST_OF_GREATEST * greatest:.2f}: the greatest possible is {greatest:.2f}"
            sd = _MOST_OF_GREATEST * greatest
        targets.append(CellTarget(cell.roi, cell.hemisphere, cell.method, mean, sd, note))
    return tuple(targets)


def simulate_study(
    targets: Sequence[CellTarget],
    *,
    cases: int,
    readers: int,
    shares: Shares | None = None,
    repeats: float = 0.0,
    missing: float = 0.0,
    seed: int = 0,
    scale: RatingScale = LIKERT,
) -> pd.DataFrame:
    """Draw a study.

    Parameters
    ----------
    targets : sequence of CellTarget
        One for every region, side and method.
    cases, readers : int
        1 or more.
    shares : Shares, optional
    repeats, missing : float
        Share of the ratings that are repeated, and that are lost; 0 to 1.
    seed : int
        The same seed gives the same study.
    scale : RatingScale

    Returns
    -------
    pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it, with the column `synthetic` that says so in every row.

    Raises
    ------
    SummaryError
        If a mean and SD are not possible on the scale.
    """
    parts = shares or Shares()
    rng = np.random.default_rng(seed)
    methods = list(dict.fromkeys(target.method for target in targets))
    by_reader = math.sqrt(parts.reader) * rng.standard_normal((readers, 1))
    reader_method = {method: math.sqrt(parts.reader_method) * rng.standard_normal((readers, 1)) for method in methods}
    case_names = _numbered("case", cases)
    reader_names = _numbered("reader", readers)
    blocks = []
    for roi, side in dict.fromkeys((target.roi, target.hemisphere) for target in targets):
        by_case = math.sqrt(parts.case) * rng.standard_normal(cases)
        for target in targets:
            if (target.roi, target.hemisphere) != (roi, side):
                continue
            of_case = by_case + math.sqrt(parts.case_method) * rng.standard_normal(cases)
            common = by_reader + reader_method[target.method] + of_case
            common = common + math.sqrt(parts.rest * _KEPT_BY_REPEAT) * rng.standard_normal((readers, cases))
            cuts = _cuts(target.mean, target.sd, scale)
            for repeat in (1, 2):
                values = common + math.sqrt(parts.rest * (1 - _KEPT_BY_REPEAT)) * rng.standard_normal((readers, cases))
                chosen = rng.random((readers, cases)) < repeats if repeat == 2 else np.ones((readers, cases), dtype=bool)
                kept = chosen & (rng.random((readers, cases)) >= missing)
                reader, case = np.nonzero(kept)
                levels = np.asarray(scale.allowed)[np.digitize(values[kept], cuts)]
                blocks.append(pd.DataFrame({
                    "reader": reader_names[reader], "case": case_names[case], "roi": roi, "hemisphere": side,
                    "method": target.method, "rating": levels, "repeat": repeat,
                }))  # fmt: skip
    table = pd.concat(blocks, ignore_index=True)
    return table.assign(synthetic=f"simulated, seed {seed}")


def level_probabilities(mean: float, sd: float, scale: RatingScale = LIKERT) -> Floats:
    """Probability of each level of ratings with this mean and SD (divisor n), cut from a normal value.

    Raises
    ------
    SummaryError
        If there are none: the SD is beyond that of ratings at the two ends, or below that of the two levels around the mean.
    """
    return _shares_between(_cuts(mean, sd, scale))


@lru_cache(maxsize=512)
def _cuts(mean: float, sd: float, scale: RatingScale) -> Floats:
    """Return where a standard normal value is cut so that the levels have this mean and SD."""
    levels = np.asarray(scale.allowed)
    points = (levels[1:] + levels[:-1]) / 2
    if not levels[0] < mean < levels[-1]:
        raise SummaryError(f"mean {mean:g}: expected one within {levels[0]:g} to {levels[-1]:g}")
    greatest = math.sqrt((mean - levels[0]) * (levels[-1] - mean))
    if not 0 < sd < greatest:
        raise SummaryError(f"SD {sd:g} at mean {mean:g}: expected one above 0 and below {greatest:.2f}, the greatest possible")

    def moments(parameters: Floats) -> Floats:
        shares = _shares_between((points - parameters[0]) / math.exp(parameters[1]))
        got = float(shares @ levels)
        return np.array([got - mean, math.sqrt(max(float(shares @ (levels - got) ** 2), 0.0)) - sd])

    found = optimize.least_squares(moments, [mean, math.log(sd)], xtol=1e-14, ftol=1e-14, gtol=1e-14)
    if np.abs(found.fun).max() > 1e-3:
        raise SummaryError(f"mean {mean:g} with SD {sd:g}: no such ratings can be cut from a normal value; choose a larger SD")
    return np.asarray((points - found.x[0]) / math.exp(found.x[1]), dtype=np.float64)


def _shares_between(cuts: Floats) -> Floats:
    return np.diff(np.concatenate([[0.0], ndtr(cuts), [1.0]]))


def _numbered(name: str, count: int) -> npt.NDArray[np.object_]:
    width = len(str(count))
    return np.array([f"{name}-{number:0{width}d}" for number in range(1, count + 1)], dtype=object)
