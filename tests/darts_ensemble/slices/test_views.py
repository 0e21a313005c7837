"""Slices of each view, their intensities, and how a sagittal network treats left and right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_ensemble.labels import HOMOLOGUE_CLASS
from darts_ensemble.slices.views import (
    NORMALISATIONS,
    VIEWS,
    normalise_slices,
    place_slices,
    pool_homologues,
    share_between_sides,
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


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), pooling=st.sampled_from(["split", "duplicate"]))
def test_every_voxel_sums_to_one_however_sides_are_pooled(seed: int, pooling: str) -> None:
    rng = np.random.default_rng(seed)
    sagittal, others = (rng.dirichlet(np.full(103, 0.05), size=6).astype(np.float32) for _ in range(2))
    shared = share_between_sides(pool_homologues(torch.from_numpy(sagittal)), torch.from_numpy(others), pooling)  # type: ignore[arg-type]
    np.testing.assert_allclose(shared.sum(dim=-1), 1, atol=1e-5)


def test_a_pair_is_split_in_proportion_to_the_other_views() -> None:
    left, right = 12, int(HOMOLOGUE_CLASS[12])
    sagittal = torch.zeros((2, 103))
    sagittal[:, left] = 0.6
    sagittal[:, 102] = 0.4
    others = torch.zeros((2, 103))
    others[0, left], others[0, right] = 0.2, 0.6
    shared = share_between_sides(pool_homologues(sagittal), others)
    np.testing.assert_allclose(shared[0, [left, right]], [0.15, 0.45], rtol=1e-3)
    np.testing.assert_allclose(shared[1, [left, right]], [0.3, 0.3], rtol=1e-6)
    np.testing.assert_allclose(shared[:, 102], 0.4, rtol=1e-6)


def test_both_sides_of_a_pair_get_its_sum_and_the_midline_stays() -> None:
    probabilities = torch.rand((5, 103), dtype=torch.float32)
    pooled = pool_homologues(probabilities)
    for one, other in enumerate(HOMOLOGUE_CLASS):
        expected = probabilities[:, one] if one == other else probabilities[:, one] + probabilities[:, int(other)]
        assert torch.equal(pooled[:, one], expected)
