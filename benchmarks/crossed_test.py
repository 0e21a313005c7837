"""Type I error and power of the test with readers and cases random, by simulation of normal data; beside it Hillis' formula.

    python benchmarks/crossed_test.py --draws 4000

A row says how often p is below 0.05. The variance of the differences, 1 in all, has shares of case, of reader and of the rest.
Hillis' degrees of freedom, which the test had before, leave out the mean squares of cases and of the rest. Where there is a
difference, the last column is the power of Hillis' test at the level at which it rejects true hypotheses as often as this test.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

from reader_study.statistics.crossed_test import crossed_test

DESIGNS = ((2, 3), (3, 10), (5, 5), (5, 10), (10, 10))
POWER_DESIGN = (20, 5)
SHARES = ((0.6, 0.05, 0.35), (0.3, 0.3, 0.4), (0.0, 0.3, 0.7))
#: The last are those of `darts-reader-study power` without options.
POWER_SHARES = (*SHARES, (0.15, 0.08, 0.77))
#: Differences in SDs for the power with 20 cases and 5 readers.
SHIFTS = (0.4, 0.6, 0.8)


def hillis_p(table: np.ndarray) -> float:
    """p with the degrees of freedom of Hillis (2007)."""
    readers, cases = table.shape
    mean = table.mean()
    by_reader, by_case = table.mean(axis=1), table.mean(axis=0)
    of_readers = cases * ((by_reader - mean) ** 2).sum() / (readers - 1)
    of_cases = readers * ((by_case - mean) ** 2).sum() / (cases - 1)
    rest = ((table - by_reader[:, None] - by_case + mean) ** 2).sum() / ((readers - 1) * (cases - 1))
    spread = of_readers + max(of_cases - rest, 0.0)
    df = spread**2 / (of_readers**2 / (readers - 1))
    return float(2 * stats.t.sf(abs(mean) / np.sqrt(spread / table.size), df))


def p_values(
    cases: int, readers: int, shares: tuple[float, float, float], shift: float, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The p of this test and of Hillis' test in every simulated study."""
    rng = np.random.default_rng(seed)
    by_case, by_reader, rest = np.sqrt(shares)
    ours, theirs = np.empty(draws), np.empty(draws)
    for draw in range(draws):
        table = shift + by_case * rng.normal(size=cases) + by_reader * rng.normal(size=(readers, 1))
        table = table + rest * rng.normal(size=(readers, cases))
        ours[draw], theirs[draw] = crossed_test(table).p, hillis_p(table)
    return ours, theirs


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000, help="Simulated studies a row.")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    heading = ("cases x readers", "shares of case, reader, rest", "shift", "rejected", "Hillis", "Hillis at the same size")
    print(f"| {' | '.join(heading)} |\n|{' --- |' * len(heading)}")
    rows = [(*design, shares, 0.0) for design in DESIGNS for shares in SHARES]
    rows += [(*POWER_DESIGN, shares, shift) for shares in POWER_SHARES for shift in (0.0, *SHIFTS)]
    level = 0.05
    for cases, readers, shares, shift in rows:
        ours, theirs = p_values(cases, readers, shares, shift, given.draws, given.seed + (shift > 0))
        if not shift:
            level = float(np.quantile(theirs, (ours < 0.05).mean()))
        cells = [(ours < 0.05).mean(), (theirs < 0.05).mean(), *([(theirs < level).mean()] if shift else [])]
        said = ", ".join(f"{share:g}" for share in shares)
        shown = " | ".join(f"{cell:.3f}" for cell in cells) + (" |" if shift else " | |")
        print(f"| {cases} x {readers} | {said} | {shift:g} | {shown}", flush=True)


if __name__ == "__main__":
    main()
