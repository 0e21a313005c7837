"""Slices of one view to class probabilities: device, precision, batches, constant slices, cropping."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from darts_ensemble.device import PRECISIONS, DeviceMemoryWarning
from darts_ensemble.errors import DeviceError
from darts_ensemble.inference.bf16_convolution import BFloat16Conv2d
from darts_ensemble.inference.class_scores import KeptClasses, SliceScores, most_probable
from darts_ensemble.inference.device_volume import DeviceVolume
from darts_ensemble.inference.folded import FoldedConv2d, fold
from darts_ensemble.inference.half_precision import HalfConv2d
from darts_ensemble.inference.pieces import in_pieces
from darts_ensemble.inference.winograd import FEWEST_FILTERS, WinogradConv2d
from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.slices.boxes import side_of_sixteens
from darts_ensemble.slices.channels import Box, slice_channels
from darts_ensemble.slices.views import SLICE_AXIS

__all__ = ["brain_box", "made_ready", "predict_scores", "predict_view", "uses_winograd"]


def brain_box(
    view_network: ViewNetwork,
    volume: npt.NDArray[np.float32] | DeviceVolume,
    *,
    head: Box,
    device: torch.device,
    precision: str = "fp32",
    every: int = 8,
    margin: int = 8,
) -> Box:
    """Return the box around the labels of every eighth slice of a view, with a margin; `head` if nothing is labelled.

    A brain fills about a third of the box around its head, so this quick prediction costs a tenth of the time that it saves.
    The caller has to check the box with :func:`darts_ensemble.slices.boxes.reaches_inner_face`.
    """
    axis = SLICE_AXIS[view_network.view]
    sparse = slice(head[axis].start + every // 2, head[axis].stop, every)
    wanted = range(*sparse.indices(sparse.stop))
    predicted = predict_scores(view_network, volume, box=head, device=device, precision=precision, slices=wanted)
    found = np.concatenate([_classes(scores) for _, scores in predicted]) != BACKGROUND_CLASS
    pieces, count = ndimage.label(found)
    sizes = np.bincount(pieces.ravel())[1:]
    # Specks in the neck or the face are not brain: components below a fiftieth of the largest don't enlarge the box.
    found = np.isin(pieces, 1 + np.flatnonzero(sizes > sizes.max(initial=0) / 50)) & found
    if count == 0:
        return head
    others = [other for other in range(3) if other != axis]
    sides = list(head)
    planes = np.flatnonzero(found.any(axis=(1, 2))) * every + sparse.start
    sides[axis] = side_of_sixteens(planes[0] - margin, planes[-1] + 1 + margin, head[axis])
    for other, lines in zip(others, (found.any(axis=(0, 2)), found.any(axis=(0, 1))), strict=True):
        ends = np.flatnonzero(lines) + head[other].start
        sides[other] = side_of_sixteens(ends[0] - margin, ends[-1] + 1 + margin, head[other])
    return sides[0], sides[1], sides[2]


def uses_winograd(view_network: ViewNetwork) -> bool:
    """Whether a network has enough filters for Winograd's convolutions to be faster, in fp32 on a CPU."""
    return view_network.architecture == "dense-unet" and view_network.filters >= FEWEST_FILTERS


def made_ready(view_network: ViewNetwork, device: torch.device, precision: str) -> ViewNetwork:
    """Return a view's network on its device, in the memory layout and with the convolutions that are fastest there.

    The given network is not changed, and later changes of it do not affect the returned one.
    """
    network = view_network.network
    if isinstance(network, KeptClasses):
        return view_network
    if device.type == "cpu" and precision == "fp32" and isinstance(network, DenseUNet):
        ready = KeptClasses(fold(network, WinogradConv2d if uses_winograd(view_network) else FoldedConv2d))
    elif device.type == "cpu" and precision == "bf16" and isinstance(network, DenseUNet):
        ready = KeptClasses(fold(network, BFloat16Conv2d, first=BFloat16Conv2d, woven=False))
    elif device.type == "cuda" and precision != "fp32" and isinstance(network, DenseUNet):
        half = partial(HalfConv2d, kind=PRECISIONS[precision])
        ready = KeptClasses(fold(network, half, first=half, woven=False))
    else:
        ready = KeptClasses(copy.deepcopy(network))
    ready = ready.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return replace(view_network, network=ready)


def _classes(scores: Tensor | SliceScores) -> npt.NDArray[np.uint8]:
    """The most probable classes (k, rows, columns)."""
    classes = torch.empty(scores.shape[:-1], dtype=torch.uint8, device=scores.device)
    in_pieces(lambda piece, there: there.copy_(most_probable(piece)), scores, classes)
    return classes.cpu().numpy()


