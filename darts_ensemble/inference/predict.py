"""Slices of one view to class probabilities: device, precision, batches, constant slices, cropping."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.device import PRECISIONS, DeviceMemoryWarning
from darts_ensemble.errors import DeviceError
from darts_ensemble.inference.bf16_convolution import BFloat16Conv2d
from darts_ensemble.inference.class_scores import KeptClasses, SliceScores, most_probable
from darts_ensemble.inference.device_volume import DeviceVolume
from darts_ensemble.inference.folded import FoldedConv2d, fold
from darts_ensemble.inference.half_precision import HalfConv2d
from darts_ensemble.inference.mirrored import mirrored_back, mirrored_channels
from darts_ensemble.inference.pieces import in_pieces
from darts_ensemble.inference.upsampling import Upsampling
from darts_ensemble.inference.winograd import FEWEST_FILTERS, WinogradConv2d
from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.slices.boxes import LARGEST_SPECK
from darts_ensemble.slices.channels import Box, slice_channels
from darts_ensemble.slices.views import SLICE_AXIS

__all__ = ["made_ready", "predict_scores", "predict_view", "uses_winograd", "without_large_weights"]

#: From a range of slices to the rows and columns that have to be looked at, in the volume.
Crop = Callable[[range], tuple[slice, slice]]
#: Slices with the same crop, for any batch size. They start at multiples of eight, so that a mirrored head has mirrored crops.
EIGHT = 8


def uses_winograd(view_network: ViewNetwork) -> bool:
    """Whether a network has enough filters for Winograd's convolutions to be faster, in fp32 on a CPU."""
    return view_network.architecture == "dense-unet" and view_network.filters >= FEWEST_FILTERS


def without_large_weights(view_network: ViewNetwork) -> ViewNetwork:
    """Return a large network that can be read again without its weights; any other unchanged."""
    if view_network.filters < FEWEST_FILTERS or view_network.path is None:
        return view_network
    return view_network.without_weights()


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
        join = partial(Upsampling, kind=torch.bfloat16)
        ready = KeptClasses(fold(network, BFloat16Conv2d, first=BFloat16Conv2d, woven=False, join=join))
    elif device.type == "cuda" and precision != "fp32" and isinstance(network, DenseUNet):
        half = partial(HalfConv2d, kind=PRECISIONS[precision])
        ready = KeptClasses(fold(network, half, first=half, woven=False))
    else:
        ready = KeptClasses(copy.deepcopy(network))
    ready = ready.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return replace(view_network, network=ready)


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
    crop: Crop | None = None,
    mirror: bool = False,
    sides: bool = True,
) -> Iterator[tuple[slice, Tensor | SliceScores]]:
    """Predict as :func:`predict_view` does, but yield logits: on a CPU such that are computed in pieces, when they are used.

    With `crop`, a CPU computes only the rows and columns that it returns for each eight slices; what is outside is background.
    Where more than a speck is labelled at the edge of a crop, the slices are computed again in the whole box. With `mirror`,
    the mirrored head is predicted, too, and the logits are the mean of both; there left regions become right ones, unless the
    network does not know its `sides` and homologous regions are added up later.
    """
    placed = volume if isinstance(volume, DeviceVolume) else DeviceVolume(volume, device)
    network = view_network.network
    if not isinstance(network, KeptClasses):
        network = KeptClasses(network)
    network.to(device)
    slices_of = _Slices(replace(view_network, network=network), placed, box, precision, mirror, sides)
    axis, varied = SLICE_AXIS[view_network.view], placed.varied(view_network.view)
    wanted = range(box[axis].start, box[axis].stop) if slices is None else slices
    if crop is not None and device.type == "cpu":
        batch_size = -(-EIGHT // -(-EIGHT // batch_size))  # equal parts of eight slices
    start = 0
    while start < len(wanted):
        numbers = np.asarray(wanted[start : start + batch_size])
        try:
            if crop is None or device.type != "cpu":
                scores = slices_of.scores(numbers, varied[numbers], slices_of.whole)
            else:
                eight = int(numbers[0]) // EIGHT
                numbers = numbers[numbers // EIGHT == eight]
                inside = crop(range(eight * EIGHT, (eight + 1) * EIGHT))
                scores = slices_of.scores(numbers, varied[numbers], inside)
                if _cut_off(scores, inside, slices_of.whole):
                    scores = slices_of.scores(numbers, varied[numbers], slices_of.whole)
            given = scores if device.type == "cpu" else scores.whole()
        except torch.OutOfMemoryError:
            if batch_size == 1:
                rows, columns = (side.stop - side.start for side in slices_of.whole)
                raise DeviceError(
                    f"{device}: out of memory at one slice of {rows} x {columns}; "
                    "expected more free memory: try --low-memory, --crop brain or --device cpu"
                ) from None
            batch_size = max(1, len(numbers) // 2)
            warnings.warn(
                f"{device}: out of memory; going on with {batch_size} slices at once", DeviceMemoryWarning, stacklevel=2
            )
            if device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        yield slice(start, start + len(numbers)), given
        start += len(numbers)


@dataclass(frozen=True)
class _Slices:
    """The slices of a view in a box, and how they are predicted."""

    view_network: ViewNetwork
    volume: DeviceVolume
    box: Box
    precision: str
    mirror: bool
    sides: bool

    @property
    def whole(self) -> tuple[slice, slice]:
        """Rows and columns of the box."""
        rows, columns = (side for axis, side in enumerate(self.box) if axis != SLICE_AXIS[self.view_network.view])
        return rows, columns

    def scores(self, numbers: npt.NDArray[np.int64], filled: npt.NDArray[np.bool_], inside: tuple[slice, slice]) -> SliceScores:
        """Scores of some rows and columns of the slices with these numbers in the volume; `filled`: which are not constant."""
        network, view, channels = self.view_network.network, self.view_network.view, self.view_network.channels
        assert isinstance(network, KeptClasses)
        features = torch.empty((0, *(side.stop - side.start for side in inside), 0), device=self.volume.data.device)
        mirrored = None
        if filled.any():
            images = slice_channels(
                self.volume.data, view, numbers[filled], channels,
                normalisation=self.view_network.normalisation, scale=self.volume.scale(self.view_network.normalisation),
                head=self.volume.head if channels.positions else self.box, inside=inside,
            )  # fmt: skip
            features = _features(network, images, self.precision)
            if self.mirror:
                turned = mirrored_channels(images, view, channels)
                mirrored = mirrored_back(_features(network, turned, self.precision), view)
        rows, columns = (
            slice(part.start - side.start, part.stop - side.start) for part, side in zip(inside, self.whole, strict=True)
        )
        position = np.where(filled, np.cumsum(filled) - 1, -1)
        return SliceScores(network, features, position, (rows, columns), mirrored, self.sides)


def _cut_off(scores: SliceScores, inside: tuple[slice, slice], whole: tuple[slice, slice]) -> bool:
    """Whether labels reach an edge of a crop that is not also an edge of the box, in more than a speck."""
    rows, columns = inside
    for line, cut in (
        (np.s_[:, 0], rows.start > whole[0].start),
        (np.s_[:, -1], rows.stop < whole[0].stop),
        (np.s_[:, :, 0], columns.start > whole[1].start),
        (np.s_[:, :, -1], columns.stop < whole[1].stop),
    ):
        if cut and len(scores.features):
            with torch.inference_mode():
                classes = most_probable(scores.network.scores(scores.features[line]))
            if int((classes != BACKGROUND_CLASS).sum()) > LARGEST_SPECK // 4:
                return True
    return False


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
