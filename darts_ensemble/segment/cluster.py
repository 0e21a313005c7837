"""Spread work over a Dask cluster: a local one, or one that runs already; a worker that dies costs no item."""

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

#: Items on the cluster at a time: enough for any number of workers, and for one that grows with its work; a million items would
#: fill the scheduler.
_AT_ONCE = 10_000
#: Seconds until a scheduler that doesn't answer is given up.
_PATIENCE = 30


def local_workers(address: str) -> int | None:
    """Return N of "local:N", or None where an address names a cluster that runs already.

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
    """Call a function with every item, on the workers of a Dask cluster, and yield what comes of each as it is finished.

    Every item ends exactly once. Where a worker dies, its items are given to another; an item that takes workers down by itself
    ends with a :class:`ClusterError`. So the function may run more than once for an item: what it writes must not depend on it.

    Parameters
    ----------
    function : callable
        Importable on the workers, as are its results.
    items : sequence
        One argument each; small, as they travel.
    address : str
        "local:4" starts four worker processes of one thread here and ends them afterwards; else the address of a scheduler
        (`tcp://node:8786`) or the path of its file (`dask scheduler --scheduler-file`). A running cluster is left running.

    Yields
    ------
    int
        Index of the item.
    object
        What the function returned, or the exception it raised.

    Raises
    ------
    UsageError
        If `distributed` is not installed, or the address is none.
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
            # Limits of memory are the function's affair: a worker paused at 80 % of its share would wait for ever.
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

    Where a worker dies, Dask blames all that it had in hand. So what was blamed once too often is tried again at the end, one
    item at a time: only what takes a worker down alone ends in an error.
    """
    blamed = []
    for index, outcome in _handed_out(client, function, items, range(len(items)), at_once=_AT_ONCE):
        if isinstance(outcome, _BlamedError):
            blamed.append(index)
        else:
            yield index, outcome
    for index, outcome in _handed_out(client, function, items, blamed, at_once=1):
        if isinstance(outcome, _BlamedError):
            yield index, ClusterError(f"{outcome}; is there memory enough for one?")
        else:
            yield index, outcome


def _handed_out(
    client: Any, function: Callable[[Item], Any], items: Sequence[Item], wanted: Sequence[int], *, at_once: int
) -> Iterator[tuple[int, Any]]:
    """Hand out the items of the given indices, so many at once, and yield each with its outcome."""
    import distributed

    waiting = iter(wanted)
    index_of: dict[str, int] = {}
    running = distributed.as_completed(loop=client.loop)
    while True:
        try:
            for index in islice(waiting, at_once - len(index_of)):
                # Not pure: two equal items are two items.
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
    """Workers died that had the item in hand."""


class _LostError(Exception):
    """The worker that held a result died before it was fetched, so that it is computed again."""


def _outcome(future: Any) -> Any:
    """The result of a future that has ended, or what it died of."""
    import distributed

    try:
        return future.result(timeout=_PATIENCE)
    except distributed.KilledWorker as error:
        return _BlamedError(f"{error.allowed_failures + 1} workers died while they had it in hand")
    except distributed.CancelledError as error:
        return ClusterError(f"the cluster gave it up ({_line(error)}); expected a scheduler that stays: run again")
    except TimeoutError as error:
        # The function's own, or that of waiting for a result that was there and is not there any more.
        return error if future.status == "error" else _LostError()
    except Exception as error:  # whatever the function raised is the item's own affair
        return error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
