"""Whether ratings can exist that give a printed table: checks of means and SDs by arithmetic only (GRIM, GRIMMER).

A mean of n whole ratings is a whole number divided by n (GRIM). The squares sum to a whole number of the same parity as the
ratings (GRIMMER). No SD on a bounded scale is larger than that of ratings at the two ends. A row over all regions follows
from the rows below it. Every check allows for the rounding of printed numbers, in either direction at a half. All sums are
exact: fractions, never floats.

References
----------
Brown, Heathers (2017), "The GRIM test", Social Psychological and Personality Science 8(4).
Anaya (2016), "The GRIMMER test", PeerJ Preprints 4:e2400v1; Allard (2018), "Analytic-GRIMMER".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import pandas as pd

from reader_study.errors import SummaryError
from reader_study.ratings.summary import ALL_REGIONS, Cell, Summary
from reader_study.ratings.table import LIKERT, RatingScale

__all__ = [
    "SdBounds",
    "check_cells",
    "check_totals",
    "findings",
    "grim",
    "grim_by_size",
    "grimmer",
    "pooled_moments",
    "sd_bounds",
]


@dataclass(frozen=True)
class SdBounds:
    """Least and greatest sample SD that n ratings of a given mean can have."""

    low: float
    high: float


def grim(mean: str, n: int, decimals: int | None = None) -> bool:
    """Whether n whole ratings can have this mean.

    Parameters
    ----------
    mean : str
        As printed.
    n : int
        Number of ratings, 1 or more.
    decimals : int, optional
        Decimals to which the mean was rounded; by default those it shows.
    Returns
    -------
    bool
        Whether a whole sum S exists with \\|S / n - mean\\| at most half a unit of the last decimal.
    """
    return bool(_sums(mean, n, _decimals_of(mean, decimals)))


def grimmer(mean: str, sd: str, n: int, decimals: int | None = None) -> bool:
    """Whether n whole ratings can have this mean and sample SD (divisor n - 1).

    Parameters
    ----------
    mean, sd : str
        As printed.
    n : int
        Number of ratings, 2 or more.
    decimals : int, optional
        Decimals of both; those each shows without.

    Returns
    -------
    bool
        Whether whole S and Q exist, equal in parity, with S / n rounding to `mean` and
        sqrt((Q - S**2 / n) / (n - 1)) to `sd`. A necessary condition: bounds of the scale are checked by
        :func:`sd_bounds`.
    """
    half = Fraction(1, 2 * 10 ** _decimals_of(sd, decimals))
    printed = Fraction(sd)
    least, most = max(printed - half, Fraction(0)) ** 2, (printed + half) ** 2
    for total in _sums(mean, n, _decimals_of(mean, decimals)):
        low = least * (n - 1) + Fraction(total**2, n)
        high = most * (n - 1) + Fraction(total**2, n)
        first = math.ceil(low)
        # x**2 and x have the same parity, hence so have the sums.
        first += (first - total) % 2
        if first <= high:
            return True
    return False


def sd_bounds(mean: str, n: int, scale: RatingScale = LIKERT, decimals: int | None = None) -> SdBounds:
    """Least and greatest sample SD (divisor n - 1) of n ratings whose mean rounds to the one printed.

    The greatest is that of ratings at the two ends of the scale, sqrt((m - low) (high - m) n / (n - 1)); the least that of
    ratings at the two whole numbers around the mean. Both are taken over all means that round to `mean`.

    Parameters
    ----------
    mean : str
        As printed, within the scale.
    n : int
        2 or more.
    scale : RatingScale
    decimals : int, optional
        Decimals that the mean was rounded to; those it shows without.

    Raises
    ------
    SummaryError
        If the mean lies outside the scale, or n is below 2.
    """
    if n < 2:
        raise SummaryError(f"n = {n}: an SD takes at least 2 ratings; give the number of ratings behind each mean")
    low_end, high_end = scale.levels[0], scale.levels[-1]
    half = Fraction(1, 2 * 10 ** _decimals_of(mean, decimals))
    least, most = max(Fraction(mean) - half, Fraction(low_end)), min(Fraction(mean) + half, Fraction(high_end))
    if least > most:
        raise SummaryError(f"mean {mean}: outside the scale {low_end} to {high_end}; correct the mean or name its scale")
    middle = Fraction(low_end + high_end, 2)
    widest = min(max(middle, least), most)
    inflate = Fraction(n, n - 1)
    greatest = (widest - low_end) * (high_end - widest) * inflate
    fractions = (least - math.floor(least), most - math.floor(most))
    crosses = math.floor(most) > math.floor(least) or not fractions[0]
    narrowest = Fraction(0) if crosses else min(f * (1 - f) for f in fractions) * inflate
    return SdBounds(low=math.sqrt(narrowest), high=math.sqrt(greatest))


def pooled_moments(means: Sequence[float], sds: Sequence[float], n: int) -> tuple[float, float]:
    """Mean and sample SD of all ratings together, from groups of n ratings each.

    The total sum of squares is that within the groups, sum (n - 1) s**2, and that between them, n sum (m - mean)**2; the
    divisor is one less than the number of ratings.
    """
    groups = len(means)
    mean = math.fsum(means) / groups
    squares = (n - 1) * math.fsum(s**2 for s in sds) + n * math.fsum((m - mean) ** 2 for m in means)
    return mean, math.sqrt(squares / (groups * n - 1))


def check_cells(summary: Summary, n: int, scale: RatingScale = LIKERT) -> pd.DataFrame:
    """Check every printed mean and SD.

    Parameters
    ----------
    summary : Summary
    n : int
        Ratings behind each mean, 2 or more.
    scale : RatingScale

    Returns
    -------
    pandas.DataFrame
        One row per cell: `roi, hemisphere, method, mean, sd` (as printed), `n`, `grim`, `grimmer` (bool; None without an
        SD), `sd_min, sd_max` (float), `sd_possible` (bool; None without an SD).
    """
    rows = []
    for cell in summary.cells:
        try:
            bounds = sd_bounds(cell.mean, n, scale, summary.decimals)
        except SummaryError as problem:
            raise SummaryError(f"row {cell.row} ({cell.where}): {problem}") from problem
        row: dict[str, object] = {
            "roi": cell.roi, "hemisphere": cell.hemisphere, "method": cell.method, "mean": cell.mean, "sd": cell.sd, "n": n,
            "grim": grim(cell.mean, n, summary.decimals),
            "grimmer": grimmer(cell.mean, cell.sd, n, summary.decimals) if cell.sd else None,
            "sd_min": bounds.low, "sd_max": bounds.high,
            "sd_possible": _within(cell.sd, bounds, summary.decimals) if cell.sd else None,
        }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)


def check_totals(summary: Summary, n: int) -> pd.DataFrame:
    """Check the row over all regions against the rows under it, each over n ratings.

    Returns
    -------
    pandas.DataFrame
        One row per method: `method, mean, sd` (as printed in the total), `mean_of_rows, sd_of_rows` (float, from
        :func:`pooled_moments`; SD NaN where a row has none), `mean_agrees, sd_agrees` (bool): whether the printed total can
        come from rows that each were rounded by at most half a unit. Empty where the table has no such row.
    """
    half = 0.5 * 10.0**-summary.decimals
    rows = []
    for total in summary.totals:
        cells = [cell for cell in summary.cells if cell.method == total.method]
        if not cells:
            continue
        means = [float(cell.mean) for cell in cells]
        sds = [float(cell.sd) if cell.sd else math.nan for cell in cells]
        mean, sd = pooled_moments(means, sds, n)
        # Rounding of the rows moves their mean by half a unit at most, and the SD, a root mean square, by as much within the
        # groups and as much between them.
        rows.append({
            "method": total.method, "mean": total.mean, "sd": total.sd, "mean_of_rows": mean, "sd_of_rows": sd,
            "mean_agrees": abs(float(total.mean) - mean) <= 2 * half + 1e-12,
            "sd_agrees": bool(total.sd) and abs(float(total.sd) - sd) <= 3 * half + 1e-12,
        })  # fmt: skip
    columns = ["method", "mean", "sd", "mean_of_rows", "sd_of_rows", "mean_agrees", "sd_agrees"]
    return pd.DataFrame(rows, columns=columns)


def grim_by_size(summary: Summary, sizes: Sequence[int]) -> dict[int, int]:
    """Return for each number of ratings how many of the printed means are possible."""
    return {n: sum(grim(cell.mean, n, summary.decimals) for cell in summary.cells) for n in sizes}


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def findings(summary: Summary, n: int, scale: RatingScale = LIKERT) -> list[str]:
    """Return sentences on everything in a printed table that is not consistent; empty for a table without a finding."""
    cells = check_cells(summary, n, scale)
    sentences = []
    for cell, row in zip(summary.cells, cells.to_dict("records"), strict=True):
        if row["sd_possible"] is False:
            sentences.append(_sd_finding(cell, SdBounds(row["sd_min"], row["sd_max"]), n, scale, summary.decimals))
            sentences += _misprint_finding(summary, cell, row["sd_max"])
    possible, count = int(cells["grim"].sum()), len(cells)
    if possible < count:
        sentences.append(f"GRIM: {possible} of the {count} means {_is(possible)} possible for {n} whole ratings.")
    with_sd = cells[cells["sd"] != ""]
    both = sum(value is True for value in with_sd["grimmer"])
    if both < len(with_sd):
        sentences.append(
            f"GRIMMER: {both} of the {len(with_sd)} pairs of mean and SD {_is(both)} possible for {n} whole ratings."
        )
    for row in check_totals(summary, n).to_dict("records"):
        if not row["mean_agrees"]:
            sentences.append(
                f"{ALL_REGIONS}, {row['method']}: the printed mean is {row['mean']}, "
                f"the rows average {row['mean_of_rows']:.3f}."
            )
        if row["sd"] and not math.isnan(row["sd_of_rows"]) and not row["sd_agrees"]:
            sentences.append(
                f"{ALL_REGIONS}, {row['method']}: the printed SD is {row['sd']}, the rows pool to {row['sd_of_rows']:.2f}."
            )
    return sentences


def _misprint_finding(summary: Summary, cell: Cell, greatest: float) -> list[str]:
    """Return whether an impossible SD is a misprint or also in the row over all regions: pooled both ways."""
    totals = [total for total in summary.totals if total.method == cell.method and total.sd]
    cells = [one for one in summary.cells if one.method == cell.method]
    first, point, digits = cell.sd.partition(".")
    if not totals or float(cell.sd) <= greatest or int(first) < 1 or not all(one.sd for one in cells):
        return []
    other = f"{int(first) - 1}{point}{digits}"

    def pooled(sd: str) -> float:
        sds = [float(sd if one is cell else one.sd) for one in cells]
        return pooled_moments([float(one.mean) for one in cells], sds, 10_000)[1]

    as_printed, changed, total = pooled(cell.sd), pooled(other), float(totals[0].sd)
    closer = "it is in the data, not a misprint" if abs(as_printed - total) < abs(changed - total) else "it may be a misprint"
    return [
        f"{cell.where}: the rows pool to an SD of {as_printed:.2f} with {cell.sd} and of {changed:.2f} with {other} in its "
        f"place, against {totals[0].sd} printed for {ALL_REGIONS}: {closer}."
    ]


def _decimals_of(text: str, decimals: int | None) -> int:
    return len(text.partition(".")[2]) if decimals is None else decimals


def _sums(mean: str, n: int, decimals: int) -> range:
    """Whole sums of n ratings whose mean rounds to the one printed."""
    half = Fraction(1, 2 * 10**decimals)
    return range(math.ceil((Fraction(mean) - half) * n), math.floor((Fraction(mean) + half) * n) + 1)


def _within(sd: str, bounds: SdBounds, decimals: int) -> bool:
    half = 0.5 * 10.0**-decimals
    return bounds.low - half - 1e-12 <= float(sd) <= bounds.high + half + 1e-12


def _sd_finding(cell: Cell, bounds: SdBounds, n: int, scale: RatingScale, decimals: int) -> str:
    ends = f"{scale.levels[0]} to {scale.levels[-1]}"
    if float(cell.sd) < bounds.low:
        return f"{cell.where}: SD {cell.sd} is impossible; at mean {cell.mean} whole ratings have at least {bounds.low:.2f}."
    sizes = [size for size in range(2, n + 1) if _within(cell.sd, sd_bounds(cell.mean, size, scale, decimals), decimals)]
    limit = f"; it takes {max(sizes)} ratings or fewer" if sizes else ""
    return (
        f"{cell.where}: SD {cell.sd} is impossible; at mean {cell.mean} the largest on a scale of {ends} is "
        f"{bounds.high:.2f} for {n} ratings{limit}."
    )
