"""How many CPU threads a command may use, and how they wait for each other on a machine that others use too."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from darts_ensemble.control_groups import control_groups

__all__ = ["available_cores", "chosen_by_user", "multiply_in_one_thread", "threads_of_each", "wait_without_spinning"]

#: How often a waiting OpenMP thread checks in a loop whether it may go on, before it sleeps. The default of libgomp is 300,000
#: times where every thread has a core: two commands on the same cores then spend most of their time in this loop.
SPIN_COUNT = 1000
#: Variables by which a user says how OpenMP threads wait, and how many there are.
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_BLAS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")


def wait_without_spinning(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let OpenMP threads sleep soon when they wait; must run before torch is loaded.

    Processes that this one starts inherit the setting. What the user has set is not changed.

    Parameters
    ----------
    environment : mutable mapping of str to str
        Of this process.
    """
    if not any(name in environment for name in _WAITING):
        environment["GOMP_SPINCOUNT"] = str(SPIN_COUNT)


def multiply_in_one_thread(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let NumPy multiply matrices in one thread; must run before NumPy is loaded.

    OpenBLAS shares even the product of many points and a 3 x 3 matrix between all cores, and its threads then wait in a loop: a
    quarter of the CPU time of scoring label maps. Processes that this one starts inherit the setting. What the user has set is
    not changed.

    Parameters
    ----------
    environment : mutable mapping of str to str
        Of this process.
    """
    if not any(name in environment for name in _BLAS):
        environment["OPENBLAS_NUM_THREADS"] = "1"


def chosen_by_user(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment already sets the number of threads."""
    return any(environment.get(name) for name in _COUNTS)


def available_cores(environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> int:
    """Return how many cores this process may use at the same time, at least 1.

    The smallest of: the cores it may run on (its affinity), the CPU quota of its control groups, of version 2 (`cpu.max`) or 1
    (`cpu.cfs_quota_us`), rounded up, and `SLURM_CPUS_PER_TASK`. On a cluster node or in a container that is less than the
    number of cores of the machine.

    Parameters
    ----------
    environment : mapping of str to str
        Of this process.
    root : Path
        Folder under which `proc/` and `sys/` lie; another one for tests.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [float(affinity), *_quotas(root)]
    tasks = environment.get("SLURM_CPUS_PER_TASK", "")
    if tasks.isdecimal() and int(tasks) > 0:
        limits.append(float(tasks))
    return max(1, math.ceil(min(limits)))


def threads_of_each(processes: int) -> int:
    """Return how many threads each of so many processes on this machine gets, so that together they fill its cores."""
    return max(1, available_cores() // processes)


def _quotas(root: Path) -> Iterator[float]:
    """CPU quotas in cores of the control groups of this process and of all above them."""
    for version, folder in control_groups("cpu", root):
        quota = _quota_of_version_2(folder) if version == 2 else _quota_of_version_1(folder)
        if quota is not None:
            yield quota


def _quota_of_version_2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()[:2]
        return float(quota) / float(period)  # "max" is no number: no limit
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_of_version_1(folder: Path) -> float | None:
    try:
        quota = float((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = float((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None  # -1: no limit
