"""Stage times add up to the whole, even if one stage is inside another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from darts_ensemble import stages as module
from darts_ensemble.stages import Stages


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def steps(self, count: int, seconds: float) -> Iterator[int]:
        for number in range(count):
            self.now += seconds
            yield number


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_stage_within_another_is_taken_out_of_it(clock: Clock) -> None:
    stages = Stages()
    with stages("fuse"):
        for _ in stages.each("view", clock.steps(3, 2)):
            clock.now += 10
        with stages("view"):
            clock.now += 1
        clock.now += 0.5
    assert stages.seconds == {"fuse": 30.5, "view": 7.0}
    assert sum(stages.seconds.values()) == clock.now - 100


def test_a_stage_used_twice_adds_up_and_one_that_fails_is_timed(clock: Clock) -> None:
    stages = Stages()
    with pytest.raises(ValueError, match="no"), stages("read"):
        clock.now += 1
        raise ValueError("no")
    with stages("read"):
        clock.now += 2
    assert stages.seconds == {"read": 3.0}
