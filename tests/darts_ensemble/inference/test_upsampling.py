"""Up-sampling without transposed convolutions: equal to torch's; no network in bf16 on a CPU writes beyond its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from ctypes.util import find_library

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from darts_ensemble.inference.predict import made_ready
from darts_ensemble.inference.upsampling import Upsampling
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.view_network import ViewNetwork
from tests.conftest import ROOT, SOAK

CHECKED_HEAP = find_library("c_malloc_debug")
#: Networks with few filters on slices of all sizes: with torch 2.13 on CPUs with AMX, a few hundred of them broke the heap.
PREDICT = """
import random, sys
import torch
from darts_ensemble.inference.predict import made_ready
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.view_network import ViewNetwork

torch.set_num_threads(1)
draw = random.Random(int(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    channels, filters = draw.choice([1, 7, 10]), draw.choice([2, 3, 4, 8, 48])
    network = DenseUNet(channels, filters=filters, convolutions=draw.choice([1, 2, 4]))
    ready = made_ready(ViewNetwork("coronal", network, "dense-unet", filters, "volume"), torch.device("cpu"), "bf16").network
    for _ in range(3):
        size = draw.choice([1, 2, 3, 4, 8]), channels, 16 * draw.randint(1, 6), 16 * draw.randint(1, 6)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            ready(torch.rand(size).contiguous(memory_format=torch.channels_last))
    if filters < 16:  # as in training
        network.train().to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(torch.rand(size).contiguous(memory_format=torch.channels_last))
        logits.float().square().mean().backward()
print("heap is whole")
"""


@settings(max_examples=40, deadline=None)
@given(
    channels=st.integers(1, 6), filters=st.integers(1, 6), more=st.integers(0, 5), slices=st.integers(1, 3),
    rows=st.integers(1, 9), columns=st.integers(1, 9), bias=st.booleans(), last=st.booleans(),
)  # fmt: skip
def test_it_equals_a_transposed_convolution_beside_the_other_channels(
    channels: int, filters: int, more: int, slices: int, rows: int, columns: int, bias: bool, last: bool
) -> None:
    torch.manual_seed(rows * 10 + columns)
    transposed = nn.ConvTranspose2d(channels, filters, 4, stride=2, padding=1, bias=bias)
    memory = torch.channels_last if last else torch.contiguous_format
    x = torch.randn(slices, channels, rows, columns).contiguous(memory_format=memory)
    beside = torch.randn(slices, more, 2 * rows, 2 * columns).contiguous(memory_format=memory)
    with torch.inference_mode():
        expected = torch.cat([transposed(x), beside], dim=1)
        torch.testing.assert_close(Upsampling(transposed)(x, beside), expected, atol=1e-5, rtol=1e-5)


def test_no_transposed_convolution_is_left_in_a_network_that_predicts_in_bf16_on_a_cpu() -> None:
    network = ViewNetwork("coronal", DenseUNet(3, filters=4), "dense-unet", 4, "volume")
    ready = made_ready(network, torch.device("cpu"), "bf16").network
    kinds = {type(module) for module in ready.modules()}
    assert Upsampling in kinds
    assert nn.ConvTranspose2d not in kinds


@pytest.mark.parametrize(("filters", "kind"), [(3, torch.float32), (16, torch.bfloat16)])
def test_in_training_only_networks_with_few_filters_are_up_sampled_in_fp32(filters: int, kind: torch.dtype) -> None:
    network, found = DenseUNet(1, filters=filters, convolutions=1), []
    network.get_submodule("up1.upsample_layer").register_forward_hook(lambda *given: found.append(given[2].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        network(torch.rand(2, 1, 16, 16))
    assert found == [kind]


@pytest.mark.skipif(not SOAK, reason="many networks, each free of memory checked: make soak")
@pytest.mark.skipif(CHECKED_HEAP is None, reason="no libc_malloc_debug here; on Debian: apt-get install libc6")
@pytest.mark.parametrize("seed", range(8))
def test_networks_of_any_size_in_bf16_leave_the_heap_whole(seed: int) -> None:
    assert CHECKED_HEAP is not None
    checked = {**os.environ, "LD_PRELOAD": CHECKED_HEAP, "MALLOC_CHECK_": "3"}
    command = [sys.executable, "-c", PREDICT, str(seed), "100"]
    done = subprocess.run(command, cwd=ROOT, env=checked, capture_output=True, text=True, timeout=1200, check=False)
    assert done.stdout.strip() == "heap is whole", done.stderr[-500:]
