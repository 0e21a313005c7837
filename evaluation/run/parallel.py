"""Do many independent things in several processes; one that fails, or that kills its process, costs none of the others."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from darts_ensemble.errors import DartsError

__all__ = ["in_processes"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], *, jobs: int
) -> Iterator[tuple[int, Result | Exception]]:
    """Yield the place of each item and what the function returns or raises for it, as they are done.

    Parameters
    ----------
    function : callable
        Importable by name, as are its argument and result.
    items : sequence
    jobs : int
        Processes; with 1 everything is done in this one.
    """
    if jobs <= 1 or len(items) <= 1:
        for place, item in enumerate(items):
            yield place, _tried(function, item)
        return
    left = set(range(len(items)))
    try:
        with _pool(min(jobs, len(items))) as pool:
            futures = {pool.submit(_tried, function, item): place for place, item in enumerate(items)}
            try:
                for future in as_completed(futures):
                    result = future.result()
                    left.discard(futures[future])
                    yield futures[future], result
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except BrokenProcessPool:
        # Whichever of them killed its process does so again, now alone.
        for place in sorted(left):
            yield place, _alone(function, items[place])


def _alone(function: Callable[[Item], Result], item: Item) -> Result | Exception:
    try:
        with _pool(1) as pool:
            return pool.submit(_tried, function, item).result()
    except BrokenProcessPool:
        return DartsError("its process was killed, most likely for want of memory; expected fewer --jobs or more memory")


def _pool(jobs: int) -> ProcessPoolExecutor:
    # A fork would copy the threads' locks of whatever libraries run in this process.
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_leave_interrupts)


def _leave_interrupts() -> None:
    """Ctrl-C is the parent's affair: it ends the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _tried(function: Callable[[Any], Result], item: Any) -> Result | Exception:
    try:
        return function(item)
    except Exception as error:
        return error
