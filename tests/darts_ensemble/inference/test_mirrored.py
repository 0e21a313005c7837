"""Test-time augmentation: the mean of a head and of its mirror image, whose left is the head's right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from darts_ensemble.errors import UsageError
from darts_ensemble.inference.class_scores import SliceScores
from darts_ensemble.inference.predict import made_ready, predict_scores
from darts_ensemble.labels import HOMOLOGUE_CLASS, N_CHANNELS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.unet import UNet
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.segment.segmenter import Segmenter
from darts_ensemble.slices.channels import Channels
from darts_ensemble.slices.views import SLICE_AXIS, VIEWS

CPU = torch.device("cpu")
BOX = (slice(16, 48), slice(0, 32), slice(16, 32))


def view_network(view: str, channels: Channels, architecture: str) -> ViewNetwork:
    torch.manual_seed(3)
    made = DenseUNet if architecture == "dense-unet" else UNet
    network = made(in_channels=channels.count, out_channels=N_CHANNELS, filters=4).eval()
    return ViewNetwork(view, network, architecture, 4, "slice-minmax", channels)


def volume() -> npt.NDArray[np.float32]:
    values = np.zeros((64, 64, 64), dtype=np.float32)
    values[14:50, :34, 10:40] = np.random.default_rng(1).random((36, 34, 30))  # in the middle between left and right
    return values


def logits(one: ViewNetwork, of: npt.NDArray[np.float32], *, mirror: bool, precision: str = "fp32") -> npt.NDArray[np.float32]:
    """(32, 32, 16, 103), as the box lies in the volume."""
    predicted = predict_scores(one, of, box=BOX, device=CPU, precision=precision, mirror=mirror)
    parts = [scores.whole() if isinstance(scores, SliceScores) else scores for _, scores in predicted]
    return np.moveaxis(torch.cat(parts).float().numpy(), 0, SLICE_AXIS[one.view])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("channels", [Channels(1), Channels(7), Channels(3, positions=True)])
@pytest.mark.parametrize("architecture", ["dense-unet", "unet"])
def test_the_result_is_the_mean_of_the_head_and_of_a_mirrored_scan_with_its_regions_renamed(
    view: str, channels: Channels, architecture: str
) -> None:
    one, head = view_network(view, channels, architecture), volume()
    plain = logits(one, head, mirror=False)
    of_mirrored_scan = logits(one, np.ascontiguousarray(head[::-1]), mirror=False)[::-1][..., HOMOLOGUE_CLASS]
    assert np.abs(plain - of_mirrored_scan).max() > 0.01
    both = logits(one, head, mirror=True)
    np.testing.assert_allclose(both, (plain + of_mirrored_scan) / 2, atol=2e-5)
    np.testing.assert_allclose(logits(made_ready(one, CPU, "fp32"), head, mirror=True), both, atol=2e-3)


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(UsageError, match="tta upside-down; expected one of none, mirror"):
        Segmenter("bundled", device="cpu", tta="upside-down")
