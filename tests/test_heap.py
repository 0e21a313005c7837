"""Memory kept for the next batch: its pages are not asked of the system again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

#: Pages that are asked for while 64 MiB are taken, written and freed ten times.
COUNT = """
import resource, sys
import numpy as np
from darts_ensemble.heap import keep_freed_memory
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
