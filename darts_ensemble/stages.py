"""How long the stages of a run take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

__all__ = ["Stages"]

Step = TypeVar("Step")


@dataclass(frozen=True)
class Stages:
    """Wall-clock time of each stage in seconds, in the order in which the stages began.

    The time of a stage within another is subtracted from the other's, so that all stages add up to the whole. A GPU works while
    the program goes on: a stage may therefore include waiting for work that an earlier stage started.

    Examples
    --------
    >>> stages = Stages()
    >>> with stages("read"):
    ...     pass
    >>> list(stages.seconds)
    ['read']
    """

    seconds: dict[str, float] = field(default_factory=dict)
    _within: list[float] = field(default_factory=list, repr=False)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measure the time spent inside the context; times of the same name are added."""
        self.seconds.setdefault(name, 0.0)
        self._within.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - started
            self.seconds[name] += took - self._within.pop()
            if self._within:
                self._within[-1] += took

    def each(self, name: str, steps: Iterable[Step]) -> Iterator[Step]:
        """Measure the time that it takes to produce each item of `steps`, not the time that the caller spends on it."""
        source = iter(steps)
        while True:
            with self(name):
                try:
                    step = next(source)
                except StopIteration:
                    return
            yield step
