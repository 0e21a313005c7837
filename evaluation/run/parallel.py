"""Work on many independent items in several processes; one that fails, or kills its process, does not stop the others."""

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
    """Yield the index of each item and what the function returns or raises for it, in the order in which they end.

    Parameters
    ----------
    function : callable
        Importable by name, as are its argument and result.
    items : sequence
    jobs : int
        Number of processes; with 1, everything is done in this process.
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
        # The item that killed its process does so again, now alone.
        for place in sorted(left):
            yield place, _alone(function, items[place])


def _alone(function: Callable[[Item], Result], item: Item) -> Result | Exception:
    try:
        with _pool(1) as pool:
            return pool.submit(_tried, function, item).result()
    except BrokenProcessPool:
        return DartsError("its process was killed, most likely by too little memory; expected fewer --jobs or more memory")


def _pool(jobs: int) -> ProcessPoolExecutor:
    # A fork would copy the locks of all threads that libraries run in this process.
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_leave_interrupts)


def _leave_interrupts() -> None:
    """Ignore Ctrl-C: the parent handles it and ends the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _tried(function: Callable[[Any], Result], item: Any) -> Result | Exception:
    try:
        return function(item)
    except Exception as error:
        return error
