"""How many cases a study needs for a wished power, or for an agreement of a wished width: the smallest number, by search.

Studies are simulated with numbers of cases that double until the wish is met, and then between the last two numbers. The
answer is exact to about 5 % of the cases, and its power or width is that of the simulated studies of this size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pandas as pd

from evaluation.results.run_facts import count_of
from reader_study.errors import SummaryError
from reader_study.simulation.agreement_size import agreement_widths
from reader_study.simulation.power import planned_studies, power_table
from reader_study.simulation.simulate import Shares

__all__ = ["MOST_CASES", "cases_for_power", "cases_for_width", "smallest_size"]

#: No larger study is simulated: where it isn't enough, more cases are no remedy.
MOST_CASES = 1000
_FIRST, _PRECISION = 10, 0.05


def smallest_size(enough: Callable[[int], bool], *, least: int = 2, most: int = MOST_CASES) -> int | None:
    """Return the smallest size that is enough, to about 5 %; None where the largest is not.

    Parameters
    ----------
    enough : callable
        Whether a size is enough. It is taken to stay enough for larger sizes.
    least, most : int
    """
    below, above = least - 1, max(_FIRST, least)
    while not enough(above):
        if above >= most:
            return None
        below, above = above, min(2 * above, most)
    while above - below > max(1, _PRECISION * above):
        middle = (below + above) // 2
        below, above = (below, middle) if enough(middle) else (middle, above)
    return above


def cases_for_power(
    power: float,
    readers: Sequence[int],
    shifts: Sequence[float],
    analyses: Sequence[str],
    *,
    mean: float = 3.5,
    sd: float = 0.9,
    shares: Shares | None = None,
    margin: float = float("nan"),
    simulations: int = 500,
    level: float = 0.05,
    seed: int = 0,
    jobs: int = 1,
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Find the cases with which each analysis reaches a power.

    Parameters
    ----------
    power : float
        Between 0 and 1.
    readers, shifts, analyses
        Each combination is searched for.
    mean, sd, shares, margin, simulations, level, seed, jobs
        As for :func:`reader_study.simulation.power.planned_studies` and `power_table`.
    report : callable, optional
        Called with a line for each size that was simulated.

    Returns
    -------
    pandas.DataFrame
        One row per combination: `readers`, `shift`, `analysis`, `wished`, `cases` (Int64; missing where :data:`MOST_CASES` are
        not enough), `power`, `low`, `high` (of a study with these cases, or with the most), `simulations`, `note`.
    """
    rows = []
    for n_readers, shift, analysis in product(readers, shifts, analyses):
        found: dict[int, dict[Any, Any]] = {}

        def reached(
            cases: int, found: dict[int, dict[Any, Any]] = found, of: tuple[int, float, str] = (n_readers, shift, analysis)
        ) -> bool:
            plans = planned_studies([cases], [of[0]], [of[1]], mean=mean, sd=sd, shares=shares, margin=margin)
            table = power_table(plans, [of[2]], simulations=simulations, level=level, seed=seed, jobs=jobs)
            found[cases] = dict(table.iloc[0])
            if report is not None:
                report(f"{of[2]}, {count_of(of[0], 'reader')}, {count_of(cases, 'case')}: power {found[cases]['power']:.2f}")
            return bool(found[cases]["power"] >= power)

        cases = smallest_size(reached)
        last = found[MOST_CASES if cases is None else cases]
        note = "" if cases is not None else f"{MOST_CASES} cases are not enough: more readers, or a larger difference"
        rows.append(
            {"readers": n_readers, "shift": shift, "analysis": analysis, "wished": power, "cases": cases}
            | {name: last[name] for name in ("power", "low", "high", "simulations")}
            | {"note": note}
        )
    return pd.DataFrame(rows).astype({"cases": "Int64"})


def cases_for_width(
    width: float,
    readers: Sequence[int],
    measures: Sequence[str],
    *,
    mean: float = 3.5,
    sd: float = 0.9,
    shares: Shares | None = None,
    simulations: int = 500,
    seed: int = 0,
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Find the cases with which the 95 % interval of each measure of agreement has a width.

    Parameters
    ----------
    width : float
        Above 0.
    readers, measures, mean, sd, shares, simulations, seed
        As for :func:`reader_study.simulation.agreement_size.agreement_widths`.
    report : callable, optional
        Called with a line for each size that was simulated.

    Returns
    -------
    pandas.DataFrame
        One row per number of readers and measure: `readers`, `measure`, `wished`, `cases` (Int64; missing where
        :data:`MOST_CASES` are not enough), `value`, `width`, `width_error`, `simulations`, `note`.

    Raises
    ------
    SummaryError
        If the width is not above zero.
    """
    if width <= 0:
        raise SummaryError(f"width {width:g}; expected one above 0")
    rows = []
    for n_readers, measure in product(readers, measures):
        found: dict[int, dict[Any, Any]] = {}

        def reached(cases: int, found: dict[int, dict[Any, Any]] = found, of: tuple[int, str] = (n_readers, measure)) -> bool:
            table = agreement_widths(
                [cases], [of[0]], [of[1]], mean=mean, sd=sd, shares=shares, simulations=simulations, seed=seed
            )
            found[cases] = dict(table.iloc[0])
            if report is not None:
                report(f"{of[1]}, {count_of(of[0], 'reader')}, {count_of(cases, 'case')}: width {found[cases]['width']:.2f}")
            return bool(found[cases]["width"] <= width)

        cases = smallest_size(reached)
        last = found[MOST_CASES if cases is None else cases]
        note = "" if cases is not None else f"{MOST_CASES} cases are not enough: more readers"
        rows.append(
            {"readers": n_readers, "measure": measure, "wished": width, "cases": cases}
            | {name: last[name] for name in ("value", "width", "width_error", "simulations")}
            | {"note": note}
        )
    return pd.DataFrame(rows).astype({"cases": "Int64"})
