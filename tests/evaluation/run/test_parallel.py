"""Work in several processes: every item ends once, an error concerns one item only, and so does a killed process."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from evaluation.run.parallel import in_processes


def double(item: int) -> int:
    if item == 3:
        raise ValueError("three")
    return 2 * item


def killed(item: tuple[str, int]) -> int:
    """Dies on 1 like a process that runs out of memory."""
    folder, number = item
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    (Path(folder) / f"{number}-{os.getpid()}").touch()
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_item_ends_once_with_its_result_or_error(jobs: int) -> None:
    done = dict(in_processes(double, list(range(6)), jobs=jobs))
    assert sorted(done) == list(range(6))
    error = done.pop(3)
    assert isinstance(error, ValueError)
    assert done == {0: 0, 1: 2, 2: 4, 4: 8, 5: 10}


def test_nothing_to_do_is_done() -> None:
    assert list(in_processes(double, [], jobs=4)) == []


def test_an_item_that_kills_its_process_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    done = dict(in_processes(killed, [(str(tmp_path), number) for number in range(4)], jobs=2))
    error = done.pop(1)
    assert "fewer --jobs or more memory" in str(error)
    assert done == {0: 0, 2: 2, 3: 3}
