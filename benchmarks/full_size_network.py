"""A Dense U-Net of the released size, 256 filters, with random weights: the released ones can't be fetched by everyone."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from darts_ensemble.networks.dense_unet import DenseUNet

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.fixtures.make_network_parity import random_state

__all__ = ["FILTERS", "full_size_network", "random_weights"]

FILTERS = 256


def random_weights(seed: int) -> dict[str, torch.Tensor]:
    """Return the state dict that our network and the published one of this size are both filled with."""
    with torch.device("meta"):
        shapes = DenseUNet(filters=FILTERS)
    return random_state(shapes, seed)


def full_size_network(seed: int) -> DenseUNet:
    """Return a network of random weights, for prediction."""
    network = DenseUNet(filters=FILTERS)
    network.load_state_dict(random_weights(seed), strict=False)
    return network.eval()
