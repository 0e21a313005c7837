"""The 2-D Dense U-Net of DARTS, with sizes as parameters and a state dict compatible with the released files."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["DenseUNet", "Pointwise"]


class Pointwise(nn.Conv2d):
    """A 1 x 1 convolution as a product of matrices; its result is channels-last in memory, even for input with one channel.

    With one channel, the strides of channels-last and channels-first are the same. A convolution then assumes channels-first,
    and every layer after it has to reorder the memory.
    """

    def forward(self, input: Tensor) -> Tensor:
        return functional.linear(input.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)


class _DenseBlock(nn.Module):
    """Convolutions with summed inputs: each also receives the outputs of all convolutions before it except the last."""

    def __init__(self, filters: int, convolutions: int) -> None:
        super().__init__()
        self.conv_list = nn.ModuleList(nn.Conv2d(filters, filters, 3, padding=1) for _ in range(convolutions))
        self.bn_list = nn.ModuleList(nn.BatchNorm2d(filters) for _ in range(convolutions))

    def forward(self, x: Tensor) -> Tensor:
        earlier: Tensor | None = None
        for conv, bn in zip(self.conv_list, self.bn_list, strict=True):
            total = conv(x) if earlier is None else conv(x) + earlier
            earlier = x if earlier is None else earlier + x
            x = functional.relu(bn(total))
        return x


class _DenseUp(nn.Module):
    """Up-sample by a transposed convolution, join the skip, convolve."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.upsample_layer = nn.ConvTranspose2d(filters, filters, 4, stride=2, padding=1)
        self.conv = nn.Conv2d(2 * filters, filters, 3, padding=1)
        self.bn = nn.BatchNorm2d(filters)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(torch.cat([self._upsampled(x), skip], dim=1))))

    def _upsampled(self, x: Tensor) -> Tensor:
        """Up-sample (B, filters, R, C) to (B, filters, 2 R, 2 C)."""
        if x.device.type != "cpu" or self.upsample_layer.out_channels % 16 == 0:
            return self.upsample_layer(x)
        # In bfloat16 with AMX, oneDNN 3.12 is suspected of writing beyond its memory; see darts_ensemble.inference.upsampling.
        with torch.autocast("cpu", enabled=False):
            return self.upsample_layer(x.float())


class DenseUNet(nn.Module):
    """Dense U-Net: four levels of dense blocks with the same number of filters at each.

    The names of the parameters are those of the released checkpoints. With the default sizes it has 30,207,857
    parameters. Xavier initialisation, as published (arXiv 1911.05567).

    Parameters
    ----------
    in_channels : int
        Channels of a slice.
    out_channels : int
        Logit channels.
    filters : int
        Filters of every convolution.
    convolutions : int
        Convolutions in a block.
    """

    def __init__(self, in_channels: int = 1, out_channels: int = 113, filters: int = 256, convolutions: int = 4) -> None:
        super().__init__()
        self.conv1 = Pointwise(in_channels, filters, 1)
        for name in ("d1", "d2", "d3", "d4", "bottom", "u4", "u3", "u2", "u1"):
            self.add_module(name, _DenseBlock(filters, convolutions))
        for name in ("up4", "up3", "up2", "up1"):
            self.add_module(name, _DenseUp(filters))
        self.outconv = nn.Conv2d(filters, out_channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_uniform_(module.weight)

    def features(self, x: Tensor) -> Tensor:
        """Return the last block's output, (B, filters, R, C): what `outconv` turns into logits."""
        x = self.conv1(x)
        skips = []
        for level in range(1, 5):
            x = self.get_submodule(f"d{level}")(x)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.get_submodule("bottom")(x)
        for level in range(4, 0, -1):
            x = self.get_submodule(f"u{level}")(self.get_submodule(f"up{level}")(x, skips.pop()))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Slices (B, in_channels, R, C), R and C multiples of 16, to logits (B, out_channels, R, C)."""
        return self.outconv(self.features(x))
