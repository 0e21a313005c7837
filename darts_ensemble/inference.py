"""Slices of one view to class probabilities: device, precision, batches, constant slices, cropping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from darts_ensemble.channels import Box, slice_channels
from darts_ensemble.checkpoints import ViewNetwork
from darts_ensemble.errors import UsageError
from darts_ensemble.labels import BACKGROUND_CLASS, KEPT_CHANNELS, N_CLASSES
from darts_ensemble.views import SLICE_AXIS, take_slices, volume_scale

__all__ = ["DEVICES", "PRECISIONS", "brain_box", "choose_device", "head_box", "predict_view"]

DEVICES = ("auto", "cuda", "mps", "cpu")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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
        sides.append(_side(low, high, 0, n))
    return sides[0], sides[1], sides[2]


def _side(low: int, high: int, first: int, end: int) -> slice:
    """Return a slice over low to high, its length a multiple of 16, within first to end (itself a multiple of 16 long).

    What rounding adds goes to both ends alike, so that a mirrored head has a mirrored box.
    """
    low, high = max(low, first), min(high, end)
    length = min(-(-(high - low) // 16) * 16, end - first)
    start = int(np.clip(low - (length - (high - low)) // 2, first, end - length))
    return slice(start, start + int(length))


def brain_box(
    view_network: ViewNetwork,
    volume: npt.NDArray[np.float32],
    *,
    head: Box,
    device: torch.device,
    precision: str = "fp32",
    every: int = 8,
    margin: int = 12,
) -> Box:
    """Return the box around what a view's network labels on every eighth slice, with a margin; `head` where it labels nothing.

    A brain fills about a third of the box around its head, so this look costs a tenth of the time it saves. Whoever uses the
    box checks that no label reaches a face of it that is not also one of `head`'s.
    """
    axis = SLICE_AXIS[view_network.view]
    sparse = slice(head[axis].start + every // 2, head[axis].stop, every)
    found = np.concatenate(
        [
            (probabilities.argmax(dim=-1) != BACKGROUND_CLASS).cpu().numpy()
            for _, probabilities in predict_view(
                view_network, volume, box=head, device=device, precision=precision, slices=range(*sparse.indices(sparse.stop))
            )
        ]
    )
    pieces, count = ndimage.label(found)
    sizes = np.bincount(pieces.ravel())[1:]
    # Specks in the neck or the face are no brain: pieces below a fiftieth of the largest don't widen the box.
    found = np.isin(pieces, 1 + np.flatnonzero(sizes > sizes.max(initial=0) / 50)) & found
    if count == 0:
        return head
    others = [other for other in range(3) if other != axis]
    sides = list(head)
    planes = np.flatnonzero(found.any(axis=(1, 2))) * every + sparse.start
    sides[axis] = _side(planes[0] - margin, planes[-1] + 1 + margin, head[axis].start, head[axis].stop)
    for other, lines in zip(others, (found.any(axis=(0, 2)), found.any(axis=(0, 1))), strict=True):
        ends = np.flatnonzero(lines) + head[other].start
        sides[other] = _side(ends[0] - margin, ends[-1] + 1 + margin, head[other].start, head[other].stop)
    return sides[0], sides[1], sides[2]


def predict_view(
    view_network: ViewNetwork,
    volume: npt.NDArray[np.float32],
    *,
    box: Box,
    device: torch.device,
    precision: str = "fp32",
    batch_size: int = 4,
    slices: Sequence[int] | None = None,
) -> Iterator[tuple[slice, Tensor]]:
    """Predict the slices of one view inside a box, all of them or those whose indices in the volume are given.

    Intensities are normalised on whole slices, before the crop. The ten channels that are no classes are dropped before the
    softmax. Constant slices are background and never reach the network.

    Yields
    ------
    slice
        Slices, counted from the start of the box (of `slices`, where given).
    Tensor of float32, (k, rows, columns, 103)
        Probabilities, on `device`.
    """
    axis = SLICE_AXIS[view_network.view]
    rows, columns = (side for other, side in enumerate(box) if other != axis)
    scale = volume_scale(volume, view_network.normalisation)
    head = head_box(volume)
    network = view_network.network.to(device)
    kept = torch.from_numpy(KEPT_CHANNELS).to(device)
    dtype = PRECISIONS[precision]
    wanted = range(box[axis].start, box[axis].stop) if slices is None else slices
    for start in range(0, len(wanted), batch_size):
        numbers = np.asarray(wanted[start : start + batch_size])
        images = slice_channels(
            volume, view_network.view, numbers, view_network.channels,
            normalisation=view_network.normalisation, scale=scale, head=head, inside=(rows, columns),
        )  # fmt: skip
        varied = np.ptp(take_slices(volume, view_network.view, numbers), axis=(1, 2)) > 0
        probabilities = torch.zeros((len(numbers), *images.shape[2:], N_CLASSES), device=device)
        probabilities[..., BACKGROUND_CLASS] = 1
        if varied.any():
            batch = torch.from_numpy(np.ascontiguousarray(images[varied])).to(device)
            autocast: Any = torch.autocast(device.type, dtype) if precision != "fp32" else nullcontext()
            with torch.inference_mode(), autocast:
                logits = network(batch)
            softmax = torch.softmax(logits[:, kept].float(), dim=1).movedim(1, -1)
            if varied.all():
                probabilities = softmax
            else:
                probabilities[torch.from_numpy(varied).to(device)] = softmax
        yield slice(start, start + len(numbers)), probabilities
