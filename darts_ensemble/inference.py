"""Slices of one view to class probabilities: device, precision, batches, constant slices, cropping."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.channels import Box, slice_channels
from darts_ensemble.device import PRECISIONS, DeviceMemoryWarning
from darts_ensemble.errors import DeviceError
from darts_ensemble.folded import FoldedConv2d, fold
from darts_ensemble.labels import BACKGROUND_CLASS, KEPT_CHANNELS, N_CLASSES
from darts_ensemble.networks import DenseUNet
from darts_ensemble.view_network import ViewNetwork
from darts_ensemble.views import SLICE_AXIS, take_slices, volume_scale
from darts_ensemble.winograd import FEWEST_FILTERS, WinogradConv2d

__all__ = ["brain_box", "head_box", "made_ready", "most_probable", "predict_view", "reaches_inner_face", "uses_winograd"]

#: Labelled voxels on a face of the brain's box that are still taken for a speck and not for brain cut off.
LARGEST_SPECK = 20


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
    box checks it by :func:`reaches_inner_face`.
    """
    axis = SLICE_AXIS[view_network.view]
    sparse = slice(head[axis].start + every // 2, head[axis].stop, every)
    found = np.concatenate(
        [
            most_probable(probabilities).cpu().numpy() != BACKGROUND_CLASS
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


def reaches_inner_face(classes: npt.NDArray[np.uint8], box: Box, head: Box) -> bool:
    """Whether labels (more than a speck) lie on a face of the box that is not one of the head's box."""
    for axis, (inner, outer) in enumerate(zip(box, head, strict=True)):
        for end, cut in ((0, inner.start > outer.start), (-1, inner.stop < outer.stop)):
            if cut and np.count_nonzero(np.take(classes, end, axis=axis) != BACKGROUND_CLASS) > LARGEST_SPECK:
                return True
    return False


class _KeptClasses(nn.Module):
    """A network whose output is the logits of the 103 classes, (B, R, C, 103): the ten other channels are never computed."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("kept", torch.from_numpy(KEPT_CHANNELS))
        self.kept: Tensor
        if isinstance(network, DenseUNet):
            # A 1 x 1 convolution is a product of matrices, whose result lies as the softmax and the fusion want it.
            self.register_buffer("weight", network.outconv.weight.detach()[self.kept, :, 0, 0].clone())
            bias = network.outconv.bias
            self.register_buffer("bias", None if bias is None else bias.detach()[self.kept].clone())
            self.weight: Tensor
            self.bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.network, DenseUNet):
            features = self.network.features(x).permute(0, 2, 3, 1)
            # In fp32 always: rounded to bf16, which of two near classes is ahead would often be chance.
            with torch.autocast(x.device.type, enabled=False):
                return functional.linear(features.to(self.weight.dtype), self.weight, self.bias)
        return self.network(x)[:, self.kept].movedim(1, -1)


def uses_winograd(view_network: ViewNetwork) -> bool:
    """Whether a network has filters enough for Winograd's convolutions to pay, in fp32 on a CPU."""
    return view_network.architecture == "dense-unet" and view_network.filters >= FEWEST_FILTERS


def made_ready(view_network: ViewNetwork, device: torch.device, precision: str) -> ViewNetwork:
    """Return a view's network on its device, in the memory layout and with the convolutions that are fastest there.

    The network given stays as it is, and what is learnt by it later doesn't reach the one returned.
    """
    network = view_network.network
    if isinstance(network, _KeptClasses):
        return view_network
    # In half precision the sums before a normalisation would be rounded otherwise than in training.
    if device.type == "cpu" and precision == "fp32" and isinstance(network, DenseUNet):
        ready = _KeptClasses(fold(network, WinogradConv2d if uses_winograd(view_network) else FoldedConv2d))
    else:
        ready = _KeptClasses(copy.deepcopy(network))
    ready = ready.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return replace(view_network, network=ready)


def most_probable(probabilities: Tensor) -> Tensor:
    """Return the index of the largest along the last axis, as uint8; of equal ones the first."""
    if probabilities.device.type == "cpu":
        # Over rows of a hundred values NumPy's is many times as fast as torch's.
        return torch.from_numpy(probabilities.numpy().argmax(axis=-1).astype(np.uint8))
    return probabilities.argmax(dim=-1).to(torch.uint8)


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
    softmax. Constant slices are background and never reach the network. Where the device runs out of memory, batches are
    halved (:class:`DeviceMemoryWarning`).

    Parameters
    ----------
    view_network : ViewNetwork
        As loaded, or faster: :func:`made_ready`.
    volume : (n, n, n) float32
        LIA.
    box : Box
        Part of the volume to predict.
    device : torch.device
    precision : {"fp32", "bf16", "fp16"}
    batch_size : int
        Slices at once; changes no result.
    slices : sequence of int, optional

    Yields
    ------
    slice
        Slices, counted from the start of the box (of `slices`, where given).
    Tensor of float32, (k, rows, columns, 103)
        Probabilities, on `device`.

    Raises
    ------
    DeviceError
        If one slice alone is too much for the device's memory.
    """
    axis = SLICE_AXIS[view_network.view]
    rows, columns = (side for other, side in enumerate(box) if other != axis)
    scale = volume_scale(volume, view_network.normalisation)
    head = head_box(volume) if view_network.channels.positions else box
    network = view_network.network
    if not isinstance(network, _KeptClasses):
        network = _KeptClasses(network)
    network.to(device)
    wanted = range(box[axis].start, box[axis].stop) if slices is None else slices
    start = 0
    while start < len(wanted):
        numbers = np.asarray(wanted[start : start + batch_size])
        images = slice_channels(
            volume, view_network.view, numbers, view_network.channels,
            normalisation=view_network.normalisation, scale=scale, head=head, inside=(rows, columns),
        )  # fmt: skip
        varied = np.flatnonzero(np.ptp(take_slices(volume, view_network.view, numbers), axis=(1, 2)) > 0)
        try:
            probabilities = _probabilities(network, images, varied, device, precision)
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise DeviceError(
                    f"{device}: out of memory at one slice of {images.shape[2]} x {images.shape[3]}; "
                    "expected more free memory: try --low-memory, --crop brain or --device cpu"
                ) from None
            batch_size = max(1, len(numbers) // 2)
            warnings.warn(
                f"{device}: out of memory; going on with {batch_size} slices at once", DeviceMemoryWarning, stacklevel=2
            )
            if device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        yield slice(start, start + len(numbers)), probabilities
        start += len(numbers)


def _probabilities(
    network: nn.Module, images: npt.NDArray[np.float32], varied: npt.NDArray[np.int64], device: torch.device, precision: str
) -> Tensor:
    """Probabilities (k, rows, columns, 103) of the images (k, channels, rows, columns); all but the varied are background."""
    if varied.size == 0:
        return _background(images, device)
    batch = torch.from_numpy(np.ascontiguousarray(images[varied]))
    if device.type == "cuda":  # from pinned memory the copy runs beside the card's work
        batch = batch.pin_memory()
    batch = batch.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
    autocast: Any = torch.autocast(device.type, PRECISIONS[precision]) if precision != "fp32" else nullcontext()
    with torch.inference_mode(), autocast:
        logits = network(batch)
    with torch.inference_mode():
        softmax = torch.softmax(logits.float(), dim=-1)
    if len(varied) == len(images):
        return softmax
    probabilities = _background(images, device)
    probabilities[torch.from_numpy(varied).to(device)] = softmax
    return probabilities


def _background(images: npt.NDArray[np.float32], device: torch.device) -> Tensor:
    probabilities = torch.zeros((len(images), *images.shape[2:], N_CLASSES), device=device)
    probabilities[..., BACKGROUND_CLASS] = 1
    return probabilities
