"""What becomes of freed memory under glibc: kept for the next batch, or given back to the system.

By itself the C library gives large blocks back and asks for them again, and keeps what lies between blocks in use.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["give_back_freed_memory", "keep_freed_memory", "large_blocks_apart"]

# Numbers of glibc's malloc.h, and the largest value that mallopt takes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST = -1, -3, 2**31 - 1
#: Above what a layer of a network takes for a batch, below the fused volume of a scan.
_LARGEST_KEPT = 2**28
#: What the threshold grows to by itself on 64-bit systems, once blocks so large are freed.
_LARGEST_IN_HEAP = 2**25


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, so that the pages of each batch are not cleared by the system anew.

    For commands that work on batches of one size until they end. What is larger than any batch still goes back at once: volumes
    that live as long as a scan would leave holes that the next doesn't fit. Returns whether anything was done, which is so with
    glibc alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, _MOST))


@contextmanager
def large_blocks_apart(smallest: int = 4_000_000) -> Iterator[None]:
    """Put what is taken meanwhile in blocks of so many bytes or more outside the heap, with glibc alone.

    For what stays long beside much that is freed soon: in the heap, the pages between what stays are not given back.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_MMAP_THRESHOLD, smallest)
    try:
        yield
    finally:
        mallopt(_MMAP_THRESHOLD, _LARGEST_IN_HEAP)


def give_back_freed_memory() -> bool:
    """Give the pages of all freed memory back to the system; return whether there were any, with glibc alone."""
    return platform.libc_ver()[0] == "glibc" and bool(ctypes.CDLL(None).malloc_trim(0))
