"""Convolutions in half precision on a GPU; the layers after each one are computed in float32, in one pass over its result."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from subprocess import SubprocessError

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.inference.folded import scale_and_shift

__all__ = ["HalfConv2d", "SlowerWarning", "scaled_relu", "single_pass"]

#: Takes the output of a convolution, (B, C, R, K) channels-last, what is added to it or None, and scale and shift, (C,) each.
Step = Callable[[Tensor, Tensor | None, Tensor, Tensor], Tensor]


class SlowerWarning(UserWarning):
    """The work continues, but more slowly than this machine allows."""


class HalfConv2d(nn.Module):
    """A convolution with weights in half precision; then an addition, a normalisation and ReLU.

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
        """Convolve (B, C, R, K) to (B, outputs, R, K), in half precision; `added` has type and shape of the result."""
        convolved = functional.conv2d(x.to(self.weight.dtype), self.weight, padding=self.padding)
        step = single_pass(convolved.device, convolved.dtype) if convolved.device.type == "cuda" else None
        return (step or scaled_relu)(convolved, added, self.scale, self.shift)


def scaled_relu(convolved: Tensor, added: Tensor | None, scale: Tensor, shift: Tensor) -> Tensor:
    """Return ReLU(scale * (convolved + added) + shift), rounded once: what the single pass computes."""
    total = convolved.float() if added is None else convolved.float() + added.float()
    return torch.relu(total * scale[:, None, None] + shift[:, None, None]).to(convolved.dtype)


@cache
def single_pass(device: torch.device, kind: torch.dtype) -> Step | None:
    """Return the same as one GPU kernel for values of a type; None without Triton, or, with a warning, if it can't be built."""
    try:
        from darts_ensemble.inference.relu_kernel import TritonError, single_pass_relu
    except ImportError:  # Triton is not available on every system
        return None
    one = torch.ones(1, 8, 1, 1, device=device, dtype=kind)
    try:
        single_pass_relu(one, None, one.flatten().float(), one.flatten().float())
    except torch.OutOfMemoryError:
        raise
    except (OSError, RuntimeError, SubprocessError, TritonError) as error:  # no C compiler, no room for its files, an old GPU
        reason = " ".join(str(error).split())[:200]
        warnings.warn(
            f"{device}: Triton builds no kernel here ({type(error).__name__}: {reason}); half precision is slower without: "
            "is there a C compiler?",
            SlowerWarning,
            stacklevel=2,
        )
        return None
    return single_pass_relu
