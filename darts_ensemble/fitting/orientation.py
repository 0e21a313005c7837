"""In which layout a network expects its slices: the eight layouts of a view, tried on one labelled scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from darts_ensemble.errors import ScanError
from darts_ensemble.fusion.sagittal_sides import pool_homologues
from darts_ensemble.inference.predict import predict_view
from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, LEFT_CLASS
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.results.overlap import dice_of_regions, joint_histogram, merge_labels
from darts_ensemble.slices.boxes import head_box
from darts_ensemble.slices.channels import Box
from darts_ensemble.slices.views import SLICE_AXIS, take_slices

__all__ = ["DECLARED", "LAYOUTS", "Layout", "LayoutDice", "turn_volume", "verify_orientation"]


@dataclass(frozen=True)
class Layout:
    """One of the eight layouts of a slice: rows and columns are first reversed, then exchanged.

    Attributes
    ----------
    name : str
    reverse_rows, reverse_columns, transpose : bool
    """

    name: str
    reverse_rows: bool
    reverse_columns: bool
    transpose: bool


@dataclass(frozen=True)
class LayoutDice:
    """How well a network labels slices in one layout.

    Attributes
    ----------
    layout : Layout
    dice : float
        Mean over the regions that the reference or the network has in the chosen slices, in the box around the reference's
        brain; for a sagittal network, over pairs of homologous regions.
    """

    layout: Layout
    dice: float


LAYOUTS = (
    Layout("as declared", False, False, False),
    Layout("rows reversed", True, False, False),
    Layout("columns reversed", False, True, False),
    Layout("turned by 180 degrees", True, True, False),
    Layout("transposed", False, False, True),
    Layout("turned by 90 degrees (rows reversed, then transposed)", True, False, True),
    Layout("turned by -90 degrees (columns reversed, then transposed)", False, True, True),
    Layout("transposed along the other diagonal", True, True, True),
)
#: No flip, no transpose: how :mod:`darts_ensemble.slices.views` cuts every view.
DECLARED = LAYOUTS[0]


def verify_orientation(
    network: ViewNetwork,
    volume: npt.NDArray[np.float32],
    labels: npt.NDArray[np.uint8],
    *,
    slices: int = 12,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
) -> list[LayoutDice]:
    """Label some slices of a scan in each of the eight layouts; the layout of training gives a much higher Dice.

    Parameters
    ----------
    network : ViewNetwork
    volume : (n, n, n) float32
        LIA, 1 mm, as :func:`darts_ensemble.scans.conform.conform` returns it.
    labels : (n, n, n) uint8
        Classes of its voxels; ignored ones (255) are masked out.
    slices : int
        Number of slices, spread evenly over those with labels.
    device : torch.device or str
    precision : {"fp32", "bf16", "fp16"}

    Returns
    -------
    list of LayoutDice
        Best first.

    Raises
    ------
    ScanError
        If the label map has no region.
    """
    axis = SLICE_AXIS[network.view]
    labelled = np.flatnonzero((labels < BACKGROUND_CLASS).any(axis=tuple(other for other in range(3) if other != axis)))
    if labelled.size == 0:
        raise ScanError("none of the 102 regions found in the label map where the scan lies; expected labels of this scan")
    chosen = labelled[np.unique(np.linspace(0, len(labelled) - 1, slices + 2).round().astype(int)[1:-1])]
    brain = head_box((labels < BACKGROUND_CLASS).astype(np.float32), margin=12)
    results = []
    for layout in LAYOUTS:
        turned, turned_labels = (turn_volume(one, network.view, layout) for one in (volume, labels))
        box = _turn_box(brain, network.view, layout, len(volume))
        predicted = predict_view(
            network, turned, box=box, device=torch.device(device), precision=precision, slices=[int(k) for k in chosen]
        )
        pooled = (pool_homologues(one) if network.view == "sagittal" else one for _, one in predicted)
        found = np.concatenate([one.argmax(dim=-1).cpu().numpy().astype(np.uint8) for one in pooled])
        inside = tuple(side for other, side in enumerate(box) if other != axis)
        reference = take_slices(turned_labels, network.view, chosen)[:, inside[0], inside[1]]
        results.append(LayoutDice(layout, _mean_dice(reference, found, network.view)))
    return sorted(results, key=lambda one: -one.dice)


def turn_volume(volume: npt.NDArray[Any], view: str, layout: Layout) -> npt.NDArray[Any]:
    """Return a cubic volume with the slices of a view in another layout."""
    rows, columns = (axis for axis in range(3) if axis != SLICE_AXIS[view])
    reversed_axes = tuple(axis for axis, turn in ((rows, layout.reverse_rows), (columns, layout.reverse_columns)) if turn)
    turned = np.flip(volume, reversed_axes)
    return np.ascontiguousarray(turned.swapaxes(rows, columns) if layout.transpose else turned)


def _turn_box(box: Box, view: str, layout: Layout, size: int) -> Box:
    rows, columns = (axis for axis in range(3) if axis != SLICE_AXIS[view])
    sides = list(box)
    for axis, turn in ((rows, layout.reverse_rows), (columns, layout.reverse_columns)):
        if turn:
            sides[axis] = slice(size - box[axis].stop, size - box[axis].start)
    if layout.transpose:
        sides[rows], sides[columns] = sides[columns], sides[rows]
    return sides[0], sides[1], sides[2]


def _mean_dice(reference: npt.NDArray[np.uint8], found: npt.NDArray[np.uint8], view: str) -> float:
    seen = reference != IGNORE_CLASS
    joint = joint_histogram(reference[seen], found[seen])
    if view == "sagittal":
        joint = merge_labels(joint, LEFT_CLASS[:BACKGROUND_CLASS])
    return float(np.nanmean(dice_of_regions(joint)))
