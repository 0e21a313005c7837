"""A small Dense U-Net of random weights whose normalisations have learnt something."""

from __future__ import annotations

import torch
from torch import nn

from darts_ensemble.networks.dense_unet import DenseUNet


def network_with_statistics(filters: int = 6) -> DenseUNet:
    """Three input channels; the first channel of each normalisation changes its sign."""
    torch.manual_seed(filters)
    network = DenseUNet(3, filters=filters).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.1, 0.6)
            module.weight.data[0] *= -1
            nn.init.normal_(module.bias)
    return network
