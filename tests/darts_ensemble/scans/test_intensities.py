"""Whatever a pipeline did to a scan's intensities, tissue comes out as it was before, and a plain scan is not touched."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from darts_ensemble.errors import ScanError
from darts_ensemble.scans.conform import conform
from darts_ensemble.scans.intensities import as_taken, from_air_up
from darts_ensemble.scans.scan import Scan

SIZE = 64
MM3 = 27.0  # 3 mm voxels


def head() -> tuple[np.ndarray, np.ndarray]:
    """A head with a brain in it, fluid in the brain, and dark air; and the mask of the brain."""
    grid = np.stack(np.meshgrid(*(np.arange(SIZE) - SIZE / 2 + 0.5,) * 3, indexing="ij"), axis=-1)
    radius = np.linalg.norm(grid / [24, 29, 25], axis=-1)
    texture = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(SIZE,) * 3), 1.5)
    tissue = np.clip(85 + 25 * texture / texture.std(), 25, 140)
    tissue[np.linalg.norm((grid - [4, 3, 2]) / [5, 8, 5], axis=-1) < 1] = 4
    brain = radius < 0.8
    data = np.where(brain, tissue, np.where(radius < 0.86, 15, np.where(radius < 1, 120, 0)))
    return np.clip(ndimage.uniform_filter(data, 2), 0, None).astype(np.float32), brain


HEAD, BRAIN = head()


def cleaned(data: np.ndarray) -> np.ndarray:
    return from_air_up(data, Path("head.nii.gz"), MM3)[0].astype(np.float64)


def off(data: np.ndarray, where: np.ndarray = BRAIN, plain: np.ndarray = HEAD) -> float:
    """Mean difference from the plain scan within a mask, as a share of white matter, after the best common gain."""
    got = cleaned(data)
    gain = np.median(plain[where]) / np.median(got[where])
    return float(np.abs(got * gain - plain)[where].mean() / 110)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_a_plain_scan_is_given_back_as_it_is(kind: type) -> None:
    rng = np.random.default_rng(0)
    noisy = HEAD + np.abs(rng.normal(0, 4, HEAD.shape))
    ringing = HEAD - 3 * (ndimage.gaussian_filter(HEAD, 2) > 2)
    stripped = np.where(BRAIN, HEAD, 0)
    for data in (HEAD, noisy, np.clip(ringing, 0, None) if kind in (np.uint8, np.uint16) else ringing, stripped, HEAD[8:-8]):
        given_kind = data.astype(kind)
        got, remarks = from_air_up(given_kind, Path("x"), MM3)
        assert got is given_kind
        assert remarks == ()


@given(gain=st.floats(1e-4, 1e4), shift=st.floats(-50, 50))
def test_tissue_is_counted_from_air_whatever_gain_and_shift_a_pipeline_applied(gain: float, shift: float) -> None:
    data = ((HEAD + shift * 110) * gain).astype(np.float64)
    assert off(data) < 0.1 * (abs(shift) * 110 < 14) + 1e-3
    assert np.all(cleaned(data) >= 0) or abs(shift) * 110 < 14


def z(data: np.ndarray) -> np.ndarray:
    return (data - data[BRAIN].mean()) / data[BRAIN].std()


def test_a_scan_normalised_within_the_brain_comes_back_with_its_dark_half() -> None:
    stripped = np.where(BRAIN, HEAD, 0)
    for outside in (0.0, z(HEAD).min(), -10.0, 10.0, 0.5):
        data = np.where(BRAIN, z(HEAD), outside).astype(np.float32)
        assert off(data, plain=stripped) < 0.03, outside
        assert cleaned(data)[~BRAIN].max() == 0
    assert off(z(HEAD)) < 0.01
    assert off(np.where(BRAIN, HEAD - HEAD[BRAIN].mean(), 0), plain=stripped) < 0.03


@pytest.mark.parametrize("outside", [30, 60, 110, 255, 4000])
def test_a_background_above_zero_becomes_air_and_the_same_value_in_tissue_stays(outside: int) -> None:
    data = np.where(BRAIN, np.rint(HEAD), outside).astype(np.int16)
    got = cleaned(data)
    assert got[~BRAIN].max() == 0
    inner = ndimage.binary_erosion(BRAIN, iterations=3)
    np.testing.assert_array_equal(got[inner], np.rint(HEAD)[inner])


def noise(kind: str) -> np.ndarray:
    rng = np.random.default_rng(1)
    if kind == "uniform":
        return rng.uniform(0, 140, HEAD.shape)
    share = {"dense": 0.5, "sparse": 0.05, "pepper": 0.9}[kind]
    return np.where(rng.random(HEAD.shape) < share, 140.0, 0.0)


@pytest.mark.parametrize("kind", ["uniform", "dense", "sparse", "pepper"])
@pytest.mark.parametrize("centred", [False, True])
def test_noise_outside_the_head_as_bright_as_tissue_becomes_air(kind: str, centred: bool) -> None:
    outside = ~ndimage.binary_fill_holes(HEAD > 8)
    data = np.where(outside, noise(kind), HEAD) / 280 - (0.25 if centred else 0)
    got = cleaned(data)
    remarks = from_air_up(data, Path("head.nii.gz"), MM3)[1]
    assert remarks[-1] == "noise around the head as bright as tissue: taken as air"
    assert [remark.split()[0] for remark in remarks[:-1]] == ["air"] * centred, "nothing is said of a background"
    far = ndimage.distance_transform_edt(outside) > 4
    assert np.mean(got[far] > 0) < 0.02
    assert off(data) < 0.02


def test_noise_around_no_head_is_refused_with_what_was_found() -> None:
    with pytest.raises(ScanError, match=r"noise\.nii: nothing but noise found"):
        from_air_up(np.random.default_rng(2).uniform(0, 1000, (64, 64, 64)), Path("noise.nii"), MM3)


def test_a_scan_of_0_to_1_is_conformed_as_one_of_0_to_255_and_says_nothing() -> None:
    affine = np.array([[-1.0, 0, 0, 32], [0, 0, 1, -32], [0, -1, 0, 32], [0, 0, 0, 1]])
    scans = [Scan(Path("x"), data, affine, nib.Nifti1Image(HEAD, affine)) for data in (HEAD, HEAD / 255, HEAD * 1e-20)]
    plain, *scaled = (conform(scan, size=SIZE) for scan in scans)
    assert plain.identical
    for one in scaled:
        assert not one.identical
        assert one.notes == ()
        ratio = one.data[BRAIN] / plain.data[BRAIN]
        np.testing.assert_allclose(ratio, np.median(ratio), rtol=0.02)


def test_what_was_done_names_the_values() -> None:
    affine = np.diag([3.0, 3, 3, 1])
    scan = Scan(Path("/data/shifted.nii"), HEAD + 1000, affine, nib.Nifti1Image(HEAD, affine))
    (warning,) = conform(scan).notes
    assert warning.startswith("air is at 1000")
    assert scan.data.min() == 1000, "the scan itself is not changed"


def test_nan_inside_a_head_with_nan_around_it_is_counted_in_the_note() -> None:
    data = np.full((20, 20, 20), np.nan, dtype=np.float32)
    data[3:17, 3:17, 3:17] = 100
    data[10, 10, 9:12] = np.nan
    mended, (note,) = as_taken(data, Path("scan.nii.gz"))
    assert note == "NaN around the head: taken as air; 3 NaN voxels inside it became as dark"
    assert np.isfinite(mended).all()
