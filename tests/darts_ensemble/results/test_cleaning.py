"""Small islands of a region get the labels of their neighbours; the region itself and large islands stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from darts_ensemble.results.cleaning import remove_islands


def two_halves(dtype: Any = np.int16) -> np.ndarray:
    """Left and right white matter side by side, 10 x 10 x 10 each, surrounded by background."""
    ids = np.zeros((12, 12, 22), dtype=dtype)
    ids[1:-1, 1:-1, 1:11], ids[1:-1, 1:-1, 11:-1] = 2, 41
    return ids


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_an_island_takes_the_region_around_it(dtype: Any) -> None:
    clean = two_halves(dtype)
    ids = clean.copy()
    ids[4:6, 4:6, 15:17] = 2  # left within right
    ids[8, 8, 3] = 41
    found = remove_islands(ids)
    np.testing.assert_array_equal(found, clean)
    assert found.dtype == dtype


def test_an_island_in_the_background_disappears_and_the_map_given_is_not_touched() -> None:
    ids = two_halves()
    ids[0, 0, 0] = 41
    before = ids.copy()
    np.testing.assert_array_equal(remove_islands(ids), two_halves())
    np.testing.assert_array_equal(ids, before)


def test_a_map_without_islands_comes_back_as_a_copy() -> None:
    ids = two_halves()
    found = remove_islands(ids)
    np.testing.assert_array_equal(found, ids)
    assert found is not ids
    assert not remove_islands(np.zeros((3, 3, 3), dtype=np.int16)).any()


@pytest.mark.parametrize(("size", "kept"), [(9, False), (10, False), (11, False), (12, True)])
def test_a_part_of_a_tenth_of_its_region_stays(size: int, kept: bool) -> None:
    ids = np.zeros((3, 3, 60), dtype=np.int16)
    ids[1, 1, 1:26] = 17
    ids[1, 2, 1:26] = ids[2, 1, 1:26] = ids[2, 2, 1:26] = 17  # 100 voxels
    ids[1, 1, 40 : 40 + size] = 17  # 11 of 111 are less than a tenth, 12 of 112 are more
    assert bool(remove_islands(ids)[1, 1, 40] == 17) is kept
    assert np.count_nonzero(remove_islands(ids) == 17) == 100 + size * kept


def test_voxels_that_touch_at_a_corner_are_one_piece() -> None:
    ids = np.zeros((30, 30, 30), dtype=np.int16)
    for step in range(1, 29):
        ids[step, step, step] = 17
    np.testing.assert_array_equal(remove_islands(ids), ids)


def test_the_largest_piece_of_a_scattered_region_stays() -> None:
    ids = np.zeros((9, 9, 40), dtype=np.int16)
    ids[::2, ::2, ::2] = 30  # 500 lone voxels, each far below a tenth
    ids[0, 0, 1] = 30  # joins two of them
    assert np.count_nonzero(remove_islands(ids)) == 3


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(0.3, 1.5))
def test_only_islands_change_and_to_the_region_nearest_to_each_voxel(seed: int, regions: int, blur: float) -> None:
    rng = np.random.default_rng(seed)
    scores = [ndimage.gaussian_filter(rng.normal(size=(7, 6, 8)), blur) for _ in range(regions)]
    ids = np.array([0, 17, 53, 1022, 2022])[np.argmax(scores, axis=0)].astype(np.int16)
    islands = np.zeros(ids.shape, dtype=bool)
    for one in set(np.unique(ids)) - {0}:
        pieces, count = ndimage.label(ids == one, np.ones((3, 3, 3)))
        sizes = [np.count_nonzero(pieces == piece) for piece in range(1, count + 1)]
        for piece, size in enumerate(sizes, start=1):
            islands |= (pieces == piece) & (size < 0.1 * sum(sizes)) & (piece != 1 + int(np.argmax(sizes)))
    found = remove_islands(ids)
    np.testing.assert_array_equal(found[~islands], ids[~islands])
    kept, kept_ids = np.argwhere(~islands), ids[~islands]
    for voxel in np.argwhere(islands):
        squared = ((kept - voxel) ** 2).sum(axis=1)
        assert found[tuple(voxel)] in kept_ids[squared == squared.min()]
