"""Dense U-Nets for prediction: consecutive linear layers without a ReLU between them are folded into one.

A convolution is folded with the normalisation after it, and the first 3 x 3 convolution with the 1 x 1 convolution before it.
A convolution after up-sampling becomes one of the small slices below, whose outputs are interleaved. Results are equal up to
rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.inference.upsampling import Join, TransposedUpsampling
from darts_ensemble.networks.dense_unet import DenseUNet

__all__ = ["Fold", "FoldedConv2d", "fold", "scale_and_shift"]

#: Makes one module of a convolution, the normalisation after it and ReLU; without a normalisation, of the convolution alone.
#: The second argument of the module's call is added to the convolution before the normalisation.
Fold = Callable[[nn.Conv2d, nn.BatchNorm2d | None], nn.Module]


def scale_and_shift(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    """Return scale and shift of each channel, float64, that replace bias and normalisation after a convolution without bias.

    The normalisation uses its running means and variances.
    """
    shift = torch.zeros(convolution.out_channels) if convolution.bias is None else convolution.bias.detach()
    shift = shift.double()
    if norm is None:
        return torch.ones_like(shift), shift
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.detach().double() + scale * (shift - norm.running_mean.double())


class FoldedConv2d(nn.Module):
    """A convolution whose weights include the normalisation after it; then ReLU.

    Parameters
    ----------
    convolution : Conv2d
        Stride 1.
    norm : BatchNorm2d or None
        If None, there is no ReLU either.
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> None:
        super().__init__()
        self.relu = norm is not None
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
        return done.relu_() if self.relu else done


class _DenseBlock(nn.Module):
    """A dense block of :class:`darts_ensemble.networks.dense_unet.DenseUNet`."""

    def __init__(self, block: nn.Module, make: Fold) -> None:
        super().__init__()
        pairs = zip(block.get_submodule("conv_list").children(), block.get_submodule("bn_list").children(), strict=True)
        self.convolutions = nn.ModuleList(make(conv, norm) for conv, norm in pairs)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.after_first(x, self.convolutions[0](x))

    def after_first(self, x: Tensor, y: Tensor) -> Tensor:
        """Apply all but the first convolution, given the block's input and the output of the first."""
        earlier = x
        for number, convolve in enumerate(self.convolutions[1:], start=1):
            done = convolve(y, earlier)
            if number + 1 < len(self.convolutions):
                earlier = earlier + y
            y = done
        return y


class _FirstBlock(nn.Module):
    """The first dense block with the 1 x 1 convolution before it."""

    def __init__(self, pointwise: nn.Conv2d, block: nn.Module, make: Fold, make_first: Fold) -> None:
        super().__init__()
        self.pointwise = pointwise
        self.block = _DenseBlock(block, make)
        first, norm = block.get_submodule("conv_list").get_submodule("0"), block.get_submodule("bn_list").get_submodule("0")
        self.block.convolutions[0] = make_first(_after_pointwise(pointwise, first), norm)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        # The 3 x 3 convolution pads with 0, not with the bias of the 1 x 1 one: a channel of ones marks the inside.
        y = self.block.convolutions[0](torch.cat([x, torch.ones_like(x[:, :1])], dim=1))
        return self.block.after_first(self.pointwise(x), y)


def _after_pointwise(pointwise: nn.Conv2d, convolution: nn.Module) -> nn.Conv2d:
    """Return the 3 x 3 convolution, of the input and a channel of ones, that equals a 1 x 1 one followed by a 3 x 3 one."""
    assert isinstance(convolution, nn.Conv2d) and pointwise.bias is not None
    before = torch.cat([pointwise.weight.detach()[:, :, 0, 0], pointwise.bias.detach()[:, None]], dim=1)
    weight = torch.einsum("oiyx,ic->ocyx", convolution.weight.detach().double(), before.double())
    return _convolution(weight, convolution.bias)


def _convolution(weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """Return a 3 x 3 convolution with padding 1 and weights (outputs, inputs, 3, 3), kept in float64."""
    made = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, bias=bias is not None).double()
    made.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().double(), requires_grad=False)
    return made


