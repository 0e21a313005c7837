"""Power and type I error of every analysis of a study, by simulation: how often each finds a known difference.

A shift of zero gives the type I error. Each simulated study compares two methods in one region and side.
"""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from evaluation.results.run_facts import count_of
from evaluation.statistics.signed_rank import signed_rank_test
from reader_study.errors import RatingsError, SummaryError
from reader_study.models.mixed_model import RANDOM_TERMS
from reader_study.models.ordinal import fit_ordinal
from reader_study.models.ordinal_design import ordinal_design
from reader_study.models.ordinal_tables import likelihood_ratio
from reader_study.ratings.table import LIKERT, RatingScale
from reader_study.simulation.simulate import CellTarget, Shares, level_probabilities, simulate_study
from reader_study.statistics.crossed_test import crossed_test
from reader_study.statistics.equivalence import equivalence_table
from reader_study.statistics.published_table import pooled_tests

__all__ = ["ANALYSES", "MARGIN_ANALYSES", "PlannedStudy", "p_values", "planned_studies", "power_table"]

#: Name and description of each analysis.
ANALYSES = {
    "t": "paired t-test on case means over readers",
    "wilcoxon": "Wilcoxon signed-rank test on case means, all flips of signs, Pratt's zeros",
    "crossed": "paired test with readers and cases random (Dorfman-Berbaum-Metz, Satterthwaite)",
    "mixed-model": "cumulative-logit mixed model, likelihood ratio; case, reader, case:method, reader:method",
    "mixed-model-plain": "the same with case and reader only",
    "pooled-t": "paired t-test on pooled reader x case ratings, as published",
    "pooled-wilcoxon": "Wilcoxon signed-rank test on pooled ratings, as published",
}
#: Analyses that need a margin: whether the second method is not worse by more than it, and whether the two differ by less.
MARGIN_ANALYSES = {
    "noninferiority": "one-sided t-test on case means against the margin",
    "equivalence": "two one-sided t-tests (TOST) on case means",
    "crossed-noninferiority": "the first with readers and cases random",
    "crossed-equivalence": "the second with readers and cases random",
}
_MARGIN_COLUMNS = {
    "noninferiority": "noninferior_p",
    "equivalence": "equivalent_p",
    "crossed-noninferiority": "crossed_noninferior_p",
    "crossed-equivalence": "crossed_equivalent_p",
}
_FIRST, _SECOND = "A", "B"
#: Studies that a worker simulates before it reports.
_CHUNK = 10


@dataclass(frozen=True)
class PlannedStudy:
    """A study of two methods.

    Attributes
    ----------
    cases, readers : int
    shift : float
        Mean rating of the second method minus that of the first.
    mean, sd : float
        Of the first method; the SD is that of both.
    shares : Shares
    scale : RatingScale
    margin : float
        Margin of non-inferiority and equivalence; NaN if neither is tested.

    Raises
    ------
    SummaryError
        If there are fewer than two cases or no reader.
    """

    cases: int
    readers: int
    shift: float
    mean: float = 3.5
    sd: float = 0.9
    shares: Shares = field(default_factory=Shares)
    scale: RatingScale = LIKERT
    margin: float = math.nan

    def __post_init__(self) -> None:
        if self.cases < 2 or self.readers < 1:
            size = f"{count_of(self.cases, 'case')} and {count_of(self.readers, 'reader')}"
            raise SummaryError(f"{size}; expected two cases and one reader at least")

    @property
    def targets(self) -> tuple[CellTarget, ...]:
        """What the ratings are drawn with."""
        means = ((_FIRST, self.mean), (_SECOND, self.mean + self.shift))
        return tuple(CellTarget("", "", method, mean, self.sd) for method, mean in means)


def planned_studies(
    cases: Sequence[int], readers: Sequence[int], shifts: Sequence[float], *, mean: float = 3.5, sd: float = 0.9,
    shares: Shares | None = None, margin: float = math.nan,
) -> list[PlannedStudy]:  # fmt: skip
    """Return every combination of numbers of cases, readers and shifts.

    Raises
    ------
    SummaryError
        If no ratings on the scale have such a mean and SD.
    """
    plans = [
        PlannedStudy(n_cases, n_readers, shift, mean, sd, shares or Shares(), margin=margin)
        for shift, n_readers, n_cases in product(shifts, readers, cases)
    ]
    for target in {target for plan in plans for target in plan.targets}:
        level_probabilities(target.mean, target.sd)
    return plans


