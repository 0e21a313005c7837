"""Slices of one view to class probabilities: device, precision, batches, constant slices, cropping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from darts_ensemble.checkpoints import ViewNetwork
from darts_ensemble.errors import UsageError
from darts_ensemble.labels import BACKGROUND_CLASS, KEPT_CHANNELS, N_CLASSES
from darts_ensemble.views import SLICE_AXIS, normalise_slices, take_slices, volume_scale

__all__ = ["DEVICES", "PRECISIONS", "choose_device", "head_box", "predict_view"]

DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

Box = tuple[slice, slice, slice]


def choose_device(name: str) -> torch.device:
    """Return the device asked for; "auto" takes CUDA, else Apple's GPU, else the CPU.

    Raises
    ------
    UsageError
        If the device asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, found in there.items() if found))
    if not there.get(name, False):
        raise UsageError(f"device {name} is not available here; expected one of {', '.join(d for d in there if there[d])}")
    return torch.device(name)


def head_box(volume: npt.NDArray[np.float32], margin: int = 8) -> Box:
    """Return the box around the head, sides multiples of 16, within the volume (n, n, n)."""
    tissue = volume > 0.1 * volume.max()
    sides = []
    for axis, n in enumerate(volume.shape):
        # A lone bright voxel (noise, a wrap-around) should not widen the box: ask for ten in a plane.
        planes = np.flatnonzero(tissue.sum(axis=tuple(a for a in range(3) if a != axis)) >= 10)
        low, high = (int(planes[0]) - margin, int(planes[-1]) + 1 + margin) if planes.size else (0, n)
        length = min(-(-(min(high, n) - max(low, 0)) // 16) * 16, n)
        start = min(max(low, 0), n - length)
        sides.append(slice(start, start + length))
    return sides[0], sides[1], sides[2]


def predict_view(
    view_network: ViewNetwork,
    volume: npt.NDArray[np.float32],
    *,
    box: Box,
    device: torch.device,
    precision: str = "fp32",
    batch_size: int = 4,
) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Predict the slices of one view inside a box.

    Intensities are normalised on whole slices, before the crop. The ten channels that are no classes are dropped before the
    softmax. Constant slices are background and never reach the network.

    Yields
    ------
    slice
        Slices, counted from the start of the box.
    ndarray of float32, (103, k, rows, columns)
        Probabilities.
    """
    axis = SLICE_AXIS[view_network.view]
    inside = tuple(side for other, side in enumerate(box) if other != axis)
    scale = volume_scale(volume)
    network = view_network.network.to(device)
    kept = torch.from_numpy(KEPT_CHANNELS).to(device)
    dtype = PRECISIONS[precision]
    first = box[axis].start
    for start in range(first, box[axis].stop, batch_size):
        stop = min(start + batch_size, box[axis].stop)
        slices = take_slices(volume, view_network.view, slice(start, stop))
        images = normalise_slices(slices, view_network.normalisation, scale)[:, inside[0], inside[1]]
        varied = np.ptp(slices, axis=(1, 2)) > 0
        probabilities = np.zeros((N_CLASSES, *images.shape), dtype=np.float32)
        probabilities[BACKGROUND_CLASS] = 1
        if varied.any():
            batch = torch.from_numpy(np.ascontiguousarray(images[varied])[:, None]).to(device)
            autocast: Any = torch.autocast(device.type, dtype) if precision != "fp32" else nullcontext()
            with torch.inference_mode(), autocast:
                logits = network(batch)
            softmax = torch.softmax(logits[:, kept].float(), dim=1)
            probabilities[:, varied] = softmax.transpose(0, 1).cpu().numpy()
        yield slice(start - first, stop - first), probabilities
