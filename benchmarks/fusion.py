"""CPU seconds and memory of fusing three views, their softmax included, without the networks.

python benchmarks/fusion.py [--side 128] [--threads 1]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from darts_ensemble.fusion.fuse import FUSIONS, fuse_views
from darts_ensemble.labels import N_CLASSES
from darts_ensemble.slices.views import VIEWS


def main() -> None:
    """Print one row per fusion, for a box of side^3 voxels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    side = given.side
    batch = 4 * torch.randn(4, side, side, N_CLASSES)  # logits

    def slices() -> Iterator[tuple[slice, Tensor]]:
        for start in range(0, side, 4):
            yield slice(start, start + 4), batch

    print(f"| fusion of {side}^3 | CPU s | ns per voxel and view | peak GiB |\n| --- | --- | --- | --- |")
    for fusion in FUSIONS:
        started = time.process_time()
        fuse_views({view: slices() for view in VIEWS}, (side, side, side), fusion=fusion, logits=True)
        took = time.process_time() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {fusion} | {took:.2f} | {took / 3 / side**3 * 1e9:.0f} | {peak:.2f} |")


if __name__ == "__main__":
    main()
