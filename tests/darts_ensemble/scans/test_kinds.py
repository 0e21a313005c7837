"""Values and extents that no T1 of a whole head has differ from those that it has, whatever a pipeline did to it."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from darts_ensemble.scans.kinds import dark_white_matter, looks_like_ct, looks_like_statistics, short_side
from tests.darts_ensemble.scans.test_intensities import BRAIN, HEAD
from tests.darts_ensemble.scans.test_odd_intensities import LINEAR

RNG = np.random.default_rng(11)
SKULL = ndimage.binary_dilation(HEAD > 8, iterations=1) & ~ndimage.binary_dilation(BRAIN, iterations=1)


def ct(offset: float = 0, padding: float = -1000) -> np.ndarray:
    """Air, soft tissue of 20 to 50 HU, bone around the brain; a round field of view in its padding."""
    data = np.where(BRAIN, 35 + RNG.normal(0, 6, HEAD.shape), np.where(SKULL, 900, -1000 + RNG.normal(0, 10, HEAD.shape)))
    outside = np.linalg.norm(np.indices(HEAD.shape)[:2] - 31.5, axis=0) > 31
    return np.rint(np.where(outside, padding, data) + offset).astype(np.int16)


@pytest.mark.parametrize("offset", [0, 1000, 1024])
@pytest.mark.parametrize("padding", [-1000, -1024, -2000, -3024])
def test_a_ct_is_recognised_by_its_units(offset: float, padding: float) -> None:
    assert looks_like_ct(ct(offset, padding))


@pytest.mark.parametrize("kind", LINEAR)
def test_no_t1_is_a_ct(kind: str) -> None:
    assert not looks_like_ct(LINEAR[kind]())


def test_a_t1_in_units_of_a_scanner_is_no_ct() -> None:
    for gain in (1, 3, 8, 12, 30):
        assert not looks_like_ct((HEAD * gain).astype(np.int16))


def statistics(threshold: float = 0.0, sign: float = 0.0) -> np.ndarray:
    smooth = ndimage.gaussian_filter(RNG.normal(size=HEAD.shape), 2)
    z = smooth / smooth.std() + sign
    return np.where(BRAIN & (np.abs(z) >= threshold), z, 0).astype(np.float32)


def test_a_map_of_values_on_both_sides_of_0_is_told_and_no_plain_scan_is() -> None:
    assert looks_like_statistics(statistics())
    assert looks_like_statistics(statistics(threshold=1.5))
    assert looks_like_statistics(statistics(sign=0.8))
    for data in (HEAD, HEAD + 1000, HEAD - 1000, np.abs(statistics()), np.zeros_like(HEAD), np.where(BRAIN, HEAD, 0)):
        assert not looks_like_statistics(data)


@pytest.mark.parametrize(("axis", "way"), [(0, "left to right"), (1, "top to bottom"), (2, "front to back")])
def test_a_part_of_a_head_is_told_with_its_extent(axis: int, way: str) -> None:
    volume = np.zeros((256, 256, 256), dtype=np.float32)
    volume[50:200, 40:220, 30:230] = 100
    assert short_side(volume) is None
    cut = [slice(None)] * 3
    cut[axis] = slice(100, 140)
    slab = np.zeros_like(volume)
    slab[tuple(cut)] = volume[tuple(cut)]
    assert short_side(slab) == f"40 mm from {way}"
    slab[0, 0, 0] = 255
    assert short_side(slab) == f"40 mm from {way}", "a hot voxel is no tissue"


def test_an_empty_volume_is_no_error() -> None:
    assert short_side(np.zeros((32, 32, 32), dtype=np.float32)) == "0 mm from left to right"


def test_real_scans_are_none_of_these(shared_data: Path) -> None:
    for name in ("mries", "aomic-0001"):
        data = np.asarray(nib.load(shared_data / f"subjects/{name}/mri/T1.mgz").dataobj)
        assert not looks_like_ct(data), name
        assert not looks_like_statistics(data), name


def tissue(white: float, cortex: float, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Values and ids of white matter, cortex around it, and a deep structure."""
    ids = np.zeros(HEAD.shape, dtype=np.int16)
    ids[BRAIN] = 1022
    ids[ndimage.binary_erosion(BRAIN, iterations=3)] = 2
    ids[30:34, 30:34, 30:34] = 10
    return np.where(ids == 2, white, np.where(ids > 0, cortex, 0)) + RNG.normal(0, noise, HEAD.shape), ids


@pytest.mark.parametrize(("gain", "shift"), [(1, 0), (0.01, -1), (-1, 255), (1000, 5)])
def test_white_matter_is_dark_whatever_the_scale(gain: float, shift: float) -> None:
    data, ids = tissue(110, 70, noise=20)
    assert dark_white_matter(data * gain + shift, ids) is (gain < 0)


def test_dark_white_matter_is_told_from_a_part_of_the_cortex_that_is_bright() -> None:
    data, ids = tissue(110, 70, noise=5)
    data[(ids == 1022) & (np.indices(ids.shape)[0] < 24)] = 900
    assert not dark_white_matter(data, ids)
    assert not dark_white_matter(*tissue(100, 100))


def test_too_few_voxels_say_nothing_about_contrast() -> None:
    data, ids = tissue(70, 110)
    assert dark_white_matter(data, ids)
    for gone in (2, 1022):
        assert not dark_white_matter(data, np.where(ids == gone, 0, ids))
