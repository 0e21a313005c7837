"""Find T1w and UNIT1 images of public BIDS trees with our finder, pybids and ancpbids: what each finds, and its CPU time.

    python benchmarks/bids_finders.py [--repeats 5]

The trees are names without content, from tests/fixtures/bids_examples.tsv. pybids and ancpbids are no dependencies of the
project: pip install pybids ancpbids; FINDERS_PYTHON names the Python of another environment that has them.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LISTING = ROOT / "tests/fixtures/bids_examples.tsv"

#: Each prints the images of the data set that is its argument, one path per line.
FINDERS = {
    "darts": """
import sys; from pathlib import Path
from darts_ensemble.errors import CohortError
from evaluation.cohort.bids_scans import find_raw_scans
root = Path(sys.argv[1])
try:
    print(*[path.relative_to(root).as_posix() for path in find_raw_scans(root)], sep="\\n")
except CohortError:
    pass
""",
    "pybids": """
import sys; from bids import BIDSLayout
found = BIDSLayout(sys.argv[1]).get(suffix=["T1w", "UNIT1"], extension=[".nii", ".nii.gz"])
print(*[one.relpath for one in found], sep="\\n")
""",
    "ancpbids": """
import sys; from pathlib import Path; from ancpbids import BIDSLayout
layout = BIDSLayout(sys.argv[1])
for suffix in ("T1w", "UNIT1"):
    for path in layout.get(suffix=suffix, extension=[".nii", ".nii.gz"], return_type="filename"):
        print(Path(path).relative_to(sys.argv[1]).as_posix())
""",
}


def lay_out(folder: Path) -> dict[str, set[str]]:
    """Make the trees of the listing, and return the scans of each data set as the listing names them."""
    scans: dict[str, set[str]] = {}
    with LISTING.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            path = folder / row["dataset"] / row["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            described = path.name == "dataset_description.json"
            path.write_text('{"Name": "x", "BIDSVersion": "1.8.0"}' if described else "{}" if path.suffix == ".json" else "")
            scans.setdefault(row["dataset"], set())
            if row["scan"]:
                scans[row["dataset"]].add(row["path"])
    return scans


def cpu_seconds(code: str, argument: str) -> tuple[float, list[str]]:
    """Run code in a process of its own: its CPU time, user and system, and the lines it prints."""
    before = os.times()
    done = subprocess.run(
        [os.environ.get("FINDERS_PYTHON", sys.executable), "-c", code, argument],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    after = os.times()
    if done.returncode:
        raise SystemExit(done.stderr)
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return used, [line for line in done.stdout.splitlines() if line]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as work:
        scans = lay_out(Path(work))
        print("| finder | start and one small data set, CPU s (median, range) | data sets found rightly | wrong in |")
        print("| --- | --- | --- | --- |")
        reading = "import darts_ensemble.scans.scan"
        base = statistics.median(cpu_seconds(reading, "")[0] for _ in range(repeats))
        for name, code in FINDERS.items():
            times = [cpu_seconds(code, f"{work}/asl003")[0] for _ in range(repeats)]
            wrong = []
            for dataset, expected in scans.items():
                found = cpu_seconds(code, f"{work}/{dataset}")[1]
                if sorted(found) != sorted(expected):
                    wrong.append(f"{dataset} ({len(found)} of {len(expected)})")
            right = f"{len(scans) - len(wrong)} of {len(scans)}"
            spread = f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
            print(f"| {name} | {spread} | {right} | {', '.join(wrong) or 'none'} |")
        print(f"\nReading scans, which darts-bids needs in any case and which is in the time of darts: {base:.2f} CPU s")


if __name__ == "__main__":
    main()
