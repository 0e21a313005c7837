"""Time and peak memory of one scan through the bundled ensemble, each run in a process of its own.

python benchmarks/segment.py SCAN [--threads 2] [--runs 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

_ONE_RUN = """
import json, resource, sys, time
import torch
torch.set_num_threads(int(sys.argv[2]))
from darts_ensemble import Segmenter
started = time.perf_counter()
segmenter = Segmenter("bundled", device="cpu", views=tuple(sys.argv[3].split(",")))
loaded = time.perf_counter()
result = segmenter.segment(sys.argv[1])
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
shape = list(result.conformed.data.shape)
print(json.dumps({"load": loaded - started, "segment": done - loaded, "peak_gib": peak, "conformed": shape}))
"""


def main() -> None:
    """Print a table: median seconds and largest peak memory of each set of views."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print("| views | load s | segment s | peak GiB |\n| --- | --- | --- | --- |")
    for views in ("coronal", "coronal,axial,sagittal"):
        runs = []
        for _ in range(given.runs):
            command = [sys.executable, "-c", _ONE_RUN, str(given.scan), str(given.threads), views]
            runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        load, segment = (statistics.median(run[key] for run in runs) for key in ("load", "segment"))
        print(f"| {views} | {load:.1f} | {segment:.1f} | {max(run['peak_gib'] for run in runs):.2f} |")


if __name__ == "__main__":
    main()
