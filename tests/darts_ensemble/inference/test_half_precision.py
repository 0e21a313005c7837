"""Half precision on a GPU: the sums after a convolution are those of the network as written, rounded once."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from darts_ensemble.inference.folded import fold
from darts_ensemble.inference.half_precision import HalfConv2d, SlowerWarning, scaled_relu, single_pass
from darts_ensemble.networks.dense_unet import DenseUNet
from tests.phantoms.random_network import network_with_statistics

CPU = torch.device("cpu")


def folded_to(network: DenseUNet, kind: torch.dtype) -> DenseUNet:
    make = partial(HalfConv2d, kind=kind)
    return fold(network, make, first=make, woven=False)


def test_a_folded_network_computes_what_the_network_does() -> None:
    network = network_with_statistics()
    folded = folded_to(network, torch.float32)
    slices = torch.rand(2, 3, 32, 48)
    with torch.inference_mode():
        expected = network.features(slices)
        torch.testing.assert_close(folded.features(slices), expected, atol=1e-4 * float(expected.abs().max()), rtol=1e-4)


def test_in_bf16_it_is_nearer_to_the_network_than_autocast_is() -> None:
    network = network_with_statistics()
    folded = folded_to(network, torch.bfloat16)
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


def without_kernel(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Replace Triton's kernel by one that fails when it is built."""

    def fails(*given: torch.Tensor | None) -> torch.Tensor:
        raise error

    monkeypatch.setitem(
        sys.modules, "darts_ensemble.inference.relu_kernel", SimpleNamespace(TritonError=KeyError, single_pass_relu=fails)
    )


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    single_pass.cache_clear()
    yield
    single_pass.cache_clear()


def test_without_triton_there_is_no_kernel_and_no_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "darts_ensemble.inference.relu_kernel", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert single_pass(CPU, torch.bfloat16) is None


@pytest.mark.parametrize("error", [RuntimeError("Failed to find C compiler"), OSError("read-only"), KeyError("PTXAS")])
def test_a_kernel_that_cannot_be_built_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    without_kernel(monkeypatch, error)
    with pytest.warns(SlowerWarning, match=str(error.args[0])):
        assert single_pass(CPU, torch.bfloat16) is None


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), TypeError("a fault of ours")])
def test_a_full_card_and_a_fault_of_the_kernel_are_not_taken_for_a_missing_compiler(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    without_kernel(monkeypatch, error)
    for _ in range(2):  # nor remembered
        with pytest.raises(type(error)):
            single_pass(CPU, torch.bfloat16)
