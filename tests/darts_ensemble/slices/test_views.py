"""Slices of each view, and the scale of their intensities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from darts_ensemble.slices.views import (
    NORMALISATIONS,
    VIEWS,
    normalise_slices,
    place_slices,
    take_slices,
    volume_scale,
)


def test_slices_lie_as_the_released_weights_expect_them() -> None:
    lia = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    np.testing.assert_array_equal(take_slices(lia, "coronal", [1])[0], lia[:, :, 1])
    np.testing.assert_array_equal(take_slices(lia, "axial", [2])[0], lia[:, 2, :])
    np.testing.assert_array_equal(take_slices(lia, "sagittal", [0])[0], lia[0, :, :])


@pytest.mark.parametrize("view", VIEWS)
def test_slices_of_a_probability_volume_go_back_where_they_came_from(view: str) -> None:
    volume = np.random.default_rng(0).random((5, 6, 7, 3))
    copy = np.zeros_like(volume)
    place_slices(copy, view, slice(None), take_slices(volume, view, slice(None)))
    np.testing.assert_array_equal(copy, volume)


def test_min_max_is_the_published_formula_on_each_slice() -> None:
    slices = np.array([[[np.nan, -3.0], [2.0, 4.0]], [[10.0, 20.0], [20.0, 30.0]]], dtype=np.float32)
    scaled = normalise_slices(slices, "slice-minmax")
    np.testing.assert_allclose(scaled[0], [[0, 0], [2 / 4.0001, 4 / 4.0001]], rtol=1e-6)
    np.testing.assert_allclose(scaled[1], [[0, 10 / 20.0001], [10 / 20.0001, 20 / 20.0001]], rtol=1e-6)


@pytest.mark.parametrize("method", NORMALISATIONS)
def test_a_tensor_is_normalised_as_an_array_is_and_neither_is_changed(method: str) -> None:
    slices = np.random.default_rng(3).normal(40, 30, (2, 5, 7)).astype(np.float32)
    slices[0, 1, 2] = np.nan
    before, tensor = slices.copy(), torch.from_numpy(slices.copy())
    expected = normalise_slices(slices, method, 37.0)
    np.testing.assert_array_equal(normalise_slices(tensor, method, 37.0).numpy(), expected)
    np.testing.assert_array_equal(slices, before)
    np.testing.assert_array_equal(tensor.numpy(), before)
    if method != "slice-minmax":
        np.testing.assert_array_equal(expected, np.nan_to_num(before).clip(0) / np.float32(37))


def test_the_scale_follows_a_gain_exactly_and_hardly_feels_added_air() -> None:
    tissue = np.random.default_rng(1).normal(100, 10, size=4000)
    scale = volume_scale(tissue)
    assert volume_scale(tissue * 7) == pytest.approx(7 * scale)
    noisy_air = np.concatenate([tissue, np.random.default_rng(2).uniform(0, 5, size=12000)])
    assert volume_scale(noisy_air) == pytest.approx(scale, rel=0.1)
