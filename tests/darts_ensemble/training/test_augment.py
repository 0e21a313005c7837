"""Augmentation: image and labels stay together, mirrored regions change sides, tissue stays tissue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_ensemble.labels import BACKGROUND_CLASS, HOMOLOGUE_CLASS, IGNORE_CLASS
from darts_ensemble.training.augment import augment_slice, mirror, vary_like_published, vary_widely


def marked_slice() -> tuple[np.ndarray, np.ndarray]:
    """One region, bright in all of three neighbouring slices."""
    labels = np.full((128, 128), BACKGROUND_CLASS, dtype=np.uint8)
    labels[40:80, 50:100] = 3
    return np.repeat(np.where(labels == 3, np.float32(2), np.float32(0.1))[None], 3, axis=0), labels


@pytest.mark.parametrize("augmentation", ["wide", "contrast", "published", "none"])
def test_augmentation_moves_image_and_labels_together(augmentation: str) -> None:
    overlaps = []
    for seed in range(20):
        made = augment_slice(*marked_slice(), 16, 16, (96, 96), 3, augmentation, np.random.default_rng(seed))
        moved, moved_labels = made
        assert moved.shape == (3, 96, 96)
        assert set(np.unique(moved_labels)) <= {3, BACKGROUND_CLASS}
        for channel in moved:
            bright = channel > channel.max() / 3
            overlaps.append((bright & (moved_labels == 3)).sum() / max((bright | (moved_labels == 3)).sum(), 1))
    assert min(overlaps) > 0.8


def test_without_augmentation_a_crop_is_the_crop() -> None:
    image, labels = marked_slice()
    made, made_labels = augment_slice(image, labels, 10, 20, (64, 48), 3, "none", np.random.default_rng(0))
    np.testing.assert_array_equal(made, image[:, 10:74, 20:68])
    np.testing.assert_array_equal(made_labels, labels[10:74, 20:68])


def test_positions_move_with_the_slice_and_keep_their_values() -> None:
    image, labels = marked_slice()
    rows = np.repeat(np.linspace(-1, 1, 128, dtype=np.float32)[:, None], 128, axis=1)
    seen = []
    for seed in range(10):
        stacked = np.concatenate([image, rows[None]])
        made, _ = augment_slice(stacked, labels, 16, 16, (96, 96), 3, "wide", np.random.default_rng(seed))
        inside = made[3][20:76, 20:76]
        assert np.diff(inside.mean(axis=1)).min() > 0
        seen.append(inside.std())
    assert max(seen) < 0.45  # of a ramp over half of the slice: a gain would have changed it


@given(view=st.sampled_from(["coronal", "axial", "sagittal"]), seed=st.integers(0, 1000))
def test_mirroring_twice_gives_the_slice_back(view: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.random((6, 8, 9), dtype=np.float32)
    labels = rng.choice([0, 5, 40, BACKGROUND_CLASS, IGNORE_CLASS], size=(8, 9)).astype(np.uint8)
    once = mirror(image, labels, view, 3)
    twice = mirror(*once, view, 3)
    np.testing.assert_array_equal(twice[0], image)
    np.testing.assert_array_equal(twice[1], labels)


def test_a_mirrored_left_region_is_the_right_one_on_the_other_side() -> None:
    left = next(c for c, other in enumerate(HOMOLOGUE_CLASS) if other not in (c, BACKGROUND_CLASS))
    labels = np.full((8, 8), BACKGROUND_CLASS, dtype=np.uint8)
    labels[1, 4] = left
    image = np.zeros((3, 8, 8), dtype=np.float32)
    image[:, 1, 4] = [1, 2, 3]
    coronal, coronal_labels = mirror(image, labels, "coronal", 3)
    assert coronal[:, 6, 4].tolist() == [1, 2, 3]
    assert coronal_labels[6, 4] == HOMOLOGUE_CLASS[left]
    sagittal, sagittal_labels = mirror(image, labels, "sagittal", 3)
    assert sagittal[:, 1, 4].tolist() == [3, 2, 1]
    assert sagittal_labels[1, 4] == HOMOLOGUE_CLASS[left]


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), vary=st.sampled_from([vary_widely, vary_like_published]))
def test_a_varied_slice_is_finite_and_not_below_zero(seed: int, vary: object) -> None:
    image = np.random.default_rng(seed).uniform(0, 1, size=(3, 32, 32)).astype(np.float32)
    made = vary(image, np.random.default_rng(seed))  # type: ignore[operator]
    assert made.dtype == np.float32
    assert made.shape == image.shape
    assert np.isfinite(made).all()
    assert made.min() >= 0


def test_the_same_seed_draws_the_same_slice() -> None:
    one, two = (augment_slice(*marked_slice(), 16, 16, (96, 96), 3, "wide", np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
