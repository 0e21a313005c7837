"""Half precision on a GPU: the sums after a convolution are those of the network as written, rounded once."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from darts_ensemble.folded import fold
from darts_ensemble.half_precision import HalfConv2d, scaled_relu, single_pass
from darts_ensemble.networks import DenseUNet


def network_with_statistics(filters: int = 6) -> DenseUNet:
    """A random network whose normalisations have learnt something."""
    torch.manual_seed(filters)
    network = DenseUNet(3, filters=filters).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.1, 0.6)
            nn.init.normal_(module.bias)
    return network


def test_a_folded_network_computes_what_the_network_does() -> None:
    network = network_with_statistics()
    make = partial(HalfConv2d, kind=torch.float32)
    folded = fold(network, make, first=make, woven=False)
    slices = torch.rand(2, 3, 32, 48)
    with torch.inference_mode():
        expected = network.features(slices)
        torch.testing.assert_close(folded.features(slices), expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-4)


def test_in_bf16_it_is_nearer_to_the_network_than_autocast_is() -> None:
    network = network_with_statistics()
    make = partial(HalfConv2d, kind=torch.bfloat16)
    folded = fold(network, make, first=make, woven=False)
    slices = torch.rand(2, 3, 32, 48)
    with torch.inference_mode():
        exact = network.features(slices)
        with torch.autocast("cpu", torch.bfloat16):
            apart = [float((one.features(slices).float() - exact).norm()) for one in (folded, network)]
    assert 0 < apart[0] < apart[1]
    assert apart[0] < 0.05 * float(exact.norm())


@pytest.mark.parametrize("adds", [False, True])
def test_the_sum_is_rounded_once(adds: bool) -> None:
    # In bf16 256 + 1 is 256: rounded before the normalisation, the 1 would be lost.
    convolved = torch.tensor([256.0, 1.0, -300.0], dtype=torch.bfloat16).reshape(1, 3, 1, 1)
    added = torch.tensor([1.0, 2.0, 4.0], dtype=torch.bfloat16).reshape(1, 3, 1, 1) if adds else None
    scale, shift = torch.tensor([1.0, 0.5, 1.0]), torch.tensor([-256.0, 1.0, 1.0])
    found = scaled_relu(convolved, added, scale, shift)
    assert found.dtype == torch.bfloat16
    assert found.flatten().tolist() == ([1.0, 2.5, 0.0] if adds else [0.0, 1.5, 0.0])


def test_without_triton_the_same_is_done_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "darts_ensemble.relu_kernel", None)
    single_pass.cache_clear()
    assert single_pass(torch.device("cpu")) is None
    single_pass.cache_clear()
