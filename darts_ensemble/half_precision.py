"""Convolutions in half precision on a GPU: what follows one is done in float32, in a single pass over its result."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.folded import scale_and_shift

__all__ = ["HalfConv2d", "scaled_relu"]

#: From what a convolution gave, (B, C, R, K) channels-last, what is added to it or None, scale and shift (C,) to the result.
Step = Callable[[Tensor, Tensor | None, Tensor, Tensor], Tensor]


class HalfConv2d(nn.Module):
    """A convolution with weights in half precision; then the sum with what is added, a normalisation and ReLU.

    Parameters
    ----------
    convolution : Conv2d
        Stride 1.
    norm : BatchNorm2d
    kind : torch.dtype
        torch.bfloat16 or torch.float16.
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d | None, kind: torch.dtype) -> None:
        super().__init__()
        scale, shift = scale_and_shift(convolution, norm)
        self.weight: Tensor
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("weight", convolution.weight.detach().to(kind))
        self.register_buffer("scale", scale.float())
        self.register_buffer("shift", shift.float())
        self.padding = convolution.padding

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Convolve (B, C, R, K) to (B, outputs, R, K), both in half precision, as is `added`, of the shape of the result."""
        convolved = functional.conv2d(x.to(self.weight.dtype), self.weight, padding=self.padding)
        step = single_pass(convolved.device) if convolved.device.type == "cuda" else None
        return (step or scaled_relu)(convolved, added, self.scale, self.shift)


def scaled_relu(convolved: Tensor, added: Tensor | None, scale: Tensor, shift: Tensor) -> Tensor:
    """ReLU of scale times the sum, plus shift, rounded once: what the single pass computes."""
    total = convolved.float() if added is None else convolved.float() + added.float()
    return torch.relu(total * scale[:, None, None] + shift[:, None, None]).to(convolved.dtype)


@cache
def single_pass(device: torch.device) -> Step | None:
    """The same as one kernel for a GPU; None where Triton, or the C compiler it asks for, is missing or fails."""
    try:
        from darts_ensemble.relu_kernel import single_pass_relu

        sample = torch.linspace(-2, 2, 2 * 8 * 6 * 4, device=device, dtype=torch.bfloat16).reshape(2, 8, 6, 4)
        sample = sample.contiguous(memory_format=torch.channels_last)
        scale, shift = torch.linspace(0.5, 2, 8, device=device), torch.linspace(-1, 1, 8, device=device)
        for added in (None, sample.flip(1).contiguous(memory_format=torch.channels_last)):
            expected = scaled_relu(sample, added, scale, shift)
            if not torch.allclose(single_pass_relu(sample.clone(), added, scale, shift), expected, rtol=0.016, atol=1e-5):
                return None
    except Exception:
        return None
    return single_pass_relu
