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
    """Seconds of wall-clock time, stage by stage, in the order in which they began.

    A stage within another is taken out of the other's time, so that all add up to the whole. On a GPU, which works while the
    program goes on, a stage may wait for what an earlier one started.

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
        """Time what is done inside the context; a name used twice adds up."""
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
        """Time the making of each of the steps, not what is done with them."""
        source = iter(steps)
        while True:
            with self(name):
                try:
                    step = next(source)
                except StopIteration:
                    return
            yield step
