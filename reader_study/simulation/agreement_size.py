"""How many cases an agreement study needs: the width of a 95 % interval of kappa, AC2, ICC or alpha, by simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from reader_study.errors import SummaryError
from reader_study.ratings.table import LIKERT, RatingScale
from reader_study.simulation.simulate import CellTarget, Shares, simulate_study
from reader_study.statistics.agreement import gwet_ac2, icc_two_way, krippendorff_alpha, lights_kappa

__all__ = ["AGREEMENT_MEASURES", "agreement_widths"]

#: Name and description of each measure.
AGREEMENT_MEASURES = {
    "kappa": "Light's mean of quadratic-weighted kappas",
    "ac2": "Gwet's AC2",
    "icc": "ICC(2,1)",
    "alpha": "Krippendorff's ordinal alpha",
}
_Measure = Callable[[npt.NDArray[np.float64], Sequence[float]], float]
_COMPUTED: dict[str, _Measure] = {
    "kappa": lights_kappa,
    "ac2": gwet_ac2,
    "icc": lambda table, _levels: icc_two_way(table)[0],
    "alpha": krippendorff_alpha,
}


def agreement_widths(
    cases: Sequence[int],
    readers: Sequence[int],
    measures: Sequence[str],
    *,
    mean: float = 3.5,
    sd: float = 0.9,
    shares: Shares | None = None,
    scale: RatingScale = LIKERT,
    simulations: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Simulate studies of one method and measure how much each agreement varies from study to study.

    Parameters
    ----------
    cases, readers : sequence of int
        Every combination is simulated; two readers and two cases at least.
    measures : sequence of str
        Names of :data:`AGREEMENT_MEASURES`.
    mean, sd, shares, scale
        Of the ratings, as for :func:`reader_study.simulation.power.power_table`.
    simulations : int
        Number of studies for each combination.
    confidence : float
        Of the interval whose width is given.
    seed : int
    report : callable, optional
        Called with the number of studies simulated and their total.

    Returns
    -------
    pandas.DataFrame
        One row per combination and measure: `cases`, `readers`, `measure`, `value` (mean over the studies), `sd` (between
        studies), `width` (of the normal interval with that SD), `width_error` (its Monte Carlo standard error), `simulations`,
        `undefined` (studies without a value).

    Raises
    ------
    SummaryError
        If there are fewer than two readers or cases.
    """
    if min(cases) < 2 or min(readers) < 2:
        raise SummaryError("agreement needs two readers and two cases at least")
    target = CellTarget("Region", "", "A", mean, sd)
    quantile = float(stats.norm.ppf((1 + confidence) / 2))
    plans = [(n, r) for n in cases for r in readers]
    rows = []
    for number, (n, r) in enumerate(plans):
        values = np.full((simulations, len(measures)), np.nan)
        for index in range(simulations):
            own = int(np.random.SeedSequence([seed, number, index]).generate_state(1, np.uint64)[0])
            study = simulate_study((target,), cases=n, readers=r, shares=shares, seed=own, scale=scale)
            table = study["rating"].to_numpy(dtype=np.float64).reshape(r, n).T
            values[index] = [_COMPUTED[name](table, scale.allowed) for name in measures]
            if report is not None:
                report(number * simulations + index + 1, simulations * len(plans))
        for place, name in enumerate(measures):
            given = values[~np.isnan(values[:, place]), place]
            spread = float(given.std(ddof=1)) if len(given) > 1 else float("nan")
            width = 2 * quantile * spread
            error = width / float(np.sqrt(2 * max(len(given) - 1, 1)))
            average = float(given.mean()) if len(given) else float("nan")
            rows.append((n, r, name, average, spread, width, error, simulations, simulations - len(given)))
    columns = ["cases", "readers", "measure", "value", "sd", "width", "width_error", "simulations", "undefined"]
    return pd.DataFrame(rows, columns=columns)
