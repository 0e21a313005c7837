"""Run the benchmarks one after the other, print their tables, and at the end one table of all ratios, as `make bench` does.

    python benchmarks/run_all.py SUBJECTS_DIR [--subject sub-07] [--reference-python REFERENCE/bin/python] [--only packing]

It takes half an hour to an hour, on a machine that does nothing else. bf16 and fp16 are compared with fp32 only where the
machine multiplies in them.
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
from overview import FILE, add, alone, kind_of_machine, table

from darts_ensemble.commands.command_line import words


def main() -> None:
    """Run all benchmarks; exit 1 if one failed, after the others are done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects_dir", type=Path)
    parser.add_argument("--subject", default="sub-07")
    parser.add_argument("--reference-python", help="Python of an environment that holds DARTSeg 1.0.0")
    parser.add_argument("--only", default="", help="scripts to run, without .py, comma-separated; the default is all")
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
        fine = {size: f"{kept}/{size}.nii.gz" for size in ("0.8 mm", "0.5 mm")}
        sparse = ["--every", "16"]
        # A precision in which the machine does not multiply is emulated: that takes an hour and says nothing about speed.
        variants = {"GPU": "brain,bf16,fp16", "AVX2": "brain"}.get(kind_of_machine(), "brain,bf16")
        for name, script, *arguments in (
            ("segment", "segment.py", scan, *reference),
            ("whole_scans", "whole_scans.py", scan, "--scans", "3"),
            ("shared_machine", "shared_machine.py", scan, "--repeat", "1", "--without-default"),
            ("", "fine_scan.py", scan, "320", fine["0.8 mm"]),
            ("", "fine_scan.py", scan, "512", fine["0.5 mm"]),
            ("1 mm", "whole_scans.py", scan, *sparse),
            ("0.8 mm", "whole_scans.py", fine["0.8 mm"], *sparse),
            ("0.5 mm", "whole_scans.py", fine["0.5 mm"], *sparse),
            ("0.5 mm, low memory", "whole_scans.py", fine["0.5 mm"], *sparse, "--low-memory"),
            ("", "fusion.py"),
            ("", "conform.py", scan),
            ("metrics", "metrics.py", *maps),
            ("packing", "packing.py", maps[0]),
            ("eval_at_scale", "eval_at_scale.py", str(given.subjects_dir)),
            ("train_step", "train_step.py", "--filters", "48"),
            ("", "precision.py", str(given.subjects_dir), given.subject, "--variants", variants),
        ):
            if given.only and script.removesuffix(".py") not in words(given.only):
                continue
            print(f"\n## {script}{f', {name}' if ' mm' in name else ''}\n", flush=True)
            file = Path(kept) / f"{name}.json"
            keep = ["--json", str(file)] if name else []
            command = [sys.executable, str(Path(__file__).with_name(script)), *arguments, *keep]
            if subprocess.run(command, check=False).returncode:
                failed.append(script)
            elif name:
                results[name] = json.loads(file.read_text(encoding="utf-8"))
                if {"whole_scans", "shared_machine"} <= set(results):
                    results["whole_scans"]["alone_s"] = alone(results["shared_machine"])
                add(results)  # at once, so that what was measured stays if the run is interrupted
    print(f"\n## All ratios\n\n{table(pd.read_csv(FILE), kind_of_machine())}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
