"""The Triton kernel of :mod:`darts_ensemble.inference.half_precision`; PyTorch for CUDA on Linux comes with Triton."""

from __future__ import annotations

import torch
import triton
from torch import Tensor
from triton import language as tl
from triton.errors import TritonError

__all__ = ["TritonError", "single_pass_relu"]

#: Number of values that one program of the kernel computes.
_BLOCK = 4096


@triton.jit
def _scaled_relu(  # type: ignore[no-untyped-def]
    values, added, scale, shift, pixels, channels: tl.constexpr, width: tl.constexpr, adds: tl.constexpr, rows: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64) * rows + tl.arange(0, rows)[:, None]
    channel = tl.arange(0, width)[None, :]  # the last axis of the memory
    place = row * channels + channel
    inside = (row < pixels) & (channel < channels)
    total = tl.load(values + place, mask=inside, other=0.0).to(tl.float32)
    if adds:
        total += tl.load(added + place, mask=inside, other=0.0).to(tl.float32)
    factor = tl.load(scale + channel, mask=channel < channels, other=0.0)
    total = total * factor + tl.load(shift + channel, mask=channel < channels, other=0.0)
    tl.store(values + place, tl.maximum(total, 0.0).to(values.dtype.element_ty), mask=inside)


def single_pass_relu(convolved: Tensor, added: Tensor | None, scale: Tensor, shift: Tensor) -> Tensor:
    """See :func:`darts_ensemble.inference.half_precision.scaled_relu`; overwrites `convolved` where it lies channels-last."""
    convolved = convolved.contiguous(memory_format=torch.channels_last)
    if added is not None:
        added = added.contiguous(memory_format=torch.channels_last)
    channels = convolved.shape[1]
    pixels = convolved.numel() // channels
    width = triton.next_power_of_2(channels)
    rows = max(1, _BLOCK // width)
    with torch.cuda.device(convolved.device):
        _scaled_relu[(triton.cdiv(pixels, rows),)](
            convolved, convolved if added is None else added, scale, shift, pixels, channels, width, added is not None, rows
        )
    return convolved
