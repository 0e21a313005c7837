"""Statistics of batch normalisation for averaged weights, measured on slices without augmentation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from darts_ensemble.training.slice_pool import SlicePool

__all__ = ["measure_batch_statistics"]

#: Largest number of slices that are used, and number of slices at once.
SLICES = 480
BATCH = 12


def measure_batch_statistics(network: nn.Module, pool: SlicePool, device: torch.device) -> None:
    """Replace the running means and variances of a network's batch normalisation, in place.

    The statistics from training are those of augmented slices and of earlier networks, not of their average. The slices here
    are crops around the brain of the training subjects, without augmentation and the same each time.

    Parameters
    ----------
    network : torch.nn.Module
        Its weights are not changed.
    pool : SlicePool
    device : torch.device

    Notes
    -----
    Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018 (arXiv 1803.05407), section 3.2;
    Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021 (arXiv 2105.07576), section 3.
    """
    update_bn(_batches(pool.unaltered(), max(1, min(SLICES, len(pool)) // BATCH)), network, device)


def _batches(pool: SlicePool, count: int) -> Iterator[Tensor]:
    rng = np.random.default_rng(pool.recipe.seed)
    size = pool.draw_size(rng)
    for _ in range(count):
        yield torch.from_numpy(np.stack([pool.draw(rng, size)[0] for _ in range(BATCH)]))