class _DenseUp(nn.Module):
    """An up-sampling step of :class:`darts_ensemble.networks.dense_unet.DenseUNet`.

    A pixel of the convolution of the up-sampled slice depends on 3 x 3 pixels of the slice below, by one of four kernels: one
    for each combination of even and odd row and column. So there are four times as many outputs on a quarter of the pixels,
    and no up-sampling. The outermost pixels differ because the up-sampled slice is padded with zeros: they are computed by
    up-sampling and convolution.
    """

    def __init__(self, up: nn.Module, make: Fold) -> None:
        super().__init__()
        upsample, convolution = up.get_submodule("upsample_layer"), up.get_submodule("conv")
        assert isinstance(upsample, nn.ConvTranspose2d) and isinstance(convolution, nn.Conv2d)
        filters = upsample.out_channels
        weight = convolution.weight.detach().double()
        self.upsample = upsample
        self.of_upsampled: Tensor
        self.register_buffer("of_upsampled", weight[:, :filters].float())
        self.from_below = make(_after_upsampling(upsample, weight[:, :filters]), None)
        self.conv = make(_convolution(weight[:, filters:], convolution.bias), up.get_submodule("bn"))  # type: ignore[arg-type]

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        slices, _, rows, columns = x.shape
        woven = self.from_below(x).permute(0, 2, 3, 1).reshape(slices, rows, columns, 2, 2, -1)
        woven = woven.permute(0, 1, 3, 2, 4, 5).reshape(slices, 2 * rows, 2 * columns, -1).permute(0, 3, 1, 2)
        woven[:, :, :1] = self._as_written(x[:, :, :2], slice(0, 2), slice(None))[:, :, :1]
        woven[:, :, -1:] = self._as_written(x[:, :, -2:], slice(-2, None), slice(None))[:, :, -1:]
        woven[..., :1] = self._as_written(x[..., :2], slice(None), slice(0, 2))[..., :1]
        woven[..., -1:] = self._as_written(x[..., -2:], slice(None), slice(-2, None))[..., -1:]
        y: Tensor = self.conv(skip, woven)
        return y

    def _as_written(self, x: Tensor, rows: slice, columns: slice) -> Tensor:
        """Up-sample an edge of a slice, keep the given rows and columns, and convolve them."""
        return functional.conv2d(self.upsample(x)[:, :, rows, columns], self.of_upsampled, padding=1)


def _after_upsampling(upsample: nn.ConvTranspose2d, weight: Tensor) -> nn.Conv2d:
    """Return the convolution of the slice below that gives all four kinds of pixels; its outputs are (row, column, filter).

    Pixel u of an up-sampled line is the sum over pixels d of the line below, each times element u + 1 - 2 d (0 to 3) of the
    kernel.
    """
    kernel, outputs = upsample.weight.detach().double(), weight.shape[0]
    made = torch.zeros(2, 2, outputs, kernel.shape[0], 3, 3, dtype=torch.float64)
    # (odd or even, step of the 3 x 3 convolution, step below, element of the kernel)
    line = [
        (odd, step, below, odd + step - 2 * below + 2)
        for odd in range(2)
        for step in range(3)
        for below in range(3)
        if 0 <= odd + step - 2 * below + 2 < 4
    ]
    for a, y, m, k in line:
        for b, x, n, j in line:
            made[a, b, :, :, m, n] += weight[:, :, y, x] @ kernel[:, :, k, j].T
    bias = None
    if upsample.bias is not None:
        bias = (weight.sum(dim=(2, 3)) @ upsample.bias.detach().double()).repeat(4)
    return _convolution(made.flatten(0, 2), bias)


class _PlainUp(nn.Module):
    """An up-sampling step in which only the convolution and what follows it are folded."""

    def __init__(self, up: nn.Module, make: Fold, join: Join) -> None:
        super().__init__()
        self.join = join(up.get_submodule("upsample_layer"))  # type: ignore[arg-type]
        self.conv = make(up.get_submodule("conv"), up.get_submodule("bn"))  # type: ignore[arg-type]

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        y: Tensor = self.conv(self.join(x, skip))
        return y


def fold(
    network: DenseUNet, make: Fold, *, first: Fold | None = None, woven: bool = True, join: Join = TransposedUpsampling
) -> DenseUNet:
    """Return a copy of a network, for prediction, whose convolutions are folded with the layers that follow them.

    Parameters
    ----------
    network : DenseUNet
    make : callable
        :class:`FoldedConv2d`, :class:`darts_ensemble.inference.winograd.WinogradConv2d`, or
        :class:`darts_ensemble.inference.half_precision.HalfConv2d` with its type.
    first : callable, optional
        For the first convolution, whose input has only the few channels of the image; :class:`FoldedConv2d` by default.
    woven : bool
        Whether convolutions after up-sampling become convolutions of small slices. It saves a sixth of their multiplications
        but adds many small steps at the edges, which on a GPU take as long as they save.
    join : callable
        :class:`darts_ensemble.inference.upsampling.TransposedUpsampling` or
        :class:`darts_ensemble.inference.upsampling.Upsampling` with its type; not used if `woven`.
    """
    network = copy.deepcopy(network).eval()
    network.d1 = _FirstBlock(network.conv1, network.get_submodule("d1"), make, first or FoldedConv2d)
    network.conv1 = nn.Identity()  # type: ignore[assignment]
    for name, child in list(network.named_children()):
        if hasattr(child, "conv_list"):
            setattr(network, name, _DenseBlock(child, make))
        elif hasattr(child, "upsample_layer"):
            setattr(network, name, _DenseUp(child, make) if woven else _PlainUp(child, make, join))
    return network