def p_values(study: pd.DataFrame, analyses: Sequence[str], margin: float = math.nan) -> list[float]:
    """Return the p-value of each analysis of a simulated study of two methods; NaN if there is none."""
    wide = study.pivot_table(index="reader", columns=["method", "case"], values="rating")
    difference = wide[_SECOND] - wide[_FIRST]
    table = difference.to_numpy(dtype=np.float64)
    means = table.mean(axis=0)
    found: dict[str, float] = {}
    if {"pooled-t", "pooled-wilcoxon"} & set(analyses):
        pooled = pooled_tests(study, (_FIRST, _SECOND)).iloc[0]
        found |= {"pooled-t": float(pooled["t_p"]), "pooled-wilcoxon": float(pooled["wilcoxon_p"])}
    if "t" in analyses:
        spread = means.std(ddof=1)
        t = means.mean() / (spread / math.sqrt(len(means))) if spread > 1e-12 else math.nan
        found["t"] = float(2 * stats.t.sf(abs(t), len(means) - 1))
    if "wilcoxon" in analyses:
        found["wilcoxon"] = signed_rank_test(means, zeros="pratt", most_for_permutation=400).p
    if "crossed" in analyses:
        found["crossed"] = crossed_test(table).p
    if set(MARGIN_ANALYSES) & set(analyses):
        row = equivalence_table(study, (_FIRST, _SECOND), margin).iloc[0]
        found |= {name: float(row[column]) for name, column in _MARGIN_COLUMNS.items()}
    n_readers = table.shape[0]
    for name, terms in (("mixed-model", RANDOM_TERMS), ("mixed-model-plain", RANDOM_TERMS[:2])):
        if name in analyses:
            found[name] = _model_p(study, terms if n_readers > 1 else ("case",))
    return [found[name] for name in analyses]


def power_table(
    plans: Sequence[PlannedStudy],
    analyses: Sequence[str],
    *,
    simulations: int,
    level: float = 0.05,
    seed: int = 0,
    jobs: int = 1,
    report: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Simulate every plan and count how often each analysis rejects.

    Parameters
    ----------
    plans : sequence of PlannedStudy
    analyses : sequence of str
        Names of :data:`ANALYSES` or, for plans with a margin, :data:`MARGIN_ANALYSES`.
    simulations : int
        Number of studies for each plan.
    level : float
        An analysis rejects if p is below it.
    seed : int
        The same seed gives the same table, whatever `jobs` is.
    jobs : int
        Processes.
    report : callable, optional
        Called with the number of studies simulated and their total.

    Returns
    -------
    pandas.DataFrame
        One row per plan and analysis: `cases`, `readers`, `shift`, `mean`, `sd`, `case_share`, `reader_share`,
        `case_method_share`, `reader_method_share`, `analysis`, `level`, `power` (share that rejected; studies without a p count
        as not rejected), `low`, `high` (95 % Wilson interval), `simulations`, `undefined` (studies without a p).
    """
    tasks = [
        (plan, tuple(analyses), seed, number, start, min(_CHUNK, simulations - start))
        for number, plan in enumerate(plans)
        for start in range(0, simulations, _CHUNK)
    ]
    results: dict[int, list[npt.NDArray[np.float64]]] = {number: [] for number in range(len(plans))}
    done = 0
    for task, found in zip(tasks, _run(tasks, jobs), strict=True):
        results[task[3]].append(found)
        done += task[5]
        if report is not None:
            report(done, simulations * len(plans))
    rows = []
    for number, plan in enumerate(plans):
        values = np.vstack(results[number])
        for place, name in enumerate(analyses):
            p = values[:, place]
            rejected = int((p < level).sum())
            low, high = _wilson(rejected, len(p))
            shares = plan.shares
            rows.append((
                plan.cases, plan.readers, plan.shift, plan.mean, plan.sd, shares.case, shares.reader, shares.case_method,
                shares.reader_method, name, level, rejected / len(p), low, high, len(p), int(np.isnan(p).sum()),
            ))  # fmt: skip
    columns = [
        "cases", "readers", "shift", "mean", "sd", "case_share", "reader_share", "case_method_share", "reader_method_share",
        "analysis", "level", "power", "low", "high", "simulations", "undefined",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


_Task = tuple[PlannedStudy, tuple[str, ...], int, int, int, int]


def _run(tasks: Sequence[_Task], jobs: int) -> Iterator[npt.NDArray[np.float64]]:
    if jobs <= 1:
        yield from map(_simulate, tasks)
        return
    # Matrices here are small: threads of the linear algebra would only slow down the processes.
    kept = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ.update(dict.fromkeys(kept, "1"))
    try:
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield from pool.map(_simulate, tasks)
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _simulate(task: _Task) -> npt.NDArray[np.float64]:
    plan, analyses, seed, number, start, count = task
    rows = []
    for index in range(start, start + count):
        # Each study has its own seed, so that the division of work changes nothing.
        own = int(np.random.SeedSequence([seed, number, index]).generate_state(1, np.uint64)[0])
        study = simulate_study(
            plan.targets, cases=plan.cases, readers=plan.readers, shares=plan.shares, seed=own, scale=plan.scale
        )
        rows.append(p_values(study, analyses, plan.margin))
    return np.array(rows)


def _model_p(study: pd.DataFrame, random: Sequence[str]) -> float:
    try:
        full = fit_ordinal(ordinal_design(study, random=random), errors=False)
        null = fit_ordinal(ordinal_design(study, fixed=[], random=random), errors=False)
    except (RatingsError, np.linalg.LinAlgError):
        return math.nan
    return likelihood_ratio(full, null)["p"]


def _wilson(count: int, n: int) -> tuple[float, float]:
    interval = stats.binomtest(count, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
