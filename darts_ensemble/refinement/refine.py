"""The second look at the fused predictions of the views, in place."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.fusion.fuse import Fused
from darts_ensemble.inference.class_scores import most_probable
from darts_ensemble.inference.pieces import in_pieces
from darts_ensemble.networks.refinement_network import REACH, RefinementNetwork, structure_channels
from darts_ensemble.networks.structures import OUTER, STRUCTURE_OF_CLASS, structure_sums
from darts_ensemble.refinement.intensities import relative_intensities
from darts_ensemble.slices.channels import Box

__all__ = ["inner_box", "network_inputs", "refine"]

#: Voxels around the deep structures in which they may grow.
MARGIN = 8
#: Planes computed at once.
PLANES = 16


def inner_box(classes: npt.NDArray[np.uint8]) -> Box | None:
    """Return the box around all structures but the outer ones, with a margin, in a label map (a, b, c) of classes."""
    inner = (STRUCTURE_OF_CLASS.numpy() >= OUTER)[classes]
    if not inner.any():
        return None
    first, second, third = (
        slice(max(0, int(found.min()) - MARGIN), min(side, int(found.max()) + 1 + MARGIN))
        for found, side in (
            (np.flatnonzero(inner.any(axis=tuple(other for other in range(3) if other != axis))), inner.shape[axis])
            for axis in range(3)
        )
    )
    return first, second, third


def network_inputs(relative: npt.NDArray[np.float32], probabilities: Tensor, box: Box) -> Tensor:
    """Return the channels of the network's input in a box, (22, a, b, c) float32.

    Parameters
    ----------
    relative : (a, b, c) float32
        From :func:`darts_ensemble.refinement.intensities.relative_intensities`.
    probabilities : (a, b, c, 103) Tensor
    box : Box
    """
    planes = range(box[0].start, box[0].stop)
    sums = [structure_channels(structure_sums(probabilities[plane, box[1], box[2]])).permute(2, 0, 1) for plane in planes]
    own = torch.from_numpy(np.ascontiguousarray(relative[box])).to(probabilities.device)
    return torch.cat([own[None], torch.stack(sums, dim=1)])


def refine(fused: Fused, intensities: npt.NDArray[np.float32], network: RefinementNetwork) -> Fused:
    """Return fused predictions with the second look; their volume is changed in place.

    Parameters
    ----------
    fused : Fused
    intensities : (a, b, c) float32
        Of the same box.
    network : RefinementNetwork
        On the device of the fused volume.
    """
    volume = fused.volume if isinstance(fused.volume, Tensor) else torch.from_numpy(fused.volume)
    box = inner_box(fused.classes)
    relative = None if box is None else relative_intensities(intensities, volume)
    if box is None or relative is None:
        return fused
    inputs = network_inputs(relative, volume, box)
    classes = torch.from_numpy(fused.classes.copy()).to(volume.device)
    planes = inputs.shape[1]
    with torch.inference_mode():
        for start in range(0, planes, PLANES):
            end, first = min(planes, start + PLANES), max(0, start - REACH)
            added = network(inputs[None, :, first : min(planes, end + REACH)])[0, :, start - first : end - first]
            place = (slice(box[0].start + start, box[0].start + end), *box[1:])
            odds = added.exp().permute(1, 2, 3, 0).contiguous()
            in_pieces(partial(_change, STRUCTURE_OF_CLASS.to(volume.device)), odds, volume[place], classes[place])
    return replace(fused, volume=volume, classes=classes.cpu().numpy())


def _change(structures: Tensor, odds: Tensor, probabilities: Tensor, classes: Tensor) -> None:
    """Multiply the probabilities (..., 103) by the odds (..., 21) of their structures; write them and the classes (...)."""
    changed = probabilities.float() * odds[..., structures]
    changed /= changed.sum(dim=-1, keepdim=True)
    probabilities.copy_(changed)
    classes.copy_(most_probable(changed))
