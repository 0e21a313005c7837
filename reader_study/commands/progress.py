"""How far an analysis is and how much time is left, from the work of each of its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from reader_study.ratings.summary import ALL_REGIONS
from reader_study.ratings.table import first_ratings, region_blocks
from reader_study.statistics.large_studies import model_limit_note

__all__ = ["TimeLeft", "analysis_work", "in_words", "timed_steps"]

#: Nothing is said about the time left before this many seconds: it would be a guess.
_SOON = 3.0


class TimeLeft:
    """The share of the work that is done, and the seconds that the rest will take if it goes on at the same speed."""

    def __init__(self, work: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock; `work` has the work of each step by its line, in any unit."""
        self._left = dict(work)
        self._total = sum(work.values())
        self._clock = clock
        self._start = clock()
        self.done = 0.0

    def step(self, line: str) -> float | None:
        """Take a step as done, and return the seconds left; None while too little is known, or nothing is left."""
        self.done += self._left.pop(line, 0.0) / self._total if self._total else 0.0
        elapsed = self._clock() - self._start
        if elapsed < _SOON or not 0 < self.done < 1 - 1e-9:
            return None
        return elapsed * (1 - self.done) / self.done


def in_words(seconds: float) -> str:
    """Return a time in words: ``40 s``, ``3 min``; rounded, as it is an estimate."""
    if seconds < 60:
        return f"{max(5 * round(seconds / 5), 5)} s"
    return f"{max(round(seconds / 60), 1)} min"


def analysis_work(ratings: pd.DataFrame, methods: int) -> dict[str, float]:
    """Return the work of each step of an analysis, by the line that it reports, in about seconds.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it.
    methods : int
        Number of methods.
    """
    rows = len(first_ratings(ratings))
    blocks = [(f"{roi} {side}".rstrip(), len(part)) for roi, side, part in region_blocks(ratings)]
    pairs = methods * (methods - 1) / 2
    work = {"agreement of the readers": 1.0 + 1e-5 * rows}
    work |= {f"figure {name}": 2.0 for name in ("summary_page", "likert_bars", "reader_severity", "agreement")}
    work["figure box_plots"] = 1.0 + 0.1 * len(blocks)
    if methods < 2:
        return work
    work["table as published"] = 0.01 * len(blocks) * pairs + 3e-6 * rows * pairs
    work["tests on case means"] = 0.02 * len(blocks) * pairs + 5e-6 * rows * pairs
    work["figure paired_differences"] = 1.0 + 0.02 * len(blocks) * pairs
    work["figure odds_ratios"] = 1.0 + 0.3 * pairs
    if not model_limit_note(ratings):
        work |= {f"model of {name}": 0.3 + 3e-4 * n for name, n in blocks}
        if len(blocks) > 1:
            work[f"model of {ALL_REGIONS}"] = 0.5 + 1e-5 * rows * (len(blocks) + 8)
    return work


@contextmanager
def timed_steps(console: Console, what: str, work: Mapping[str, float]) -> Iterator[Callable[[str], None]]:
    """Give a function that is called with a line per step, and show the share done and the time left.

    On a terminal this is a bar; elsewhere each line is printed with what is known after it.
    """
    left = TimeLeft(work)

    def said(line: str) -> str:
        seconds = left.step(line)
        return line if seconds is None else f"{line} ({left.done:.0%} done, about {in_words(seconds)} left)"

    if not console.is_terminal or console.quiet:
        yield lambda line: console.print(said(line))
        return
    with Progress(
        BarColumn(bar_width=20), TimeElapsedColumn(), TextColumn("{task.description}"), console=console, transient=True
    ) as bar:
        task = bar.add_task(what, total=1.0)

        def show(line: str) -> None:
            text = said(line)
            bar.update(task, completed=left.done, description=f"{what}: {text}")

        yield show
