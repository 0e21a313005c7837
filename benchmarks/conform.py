"""CPU seconds of reading a scan, of bringing it to the networks' grid, and of bringing labels back to the scan's grid.

python benchmarks/conform.py SCAN
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from darts_ensemble.fusion.native_labels import labels_to_native
from darts_ensemble.labels import N_CLASSES
from darts_ensemble.scans.conform import conform
from darts_ensemble.scans.scan import Scan, read_scan


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    done = work()
    return time.process_time() - started, done


def main() -> None:
    """Print one row for the scan itself, and one for its middle resampled to 0.8 mm voxels and rotated by ten degrees."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    given = parser.parse_args()
    read, scan = _timed(lambda: read_scan(given.scan))
    angle = np.deg2rad(10)
    turned = scan.affine.copy()
    turned[:3, :3] = 0.8 * np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    oblique = Scan(scan.path, scan.data, turned, nib.Nifti1Image(np.asarray(scan.data), turned))
    rng = np.random.default_rng(0)
    box = rng.random((96, 96, 96, N_CLASSES), dtype=np.float32).astype(np.float16)
    print(f"reading {given.scan.name}: {read:.2f} s\n")
    print("| scan | conform, CPU s | labels of a 96^3 box back, CPU s |\n| --- | --- | --- |")
    for name, one in (("as it is", scan), ("0.8 mm, turned", oblique)):
        there, conformed = _timed(lambda one=one: conform(one))
        best = box.argmax(axis=-1).astype(np.uint8)
        back, _ = _timed(lambda c=conformed, b=best: labels_to_native(box, b, (80, 80, 80), c))
        print(f"| {name} | {there:.2f} | {back:.2f} |")


if __name__ == "__main__":
    main()
