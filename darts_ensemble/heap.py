"""Freed memory kept for the next batch: on Linux the C library otherwise gives large blocks back and asks for them again."""

from __future__ import annotations

import ctypes
import platform

__all__ = ["keep_freed_memory"]

# Numbers of glibc's malloc.h, and the largest value that mallopt takes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST = -1, -3, 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, so that the pages of each batch are not cleared by the system anew.

    For commands that work on batches of one size until they end: a process does not shrink any more. Returns whether anything
    was done, which is so with glibc alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_THRESHOLD, _MOST) and mallopt(_TRIM_THRESHOLD, _MOST))
