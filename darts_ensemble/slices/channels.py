"""Input channels of a network: the slice itself, its neighbours, and its position in the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.device import on_device
from darts_ensemble.slices.views import SLICE_AXIS, normalise_slices, take_slices

__all__ = ["MOST_SLICES", "Box", "Channels", "place_in_head", "slice_channels"]

#: Most slices of one input: neighbours further away cost reading time and add little information.
MOST_SLICES = 15

#: Part of a conformed volume.
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Channels:
    """Channels of a network's input.

    Attributes
    ----------
    thick_slices : int
        Number of neighbouring slices, with the slice to be labelled in the middle; odd. 1 is the slice alone.
    positions : bool
        Whether there are three more channels: slice, row and column, from -1 to 1 over the extent of the head.
    """

    thick_slices: int = 1
    positions: bool = False

    def __post_init__(self) -> None:
        if not (1 <= self.thick_slices <= MOST_SLICES and self.thick_slices % 2):
            raise ValueError(f"{self.thick_slices} thick slices; expected an odd number from 1 to {MOST_SLICES}")

    @property
    def count(self) -> int:
        """Number of channels."""
        return self.thick_slices + (3 if self.positions else 0)


def slice_channels(
    volume: Tensor,
    view: str,
    indices: npt.NDArray[np.int64],
    channels: Channels,
    *,
    normalisation: str,
    scale: float,
    head: Box,
    inside: tuple[slice, slice],
) -> Tensor:
    """Return the input of a network for some slices of a view, cropped.

    Intensities are normalised on whole slices, before the crop. Outside the volume, intensities are 0 (air).

    Parameters
    ----------
    volume : Tensor, (n, n, n)
        LIA.
    view : {"coronal", "axial", "sagittal"}
    indices : (k,) ndarray of int
        Slices to be labelled.
    channels : Channels
    normalisation, scale
        See :func:`darts_ensemble.slices.views.normalise_slices`.
    head : Box
        Box around the head, for positions.
    inside : two slices
        Rows and columns to keep.

    Returns
    -------
    Tensor of float32, (k, channels.count, rows, columns)
        On the device of `volume`.
    """
    indices = np.asarray(indices)
    last = volume.shape[SLICE_AXIS[view]] - 1
    reach = channels.thick_slices // 2
    wanted = indices[:, None] + np.arange(-reach, reach + 1)
    there = np.unique(wanted.clip(0, last))
    slices = take_slices(volume, view, on_device(there, volume.device))
    images = normalise_slices(slices, normalisation, scale)[:, inside[0], inside[1]]
    stacked = images[on_device(np.searchsorted(there, wanted).clip(max=len(there) - 1), volume.device)]
    beyond = (wanted < 0) | (wanted > last)
    if beyond.any():
        stacked.masked_fill_(on_device(beyond, volume.device)[..., None, None], 0)
    if not channels.positions:
        return stacked
    return torch.cat([stacked, on_device(place_in_head(view, indices, head, inside), volume.device)], dim=1)


def place_in_head(view: str, indices: npt.NDArray[np.int64], head: Box, inside: tuple[slice, slice]) -> npt.NDArray[np.float32]:
    """Return slice, row and column of each pixel relative to the head, (k, 3, rows, columns) float32."""
    along = SLICE_AXIS[view]
    axes = [along, *(axis for axis in range(3) if axis != along)]

    def relative(values: npt.NDArray[np.int64], axis: int) -> npt.NDArray[np.float32]:
        middle, half = (head[axis].start + head[axis].stop - 1) / 2, max((head[axis].stop - head[axis].start) / 2, 1)
        return np.asarray((values - middle) / half, dtype=np.float32)

    rows, columns = (np.arange(side.start, side.stop) for side in inside)
    shape = (len(indices), len(rows), len(columns))
    parts = (
        relative(np.asarray(indices), axes[0])[:, None, None],
        relative(rows, axes[1])[None, :, None],
        relative(columns, axes[2])[None, None, :],
    )
    return np.stack([np.broadcast_to(part, shape) for part in parts], axis=1)
