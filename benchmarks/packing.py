"""CPU seconds of reading and writing compressed images, with nibabel's way through zlib and with ours through ISA-L.

python benchmarks/packing.py IMAGE... [--repeats 5] [--json FILE]

In turns; the least CPU seconds of each. The values that were read are written as .nii.gz; sizes are those of the written files.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from darts_ensemble.scans.image_file import open_image
from darts_ensemble.scans.packing import save_image


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main() -> None:
    """Print one row per image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the seconds of the last image to this file")
    given = parser.parse_args()
    print("| image | read, nibabel | ours | ratio | write, nibabel | ours | ratio | size, nibabel | ours |")
    print("| --- " * 9 + "|")
    for path in given.images:
        image = nib.load(path)
        np.asarray(image.dataobj)
        with tempfile.TemporaryDirectory() as folder:
            theirs, ours = Path(folder) / "theirs.nii.gz", Path(folder) / "ours.nii.gz"
            written = nib.Nifti1Image(np.asarray(image.dataobj), image.affine)
            ways: dict[str, Callable[[], object]] = {
                "read, nibabel": lambda path=path: np.asarray(nib.load(path).dataobj),  # type: ignore[misc]
                "read": lambda path=path: np.asarray(open_image(path)[0].dataobj),  # type: ignore[misc]
                "write, nibabel": lambda: nib.save(written, theirs),  # noqa: B023
                "write": lambda: save_image(written, ours),  # noqa: B023
            }
            took = {name: float("inf") for name in ways}
            for _ in range(given.repeats):
                for name, work in ways.items():
                    took[name] = min(took[name], cpu_seconds(work))
            cells = [path.name]
            for what in ("read", "write"):
                one, two = took[f"{what}, nibabel"], took[what]
                cells += [f"{one:.3f}", f"{two:.3f}", f"{one / two:.1f}"]
            cells += [f"{file.stat().st_size / 1e6:.2f} MB" for file in (theirs, ours)]
        print(f"| {' | '.join(cells)} |")
        if given.json:
            given.json.write_text(json.dumps(took, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
