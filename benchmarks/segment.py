"""Time, memory and agreement of segmenting a scan: the published package (full size, random weights) and ours.

    python benchmarks/segment.py SCAN --reference-python REFERENCE/bin/python [--slices 8] [--device cuda] [--precision fp32]
        [--json FILE]

The reference needs an environment of its own: `python -m venv REFERENCE`, `REFERENCE/bin/pip install torch nibabel numpy`,
`REFERENCE/bin/pip install --no-deps DARTSeg==1.0.0`. Each run has a process of its own. Both networks get the same random
weights and the same coronal slices, spread over the head. The reference predicts a slice as in its `predict_single` (with
gradients and a one-hot volume), ours as in `darts-segment`, on whole slices and in a box of the size of a brain. For one view
and for three views, multiply these seconds by the number of slices; whole_scans.py runs all slices. If other work shares the
machine, CPU seconds are more meaningful than wall-clock seconds; on a GPU, wall-clock seconds count, and the first slice (warm
up) is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from full_size_network import random_weights

from darts_ensemble.device import choose_device
from darts_ensemble.scans.conform import conform
from darts_ensemble.scans.scan import read_scan

_CLOCK = """
import json, resource, sys, time
import numpy as np, torch
torch.set_num_threads(int(sys.argv[3]))
device = torch.device(sys.argv[4])
def used():
    if device.type == "cuda":
        torch.cuda.synchronize()
    of = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), of.ru_utime + of.ru_stime
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
def gpu_peak():
    return torch.cuda.max_memory_reserved() / 2**30 if device.type == "cuda" else 0
folder = sys.argv[1]
"""
_REFERENCE = (
    _CLOCK
    + """
from torch import nn
from DARTS.dense_unet_model import Dense_Unet
from DARTS.utils import create_one_hot_seg
network = Dense_Unet(in_chan=1, out_chan=113, filters=256, num_conv=4)
network.load_state_dict(torch.load(folder + "/weights.pth"))
network.eval().to(device)
dropped = [34, 35, 42, 43, 73, 74, 77, 78, 108, 109]
kept = [i for i in range(113) if i not in dropped]
slices = torch.from_numpy(np.load(folder + "/slices.npy")).to(device)
times, classes, held = [], [], []
for one in slices:
    start = used()
    low, high = one.min(), one.max()
    out = network(((one - low) / (high - low + 1e-4))[None, None])[:, kept]
    out = nn.Softmax2d()(out)
    held.append((out.data.cpu().numpy(), create_one_hot_seg(out.cpu(), 103)))
    classes.append(out.argmax(dim=1).cpu().numpy()[0])
    end = used()
    times.append([end[0] - start[0], end[1] - start[1]])
np.save(folder + "/reference.npy", np.stack(classes).astype(np.uint8))
print(json.dumps({"times": times, "peak_gib": peak(), "gpu_peak_gib": gpu_peak()}))
"""
)
_OURS = (
    _CLOCK
    + """
from darts_ensemble.weights.checkpoints import load_view
from darts_ensemble.inference.heap import keep_freed_memory
from darts_ensemble.inference.class_scores import most_probable
from darts_ensemble.inference.predict import made_ready, predict_view, uses_winograd
from darts_ensemble.device import choose_precision
from darts_ensemble.inference.device_volume import DeviceVolume
volume, numbers = np.load(folder + "/volume.npy"), np.load(folder + "/numbers.npy").tolist()
keep_freed_memory()
network = load_view(folder + "/weights.pth", "coronal")
precision = choose_precision(sys.argv[5], device, winograd=uses_winograd(network))
network = made_ready(network, device, precision)
whole = slice(0, volume.shape[0])
box = tuple(slice(*side) for side in json.loads(sys.argv[6])) if len(sys.argv) > 6 else (whole, whole, whole)
volume = DeviceVolume(volume, device)
volume.varied("coronal")
times, classes = [], []
for number in numbers:
    start = used()
    how = {"box": box, "device": device, "precision": precision, "batch_size": 1}
    ((_, probabilities),) = predict_view(network, volume, slices=[number], **how)
    classes.append(most_probable(probabilities)[0].cpu().numpy())
    end = used()
    times.append([end[0] - start[0], end[1] - start[1]])
