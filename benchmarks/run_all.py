"""Run the benchmarks one after the other, print their tables, and at the end one table of all ratios, as `make bench` does.

    python benchmarks/run_all.py SUBJECTS_DIR [--subject sub-07] [--reference-python REFERENCE/bin/python]

Without a GPU, and on a CPU that does not multiply in bf16, it takes about an hour, most of it for half precision, which then is
emulated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from overview import FILE, RATIOS, add, kind_of_machine, table


def main() -> None:
    """Run all benchmarks; exit 1 if one failed, after the others are done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects_dir", type=Path)
    parser.add_argument("--subject", default="sub-07")
    parser.add_argument("--reference-python", help="Python of an environment that holds DARTSeg 1.0.0")
    given = parser.parse_args()
    folder = given.subjects_dir / given.subject / "mri"
    scan, *maps = (str(folder / name) for name in ("T1.mgz", "aparc.DKTatlas+aseg.mgz", "aparc+aseg.mgz"))
    lacking = [path for path in (scan, *maps) if not Path(path).is_file()]
    if lacking:
        parser.error(f"{lacking[0]}: no such file; expected a FreeSurfer SUBJECTS_DIR with {given.subject} in it")
    reference = ["--reference-python", given.reference_python] if given.reference_python else []
    failed = []
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as kept:
        for name, *arguments in (
            ["segment.py", scan, *reference],
            ["whole_scans.py", scan, "--scans", "3"],
            ["shared_machine.py", scan],
            ["fusion.py"],
            ["conform.py", scan],
            ["metrics.py", *maps],
            ["packing.py", maps[0]],
            ["train_step.py", "--filters", "48"],
            ["precision.py", str(given.subjects_dir), given.subject],
        ):
            print(f"\n## {name}\n", flush=True)
            file = Path(kept) / f"{name}.json"
            keep = ["--json", str(file)] if name.removesuffix(".py") in {ratio.benchmark for ratio in RATIOS} else []
            command = [sys.executable, str(Path(__file__).with_name(name)), *arguments, *keep]
            if subprocess.run(command, check=False).returncode:
                failed.append(name)
            elif file.is_file():
                results[name.removesuffix(".py")] = json.loads(file.read_text(encoding="utf-8"))
    add(results)
    print(f"\n## All ratios\n\n{table(pd.read_csv(FILE), kind_of_machine())}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
