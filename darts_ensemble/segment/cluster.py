"""Spread work over a Dask cluster, a local or a running one; if a worker dies, its items are given to another."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from darts_ensemble.errors import ClusterError, UsageError

__all__ = ["local_workers", "spread"]

Item = TypeVar("Item")

#: Items on the cluster at a time: enough for any number of workers, and for a cluster that grows with its work; a million items
#: would be too many for the scheduler.
_AT_ONCE = 10_000
#: Seconds to wait for the answer of a scheduler.
_PATIENCE = 30


def local_workers(address: str) -> int | None:
    """Return N of "local:N", or None if the address is that of a running cluster.

    Raises
    ------
    UsageError
        If N is not a number above 0.
    """
    if not address.startswith("local"):
        return None
    match = re.fullmatch(r"local:([1-9]\d*)", address)
    if match is None:
        raise UsageError(f"{address}: expected local:4 (four workers here), a scheduler's address or its file")
    return int(match[1])


def spread(function: Callable[[Item], Any], items: Sequence[Item], *, address: str) -> Iterator[tuple[int, Any]]:
    """Call a function with every item, on the workers of a Dask cluster, and yield each result as soon as it is there.

    Every item gives exactly one result. If a worker dies, its items are given to another one; an item that repeatedly kills its
    worker gives a :class:`ClusterError`. The function may therefore run more than once for an item, and must write the same
    each time.

    Parameters
    ----------
    function : callable
        Importable on the workers, as are its results.
    items : sequence
        One argument per call; small, because they are sent to the workers.
    address : str
        "local:4" starts four worker processes of one thread here and ends them afterwards; else the address of a scheduler
        (`tcp://node:8786`) or the path of its file (`dask scheduler --scheduler-file`). A running cluster is left running.

    Yields
    ------
    int
        Index of the item.
    object
        Result of the function, or the exception that it raised.

    Raises
    ------
    UsageError
        If `distributed` is not installed, or the address is not valid.
    ClusterError
        If the cluster doesn't answer.
    """
    workers = local_workers(address)
    try:
        import distributed
    except ImportError:
        raise UsageError(
            "the package distributed is not installed, which spreads work; expected: pip install 'darts-ensemble[cluster]'"
        ) from None
    with ExitStack() as stack:
        given: dict[str, Any] = {"address": address}
        if workers is not None:
            # No limits of memory, which are left to the function: a worker paused at 80 % of its share would wait for ever.
            given["address"] = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=":0",
                    memory_limit=0,
                    silence_logs=logging.ERROR,
                )
            )
        elif Path(address).is_file():
            given = {"scheduler_file": os.fspath(address)}
        try:
            client = stack.enter_context(distributed.Client(**given, timeout=_PATIENCE, set_as_default=False))
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"{address}: no scheduler answers ({_line(error)}); expected local:4, tcp://HOST:8786 or a scheduler file"
            ) from None
        yield from _ended(client, function, items)


def _ended(client: Any, function: Callable[[Item], Any], items: Sequence[Item]) -> Iterator[tuple[int, Any]]:
    """Keep the cluster filled, and yield each item with its outcome.

    If a worker dies, Dask blames all items that it was working on. Items that were blamed too often are therefore tried again
    at the end, one at a time: only an item that kills a worker alone ends in an error.
    """
    blamed = []
    for index, outcome in _handed_out(client, function, items, range(len(items)), at_once=_AT_ONCE):
        if isinstance(outcome, _BlamedError):
            blamed.append(index)
        else:
            yield index, outcome
    for index, outcome in _handed_out(client, function, items, blamed, at_once=1):
        if isinstance(outcome, _BlamedError):
            yield index, ClusterError(f"{outcome}; is there enough memory for one?")
        else:
            yield index, outcome


def _handed_out(
    client: Any, function: Callable[[Item], Any], items: Sequence[Item], wanted: Sequence[int], *, at_once: int
) -> Iterator[tuple[int, Any]]:
    """Submit the items of the given indices, a fixed number at a time, and yield each with its outcome."""
    import distributed

    waiting = iter(wanted)
    index_of: dict[str, int] = {}
    running = distributed.as_completed(loop=client.loop)
    while True:
        try:
            for index in islice(waiting, at_once - len(index_of)):
                # Not pure, so that two equal items are computed twice.
                future = client.submit(function, items[index], pure=False)
                index_of[future.key] = index
                running.add(future)
            future = next(running)
        except StopIteration:
            return
        except (OSError, RuntimeError, distributed.CancelledError) as error:
            lost = ClusterError(f"the cluster was lost ({_line(error)}); expected a scheduler that stays: run again")
            yield from ((index, lost) for index in [*index_of.values(), *waiting])
            return
        outcome = _outcome(future)
        if isinstance(outcome, _LostError):
            running.add(future)
            continue
        future.release()
        yield index_of.pop(future.key), outcome


class _BlamedError(Exception):
    """Workers died while they had the item."""


class _LostError(Exception):
    """The worker that held a result died before the result was fetched: it is computed again."""


def _outcome(future: Any) -> Any:
    """Return the result of a future that has ended, or the exception with which it ended."""
    import distributed

    try:
        return future.result(timeout=_PATIENCE)
    except distributed.KilledWorker as error:
        return _BlamedError(f"{error.allowed_failures + 1} workers died while they had it")
    except distributed.CancelledError as error:
        return ClusterError(f"the cluster gave it up ({_line(error)}); expected a scheduler that stays: run again")
    except TimeoutError as error:
        # Raised by the function, or while waiting for a result that has been lost.
        return error if future.status == "error" else _LostError()
    except Exception as error:  # any exception of the function is the outcome of this item only
        return error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
