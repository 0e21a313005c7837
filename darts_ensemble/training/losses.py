"""Losses over 103 classes with ignored voxels and, for sagittal slices, pooled homologues; no one-hot volume is made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from darts_ensemble.labels import HOMOLOGUE_CLASS, IGNORE_CLASS, LEFT_CLASS, N_CLASSES

__all__ = ["class_weights", "segmentation_loss"]

_HOMOLOGUE = torch.from_numpy(HOMOLOGUE_CLASS)
_LEFT = torch.from_numpy(LEFT_CLASS)
#: No class counts more than this many times the median one: a vessel of ten voxels would outweigh the brain.
LARGEST_WEIGHT = 10.0


def class_weights(counts: npt.NDArray[np.int64]) -> Tensor:
    """Return a weight a class from its voxels in the training data: median frequency over its own, at most 10.

    The published loss is class-weighted without a formula for the weights; this one is ours for it.

    Parameters
    ----------
    counts : (103,) int64

    Returns
    -------
    Tensor of float32, (103,)
        1 for the class of median size; 0 for one without any voxel.
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
        Class indices; voxels of :data:`IGNORE_CLASS` count nowhere.
    kind : str
        "cross-entropy+dice": mean cross-entropy + 1 - mean Dice of the classes present in the batch. "weighted-dice": 1 - mean
        Dice weighted by class. "10dice+0.05cross-entropy": ten times the latter and 0.05 of the cross-entropy weighted by
        class; these two are the published ones (arXiv 1911.05567).
    weights : Tensor of float32, (103,), optional
        See :func:`class_weights`; needed by the published two.
    pool_sides : bool
        Take homologous pairs as one class, as a sagittal slice doesn't tell left from right.

    Returns
    -------
    Tensor, scalar
        0 where every voxel is ignored.
    """
    flat = logits.permute(0, 2, 3, 1).reshape(-1, N_CLASSES).float()
    target = labels.reshape(-1)
    keep = target != IGNORE_CLASS
    flat, target = flat[keep], target[keep]
    if not len(target):
        return logits.sum() * 0
    log_probabilities = functional.log_softmax(flat, dim=1)
    picked = log_probabilities.gather(1, target[:, None])[:, 0]
    predicted = log_probabilities.exp().sum(dim=0)
    if pool_sides:
        # log(p_left + p_right) is needed at the target only, and sums over voxels can be pooled after summing.
        homologue = _HOMOLOGUE.to(target.device)
        other = homologue[target]
        both = torch.logaddexp(picked, log_probabilities.gather(1, other[:, None])[:, 0])
        picked = torch.where(other != target, both, picked)
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
    of_classes = weights[present]
    weighted_dice = 1 - (of_classes * dice).sum() / of_classes.sum()
    if kind == "weighted-dice":
        return weighted_dice
    of_voxels = weights[target]
    return 10 * weighted_dice - 0.05 * (of_voxels * picked).sum() / of_voxels.sum()
