"""Memory kept for the next batch is not requested again from the system, and memory given back is free for the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

#: Pages that are asked for while 64 MiB are taken, written and freed ten times.
COUNT = """
import resource, sys
import numpy as np
from darts_ensemble.inference.heap import keep_freed_memory
kept = keep_freed_memory() if "kept" in sys.argv else None
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(2**23)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_what_is_freed_serves_the_next_batch() -> None:
    def count(*words: str) -> list[str]:
        return subprocess.run([sys.executable, "-c", COUNT, *words], capture_output=True, text=True, check=True).stdout.split()

    kept, asked = count("kept")
    assert kept == "True"
    assert int(asked) < 100
    # Otherwise at least the huge pages of each of the ten.
    assert int(count()[1]) > 2 * int(asked)


#: Resident memory in kB with 256 MiB in small pieces, all but the last of them freed, and after giving back.
HELD = """
from darts_ensemble.inference.heap import give_back_freed_memory
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
pieces = [bytearray(2**16) for _ in range(2**12)]
del pieces[:-1]
before = resident()
print(give_back_freed_memory(), before, resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_what_is_free_between_pieces_in_use_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True).stdout.split()
    assert done[0] == "True"
    assert int(done[1]) - int(done[2]) > 0.9 * 2**18


#: Resident memory in kB that twenty blocks of 8 MiB leave, every other one freed.
LEFT = """
import sys
from contextlib import nullcontext
import numpy as np
from darts_ensemble.inference.heap import large_blocks_apart
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
np.ones(2**21)
before = resident()
with large_blocks_apart() if "apart" in sys.argv else nullcontext():
    blocks = [np.ones(2**20) for _ in range(20)]
del blocks[::2]
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_what_stays_apart_keeps_nothing_else() -> None:
    # Dask sets malloc's variables in the process that starts its workers, as another test here may have done.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

    def left(*words: str) -> int:
        command = [sys.executable, "-c", LEFT, *words]
        return int(subprocess.run(command, capture_output=True, text=True, check=True, env=plain).stdout)

    half = 10 * 2**13
    assert left("apart") < 1.2 * half
    assert left() > 1.8 * half


#: Resident memory in kB that a volume of 512 MiB leaves, freed after something small was taken behind it.
VOLUME = """
import numpy as np
from darts_ensemble.inference.heap import keep_freed_memory
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
keep_freed_memory()
before = resident()
volume = np.ones(2**26)
behind = [bytearray(2**16) for _ in range(2**8)]
del volume
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_volume_larger_than_any_batch_goes_back_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", VOLUME], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2**16
