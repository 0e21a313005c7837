"""The networks compared with the published ones: same names, same sizes, same logits from the same weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.unet import UNet
from tests.fixtures.make_network_parity import FIXTURE, SMALL, random_slice, random_state

BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def small(architecture: str) -> nn.Module:
    kind = {"dense_unet": DenseUNet, "unet": UNet}[architecture]
    return kind(in_channels=1, out_channels=SMALL["out_channels"], filters=SMALL["filters"]).eval()


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def convolution(name: str, *shape: int, transposed: bool = False) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": (shape[1 if transposed else 0],)}


def batch_norm(name: str, filters: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": () if part == "num_batches_tracked" else (filters,) for part in BATCH_NORM}


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


@pytest.mark.parametrize("architecture", ["dense_unet", "unet"])
def test_logits_are_those_of_the_published_package(architecture: str) -> None:
    # Written by fixtures/make_network_parity.py from DARTSeg 1.0.0, dropout taken out.
    reference = np.load(FIXTURE)[architecture]
    network = small(architecture)
    network.load_state_dict(random_state(network, seed=2), strict=False)
    with torch.inference_mode():
        logits = network(random_slice(SMALL["rows"], SMALL["columns"], seed=2))[0].numpy()
    assert logits.shape == reference.shape == (SMALL["out_channels"], SMALL["rows"], SMALL["columns"])
    assert np.abs(logits - reference).max() <= 1e-4 * np.abs(reference).max()


def test_the_dense_unet_has_the_published_parameters_under_the_published_names() -> None:
    expected = convolution("conv1", 256, 1, 1, 1) | convolution("outconv", 113, 256, 1, 1)
    for block in ("d1", "d2", "d3", "d4", "bottom", "u4", "u3", "u2", "u1"):
        for i in range(4):
            expected |= convolution(f"{block}.conv_list.{i}", 256, 256, 3, 3) | batch_norm(f"{block}.bn_list.{i}", 256)
    for n in (4, 3, 2, 1):
        expected |= convolution(f"up{n}.upsample_layer", 256, 256, 4, 4, transposed=True)
        expected |= convolution(f"up{n}.conv", 256, 512, 3, 3) | batch_norm(f"up{n}.bn", 256)
    network = DenseUNet()
    assert shapes(network) == expected
    assert len(expected) == 292
    assert parameters(network) == 30_207_857


def test_the_unet_has_the_published_parameters_but_for_two_layers_that_nothing_uses() -> None:
    expected = convolution("outconv", 113, 64, 1, 1)
    for n, (inputs, outputs) in enumerate([(1, 64), (64, 128), (128, 256), (256, 512)], start=1):
        for name, first in ((f"down{n}", inputs), (f"up{n}", 2 * outputs)):
            expected |= convolution(f"{name}.conv1", outputs, first, 3, 3) | batch_norm(f"{name}.bn1", outputs)
            expected |= convolution(f"{name}.conv2", outputs, outputs, 3, 3) | batch_norm(f"{name}.bn2", outputs)
        expected |= convolution(f"up{n}.transconv", 2 * outputs, outputs, 4, 4, transposed=True)
    expected |= convolution("conv1", 1024, 512, 3, 3) | batch_norm("bn1", 1024)
    expected |= convolution("conv2", 1024, 1024, 3, 3) | batch_norm("bn2", 1024)
    network = UNet()
    assert shapes(network) == expected
    unused = 2 * (113 * 64 + 113)  # outconvp1, outconvm1
    assert unused == 14_690
    assert parameters(network) + unused == 39_420_179
    assert len(expected) + 4 == 140


@pytest.mark.parametrize("architecture", ["dense_unet", "unet"])
def test_two_predictions_of_one_slice_are_equal(architecture: str) -> None:
    network = small(architecture)
    image = random_slice(32, 48, seed=3)
    with torch.inference_mode():
        np.testing.assert_array_equal(network(image).numpy(), network(image).numpy())


def test_dropout_works_in_training() -> None:
    torch.manual_seed(0)
    network = small("unet").train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # so that nothing but dropout can tell the two runs apart
    image = random_slice(32, 48, seed=3)
    with torch.no_grad():
        assert not torch.equal(network(image), network(image))


def test_sizes_are_parameters() -> None:
    network = DenseUNet(in_channels=3, out_channels=7, filters=8, convolutions=2).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 16, 32)).shape == (2, 7, 16, 32)
    assert network.state_dict()["d1.conv_list.1.weight"].shape == (8, 8, 3, 3)
    assert "d1.conv_list.2.weight" not in network.state_dict()
    with torch.inference_mode():
        assert UNet(in_channels=3, out_channels=7, filters=4).eval()(torch.zeros(2, 3, 16, 32)).shape == (2, 7, 16, 32)


def test_slices_of_one_channel_lie_channels_last_from_the_first_layer_on() -> None:
    # Otherwise each of the layers that follow turns them round.
    network = DenseUNet(in_channels=1, filters=4).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    first = network.conv1(torch.rand(1, 1, 16, 32))
    assert first.is_contiguous(memory_format=torch.channels_last)
