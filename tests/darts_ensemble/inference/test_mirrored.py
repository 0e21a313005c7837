"""Test-time augmentation: the mean of a head and of its mirror image, whose left is the head's right."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from darts_ensemble.errors import UsageError
from darts_ensemble.fusion.sagittal_sides import SagittalPooling
from darts_ensemble.inference.class_scores import SliceScores
from darts_ensemble.inference.device_volume import DeviceVolume
from darts_ensemble.inference.find_brain import Brain
from darts_ensemble.inference.predict import made_ready, predict_scores
from darts_ensemble.labels import HOMOLOGUE_CLASS, N_CHANNELS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.unet import UNet
from darts_ensemble.networks.view_network import Ensemble, ViewNetwork
from darts_ensemble.segment import segmenter as segmenter_module
from darts_ensemble.segment.segmenter import Segmenter
from darts_ensemble.slices.channels import Channels
from darts_ensemble.slices.views import SLICE_AXIS, VIEWS
from darts_ensemble.stages import Stages

CPU = torch.device("cpu")
BOX = (slice(16, 48), slice(0, 32), slice(16, 32))


def view_network(view: str, channels: Channels, architecture: str) -> ViewNetwork:
    torch.manual_seed(3)
    made = DenseUNet if architecture == "dense-unet" else UNet
    network = made(in_channels=channels.count, out_channels=N_CHANNELS, filters=4).eval()
    return ViewNetwork(view, network, architecture, 4, "slice-minmax", channels)


def volume() -> npt.NDArray[np.float32]:
    values = np.zeros((64, 64, 64), dtype=np.float32)
    values[14:50, :34, 10:40] = 50 + 100 * np.random.default_rng(1).random((36, 34, 30))  # in the middle between left and right
    return values


def logits(one: ViewNetwork, of: npt.NDArray[np.float32], *, mirror: bool, sides: bool = True) -> npt.NDArray[np.float32]:
    """(32, 32, 16, 103), as the box lies in the volume."""
    predicted = predict_scores(one, of, box=BOX, device=CPU, mirror=mirror, sides=sides)
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


def test_a_network_that_does_not_know_its_sides_is_averaged_without_renaming_regions() -> None:
    one, head = view_network("sagittal", Channels(3), "dense-unet"), volume()
    of_mirrored_scan = logits(one, np.ascontiguousarray(head[::-1]), mirror=False)[::-1]
    expected = (logits(one, head, mirror=False) + of_mirrored_scan) / 2
    np.testing.assert_allclose(logits(one, head, mirror=True, sides=False), expected, atol=2e-5)


@pytest.mark.parametrize(("pooling", "sides"), [("split", False), ("duplicate", False), ("none", True)])
def test_the_sagittal_view_knows_its_sides_only_where_homologous_regions_are_not_added_up(
    pooling: SagittalPooling, sides: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pair of a pooled network may have its probability in either class: renamed, the mean of both would be neither."""
    asked = {}

    def noted(network: ViewNetwork, *given: Any, **how: Any) -> Any:
        asked[network.view] = how.get("sides")
        return predict_scores(network, *given, **how)

    monkeypatch.setattr(segmenter_module, "predict_scores", noted)
    networks = {view: view_network(view, Channels(1), "dense-unet") for view in VIEWS}
    made = Segmenter(Ensemble(networks, "three"), device="cpu", tta="mirror", sagittal_pooling=pooling)
    made._fuse(DeviceVolume(volume(), CPU), Brain(BOX), Stages())
    assert asked == {"coronal": True, "axial": True, "sagittal": sides}


def test_an_unknown_augmentation_is_refused() -> None:
    with pytest.raises(UsageError, match="tta upside-down; expected one of none, mirror"):
        Segmenter("bundled", device="cpu", tta="upside-down")
