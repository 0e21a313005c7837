"""A Dense U-Net of the released size, 256 filters, with random weights, as the released ones are not open to everyone."""

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
    """Return a state dict that fits our network and the published one of this size."""
    with torch.device("meta"):
        shapes = DenseUNet(filters=FILTERS)
    return random_state(shapes, seed)


def full_size_network(seed: int) -> DenseUNet:
    """Return a network with random weights, for prediction."""
    network = DenseUNet(filters=FILTERS)
    network.load_state_dict(random_weights(seed), strict=False)
    return network.eval()
