"""Losses over 103 classes with ignored voxels and, for sagittal slices, pooled homologues; without a one-hot volume.

Both parts of a loss need two results of a batch: the log-probability of each voxel's own class, and the sum of the
probabilities of each class. :class:`_Summary` computes both from one softmax, and their derivative, with a third of the passes
over memory that autograd needs step by step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from darts_ensemble.labels import HOMOLOGUE_CLASS, IGNORE_CLASS, LEFT_CLASS, N_CLASSES

__all__ = ["class_weights", "segmentation_loss"]

_HOMOLOGUE = torch.from_numpy(HOMOLOGUE_CLASS)
_LEFT = torch.from_numpy(LEFT_CLASS)
#: Largest weight relative to the class of median size; otherwise a vessel of ten voxels would outweigh the brain.
LARGEST_WEIGHT = 10.0


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
    logits : Tensor, (B, 103, R, C)
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
    keep = labels != IGNORE_CLASS
    if not keep.any():
        return logits.sum() * 0
    homologue = _HOMOLOGUE.to(labels.device)
    target = labels.where(keep, torch.zeros_like(labels))
    other = homologue[target] if pool_sides else target
    of_voxels, predicted = _Summary.apply(logits if logits.dtype == torch.float64 else logits.float(), target, other, keep)
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
    """From (B, C, R, K) logits: log-probabilities (B, R, K) of each voxel's class, and the sums (C,) of probabilities.

    `other` is a second class that counts as a voxel's own, or the same class again; `keep` marks the voxels that are summed.
    With p the probabilities and q those of a voxel's own classes divided by their sum, the derivative of a log-probability with
    respect to the logits is q - p, and that of the sum of class c with respect to the logits of a voxel is p_c (e_c - p), with
    e_c the unit vector.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, other: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        log_probabilities = functional.log_softmax(logits, dim=1)
        own = log_probabilities.gather(1, target[:, None])
        second = log_probabilities.gather(1, other[:, None])
        both = torch.where((other != target)[:, None], torch.logaddexp(own, second), own)
        probabilities = log_probabilities.exp_()
        kept = keep.to(probabilities.dtype)
        predicted = (probabilities.flatten(2) @ kept.flatten(1)[:, :, None]).sum(dim=(0, 2))
        ctx.save_for_backward(probabilities, kept, target, other, own - both)
        return both[:, 0], predicted

    @staticmethod
    def backward(ctx: Any, of_picked: Tensor, of_predicted: Tensor) -> tuple[Tensor, None, None, None]:
        probabilities, kept, target, other, log_share = ctx.saved_tensors
        of_picked = of_picked[:, None]
        taken = (of_predicted @ probabilities.flatten(2)).view_as(kept) * kept + of_picked[:, 0]
        gradient = kept[:, None] * of_predicted[:, None, None]
        gradient.sub_(taken[:, None]).mul_(probabilities)
        share = log_share.exp()
        gradient.scatter_add_(1, target[:, None], share * of_picked)
        gradient.scatter_add_(1, other[:, None], (1 - share) * of_picked)
        return gradient, None, None, None
