"""How much memory this process may use: that of the machine, or less where a control group or a limit of the shell says so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from darts_ensemble.control_groups import control_groups

__all__ = ["gigabytes", "usable_memory"]

#: A limit above this is none: version 1 of control groups says "no limit" with a number of pages of 63 bits.
_NO_LIMIT = 2**60


def usable_memory(root: Path = Path("/")) -> int | None:
    """Return how many bytes this process may use at most, whatever others use now; None where the system does not tell.

    The smallest of: the machine's memory and swap, the limits of its control groups, of version 2 (`memory.max`) or 1
    (`memory.limit_in_bytes`), and the limit of its address space (`ulimit -v`). The address space is larger than the memory in
    use, so that the last is a bound that may not be reached.

    Parameters
    ----------
    root : Path
        Folder under which `proc/` and `sys/` lie; another one for tests.
    """
    limits = [limit for limit in (*_of_machine(root), *_of_groups(root), *_of_shell()) if 0 < limit < _NO_LIMIT]
    return min(limits, default=None)


def gigabytes(count: float) -> str:
    """Bytes as text in GB (10^9 bytes): two digits below 10.

    Examples
    --------
    >>> gigabytes(2_400_000_000), gigabytes(54_300_000_000)
    ('2.4 GB', '54 GB')
    """
    return f"{count / 1e9:.1f} GB" if count < 9.95e9 else f"{count / 1e9:.0f} GB"


def _of_machine(root: Path) -> Iterator[int]:
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if ":" in line}
        yield 1024 * (kilobytes["MemTotal"] + kilobytes.get("SwapTotal", 0))
    except (OSError, ValueError, KeyError, IndexError):
        if hasattr(os, "sysconf") and {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(os.sysconf_names):
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_groups(root: Path) -> Iterator[int]:
    for version, folder in control_groups("memory", root):
        try:
            yield int((folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).read_text(encoding="ascii"))
        except (OSError, ValueError):  # "max" is no number: no limit
            continue


def _of_shell() -> Iterator[int]:
    try:
        import resource
    except ImportError:  # Windows
        return
    yield resource.getrlimit(resource.RLIMIT_AS)[0]
