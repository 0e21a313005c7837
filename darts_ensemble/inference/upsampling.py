"""Up-sampling of slices: by transposed convolutions, or by plain ones whose outputs are woven into a larger slice."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Join", "TransposedUpsampling", "Upsampling"]

#: Makes a module of a transposed convolution that up-samples a slice and joins it with the channels of a large one.
Join = Callable[[nn.ConvTranspose2d], nn.Module]


class TransposedUpsampling(nn.Module):
    """A transposed convolution as it is, joined with other channels."""

    def __init__(self, upsample: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.upsample = upsample

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """Up-sample (B, C, R, K) and join it with the channels of `beside`, (B, D, 2 R, 2 K): (B, filters + D, 2 R, 2 K)."""
        return torch.cat([self.upsample(x), beside], dim=1)


class Upsampling(nn.Module):
    """A transposed 4 x 4 convolution with stride 2 and padding 1, computed as a 2 x 2 convolution of the small slice.

    Each pixel of the large slice depends on 2 x 2 pixels of the small one. There are four such kernels, one for each
    combination of even and odd row and column; together they need as many multiplications as the transposed convolution.

    In bfloat16 on CPUs with AMX, networks with a few filters wrote beyond their memory ("free(): invalid pointer"), and the
    only layer in them that was not cleared by trying it alone is the transposed convolution of oneDNN 3.12 (torch 2.13). This
    module does without it.

    Parameters
    ----------
    upsample : ConvTranspose2d
        4 x 4, stride 2, padding 1.
    kind : torch.dtype
        Of weights, input and output.
    """

    def __init__(self, upsample: nn.ConvTranspose2d, kind: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.filters = upsample.out_channels
        bias = torch.zeros(self.filters) if upsample.bias is None else upsample.bias.detach()
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", _two_by_two(upsample.weight.detach()).to(kind))
        self.register_buffer("bias", bias.repeat(4).to(kind))

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """Do as :class:`TransposedUpsampling` does; the result is in channels-last memory."""
        slices, more, rows, columns = beside.shape
        four = functional.conv2d(x.to(self.weight.dtype), self.weight, self.bias, padding=1)
        joined = four.new_empty((slices, rows, columns, self.filters + more)).permute(0, 3, 1, 2)
        for kernel in range(4):
            a, b = divmod(kernel, 2)
            pixels = four[:, kernel * self.filters : (kernel + 1) * self.filters, a : a + rows // 2, b : b + columns // 2]
            joined[:, : self.filters, a::2, b::2] = pixels
        joined[:, self.filters :] = beside
        return joined


def _two_by_two(kernel: Tensor) -> Tensor:
    """Return the four kernels of a transposed convolution (C, filters, 4, 4), in (4 filters, C, 2, 2).

    Pixel 2 i of a line is element 1 times pixel i of the small line plus element 3 times pixel i - 1; pixel 2 i + 1 is element
    0 times pixel i + 1 plus element 2 times pixel i.
    """
    lines = torch.tensor([[3, 1], [2, 0]])
    four = kernel[:, :, lines[:, None, :, None], lines[None, :, None, :]]  # (C, filters, odd row, odd column, 2, 2)
    return four.permute(2, 3, 1, 0, 4, 5).flatten(0, 2)
