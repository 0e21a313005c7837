"""Where the brain lies in a head: the box around it, and what of each slice has to be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from darts_ensemble.inference.class_scores import SliceScores, most_probable
from darts_ensemble.inference.device_volume import DeviceVolume
from darts_ensemble.inference.pieces import in_pieces
from darts_ensemble.inference.predict import predict_scores
from darts_ensemble.labels import BACKGROUND_CLASS
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.slices.boxes import side_of_sixteens
from darts_ensemble.slices.channels import Box
from darts_ensemble.slices.views import SLICE_AXIS, take_slices

__all__ = ["Brain", "find_brain"]

#: Slices before and after those that are asked for, in which the brain may be larger.
REACH = 4


@dataclass(frozen=True)
class Brain:
    """Where a brain lies in a conformed volume, seen in every eighth slice of one view.

    Attributes
    ----------
    box : Box
        Around the brain, with a margin; its bounds are multiples of 16.
    labelled : (n, n, n) bool, or None
        Voxels that are labelled as brain in a slice that was looked at, or in its neighbour that was looked at. None if that
        is not known: then the whole box has to be looked at.
    margin : int
        Voxels.
    """

    box: Box
    labelled: npt.NDArray[np.bool_] | None = None
    margin: int = 8

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the box."""
        first, second, third = (side.stop - side.start for side in self.box)
        return first, second, third

    def crop(self, view: str, numbers: range) -> tuple[slice, slice]:
        """Return which rows and columns hold the brain in some slices of a view, with the margin; on multiples of 16.

        The ends of a brain are small: all slices together have a third fewer pixels than the box. Where there is no brain, the
        crop is that of the nearest slices with some.
        """
        rows, columns = (side for axis, side in enumerate(self.box) if axis != SLICE_AXIS[view])
        if self.labelled is None:
            return rows, columns
        reach, flat = REACH, np.zeros((0, 0), dtype=bool)
        while not flat.any():
            near = slice(max(numbers.start - reach, 0), numbers.stop + reach)
            flat = take_slices(self.labelled, view, near).any(axis=0)
            reach *= 2
        lines = (np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0)))
        first, second = (
            side_of_sixteens(ends[0] - self.margin, ends[-1] + 1 + self.margin, side)
            for ends, side in zip(lines, (rows, columns), strict=True)
        )
        return first, second


def find_brain(
    view_network: ViewNetwork,
    volume: npt.NDArray[np.float32] | DeviceVolume,
    *,
    head: Box,
    device: torch.device,
    precision: str = "fp32",
    every: int = 8,
    margin: int = 8,
) -> Brain:
    """Find the brain in every eighth slice of a view; without any label, the box is `head`.

    A brain fills about a third of the box around its head, so this quick prediction costs a tenth of the time that it saves.
    The caller has to check the box with :func:`darts_ensemble.slices.boxes.reaches_inner_face`.
    """
    axis = SLICE_AXIS[view_network.view]
    sparse = slice(head[axis].start + every // 2, head[axis].stop, every)
    wanted = range(*sparse.indices(sparse.stop))
    predicted = predict_scores(view_network, volume, box=head, device=device, precision=precision, slices=wanted)
    found = np.concatenate([_classes(scores) for _, scores in predicted]) != BACKGROUND_CLASS
    pieces, count = ndimage.label(found)
    if count == 0:
        return Brain(head, None, margin)
    sizes = np.bincount(pieces.ravel())[1:]
    # Specks in the neck or the face are not brain: components below a fiftieth of the largest don't enlarge the box.
    found &= np.isin(pieces, 1 + np.flatnonzero(sizes > sizes.max() / 50))
    shape = volume.host.shape if isinstance(volume, DeviceVolume) else volume.shape
    labelled = np.zeros(shape, dtype=bool)
    in_head = take_slices(labelled[head], view_network.view, slice(None))
    for number, plane in enumerate(found):
        at = every // 2 + number * every
        in_head[max(at - every, 0) : at + every + 1] |= plane
    others = [other for other in range(3) if other != axis]
    sides = list(head)
    planes = np.flatnonzero(found.any(axis=(1, 2))) * every + sparse.start
    sides[axis] = side_of_sixteens(planes[0] - margin, planes[-1] + 1 + margin, head[axis])
    for other, lines in zip(others, (found.any(axis=(0, 2)), found.any(axis=(0, 1))), strict=True):
        ends = np.flatnonzero(lines) + head[other].start
        sides[other] = side_of_sixteens(ends[0] - margin, ends[-1] + 1 + margin, head[other])
    return Brain((sides[0], sides[1], sides[2]), labelled, margin)


def _classes(scores: torch.Tensor | SliceScores) -> npt.NDArray[np.uint8]:
    """The most probable classes (k, rows, columns)."""
    classes = torch.empty(scores.shape[:-1], dtype=torch.uint8, device=scores.device)
    in_pieces(lambda piece, there: there.copy_(most_probable(piece)), scores, classes)
    return classes.cpu().numpy()
