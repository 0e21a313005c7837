"""Convolutions in bfloat16 on a CPU, where oneDNN also adds, normalises and applies ReLU before it rounds and writes."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from darts_ensemble.inference.folded import FoldedConv2d

__all__ = ["BFloat16Conv2d"]


class BFloat16Conv2d(FoldedConv2d):
    """A folded convolution in bfloat16, which rounds once, after sum and ReLU, and not after each step.

    The steps after a convolution read and write as much memory as the convolution itself; on cores with AMX they took longer
    than it.

    Parameters
    ----------
    convolution, norm
        As for :class:`darts_ensemble.inference.folded.FoldedConv2d`.
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> None:
        super().__init__(convolution, norm)
        self.weight, self.scale = self.weight.to(torch.bfloat16), self.scale.to(torch.bfloat16)

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Convolve (B, C, R, K) to (B, outputs, R, K), in bfloat16; `added` has type and shape of the result."""
        x = x.to(torch.bfloat16)
        scaled = None if added is None else added * self.scale
        if _in_one_step():
            return _convolved(x, self.weight, self.shift, self.padding, scaled, relu=self.relu)
        done = functional.conv2d(x, self.weight, self.shift.to(torch.bfloat16), padding=self.padding)
        done = done if scaled is None else done.add_(scaled)
        return done.relu_() if self.relu else done


def _convolved(x: Tensor, weight: Tensor, shift: Tensor, padding: Any, added: Tensor | None, *, relu: bool) -> Tensor:
    """Convolve, add and apply ReLU by the operation of oneDNN that torch.compile uses on CPUs."""
    one = [1, 1]
    after = "relu" if relu else "none"
    if added is None:
        done: Tensor = torch.ops.mkldnn._convolution_pointwise(x, weight, shift, padding, one, one, 1, after, [], "")
        return done
    summed: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(
        x, added, weight, shift.to(x.dtype), padding, one, one, 1, "add", 1.0, after if relu else None, [], ""
    )
    return summed


@cache
@torch.autocast("cpu", enabled=False)
def _in_one_step() -> bool:
    """Whether this build of torch has the operation, which is not part of its stable interface, and computes what is meant."""
    x, weight = torch.linspace(-1, 1, 2 * 4 * 4).reshape(1, 2, 4, 4), torch.linspace(-1, 1, 2 * 2 * 9).reshape(2, 2, 3, 3)
    shift = torch.tensor([0.5, -0.5])
    x, weight = x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last), weight.to(torch.bfloat16)
    convolved = functional.conv2d(x.float(), weight.float(), shift, padding=1)
    try:
        pairs = [
            (_convolved(x, weight, shift, [1, 1], None, relu=True), convolved.relu()),
            (_convolved(x, weight, shift, [1, 1], None, relu=False), convolved),
            (_convolved(x, weight, shift, [1, 1], x, relu=True), (convolved + x.float()).relu()),
        ]
    except (AttributeError, RuntimeError, TypeError):
        return False
    return all(torch.allclose(one.float(), other, rtol=0.02, atol=0.02) for one, other in pairs)
