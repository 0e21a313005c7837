"""Gradients of convolution weights as products of matrices, for CPUs with AVX2 only.

oneDNN's own gradient of the weights of a 3 x 3 convolution takes three to five times as long as the convolution there, most of
all for the large slices. As nine products, one for each element of the kernel, it takes less than twice as long.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.networks.dense_unet import Pointwise

__all__ = ["products_are_faster", "use_products", "weight_gradient"]

#: Voxels of one product: those of 48 channels of both slices take half a megabyte, what a core's second cache holds.
VOXELS_AT_ONCE = 1024


def weight_gradient(x: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of the weights of a 3 x 3 convolution with padding 1 and stride 1.

    Parameters
    ----------
    x : (B, inputs, R, C) float32
        What was convolved.
    gradient : (B, outputs, R, C) float32
        The gradient of the result.

    Returns
    -------
    (outputs, inputs, 3, 3) float32
    """
    inputs, outputs, width = x.shape[1], gradient.shape[1], x.shape[3] + 2
    # One line of voxels for the whole batch, with a border of zeros: a step of the kernel is a shift along this line.
    padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).reshape(-1, inputs)
    result = functional.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, 2, 0, 2)).reshape(-1, outputs)
    shifts = [row * width + column for row in range(3) for column in range(3)]
    made = x.new_zeros(9, outputs, inputs)
    count = len(result) - shifts[-1]
    for start in range(0, count, VOXELS_AT_ONCE):
        end = min(count, start + VOXELS_AT_ONCE)
        part = result[start:end].t()
        for element, shift in enumerate(shifts):
            made[element].addmm_(part, padded[start + shift : end + shift])
    return made.permute(1, 2, 0).reshape(outputs, inputs, 3, 3)


class _Convolve(torch.autograd.Function):
    """A 3 x 3 convolution whose weights get their gradient from :func:`weight_gradient`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.conv2d(x, weight, bias, padding=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        below = None
        if ctx.needs_input_grad[0]:
            below = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, False, False]
            )[0]
        return below, weight_gradient(x, gradient), gradient.sum(dim=(0, 2, 3))


class _Conv2d(nn.Conv2d):
    """A 3 x 3 convolution that is trained with :class:`_Convolve`."""

    def forward(self, input: Tensor) -> Tensor:
        return cast(Tensor, _Convolve.apply(input, self.weight, self.bias))


def products_are_faster(device: torch.device, precision: str) -> bool:
    """Return whether :func:`use_products` makes a training step shorter: in fp32 on a CPU whose widest vectors are of AVX2."""
    return device.type == "cpu" and precision == "fp32" and torch.backends.cpu.get_cpu_capability() == "AVX2"


def use_products(network: nn.Module) -> None:
    """Let the convolutions of a network be trained with products of matrices, in place; results are equal up to rounding."""
    for module in network.modules():
        if type(module) is not nn.Conv2d or module.bias is None or module.stride != (1, 1) or module.groups != 1:
            continue
        if module.kernel_size == (3, 3) and module.padding == (1, 1) and module.dilation == (1, 1):
            module.__class__ = _Conv2d
        elif module.kernel_size == (1, 1) and module.padding == (0, 0):
            module.__class__ = Pointwise
