"""Run the benchmarks one after the other and print their tables, as `make bench` does.

    python benchmarks/run_all.py SUBJECTS_DIR [--subject sub-07] [--reference-python REFERENCE/bin/python]

Without a GPU, and on a CPU that does not multiply in bf16, it takes about an hour, most of it for half precision, which then is
emulated.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path


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
    for name, *arguments in (
        ["segment.py", scan, *reference],
        ["whole_scans.py", scan, "--scans", "3"],
        ["shared_machine.py", scan],
        ["fusion.py"],
        ["conform.py", scan],
        ["metrics.py", *maps],
        ["precision.py", str(given.subjects_dir), given.subject],
    ):
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, str(Path(__file__).with_name(name)), *arguments], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
