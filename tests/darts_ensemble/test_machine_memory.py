"""What a process may use is the smallest of machine, control groups and shell; unknown where the system does not tell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from darts_ensemble import machine_memory
from darts_ensemble.machine_memory import gigabytes, usable_memory
from tests.conftest import ROOT
from tests.darts_ensemble.test_cores import system

GB = 10**9
MACHINE = "MemTotal:       62500000 kB\nMemFree:  1000 kB\nSwapTotal:  0 kB\n"


@pytest.fixture(autouse=True)
def no_limit_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_memory, "_of_shell", lambda: iter(()))


def machine(root: Path, cgroup: str, files: dict[str, str], meminfo: str = MACHINE) -> Path:
    system(root, cgroup, files)
    (root / "proc/meminfo").write_text(meminfo)
    return root


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/\n", {}, 64 * GB),
        ("0::/\n", {"memory.max": "max\n"}, 64 * GB),
        ("0::/\n", {"memory.max": "4000000000\n"}, 4 * GB),
        ("0::/job/step\n", {"job/memory.max": "3000000000\n", "job/step/memory.max": "max\n"}, 3 * GB),
        ("0::/docker/abc\n", {"memory.max": "2000000000\n"}, 2 * GB),
        ("9:memory:/job\n", {"memory/job/memory.limit_in_bytes": "5000000000"}, 5 * GB),
        ("9:memory:/\n", {"memory/memory.limit_in_bytes": str(2**63 - 4096)}, 64 * GB),
        # A limit of a machine that has less is none.
        ("0::/\n", {"memory.max": "900000000000\n"}, 64 * GB),
        ("nonsense\n", {"memory.max": "nonsense\n"}, 64 * GB),
        ("4:cpu:/\n", {"cpu/memory.limit_in_bytes": "1"}, 64 * GB),
    ],
)
def test_a_limit_of_a_control_group_counts(tmp_path: Path, cgroup: str, files: dict[str, str], expected: int) -> None:
    assert usable_memory(machine(tmp_path, cgroup, files)) == expected


def test_swap_is_memory(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/\n", {}, "MemTotal: 1000000 kB\nSwapTotal: 500000 kB\n")
    assert usable_memory(root) == 1_500_000 * 1024


def test_a_system_that_tells_nothing_limits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf_names", {}, raising=False)
    assert usable_memory(tmp_path) is None


def test_this_machine_has_memory() -> None:
    found = usable_memory()
    assert found is None or found > 10**8


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="ulimit -v limits nothing on this system")
def test_a_limit_of_the_shell_counts() -> None:
    code = "from darts_ensemble.machine_memory import usable_memory; print(usable_memory())"
    command = f"ulimit -v 1000000; exec {sys.executable} -c '{code}'"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) == 1_000_000 * 1024


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0.0 GB"), (1_440_000_000, "1.4 GB"), (9_960_000_000, "10 GB"), (5.4e10, "54 GB")]
)
def test_sizes_are_told_in_gigabytes(count: float, text: str) -> None:
    assert gigabytes(count) == text
