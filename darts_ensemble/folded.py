"""Dense U-Nets for prediction: each convolution, its normalisation and ReLU are one step."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.networks import DenseUNet

__all__ = ["Fold", "FoldedConv2d", "fold", "scale_and_shift"]

#: From a convolution and the normalisation after it to a module that does both and ReLU; what it is called with a second
#: time is added to the convolution before the normalisation.
Fold = Callable[[nn.Conv2d, nn.BatchNorm2d], nn.Module]


def scale_and_shift(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    """Return what a convolution without bias is multiplied by, and what is then added, channel by channel, in float64.

    With the means and variances that the normalisation has learnt.
    """
    shift = torch.zeros(convolution.out_channels) if convolution.bias is None else convolution.bias.detach()
    shift = shift.double()
    if norm is None:
        return torch.ones_like(shift), shift
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.detach().double() + scale * (shift - norm.running_mean.double())


class FoldedConv2d(nn.Module):
    """A convolution whose weights hold the normalisation after it; then ReLU.

    Parameters
    ----------
    convolution : Conv2d
        Stride 1.
    norm : BatchNorm2d
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        scale, shift = scale_and_shift(convolution, norm)
        self.weight: Tensor
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("weight", (convolution.weight.detach().double() * scale[:, None, None, None]).float())
        self.register_buffer("scale", scale.float()[:, None, None])
        self.register_buffer("shift", shift.float())
        self.padding = convolution.padding

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Convolve (B, C, R, K) float32 to (B, outputs, R, K); `added` has the shape of the result."""
        done = functional.conv2d(x, self.weight, self.shift, padding=self.padding)
        if added is not None:
            done.addcmul_(added, self.scale)
        return done.relu_()


class _DenseBlock(nn.Module):
    """A dense block of :class:`darts_ensemble.networks.DenseUNet`."""

    def __init__(self, block: nn.Module, make: Fold) -> None:
        super().__init__()
        pairs = zip(block.get_submodule("conv_list").children(), block.get_submodule("bn_list").children(), strict=True)
        self.convolutions = nn.ModuleList(make(conv, norm) for conv, norm in pairs)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        earlier: Tensor | None = None
        for convolve in self.convolutions:
            y = convolve(x, earlier)
            earlier = x if earlier is None else earlier + x
            x = y
        return x


class _DenseUp(nn.Module):
    """An up-sampling step of :class:`darts_ensemble.networks.DenseUNet`."""

    def __init__(self, up: nn.Module, make: Fold) -> None:
        super().__init__()
        self.upsample_layer = up.get_submodule("upsample_layer")
        self.conv = make(up.get_submodule("conv"), up.get_submodule("bn"))  # type: ignore[arg-type]

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        y: Tensor = self.conv(torch.cat([self.upsample_layer(x), skip], dim=1))
        return y


def fold(network: DenseUNet, make: Fold) -> DenseUNet:
    """Return a copy of a network, for prediction, whose convolutions are folded with what follows them.

    Parameters
    ----------
    network : DenseUNet
    make : callable
        :class:`FoldedConv2d`, or :class:`darts_ensemble.winograd.WinogradConv2d`.
    """
    network = copy.deepcopy(network).eval()
    for name, child in list(network.named_children()):
        if hasattr(child, "conv_list"):
            setattr(network, name, _DenseBlock(child, make))
        elif hasattr(child, "upsample_layer"):
            setattr(network, name, _DenseUp(child, make))
    return network
