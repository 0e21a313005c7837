"""bf16 on a CPU: a network as written under autocast, and with each convolution, normalisation and ReLU as one step.

    python benchmarks/bf16_steps.py SCAN [--view coronal] [--slices 16] [--repeat 5] [--threads 1]

The bundled network of a view on slices in the middle of a 160 x 160 box, both ways in turn. CPU seconds are the smallest of the
repetitions. Labels are compared with those of fp32, in voxels that either calls brain.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from darts_ensemble.inference.device_volume import DeviceVolume
from darts_ensemble.inference.heap import keep_freed_memory
from darts_ensemble.inference.predict import made_ready, predict_view
from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.scans.conform import conform
from darts_ensemble.scans.scan import read_scan
from darts_ensemble.slices.channels import Box
from darts_ensemble.slices.views import SLICE_AXIS
from darts_ensemble.weights.checkpoints import load_ensemble

CPU = torch.device("cpu")


def as_written(network: ViewNetwork) -> ViewNetwork:
    """Return a copy in the memory layout that is fastest, with every layer apart."""
    plain = copy.deepcopy(network.network).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return replace(network, network=plain)


def box_of(view: str, slices: int) -> Box:
    """Return 160 x 160 voxels of so many slices in the middle of the volume."""
    sides = [slice(48, 208)] * 3
    sides[SLICE_AXIS[view]] = slice(128 - slices // 2, 128 - slices // 2 + slices)
    return sides[0], sides[1], sides[2]


def predicted(network: ViewNetwork, volume: DeviceVolume, box: Box, precision: str) -> tuple[Tensor, float]:
    """Return the classes of the slices, and the CPU seconds."""
    begin = time.process_time()
    classes = [part.argmax(dim=-1) for _, part in predict_view(network, volume, box=box, device=CPU, precision=precision)]
    return torch.cat(classes), time.process_time() - begin


def main() -> None:
    """Print one row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--view", default="coronal")
    parser.add_argument("--slices", type=int, default=16)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    volume = DeviceVolume(conform(read_scan(given.scan)).data, CPU)
    network, box = load_ensemble("bundled").networks[given.view], box_of(given.view, given.slices)
    exact, _ = predicted(made_ready(network, CPU, "fp32"), volume, box, "fp32")
    ways = {"as written": as_written(network), "one step": made_ready(network, CPU, "bf16")}
    seconds = dict.fromkeys(ways, float("inf"))
    shares = {}
    for _ in range(given.repeat):
        for name, ready in ways.items():
            classes, took = predicted(ready, volume, box, "bf16")
            seconds[name] = min(seconds[name], took)
            brain = (classes != BACKGROUND_CLASS) | (exact != BACKGROUND_CLASS)
            shares[name] = float((classes == exact)[brain].float().mean())
    print("| bf16 | CPU ms a slice | ratio | labels in the brain as in fp32 |\n| --- | --- | --- | --- |")
    for name, took in seconds.items():
        ratio = took / seconds["as written"]
        print(f"| {name} | {took / given.slices * 1000:.1f} | {ratio:.2f} | {shares[name]:.3%} |")


if __name__ == "__main__":
    main()
