"""Work spread over real Dask clusters: every item ends exactly once, even if workers die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import distributed
import pytest

from darts_ensemble.errors import ClusterError, UsageError
from darts_ensemble.segment.cluster import local_workers, spread


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        yield cluster


def square(number: int) -> int:
    if number == 3:
        raise ValueError("three is not liked")
    return number * number


def fatal_the_first_time(given: tuple[int, str]) -> tuple[int, int]:
    """Kill the worker on the first visit of item 4, as an operating system does that runs out of memory."""
    number, folder = given
    marker = Path(folder) / "died"
    if number == 4 and not marker.exists():
        marker.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return number, os.getpid()


def fatal(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_every_item_comes_back_with_its_result_or_its_error(cluster: Any) -> None:
    outcome = dict(spread(square, range(10), address=cluster.scheduler_address))
    assert {index: value for index, value in outcome.items() if index != 3} == {n: n * n for n in range(10) if n != 3}
    assert isinstance(outcome[3], ValueError)
    assert list(spread(square, [], address=cluster.scheduler_address)) == []


def test_equal_items_are_items_of_their_own(cluster: Any) -> None:
    assert sorted(spread(square, [2, 2, 2], address=cluster.scheduler_address)) == [(0, 4), (1, 4), (2, 4)]


def test_a_worker_killed_in_the_middle_costs_no_item_and_doubles_none(cluster: Any, tmp_path: Path) -> None:
    items = [(number, str(tmp_path)) for number in range(12)]
    ended = list(spread(fatal_the_first_time, items, address=cluster.scheduler_address))
    assert (tmp_path / "died").exists(), "the test must have killed a worker"
    assert Counter(index for index, _ in ended) == Counter(range(12))
    assert {index: outcome[0] for index, outcome in ended} == {n: n for n in range(12)}
    assert dict(ended)[4][1] != int((tmp_path / "died").read_text()), "another worker takes what the dead one had"


def out_of_time(number: int) -> int:
    if number == 1:
        raise TimeoutError("the function's own")
    return number * number


def test_a_result_lost_with_its_worker_is_waited_for_again(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []

    def lost_the_first_time(future: Any, timeout: float) -> Any:
        fetched.append(future.key)
        if fetched.count(future.key) == 1:
            # What a client sees whose result is being computed again, a worker having died with it.
            monkeypatch.setattr(type(future), "status", "pending")
            raise TimeoutError
        monkeypatch.setattr(type(future), "status", status)
        return result(future, timeout)

    result, status = distributed.Future.result, distributed.Future.status
    monkeypatch.setattr(distributed.Future, "result", lost_the_first_time)
    ended = list(spread(out_of_time, range(4), address=cluster.scheduler_address))
    assert Counter(index for index, _ in ended) == Counter(range(4))
    outcome = dict(ended)
    assert [outcome[n] for n in (0, 2, 3)] == [0, 4, 9]
    assert str(outcome[1]) == "the function's own"
    assert len(fetched) == 8, "each was fetched twice"


def test_an_item_that_kills_every_worker_ends_in_an_error_and_the_others_are_done() -> None:
    # At the first death Dask gives up all that the worker had in hand: the innocent get another chance.
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        ended = list(spread(fatal, range(4), address="local:1"))
    assert Counter(index for index, _ in ended) == Counter(range(4))
    outcome = dict(ended)
    assert isinstance(outcome.pop(1), ClusterError)
    assert outcome == {0: 0, 2: 2, 3: 3}


def test_a_scheduler_file_is_an_address(cluster: Any, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(f'{{"address": "{cluster.scheduler_address}"}}')
    assert dict(spread(square, [5, 6], address=str(file))) == {0: 25, 1: 36}


@pytest.mark.parametrize("address", ["local", "local:", "local:0", "local:two", "local:-1"])
def test_a_wrong_number_of_local_workers_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="expected local:4"):
        local_workers(address)
    assert local_workers("local:4") == 4
    assert local_workers("tcp://node:8786") is None


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darts_ensemble.segment.cluster._PATIENCE", 1)
    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:9: no scheduler answers"):
        list(spread(square, [1], address="tcp://127.0.0.1:9"))


def test_without_distributed_the_error_tells_what_to_install() -> None:
    code = (
        "import sys\nsys.modules['distributed'] = None\n"
        "from darts_ensemble.segment.cluster import spread\nfrom darts_ensemble.errors import UsageError\n"
        "assert 'torch' not in sys.modules\n"
        "try:\n    list(spread(abs, [1], address='local:1'))\nexcept UsageError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'darts-ensemble[cluster]'" in done.stdout
