"""The 2-D U-Net of DARTS, with its size as a parameter and a state dict compatible with the released files."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["UNet"]


class _Down(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)))


class _Up(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.transconv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        self.conv1 = nn.Conv2d(2 * outputs, outputs, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = torch.cat([self.transconv(x), skip], dim=1)
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)))


class UNet(nn.Module):
    """U-Net with `filters` at the first level, doubled at each of four more.

    Dropout follows the two convolutions at the lowest level and is active in training only; the reference leaves it on during
    prediction, so that two of its runs differ. `outconvp1` and `outconvm1` of the released files are left out because
    nothing uses them. With them, the reference has 39,420,179 parameters.

    Parameters
    ----------
    in_channels, out_channels, filters : int
        As for :class:`darts_ensemble.networks.dense_unet.DenseUNet`.
    dropout : float
        Probability of dropout at the lowest level.
    """

    def __init__(self, in_channels: int = 1, out_channels: int = 113, filters: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        widths = [filters * 2**level for level in range(5)]
        for level, (inputs, outputs) in enumerate(zip([in_channels, *widths[:3]], widths[:4], strict=True), start=1):
            self.add_module(f"down{level}", _Down(inputs, outputs))
        self.conv1 = nn.Conv2d(widths[3], widths[4], 3, padding=1)
        self.bn1 = nn.BatchNorm2d(widths[4])
        self.conv2 = nn.Conv2d(widths[4], widths[4], 3, padding=1)
        self.bn2 = nn.BatchNorm2d(widths[4])
        self.dropout = nn.Dropout(dropout)
        for level in range(4, 0, -1):
            self.add_module(f"up{level}", _Up(widths[level], widths[level - 1]))
        self.outconv = nn.Conv2d(filters, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Slices (B, in_channels, R, C), R and C multiples of 16, to logits (B, out_channels, R, C)."""
        skips = []
        for level in range(1, 5):
            x = self.get_submodule(f"down{level}")(x)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.dropout(functional.relu(self.bn1(self.conv1(x))))
        x = self.dropout(functional.relu(self.bn2(self.conv2(x))))
        for level in range(4, 0, -1):
            x = self.get_submodule(f"up{level}")(x, skips.pop())
        return self.outconv(x)
