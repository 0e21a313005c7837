"""Control what glibc does with freed memory: keep it for the next batch, or give it back to the system.

By default, the C library gives large blocks back and requests them again, and keeps free memory between blocks in use.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["give_back_freed_memory", "keep_freed_memory", "large_blocks_apart"]

# Numbers of glibc's malloc.h, and the largest value that mallopt takes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST = -1, -3, 2**31 - 1
#: More than a layer of a network needs for a batch, less than the fused volume of a scan.
_LARGEST_KEPT = 2**28
#: The value to which glibc raises the threshold on 64-bit systems when blocks of this size are freed.
_LARGEST_IN_HEAP = 2**25


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, so that the system need not clear new pages for each batch.

    For commands that work on batches of one size until they end. Blocks larger than any batch are still given back at once:
    volumes that are kept as long as a scan would leave gaps that the next scan can't use. Returns whether anything was done,
    which is only the case with glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, _MOST))


@contextmanager
def large_blocks_apart(smallest: int = 4_000_000) -> Iterator[None]:
    """Inside the context, allocate blocks of this many bytes or more outside the heap; does nothing without glibc.

    For blocks that are kept long while many others are freed soon: in the heap, the pages between kept blocks are not given
    back to the system.
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
    """Give the pages of all freed memory back to the system; return whether there were any (False without glibc)."""
    return platform.libc_ver()[0] == "glibc" and bool(ctypes.CDLL(None).malloc_trim(0))