def predict_view(
    view_network: ViewNetwork,
    volume: npt.NDArray[np.float32] | DeviceVolume,
    *,
    box: Box,
    device: torch.device,
    precision: str = "fp32",
    batch_size: int = 4,
    slices: Sequence[int] | None = None,
) -> Iterator[tuple[slice, Tensor]]:
    """Predict the slices of one view inside a box: all of them, or those with the given indices in the volume.

    Intensities are normalised on whole slices, before the crop. The ten channels that are not classes are dropped before the
    softmax. Constant slices are background and are not given to the network. If the device runs out of memory, batches are
    halved (:class:`DeviceMemoryWarning`).

    Parameters
    ----------
    view_network : ViewNetwork
        As loaded, or faster: :func:`made_ready`.
    volume : (n, n, n) float32, or DeviceVolume
        LIA. A :class:`DeviceVolume` is copied to the device once for several views.
    box : Box
        Part of the volume to predict.
    device : torch.device
    precision : {"fp32", "bf16", "fp16"}
    batch_size : int
        Number of slices at once; does not change the result.
    slices : sequence of int, optional

    Yields
    ------
    slice
        Slices, counted from the start of the box (or of `slices`, if given).
    Tensor of float32, (k, rows, columns, 103)
        Probabilities, on `device`.

    Raises
    ------
    DeviceError
        If one slice alone is too much for the device's memory.
    """
    how: dict[str, Any] = {"box": box, "device": device, "precision": precision, "batch_size": batch_size, "slices": slices}
    for where, scores in predict_scores(view_network, volume, **how):
        probabilities = torch.empty(scores.shape, device=scores.device)
        in_pieces(lambda piece, there: there.copy_(torch.softmax(piece, dim=-1)), scores, probabilities)
        yield where, probabilities


def predict_scores(
    view_network: ViewNetwork,
    volume: npt.NDArray[np.float32] | DeviceVolume,
    *,
    box: Box,
    device: torch.device,
    precision: str = "fp32",
    batch_size: int = 4,
    slices: Sequence[int] | None = None,
) -> Iterator[tuple[slice, Tensor | SliceScores]]:
    """Predict as :func:`predict_view` does, but yield logits: on a CPU such that are computed in pieces, when they are used."""
    axis = SLICE_AXIS[view_network.view]
    rows, columns = (side for other, side in enumerate(box) if other != axis)
    placed = volume if isinstance(volume, DeviceVolume) else DeviceVolume(volume, device)
    how: dict[str, Any] = {
        "normalisation": view_network.normalisation,
        "scale": placed.scale(view_network.normalisation),
        "head": placed.head if view_network.channels.positions else box,
        "inside": (rows, columns),
    }
    varied = placed.varied(view_network.view)
    network = view_network.network
    if not isinstance(network, KeptClasses):
        network = KeptClasses(network)
    network.to(device)
    wanted = range(box[axis].start, box[axis].stop) if slices is None else slices
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    start = 0
    while start < len(wanted):
        numbers = np.asarray(wanted[start : start + batch_size])
        filled = varied[numbers]
        try:
            features = torch.empty((0, *shape, 0), device=device)
            if filled.any():
                images = slice_channels(placed.data, view_network.view, numbers[filled], view_network.channels, **how)
                features = _features(network, images, precision)
            in_parts = SliceScores(network, features, np.where(filled, np.cumsum(filled) - 1, -1))
            scores = in_parts if device.type == "cpu" else in_parts.whole()
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise DeviceError(
                    f"{device}: out of memory at one slice of {shape[0]} x {shape[1]}; "
                    "expected more free memory: try --low-memory, --crop brain or --device cpu"
                ) from None
            batch_size = max(1, len(numbers) // 2)
            warnings.warn(
                f"{device}: out of memory; going on with {batch_size} slices at once", DeviceMemoryWarning, stacklevel=2
            )
            if device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        yield slice(start, start + len(numbers)), scores
        start += len(numbers)


def _features(network: KeptClasses, images: Tensor, precision: str) -> Tensor:
    """What the class scores are computed from, (k, rows, columns, F), of the images (k, channels, rows, columns)."""
    device = images.device.type
    how: Any = nullcontext()
    if precision != "fp32":
        how = torch.autocast(device, PRECISIONS[precision])
    elif device == "cuda":  # else convolutions round their inputs to TF32
        how = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with torch.inference_mode(), how:
        return network.features(images.contiguous(memory_format=torch.channels_last))
