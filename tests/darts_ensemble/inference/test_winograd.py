"""Winograd convolutions, and convolutions folded with what follows them, against PyTorch's own, alone and in networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from darts_ensemble.inference import winograd
from darts_ensemble.inference.folded import Fold, FoldedConv2d, fold
from darts_ensemble.inference.winograd import WinogradConv2d
from darts_ensemble.networks.dense_unet import DenseUNet


@given(
    st.integers(1, 3), st.integers(1, 5), st.integers(1, 6), st.integers(1, 19), st.integers(1, 19), st.booleans(),
    st.integers(0, 1000), st.sampled_from([1, 7, 20, 512]), st.sampled_from([2, 256]), st.booleans(),
)  # fmt: skip
def test_any_size_and_number_of_channels_gives_the_convolution_whatever_is_done_at_a_time_and_by_which_library(
    slices: int, inputs: int, outputs: int, rows: int, columns: int, bias: bool, seed: int,
    tiles_at_once: int, outputs_at_once: int, onednn: bool,
) -> None:  # fmt: skip
    torch.manual_seed(seed)
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    x = torch.randn(slices, inputs, rows, columns)
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_TILES_AT_ONCE", tiles_at_once)
        patch.setattr(winograd, "_OUTPUTS_AT_ONCE", outputs_at_once)
        if not onednn:
            patch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        expected = convolution.double()(x.double())
        found = WinogradConv2d(convolution)(x)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("make", [WinogradConv2d, FoldedConv2d])
@given(st.integers(0, 1000), st.booleans())
def test_what_is_added_normalised_and_cut_off_below_zero_follows(make: Fold, seed: int, adds: bool) -> None:
    torch.manual_seed(seed)
    convolution, norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4).eval()
    for value in (norm.weight, norm.bias, norm.running_mean):
        assert value is not None
        nn.init.normal_(value)
    assert norm.running_var is not None
    nn.init.uniform_(norm.running_var, 0.5, 2)
    x, added = torch.randn(2, 3, 10, 7), torch.randn(2, 4, 10, 7)
    with torch.inference_mode():
        expected = torch.relu(norm(convolution(x) + added if adds else convolution(x)))
        found = make(convolution, norm)(x, added if adds else None)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("make", [WinogradConv2d, FoldedConv2d])
@pytest.mark.parametrize(("convolutions", "rows", "columns"), [(1, 48, 32), (4, 48, 32), (2, 16, 16)])
def test_a_network_gives_the_same_logits_to_the_edge_and_stays_itself(
    convolutions: int, rows: int, columns: int, make: Fold
) -> None:
    torch.manual_seed(0)
    network = DenseUNet(2, 7, filters=6, convolutions=convolutions).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_var is not None and module.running_mean is not None
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = torch.rand(2, 2, rows, columns)
    with torch.inference_mode():
        expected, found = network(x), fold(network, make)(x)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    assert (found.argmax(dim=1) == expected.argmax(dim=1)).float().mean() > 0.999
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
