"""Steps over many voxels in pieces that stay in the processor's cache, several pieces at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier

import torch
from torch import Tensor

from darts_ensemble.inference.class_scores import SliceScores

__all__ = ["in_pieces"]

#: Voxels of a piece: with 103 float32 for each, a piece takes 0.8 MB, which the caches of a core hold.
VOXELS = 2048


def in_pieces(step: Callable[..., None], first: Tensor | SliceScores, *others: Tensor) -> None:
    """Run a step on pieces of the same voxels of several tensors, in as many threads as torch uses; whole on a GPU.

    torch itself would share every single operation of a piece between its threads, which for pieces of this size costs more
    than it saves. In the threads here each operation has one thread.

    Parameters
    ----------
    step : callable
        Takes a piece of each tensor and writes its results into them; a voxel's result must not depend on other voxels.
    first : Tensor or SliceScores, (k, rows, columns, 103)
        Scores of slices.
    others : Tensor, (k, rows, columns, ...)
        On the same device.
    """
    tensors = (first, *others)
    if first.device.type != "cpu":
        step(*tensors)
        return
    threads = torch.get_num_threads()
    slices, rows, columns = first.shape[:3]
    at_once = max(1, VOXELS // columns)
    places = [(number, slice(row, row + at_once)) for number in range(slices) for row in range(0, rows, at_once)]

    def run(part: int) -> None:
        with torch.inference_mode():
            for place in places[part::threads]:
                step(*(tensor[place] for tensor in tensors))

    # Results are asked for so that errors are raised here.
    list(_single_threads(threads).map(run, range(threads)))


@lru_cache(maxsize=1)
def _single_threads(count: int) -> ThreadPoolExecutor:
    """Threads in which torch does not start further ones."""
    pool = ThreadPoolExecutor(count, "fusion", initializer=_one_thread)
    # All of them start now, and what they set is also what later threads of this process would begin with: set it back.
    all_started = Barrier(count)
    list(pool.map(lambda _: all_started.wait(), range(count)))
    torch.set_num_threads(count)
    return pool


def _one_thread() -> None:
    """Let torch use this thread alone for what is called in it."""
    # Asked first: at the first question, a thread takes over what was last set anywhere, and would forget its own number.
    torch.get_num_threads()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_single_threads.cache_clear)
