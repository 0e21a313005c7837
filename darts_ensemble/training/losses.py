"""Cross-entropy plus soft Dice over 103 classes, with ignored voxels and, for sagittal slices, pooled homologues."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from darts_ensemble.labels import BACKGROUND_CLASS, HOMOLOGUE_CLASS, IGNORE_CLASS, N_CLASSES, REGIONS

__all__ = ["LEFT_CLASS", "segmentation_loss"]

_HOMOLOGUE = torch.from_numpy(HOMOLOGUE_CLASS)
#: Class that stands for a homologous pair, (103,) int64: the left one's.
LEFT_CLASS = torch.tensor(
    [int(HOMOLOGUE_CLASS[region.class_index]) if region.hemisphere == "right" else region.class_index for region in REGIONS]
    + [BACKGROUND_CLASS]
)


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
        target = LEFT_CLASS.to(target.device)[target]
    size = torch.bincount(target, minlength=N_CLASSES).to(predicted.dtype)
    intersection = torch.zeros_like(predicted).index_add_(0, target, picked.exp())
    present = size > 0
    dice = 2 * intersection[present] / (predicted[present] + size[present])
    return 1 - picked.mean() - dice.mean()
