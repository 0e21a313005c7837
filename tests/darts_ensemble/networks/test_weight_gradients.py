"""Gradients of convolution weights as products of matrices equal those of torch; training uses them where they are faster."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.grad import conv2d_weight

from darts_ensemble.networks import weight_gradients
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.weight_gradients import products_are_faster, use_products

CPU = torch.device("cpu")


@settings(max_examples=40, deadline=None)
@given(
    inputs=st.integers(1, 6), outputs=st.integers(1, 6), slices=st.integers(1, 3), rows=st.integers(1, 40),
    columns=st.integers(1, 40), last=st.booleans(), at_once=st.sampled_from([7, 64, 1024]),
)  # fmt: skip
def test_a_weight_gradient_equals_that_of_torch(
    inputs: int, outputs: int, slices: int, rows: int, columns: int, last: bool, at_once: int
) -> None:
    torch.manual_seed(rows * 100 + columns)
    memory = torch.channels_last if last else torch.contiguous_format
    x = torch.randn(slices, inputs, rows, columns, dtype=torch.float64).to(memory_format=memory)
    gradient = torch.randn(slices, outputs, rows, columns, dtype=torch.float64).to(memory_format=memory)
    expected = conv2d_weight(x, (outputs, inputs, 3, 3), gradient, padding=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weight_gradients, "VOXELS_AT_ONCE", at_once)
        found = weight_gradients.weight_gradient(x, gradient)
    torch.testing.assert_close(found, expected)


def test_all_gradients_of_a_network_are_those_without_products() -> None:
    torch.manual_seed(4)
    plain = DenseUNet(3, filters=16, convolutions=2).double().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    changed = copy.deepcopy(plain)
    use_products(changed)
    images = torch.randn(2, 3, 32, 48, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    for network in (plain, changed):
        network(images).square().mean().backward()
    assert sum(type(module) is nn.Conv2d for module in changed.modules()) == 0
    assert list(changed.state_dict()) == list(plain.state_dict())
    expected = dict(plain.named_parameters())
    for name, parameter in changed.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad)


@pytest.mark.parametrize(
    ("capability", "precision", "faster"), [("AVX2", "fp32", True), ("AVX2", "bf16", False), ("AVX512", "fp32", False)]
)
def test_products_are_used_in_fp32_where_vectors_are_short(
    monkeypatch: pytest.MonkeyPatch, capability: str, precision: str, faster: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert products_are_faster(CPU, precision) is faster
    assert not products_are_faster(torch.device("cuda"), precision)
