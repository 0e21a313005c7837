"""Segment one or many whole scans from file to file, as darts-segment does: seconds, scans per minute, memory, peak share.

    python benchmarks/whole_scans.py SCAN [--weights full-size] [--scans 20] [--views coronal] [--crop head] [--every 16]
        [--device cuda] [--precision bf16] [--low-memory] [--json FILE]

`--weights full-size` makes three Dense U-Nets of the released size with random weights. They find no brain: use a scan without
skull and `--crop head` for a box of the size of a brain. The scan is linked under `--scans` names, and all of them go through
the queue of darts-segment; the first one (warm up) is reported separately. `--every 16` predicts every sixteenth batch of
slices and uses its result for the next fifteen: memory is that of a whole run, and the seconds of views have to be multiplied
by sixteen, as the table says. The share of the peak is the number of operations of the networks as defined, in slices that are
not constant, divided by the seconds of the views and their fusion, and by the rate of a convolution.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from full_size_network import FILTERS, full_size_network
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from darts_ensemble.inference import predict as prediction
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.scans.inputs import NamedScan
from darts_ensemble.segment.scan_queue import Job, segment_here
from darts_ensemble.segment.settings import Settings, make_segmenter
from darts_ensemble.slices.views import VIEWS
from darts_ensemble.weights.view_file import save_view


def write_full_size(folder: Path) -> None:
    """Write three networks of the released size, with random weights."""
    for seed, view in enumerate(VIEWS):
        network = full_size_network(seed)
        save_view(folder / f"{view}.safetensors", network, view=view, normalisation="slice-minmax", training_subjects=[])


def thinned(every: int, computed: list[int]) -> Any:
    """Return a `predict_scores` that computes only one of `every` batches and uses its result for the batches after it.

    The number of voxels given to a network, without those of constant slices, is added to `computed`.
    """

    def predict(*given: Any, box: Any, batch_size: int = 4, slices: Any = None, **how: Any) -> Iterator[tuple[slice, Any]]:
        side = box[prediction.SLICE_AXIS[given[0].view]]
        varied = given[1].varied(given[0].view)
        wanted = range(side.start, side.stop) if slices is None else slices
        for number, start in enumerate(range(0, len(wanted), batch_size)):
            here = wanted[start : start + batch_size]
            if number % every == 0:
                parts = list(prediction.predict_scores(*given, box=box, batch_size=batch_size, slices=here, **how))
                last = parts[-1][1]
                for which, part in parts:
                    computed.append(int(varied[np.asarray(here[which])].sum()) * part.shape[1] * part.shape[2])
                    yield slice(start + which.start, start + which.stop), part
                continue
            at_once = len(last) if isinstance(last, Tensor) else len(last.position)
            for first in range(0, len(here), at_once):
                count = min(at_once, len(here) - first)
                part = last[:count] if isinstance(last, Tensor) else replace(last, position=last.position[:count])
                yield slice(start + first, start + first + count), part

    return predict


def convolution_peak(device: torch.device, precision: str) -> float:
    """Return the operations per second of the device's best convolution of 256 channels: the largest rate of five runs."""
    kind = prediction.PRECISIONS[precision]
    slices, side = (16, 256) if device.type == "cuda" else (1, 128)
    x = torch.randn(slices, FILTERS, side, side, device=device, dtype=kind).contiguous(memory_format=torch.channels_last)
    convolve = torch.nn.Conv2d(FILTERS, FILTERS, 3, padding=1, bias=False, device=device, dtype=kind)
    convolve = convolve.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rates = []
    with torch.inference_mode():
        for _ in range(5):
            _wait(device)
            start = time.perf_counter()
            for _ in range(4):
                convolve(x)
            _wait(device)
            rates.append(4 * 2 * 9 * FILTERS**2 * slices * side**2 / (time.perf_counter() - start))
    return max(rates)


def operations_of_a_voxel() -> float:
    """Return the number of multiplications and additions per pixel of a Dense U-Net of the released size."""
    network = DenseUNet(filters=FILTERS).to("meta")
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 1, 64, 64, device="meta"))
    return counter.get_total_flops() / 64**2


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def link_jobs(scan: Path, count: int, folder: Path) -> list[Job]:
    """Link a scan under several names, each to be segmented into `folder`/out."""
    ending = "".join(scan.suffixes)
    jobs = []
    for number in range(count):
        link = folder / f"scan-{number:04}{ending}"
        link.symlink_to(scan.resolve())
        jobs.append(Job(NamedScan(link, link.name.removesuffix(ending)), folder / "out", "nifti"))
    return jobs


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Segment the scans in a temporary folder and return time and memory."""
    rows: list[dict[str, Any]] = []
    peaks: list[float] = []
    computed: list[int] = []

    def report(row: dict[str, Any]) -> None:
        rows.append(row)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)

    weights = given.weights
    if weights == "full-size":
        weights = str(folder / "weights")
        Path(weights).mkdir()
        write_full_size(Path(weights))
    settings = Settings(
        weights=weights, views=given.views, device=given.device, precision=given.precision, crop=given.crop,
        low_memory=given.low_memory, threads=given.threads,
    )  # fmt: skip
    jobs = link_jobs(given.scan, given.scans, folder)
    segmenter = make_segmenter(settings)
    device = segmenter.device
    start = time.perf_counter()
    with mock.patch("darts_ensemble.segment.segmenter.predict_scores", thinned(given.every, computed)):
        segment_here(segmenter, jobs, settings, report)
    _wait(device)
    wall = time.perf_counter() - start
    failed = [row["error"] for row in rows if row["status"] != "wrote"]
    if failed:
        sys.exit("\n".join(failed))
    used = resource.getrusage(resource.RUSAGE_SELF)
    warm = rows[1:] or rows
    figures: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": segmenter.precision,
        "scans": len(rows),
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "first_s": rows[0]["seconds"],
        "warm_s": statistics.median(row["seconds"] for row in warm),
        "scans_a_minute": 60 * len(rows) / wall,
        "peak_gib_after_first": peaks[0],
        "peak_gib": peaks[-1],
        "views_computed": 1 / given.every,
    }
    for stage in warm[0]["stages"]:
        figures[f"stage: {stage}, s"] = statistics.median(row["stages"][stage] for row in warm)
    if device.type == "cuda":
        figures["gpu_peak_gib"] = torch.cuda.max_memory_reserved(device) / 2**30
    # On a CPU, Winograd's convolutions need a quarter of the multiplications, so that this share has no meaning.
    if given.weights == "full-size" and device.type == "cuda":
        peak = convolution_peak(device, segmenter.precision)
        # The device works while the program goes on: only the time of views and fusion together can be measured.
        parts = ("fuse", *(f"{view} view" for view in segmenter.views))
        spent = statistics.median(sum(row["stages"][stage] for stage in parts) for row in warm)
        figures["convolution_peak_tflops"] = peak / 1e12
        figures["share_of_the_peak"] = operations_of_a_voxel() * sum(computed) / len(rows) / spent / peak
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--weights", default="bundled", help="full-size, bundled, or a folder")
    parser.add_argument("--scans", type=int, default=1)
    parser.add_argument("--views")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--crop", default="brain")
    parser.add_argument("--low-memory", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = measure(given, Path(name))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print("| what | |\n| --- | --- |")
    for what, value in figures.items():
        print(f"| {what} | {value if isinstance(value, str | int) else format(value, '.3g')} |")


if __name__ == "__main__":
    main()
