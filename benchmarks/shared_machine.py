"""Commands side by side on the same cores: how much longer each takes than alone, with and without our way of waiting.

    python benchmarks/shared_machine.py SCAN [--together 1,2,4] [--spin-counts 0,1000,10000] [--repeat 2] [--without-default]
                                        [--json FILE]

Each row starts so many `darts-segment` commands at the same time, each on the same scan with a folder of its own, and takes
the time until the last has ended. "default of libgomp" is what happened before: threads that wait turn in a loop 300,000
times. The ratio is to one command alone in the same row of settings; "alone" compares a lone run with libgomp's default.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

#: Variables that say how OpenMP threads wait.
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def seconds_until_all_end(scan: Path, together: int, environment: dict[str, str]) -> float:
    """Start so many commands at once and return the seconds until the last one has ended."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "darts_ensemble.commands.segment", str(scan), "-o", f"{folder}/{number}", "--quiet"],
                env=environment,
            )
            for number in range(together)
        ]
        codes = [one.wait() for one in running]
        if any(codes):
            sys.exit(f"darts-segment ended with {codes}")
        return time.perf_counter() - begin


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--together", default="1,2,4", help="how many commands at the same time; the first is the basis")
    parser.add_argument("--spin-counts", default="1000", help="turns of the waiting loop that are tried")
    parser.add_argument("--repeat", type=int, default=2, help="runs of each; the median counts")
    parser.add_argument("--without-default", action="store_true", help="leave out libgomp's default, the slowest by far")
    parser.add_argument("--json", type=Path, help="write the seconds of every run")
    given = parser.parse_args()
    clean = {name: value for name, value in os.environ.items() if name not in WAITING}
    together = [int(word) for word in given.together.split(",")]
    # 300,000 turns are what libgomp does by itself where each thread has a core; our commands would set their own.
    settings = {} if given.without_default else {"default of libgomp": {**clean, "GOMP_SPINCOUNT": "300000"}}
    settings |= {f"{count} turns": {**clean, "GOMP_SPINCOUNT": count} for count in given.spin_counts.split(",")}
    seconds: dict[str, dict[int, list[float]]] = {name: {n: [] for n in together} for name in settings}
    for _ in range(given.repeat):
        for n in together:
            for name, environment in settings.items():
                seconds[name][n].append(seconds_until_all_end(given.scan, n, environment))
                print(f"{name}, {n} together: {seconds[name][n][-1]:.1f} s", file=sys.stderr, flush=True)
    middle = {name: {n: statistics.median(runs) for n, runs in rows.items()} for name, rows in seconds.items()}
    first, basis = together[0], next(iter(settings))
    print(f"| waiting threads | {first} alone, s | to {basis} | " + " | ".join(f"{n} together" for n in together[1:]) + " |")
    print("| --- " * (len(together) + 2) + "|")
    for name, rows in middle.items():
        ratios = " | ".join(f"{rows[n] / rows[first]:.2f}" for n in together[1:])
        print(f"| {name} | {rows[first]:.1f} | {rows[first] / middle[basis][first]:.2f} | {ratios} |")
    if given.json:
        given.json.write_text(json.dumps(seconds, indent=2))


if __name__ == "__main__":
    main()
