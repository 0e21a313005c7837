"""The number of threads follows affinity, control groups and SLURM. Waiting threads sleep unless a user sets another way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from darts_ensemble.cores import available_cores, multiply_in_one_thread, threads_of_each, wait_without_spinning
from darts_ensemble.device import use_threads
from tests.conftest import ROOT

HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def system(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    """A folder with a `/proc/self/cgroup` and files of control groups below `/sys/fs/cgroup`."""
    for name, text in {"proc/self/cgroup": cgroup, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node of 64 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/\n", {}, 64),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "400000 100000\n"}, 4),
        # One and a half cores are two threads, half a core is one.
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        # The quota of a group above counts as well.
        ("0::/job/step\n", {"job/cpu.max": "300000 100000\n", "job/step/cpu.max": "max 100000\n"}, 3),
        ("0::/job/step\n", {"job/cpu.max": "800000 100000\n", "job/step/cpu.max": "200000 100000\n"}, 2),
        # In a container the path in /proc is often the host's: the container's own group is the folder's root.
        ("0::/docker/abc\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/../../other\n", {"cpu.max": "200000 100000\n"}, 2),
        # Version 1, under either name of its folder.
        (
            "4:cpu,cpuacct:/job\n",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "500000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            5,
        ),
        ("4:cpu:/\n1:memory:/x\n", {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ("nonsense\n", {"cpu.max": "nonsense\n"}, 64),
    ],
)
def test_a_quota_of_a_control_group_limits_the_threads(
    tmp_path: Path, cgroup: str, files: dict[str, str], expected: int
) -> None:
    assert available_cores({}, system(tmp_path, cgroup, files)) == expected


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(("value", "expected"), [("8", 8), ("0", 64), ("", 64), ("many", 64), ("128", 64)])
def test_what_slurm_gave_a_task_limits_the_threads(tmp_path: Path, value: str, expected: int) -> None:
    assert available_cores({"SLURM_CPUS_PER_TASK": value}, tmp_path) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system knows no affinity")
def test_a_process_that_may_use_one_core_uses_one_thread() -> None:
    code = (
        "import os\n"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "from darts_ensemble.cores import available_cores\n"
        "from darts_ensemble.device import use_threads\n"
        "import torch\n"
        "torch.set_num_threads(7)\n"
        "use_threads()\n"
        "print(available_cores(), torch.get_num_threads())"
    )
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=clean)
    assert done.stdout.split() == ["1", "1"]


def test_threads_that_the_user_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(HERE + 3)
        monkeypatch.setenv("OMP_NUM_THREADS", str(HERE + 3))
        use_threads()
        assert torch.get_num_threads() == HERE + 3
        use_threads(2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("many_cores")
def test_processes_on_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darts_ensemble.cores.available_cores", lambda: 10)
    assert [threads_of_each(n) for n in (1, 3, 10, 40)] == [10, 3, 1, 1]


@pytest.mark.parametrize("own", [{}, {"OMP_NUM_THREADS": "8"}, {"OPENBLAS_NUM_THREADS": "4"}])
def test_numpy_multiplies_in_one_thread_unless_the_user_says_otherwise(own: dict[str, str]) -> None:
    environment = dict(own)
    multiply_in_one_thread(environment)
    assert environment == (own or {"OPENBLAS_NUM_THREADS": "1"})


def test_darts_eval_says_so_before_numpy_is_loaded() -> None:
    code = (
        "import os, sys\n"
        "from evaluation.commands.evaluate import main\n"
        "assert 'numpy' not in sys.modules\n"
        "sys.argv = ['darts-eval', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    print('ends with', os.environ['OPENBLAS_NUM_THREADS'])\n"
    )
    clean = {name: value for name, value in os.environ.items() if name not in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=clean)
    assert done.stdout.endswith("ends with 1\n"), done.stderr


@pytest.mark.parametrize("own", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_a_users_own_way_to_wait_is_not_changed(own: str) -> None:
    environment = {own: "ACTIVE"}
    wait_without_spinning(environment)
    assert environment == {own: "ACTIVE"}


@pytest.mark.parametrize(
    "module",
    [
        "darts_ensemble.commands.segment", "darts_ensemble.commands.train", "darts_ensemble.commands.weights",
        "darts_ensemble.perform_pred", "evaluation.commands.evaluate",
    ],
)  # fmt: skip
def test_every_command_lets_waiting_threads_sleep_before_torch_is_loaded(module: str) -> None:
    # A stand-in for torch on the path of modules would see what libgomp sees: the environment at the time of the import.
    code = (
        "import os, sys\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch':\n"
        "            print('torch sees', os.environ.get('GOMP_SPINCOUNT'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import atexit, runpy\n"
        "atexit.register(lambda: print('end sees', os.environ.get('GOMP_SPINCOUNT')))\n"
        f"sys.argv = ['x', '--help']\nrunpy.run_module({module!r}, run_name='__main__')\n"
    )
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=clean)
    seen = [line.split()[-1] for line in done.stdout.splitlines() if " sees " in line]
    assert seen, done.stderr
    assert set(seen) == {"1000"}