np.save(folder + "/ours.npy", np.stack(classes))
print(json.dumps({"times": times, "peak_gib": peak(), "gpu_peak_gib": gpu_peak(), "precision": precision}))
"""
)
_BUNDLED = (
    _CLOCK
    + """
from darts_ensemble import Segmenter
from darts_ensemble.inference.heap import keep_freed_memory
if "low" not in sys.argv:
    keep_freed_memory()
segmenter = Segmenter("bundled", device=sys.argv[4], precision=sys.argv[5], low_memory="low" in sys.argv)
start = used()
result = segmenter.segment(sys.argv[2])
result.save(folder + "/out", "scan")
end = used()
times = [[end[0] - start[0], end[1] - start[1]]]
memory = {"peak_gib": peak(), "gpu_peak_gib": gpu_peak()}
print(json.dumps({"times": times, **memory, "stages": result.stages.seconds}))
"""
)


def _run(python: str, code: str, folder: Path, scan: Path, threads: int, device: str, *more: str) -> dict[str, Any]:
    """Run a measurement in a process of its own; waiting threads sleep, so that CPU seconds count only work."""
    command = [python, "-c", code, str(folder), str(scan), str(threads), device, *more]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    times = np.array(found["times"])
    times = times[1:] if device == "cuda" and len(times) > 1 else times
    found["wall_s"], found["cpu_s"] = np.median(times, axis=0).round(3).tolist()
    found["cpu_range"] = [float(times[:, 1].min().round(2)), float(times[:, 1].max().round(2))]
    return found


def _lay_out(folder: Path, scan: Path, count: int) -> list[int]:
    """Write the same weights, volume and slices for both; return the numbers of the slices, spread over the head."""
    torch.save(random_weights(seed=1), folder / "weights.pth")
    volume = conform(read_scan(scan)).data
    tissue = np.flatnonzero((volume > 0.1 * volume.max()).sum(axis=(0, 1)) > 2000)
    numbers = np.linspace(tissue[0], tissue[-1], count + 2).astype(int)[1:-1].tolist()
    np.save(folder / "volume.npy", volume)
    np.save(folder / "numbers.npy", numbers)
    np.save(folder / "slices.npy", np.ascontiguousarray(volume[:, :, numbers].transpose(2, 0, 1)))
    return numbers


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--reference-python", help="Python of the environment that holds DARTSeg")
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", help="of ours")
    parser.add_argument("--bundled-only", action="store_true", help="leave the full-size networks out")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    given = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, here = Path(name), (given.scan, given.threads, choose_device(given.device).type)
        if not given.bundled_only:
            _lay_out(folder, given.scan, given.slices)
            if given.reference_python:
                rows["reference, whole slice"] = _run(given.reference_python, _REFERENCE, folder, *here)
            rows["ours, whole slice"] = _run(sys.executable, _OURS, folder, *here, given.precision)
            if given.reference_python:
                same = np.load(folder / "reference.npy") == np.load(folder / "ours.npy")
                rows["ours, whole slice"]["labels_equal"] = round(float(same.mean()), 6)
            brain = json.dumps([[48, 208], [48, 192], [0, 256]])
            rows["ours, 160 x 144 of it"] = _run(sys.executable, _OURS, folder, *here, given.precision, brain)
        rows["bundled, three views, fused and written"] = _run(sys.executable, _BUNDLED, folder, *here, given.precision)
        rows["the same with --low-memory"] = _run(sys.executable, _BUNDLED, folder, *here, given.precision, "low")
    print("| what | wall s | CPU s | its range | peak GiB | GPU GiB | labels as the reference's |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for what, row in rows.items():
        spread = "{:.2f} to {:.2f}".format(*row["cpu_range"])
        gpu = f"{row['gpu_peak_gib']:.2f}" if row["gpu_peak_gib"] else ""
        equal = f"{row['labels_equal']:.4%}" if "labels_equal" in row else ""
        print(f"| {what} | {row['wall_s']:.3f} | {row['cpu_s']:.2f} | {spread} | {row['peak_gib']:.2f} | {gpu} | {equal} |")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
