"""bfloat16 on a CPU: near the network as written, in one step or in several, also where torch lacks the one step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import torch
from torch import nn

from darts_ensemble.inference import bf16_convolution
from darts_ensemble.inference.bf16_convolution import BFloat16Conv2d
from darts_ensemble.inference.folded import fold
from darts_ensemble.inference.upsampling import Upsampling
from darts_ensemble.networks.dense_unet import DenseUNet
from tests.phantoms.random_network import network_with_statistics


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    bf16_convolution._in_one_step.cache_clear()
    yield
    bf16_convolution._in_one_step.cache_clear()


def in_bf16(network: DenseUNet, slices: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        return network.features(slices.contiguous(memory_format=torch.channels_last)).float()


@pytest.mark.parametrize("one_step", [True, False])
def test_it_is_about_as_near_to_the_network_as_autocast_is(monkeypatch: pytest.MonkeyPatch, one_step: bool) -> None:
    if not one_step:
        monkeypatch.setattr(bf16_convolution, "_in_one_step", lambda: False)
    network = network_with_statistics()
    slices = torch.rand(2, 3, 32, 48)
    with torch.inference_mode():
        exact = network.features(slices)
    join = partial(Upsampling, kind=torch.bfloat16)
    folded = fold(network, BFloat16Conv2d, first=BFloat16Conv2d, woven=False, join=join)
    apart = [float((in_bf16(one, slices) - exact).norm() / exact.norm()) for one in (folded, network)]
    assert 0 < apart[0] < 0.01
    assert apart[0] < 1.3 * apart[1]


@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize("normalised", [True, False])
def test_one_step_and_several_give_the_same_but_for_rounding(
    monkeypatch: pytest.MonkeyPatch, adds: bool, normalised: bool
) -> None:
    torch.manual_seed(3)
    norm = nn.BatchNorm2d(5).eval() if normalised else None
    convolve = BFloat16Conv2d(nn.Conv2d(4, 5, 3, padding=1), norm)
    x = torch.randn(2, 4, 9, 7).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    added = torch.randn(2, 5, 9, 7).to(torch.bfloat16) if adds else None
    one = convolve(x, added)
    monkeypatch.setattr(bf16_convolution, "_in_one_step", lambda: False)
    several = convolve(x, added)
    assert one.dtype == several.dtype == torch.bfloat16
    assert (one.min() >= 0) == normalised
    torch.testing.assert_close(one.float(), several.float(), atol=0.03, rtol=0.02)


@pytest.mark.parametrize("error", [AttributeError("no such operation"), RuntimeError("not built with oneDNN"), TypeError("x")])
def test_a_torch_without_the_operation_takes_several_steps(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def missing(*_: object, **__: object) -> torch.Tensor:
        raise error

    monkeypatch.setattr(bf16_convolution, "_convolved", missing)
    convolve = BFloat16Conv2d(nn.Conv2d(4, 5, 3, padding=1), nn.BatchNorm2d(5).eval())
    assert convolve(torch.randn(1, 4, 8, 8)).shape == (1, 5, 8, 8)


def test_an_operation_that_computes_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16_convolution, "_convolved", lambda x, *_, **__: torch.zeros_like(x))
    assert not bf16_convolution._in_one_step()
