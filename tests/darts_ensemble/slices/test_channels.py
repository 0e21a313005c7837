"""Channels of a network's input: neighbours are the true neighbours, positions are those in the head, air is outside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.inference.predict import predict_view
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.slices.channels import Channels, slice_channels
from darts_ensemble.slices.views import VIEWS, take_slices, volume_scale

SIZE = 32
WHOLE = (slice(0, SIZE),) * 3
PLANE = (slice(0, SIZE),) * 2


def noise_volume(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, 255, size=(SIZE,) * 3).astype(np.float32)


@given(view=st.sampled_from(VIEWS), index=st.integers(0, SIZE - 1), thick=st.sampled_from([1, 3, 7]))
def test_channels_are_the_slice_and_its_neighbours_in_order(view: str, index: int, thick: int) -> None:
    volume = noise_volume()
    inside = (slice(3, 19), slice(8, 24))
    made = slice_channels(
        torch.from_numpy(volume), view, np.array([index]), Channels(thick),
        normalisation="volume-otsu", scale=2.0, head=WHOLE, inside=inside,
    )  # fmt: skip
    assert made.shape == (1, thick, 16, 16)
    for channel, number in enumerate(range(index - thick // 2, index + thick // 2 + 1)):
        expected = take_slices(volume, view, slice(number, number + 1))[0][inside] / 2 if 0 <= number < SIZE else 0
        np.testing.assert_array_equal(made[0, channel], expected)


def test_positions_run_from_minus_one_to_one_over_the_head() -> None:
    head = (slice(0, 32), slice(8, 24), slice(4, 20))
    made = slice_channels(
        torch.from_numpy(noise_volume()), "axial", np.array([8, 23]), Channels(1, positions=True),
        normalisation="volume-otsu", scale=1.0, head=head, inside=(head[0], head[2]),
    )  # fmt: skip
    # 16 slices from 8 to 23 about 15.5, half a head of 8: the first voxel centre is 7.5 / 8 from the middle.
    np.testing.assert_allclose(made[:, 1, 0, 0], [-7.5 / 8, 7.5 / 8])
    np.testing.assert_allclose(made[0, 2, [0, -1], 5], [-15.5 / 16, 15.5 / 16])
    np.testing.assert_allclose(made[0, 3, 5, [0, -1]], [-7.5 / 8, 7.5 / 8])


@pytest.mark.parametrize("channels", [Channels(3), Channels(1, positions=True), Channels(5, positions=True)])
def test_a_thick_network_predicts_the_same_one_by_one_and_in_batches(channels: Channels) -> None:
    torch.manual_seed(0)
    network = DenseUNet(channels.count, filters=2, convolutions=1).eval()
    one = ViewNetwork("coronal", network, "dense-unet", 2, "volume-otsu", channels)
    volume = noise_volume()
    runs = [
        torch.cat([p for _, p in predict_view(one, volume, box=WHOLE, device=torch.device("cpu"), batch_size=size)])
        for size in (1, 5)
    ]
    torch.testing.assert_close(runs[0], runs[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("thick", [0, 2, 17])
def test_an_impossible_thickness_is_refused(thick: int) -> None:
    with pytest.raises(ValueError, match="expected an odd number"):
        Channels(thick)


def head_phantom(skull: bool, noise: float) -> np.ndarray:
    """A ball of tissue 100 (grey) and 140 (white) in a shell of 255 (fat), with noise in the air."""
    rng = np.random.default_rng(1)
    distance = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(64) - 31.5] * 3)), axis=0)
    volume = np.select([distance < 14, distance < 20, (distance < 23) & (distance > 22)], [140, 100, 255 if skull else 0], 0)
    return np.abs(volume + rng.normal(0, noise, volume.shape)).astype(np.float32)


def test_the_brightness_of_tissue_hardly_depends_on_skull_and_noise() -> None:
    scales = [volume_scale(head_phantom(skull, noise)) for skull in (True, False) for noise in (0.0, 4.0, 10.0)]
    assert max(scales) / min(scales) < 1.2
    assert all(80 < scale < 145 for scale in scales)


@given(factor=st.floats(0.01, 100))
def test_the_brightness_of_tissue_grows_with_the_intensities(factor: float) -> None:
    volume = head_phantom(True, 3.0)
    assert volume_scale(volume * np.float32(factor)) == pytest.approx(factor * volume_scale(volume), rel=1e-3)


@pytest.mark.parametrize(("value", "expected"), [(0.0, 1.0), (7.0, 7.0), (-3.0, 1.0)])
def test_a_volume_of_one_value_has_that_brightness(value: float, expected: float) -> None:
    assert volume_scale(np.full((8, 8, 8), value, dtype=np.float32)) == expected
