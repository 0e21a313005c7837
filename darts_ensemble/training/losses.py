"""Losses over 103 classes with ignored voxels and, for sagittal slices, pooled homologues; without a one-hot volume.

Both parts of a loss need two results of a batch: the log-probability of each voxel's own class, and the sum of the
probabilities of each class. :class:`_Summary` computes both from one softmax, and their derivative, part by part, so that
memory is passed over once forward and once backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.labels import HOMOLOGUE_CLASS, IGNORE_CLASS, KEPT_CHANNELS, LEFT_CLASS, N_CHANNELS, N_CLASSES

__all__ = ["class_weights", "segmentation_loss"]

_HOMOLOGUE = torch.from_numpy(HOMOLOGUE_CLASS)
_LEFT = torch.from_numpy(LEFT_CLASS)
#: Largest weight relative to the class of median size; otherwise a vessel of ten voxels would outweigh the brain.
LARGEST_WEIGHT = 10.0
#: Added to the logits of channels that belong to no class: probabilities of 1e-26, lost beside the others. The exponential of
#: minus infinity would take five times as long.
OF_NO_CLASS = -60.0
#: Voxels of one part of the loss on a CPU: their logits of 103 classes take a megabyte, half of a core's second cache.
VOXELS_AT_ONCE = 2048


def class_weights(counts: npt.NDArray[np.int64]) -> Tensor:
    """Return the weight of each class: median frequency in the training data divided by its own frequency, at most 10.

    The published loss is class-weighted, but no formula for the weights is given; this formula is ours.

    Parameters
    ----------
    counts : (103,) int64

    Returns
    -------
    Tensor of float32, (103,)
        1 for the class of median size; 0 for a class without voxels.
    """
    present = counts > 0
    weights = np.zeros(len(counts), dtype=np.float32)
    weights[present] = np.minimum(np.median(counts[present]) / counts[present], LARGEST_WEIGHT)
    return torch.from_numpy(weights)


def segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    kind: str = "cross-entropy+dice",
    weights: Tensor | None = None,
    pool_sides: bool = False,
) -> Tensor:
    """Return the loss of a batch.

    With p the probabilities, the intersection of class c is the sum of p_c over the voxels labelled c, gathered by
    `index_add_`; the soft Dice of c is twice that over the sum of p_c and the number of its voxels, all over the whole batch.

    Parameters
    ----------
    logits : Tensor, (B, 103, R, C) or (B, 113, R, C)
        Of the 103 classes, or of all channels of a network, of which ten belong to no class.
    labels : Tensor of int64, (B, R, C)
        Class indices; voxels of :data:`IGNORE_CLASS` are left out.
    kind : str
        "cross-entropy+dice": mean cross-entropy + 1 - mean Dice of the classes present in the batch.
        "balanced-cross-entropy+dice": the same, with voxels weighted by the square root of the weight of their class, so that
        small regions are learnt sooner. "weighted-dice": 1 - mean Dice weighted by class. "10dice+0.05cross-entropy": ten times
        the latter plus 0.05 times the cross-entropy weighted by class; these two are the published ones (arXiv 1911.05567).
    weights : Tensor of float32, (103,), optional
        See :func:`class_weights`; needed by all kinds except the first.
    pool_sides : bool
        Treat homologous pairs as one class, because left and right look alike in a sagittal slice.

    Returns
    -------
    Tensor, scalar
        0 if every voxel is ignored.
    """
    keep = labels.flatten() != IGNORE_CLASS
    if not keep.any():
        return logits.sum() * 0
    # One row per voxel: of logits that are channels-last in memory, nothing is copied.
    rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
    channels = torch.from_numpy(KEPT_CHANNELS if logits.shape[1] == N_CHANNELS else np.arange(N_CLASSES)).to(logits.device)
    homologue = _HOMOLOGUE.to(labels.device)
    target = labels.flatten().where(keep, torch.zeros((), dtype=labels.dtype, device=labels.device))
    other = homologue[target] if pool_sides else target
    exact = torch.float64 if logits.dtype == torch.float64 else torch.float32
    hidden = torch.full(rows.shape[1:], OF_NO_CLASS, dtype=exact, device=logits.device).index_fill_(0, channels, 0)
    of_voxels, predicted = _Summary.apply(rows, hidden, channels[target], channels[other], keep)
    predicted = predicted[channels]
    picked, target = of_voxels[keep], target[keep]
    if pool_sides:
        # For sums over voxels, sides can be pooled after summing.
        paired = homologue != torch.arange(N_CLASSES, device=target.device)
        predicted = torch.where(paired, predicted + predicted[homologue], predicted)
        target = _LEFT.to(target.device)[target]
    size = torch.bincount(target, minlength=N_CLASSES).to(predicted.dtype)
    intersection = torch.zeros_like(predicted).index_add_(0, target, picked.exp())
    present = size > 0
    dice = 2 * intersection[present] / (predicted[present] + size[present])
    if kind == "cross-entropy+dice":
        return 1 - picked.mean() - dice.mean()
    if weights is None:
        raise ValueError(f"loss {kind}: no class weights; expected those of the training data")
    weights = weights.to(target.device)
    if kind == "balanced-cross-entropy+dice":
        by_class = weights.sqrt()[target]
        return 1 - (by_class * picked).sum() / by_class.sum() - dice.mean()
    of_classes = weights[present]
    weighted_dice = 1 - (of_classes * dice).sum() / of_classes.sum()
    if kind == "weighted-dice":
        return weighted_dice
    by_class = weights[target]
    return 10 * weighted_dice - 0.05 * (by_class * picked).sum() / by_class.sum()


class _Summary(torch.autograd.Function):
    """From (V, C) logits: log-probabilities (V,) of each voxel's class, and the sums (C,) of probabilities.

    `hidden` (C,) is added to the logits: 0, or so little for a channel of no class that its probability is nearly 0.
    `other` is a second class that counts as a voxel's own, or the same class again; `keep` marks the voxels that are summed.
    With p the probabilities and q those of a voxel's own classes divided by their sum, the derivative of a log-probability with
    respect to the logits is q - p, and that of the sum of class c with respect to the logits of a voxel is p_c (e_c - p), with
    e_c the unit vector.

    Voxels are taken :data:`VOXELS_AT_ONCE` at a time, so that all steps of one part find its numbers in the cache of the core.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, hidden: Tensor, target: Tensor, other: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        kept = keep.to(hidden.dtype)
        both, log_share = torch.empty_like(kept), torch.empty_like(kept)
        log_sum = torch.empty_like(kept)
        predicted = torch.zeros_like(hidden)
        for part in _parts(logits):
            shifted = logits[part] + hidden
            total = log_sum[part] = shifted.logsumexp(1)
            shifted.sub_(total[:, None])
            own = shifted.gather(1, target[part, None])[:, 0]
            second = shifted.gather(1, other[part, None])[:, 0]
            both[part] = torch.where(other[part] != target[part], torch.logaddexp(own, second), own)
            log_share[part] = own - both[part]
            predicted += kept[part] @ shifted.exp_()
        ctx.save_for_backward(logits, hidden, log_sum, kept, target, other, log_share)
        return both, predicted

    @staticmethod
    def backward(ctx: Any, of_picked: Tensor, of_predicted: Tensor) -> tuple[Tensor, None, None, None, None]:
        logits, hidden, log_sum, kept, target, other, log_share = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        share = log_share.exp()
        for part in _parts(logits):
            probabilities = (logits[part] + hidden).sub_(log_sum[part, None]).exp_()
            taken = (probabilities @ of_predicted) * kept[part] + of_picked[part]
            change = torch.outer(kept[part], of_predicted).sub_(taken[:, None]).mul_(probabilities)
            change.scatter_add_(1, target[part, None], (share[part] * of_picked[part])[:, None])
            change.scatter_add_(1, other[part, None], ((1 - share[part]) * of_picked[part])[:, None])
            gradient[part] = change
        return gradient, None, None, None, None


def _parts(logits: Tensor) -> list[slice]:
    """Cut voxels into parts; one part on a GPU."""
    at_once = VOXELS_AT_ONCE if logits.device.type == "cpu" else max(1, len(logits))
    return [slice(start, start + at_once) for start in range(0, len(logits), at_once)]
