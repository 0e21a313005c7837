"""Cross-entropy plus soft Dice over 103 classes, with ignored voxels and, for sagittal slices, pooled homologues."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from darts_ensemble.labels import BACKGROUND_CLASS, HOMOLOGUE_CLASS, IGNORE_CLASS, N_CLASSES, REGIONS

__all__ = ["LEFT_CLASS", "pooled_log_probabilities", "segmentation_loss"]

_HOMOLOGUE = torch.from_numpy(HOMOLOGUE_CLASS)
#: Class that stands for a homologous pair, (103,) int64: the left one's.
LEFT_CLASS = torch.tensor(
    [
        int(HOMOLOGUE_CLASS[region.class_index]) if region.hemisphere == "right" else region.class_index
        for region in REGIONS
    ]
    + [BACKGROUND_CLASS]
)


def pooled_log_probabilities(log_probabilities: Tensor) -> Tensor:
    """Log of the summed probability of each homologous pair, (N, 103) -> (N, 103), the same in both of a pair's classes."""
    homologue = _HOMOLOGUE.to(log_probabilities.device)
    paired = homologue != torch.arange(N_CLASSES, device=homologue.device)
    return torch.where(paired, torch.logaddexp(log_probabilities, log_probabilities[:, homologue]), log_probabilities)


def segmentation_loss(logits: Tensor, labels: Tensor, *, pool_sides: bool = False) -> Tensor:
    """Return cross-entropy + (1 - mean soft Dice over the classes present in the batch).

    The Dice sums need no one-hot volume: with p the probabilities, the intersection of class c is the sum of p_c over
    the voxels labelled c, gathered by `index_add_`.

    Parameters
    ----------
    logits : Tensor, (B, 103, R, C)
    labels : Tensor of int64, (B, R, C)
        Class indices; voxels of :data:`IGNORE_CLASS` count nowhere.
    pool_sides : bool
        Take homologous pairs as one class, as a sagittal slice doesn't tell left from right.

    Returns
    -------
    Tensor, scalar
    """
    flat = logits.permute(0, 2, 3, 1).reshape(-1, N_CLASSES).float()
    target = labels.reshape(-1)
    keep = target != IGNORE_CLASS
    flat, target = flat[keep], target[keep]
    log_probabilities = functional.log_softmax(flat, dim=1)
    if pool_sides:
        log_probabilities = pooled_log_probabilities(log_probabilities)
        target = LEFT_CLASS.to(target.device)[target]
    cross_entropy = functional.nll_loss(log_probabilities, target)
    picked = log_probabilities.gather(1, target[:, None])[:, 0].exp()
    predicted = log_probabilities.exp().sum(dim=0)
    size = torch.bincount(target, minlength=N_CLASSES).to(predicted.dtype)
    intersection = torch.zeros_like(predicted).index_add_(0, target, picked)
    present = size > 0
    dice = 2 * intersection[present] / (predicted[present] + size[present])
    return cross_entropy + 1 - dice.mean()
