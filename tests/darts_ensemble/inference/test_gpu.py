"""On a CUDA device a scan gets the same labels as on a CPU, with every precision, batch size and amount of memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import torch

from darts_ensemble import Segmenter
from darts_ensemble.device import DeviceMemoryWarning
from darts_ensemble.fusion.fuse import Fused, fuse_views
from darts_ensemble.inference.half_precision import scaled_relu, single_pass
from darts_ensemble.inference.predict import made_ready, predict_view
from darts_ensemble.labels import N_CHANNELS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.slices.views import VIEWS
from tests.conftest import random_ensemble

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

GPU, CPU = torch.device("cuda"), torch.device("cpu")
BOX = (slice(16, 80), slice(0, 96), slice(16, 64))


@pytest.fixture(autouse=True)
def whole_memory() -> Iterator[None]:
    """Restore what a test has changed."""
    yield
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def view_network(filters: int = 24, view: str = "coronal") -> ViewNetwork:
    torch.manual_seed(filters)
    network = DenseUNet(out_channels=N_CHANNELS, filters=filters, convolutions=2).eval()
    return ViewNetwork(view, network, "dense-unet", filters, "slice-minmax")


def volume() -> npt.NDArray[np.float32]:
    values = np.random.default_rng(1).random((96, 96, 96), dtype=np.float32)
    values[..., 20] = 0  # a slice of air
    return values


def predicted(device: torch.device, precision: str = "fp32", view: str = "coronal", **how: int) -> npt.NDArray[np.float32]:
    ready = made_ready(view_network(view=view), device, precision)
    slices = predict_view(ready, volume(), box=BOX, device=device, precision=precision, **how)
    return np.concatenate([probabilities.float().cpu().numpy() for _, probabilities in slices])


@pytest.mark.parametrize("view", VIEWS)
def test_fp32_is_fp32_and_no_less(view: str) -> None:
    # Convolutions in TF32, PyTorch's default, are off by a hundred times as much.
    np.testing.assert_allclose(predicted(GPU, view=view), predicted(CPU, view=view), atol=2e-5)


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.02), ("fp16", 0.003)])
def test_half_precision_is_near_fp32(precision: str, tolerance: float) -> None:
    exact, rough = predicted(CPU), predicted(GPU, precision)
    assert 0 < np.abs(exact - rough).max() < tolerance
    assert np.mean(exact.argmax(axis=-1) == rough.argmax(axis=-1)) > 0.95


def test_batches_change_no_probability() -> None:
    for precision in ("fp32", "fp16"):
        one = predicted(GPU, precision, batch_size=1)
        for size in (5, 48):
            np.testing.assert_allclose(predicted(GPU, precision, batch_size=size), one, atol=1e-3)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 48, 9, 11), (3, 256, 16, 24), (2, 1, 7, 5)])
def test_the_single_pass_computes_what_the_steps_do(kind: torch.dtype, shape: tuple[int, ...]) -> None:
    step = single_pass(GPU, kind)
    if step is None:
        pytest.skip("no Triton, or no C compiler for it, here")
    torch.manual_seed(0)
    convolved, added = (torch.randn(shape, device=GPU, dtype=kind).contiguous(memory_format=torch.channels_last) for _ in "ab")
    scale, shift = torch.rand(shape[1], device=GPU), torch.randn(shape[1], device=GPU)
    for more in (None, added):
        torch.testing.assert_close(step(convolved.clone(), more, scale, shift), scaled_relu(convolved, more, scale, shift))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_ensemble(tmp_path_factory.mktemp("weights"), filters=8, convolutions=2, normalisation="volume-otsu")


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    grid = np.stack(np.meshgrid(*[np.arange(48) - 23.5] * 3, indexing="ij"))
    ball = np.linalg.norm(grid, axis=0) < 20
    values = np.where(ball, 60 + 40 * np.sin(grid[0] / 5) + np.random.default_rng(2).normal(0, 4, ball.shape), 0)
    nib.Nifti1Image(values.clip(0).astype(np.float32), np.diag([1.0, 1, 1, 1])).to_filename(path)
    return path


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("fusion", ["mean", "geometric", "vote"])
def test_a_scan_gets_the_labels_that_it_gets_on_a_cpu(scan: Path, weights: Path, fusion: str, low_memory: bool) -> None:
    def ids(device: str) -> npt.NDArray[np.int16]:
        made = Segmenter(weights, device=device, precision="fp32", crop="head", fusion=fusion, low_memory=low_memory)
        return made.segment(scan).ids

    here, there = ids("cpu"), ids("cuda")
    assert len(np.unique(here)) > 3
    assert np.mean(here == there) > 0.9999


def limit_memory(gigabytes: float) -> None:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(gigabytes * 1e9 / torch.cuda.get_device_properties(0).total_memory)


def test_a_gpu_that_runs_out_of_memory_goes_on_with_smaller_batches(scan: Path, weights: Path) -> None:
    how = {"device": "cuda", "precision": "fp32", "crop": "head"}
    plain = Segmenter(weights, **how).segment(scan).ids  # type: ignore[arg-type]
    # Volume and fused volume take 0.12 GB, 64 slices of 64 x 64 some 0.3.
    limit_memory(0.25)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = Segmenter(weights, **how, batch_size=64).segment(scan).ids  # type: ignore[arg-type]
    assert any("slices at once" in str(one.message) for one in caught if issubclass(one.category, DeviceMemoryWarning))
    assert np.mean(found == plain) > 0.9999


def test_where_the_fused_volume_does_not_fit_it_lies_in_the_memory_of_the_host(
    scan: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"device": "cuda", "precision": "fp32", "crop": "head"}
    plain = Segmenter(weights, **how).segment(scan).ids  # type: ignore[arg-type]

    def on_the_host_alone(*given: Any, device: torch.device, **more: Any) -> Fused:
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return fuse_views(*given, device=device, **more)

    monkeypatch.setattr("darts_ensemble.segment.segmenter.fuse_views", on_the_host_alone)
    with pytest.warns(DeviceMemoryWarning, match="fused on the CPU"):
        found = Segmenter(weights, **how).segment(scan).ids  # type: ignore[arg-type]
    assert np.mean(found == plain) > 0.9999
