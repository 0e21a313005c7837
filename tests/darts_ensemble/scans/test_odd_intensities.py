"""What pipelines, scanners and converters do to intensities: the tissue that the networks see stays that of the plain scan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_ensemble.errors import ScanError
from darts_ensemble.scans.conform import conform
from darts_ensemble.scans.scan import Scan, read_scan
from tests.conftest import SOAK
from tests.darts_ensemble.scans.test_intensities import BRAIN, HEAD, SIZE

AFFINE = np.array([[-3.0, 0, 0, 96], [0, 0, 3, -96], [0, -3, 0, 96], [0, 0, 0, 1]])
RNG = np.random.default_rng(8)
SPIKES = RNG.random(HEAD.shape) < 2e-6
SPIKES[5, 5, 5] = True


def conformed(voxels: np.ndarray) -> np.ndarray:
    """What the networks see in the brain: 0 to 255."""
    scan = Scan(Path("x.nii"), voxels, AFFINE, nib.Nifti1Image(HEAD, AFFINE))
    data = conform(scan, size=3 * SIZE).data
    margin = (len(data) - 3 * SIZE) // 2  # the window grows where air is as bright as tissue
    return data[(slice(margin, margin + 3 * SIZE),) * 3]


PLAIN = conformed(HEAD)
INSIDE = np.repeat(np.repeat(np.repeat(BRAIN, 3, 0), 3, 1), 3, 2)


def off(data: np.ndarray) -> float:
    """Mean difference from the plain scan in the brain, as a share of white matter, after the best common gain."""
    got = conformed(data)[INSIDE]
    plain = PLAIN[INSIDE]
    gain = float((got * plain).sum() / (got * got).sum())
    return float(np.abs(gain * got - plain).mean() / np.percentile(plain, 75))


def z(data: np.ndarray, where: np.ndarray) -> np.ndarray:
    return (data - data[where].mean()) / data[where].std()


#: Each gives the scan back but for a gain and a shift, noise or what lies outside the brain.
LINEAR: dict[str, Callable[[], np.ndarray]] = {
    "uint8": lambda: np.rint(HEAD).astype(np.uint8),
    "uint16 to its end": lambda: (HEAD / HEAD.max() * 65535).astype(np.uint16),
    "int16 from its start": lambda: (HEAD / HEAD.max() * 65535 - 32768).astype(np.int16),
    "int32 of millions": lambda: (HEAD * 1e6).astype(np.int32),
    "uint32": lambda: (HEAD * 1e6).astype(np.uint32),
    "int64": lambda: (HEAD * 1e9).astype(np.int64),
    "int8": lambda: (HEAD / HEAD.max() * 127).astype(np.int8),
    "float16": lambda: HEAD.astype(np.float16),
    "big endian": lambda: HEAD.astype(">f4"),
    "tiny": lambda: HEAD * 1e-30,
    "huge": lambda: HEAD.astype(np.float64) * 1e30,
    "0 to 1": lambda: HEAD / HEAD.max(),
    "-1 to 1": lambda: 2 * HEAD / HEAD.max() - 1,
    "-1 to 0": lambda: HEAD / HEAD.max() - 1,
    "percentiles 1 to 99 to 0 to 1": lambda: np.clip((HEAD - np.percentile(HEAD, 1)) / np.percentile(HEAD, 99.9), 0, 1),
    "z of the whole volume": lambda: z(HEAD, np.ones_like(BRAIN)),
    "z of what is not 0": lambda: np.where(HEAD > 1, z(HEAD, HEAD > 1), 0),
    "z of the brain": lambda: z(HEAD, BRAIN),
    "z times 100 as int16": lambda: np.rint(100 * z(HEAD, BRAIN)).astype(np.int16),
    "air at 1000": lambda: HEAD + 1000,
    "air at -1024": lambda: HEAD - 1024,
    "border of -1024 around air of 0": lambda: np.pad(HEAD[6:-6, 6:-6, 6:-6], 6, constant_values=-1024),
    "border of 0 around air of 20": lambda: np.pad((HEAD + 20)[6:-6, 6:-6, 6:-6], 6),
    "a hot voxel": lambda: np.where(SPIKES, 1e6, HEAD),
    "a cold voxel": lambda: np.where(SPIKES, -1e6, HEAD),
    "Rician noise": lambda: np.hypot(HEAD + RNG.normal(0, 3, HEAD.shape), RNG.normal(0, 3, HEAD.shape)),
    "Gaussian noise below 0": lambda: HEAD + RNG.normal(0, 3, HEAD.shape),
    "NaN mended to 0": lambda: np.nan_to_num(np.where(HEAD > 0, HEAD, np.nan)),
    "brain alone, border of its mean": lambda: np.where(BRAIN, HEAD, HEAD[BRAIN].mean()),
    "brain alone, border above all": lambda: np.where(BRAIN, HEAD, 4095),
    "negative zero": lambda: np.where(HEAD == 0, -0.0, HEAD),
    "a corner of another value": lambda: np.where(np.indices(HEAD.shape).max(axis=0) < 8, 300, HEAD),
}


@pytest.mark.parametrize("kind", LINEAR)
def test_tissue_is_that_of_the_plain_scan(kind: str) -> None:
    assert off(LINEAR[kind]()) < 0.06


#: Curves that keep the order of tissues: what comes out is the curve of what went in, of air 0.
CURVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "square root": np.sqrt, "square": np.square, "logarithm": np.log1p, "gamma 0.8": lambda data: data**0.8,
}  # fmt: skip


@pytest.mark.parametrize("kind", CURVES)
def test_a_curve_of_a_shifted_scan_is_that_of_the_scan(kind: str) -> None:
    curved = CURVES[kind](HEAD.astype(np.float64))
    one, two = conformed(curved)[INSIDE], conformed(curved * 3 + 7 * curved.max())[INSIDE]
    np.testing.assert_allclose(one / one.mean(), two / two.mean(), atol=0.05)


#: Shares of the brain that are NaN, all of them, and one that a mask may leave.
HOLES = BRAIN & (np.arange(HEAD.size).reshape(HEAD.shape) % 97 == 0)
FEW = BRAIN & (np.arange(HEAD.size).reshape(HEAD.shape) % 397 == 0)


@pytest.mark.parametrize("kind", ["plain", "z of the brain", "with holes"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_around_the_head_is_air(tmp_path: Path, kind: str, dtype: type) -> None:
    inside = BRAIN & ~FEW if kind == "with holes" else BRAIN
    values = z(HEAD, BRAIN) if kind == "z of the brain" else HEAD
    nib.save(nib.Nifti1Image(np.where(inside, values, np.nan).astype(dtype), AFFINE), tmp_path / "x.nii")
    scan = read_scan(tmp_path / "x.nii")
    assert any("NaN around the head" in note for note in scan.notes)
    assert np.isfinite(scan.data).all()
    assert scan.data[~BRAIN].max() <= scan.data[inside].min()
    assert off(scan.data) < 0.06


def test_numbers_of_16_bits_that_became_negative_are_positive_again(tmp_path: Path) -> None:
    bright = np.rint(HEAD / HEAD.max() * 50_000).astype(np.uint16)
    for order in "<>":
        nib.save(nib.Nifti1Image(bright.astype(np.int16).astype(f"{order}i2"), AFFINE), tmp_path / "x.nii")
        scan = read_scan(tmp_path / "x.nii")
        assert any("unsigned" in note for note in scan.notes)
        np.testing.assert_array_equal(scan.data, bright)


@settings(max_examples=300 if SOAK else 10)  # two seconds each
@given(gain=st.floats(1e-6, 1e6), shift=st.floats(-100, 100), kind=st.sampled_from([np.float32, np.float64]))
def test_any_gain_and_shift_leaves_the_brain(gain: float, shift: float, kind: type) -> None:
    assert off(((HEAD + shift * HEAD.max()) * gain).astype(kind)) < 0.06


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (lambda: np.zeros(HEAD.shape, np.int16), "all voxels are 0"),
        (lambda: np.full(HEAD.shape, -1.5, np.float32), "all voxels are -1.5"),
        (lambda: (HEAD > 30).astype(np.uint8), "not a mask"),
        (lambda: np.where(HEAD > 30, 255, 0).astype(np.uint8), "not a mask"),
        (lambda: np.where(HOLES, np.nan, HEAD), "NaN or infinite"),
        (lambda: np.where(SPIKES, np.nan, np.where(BRAIN, HEAD, np.inf)), "NaN or infinite"),
        (lambda: np.where(SPIKES, np.inf, HEAD), "NaN or infinite"),
        (lambda: np.full(HEAD.shape, np.nan, np.float32), "NaN or infinite"),
        (lambda: HEAD.astype(np.complex64), "complex64"),
    ],
)
def test_what_holds_no_tissue_is_refused_with_what_was_found(
    tmp_path: Path, values: Callable[[], np.ndarray], words: str
) -> None:
    nib.save(nib.Nifti1Image(values(), AFFINE), tmp_path / "x.nii")
    with pytest.raises(ScanError, match=f"x.nii: .*{words}"):
        read_scan(tmp_path / "x.nii")


@pytest.mark.parametrize("classes", [3, 7])
def test_a_map_of_tissue_classes_is_read_with_a_warning_and_a_scan_of_few_grey_levels_is_not(
    tmp_path: Path, classes: int
) -> None:
    for levels, kind in ((classes, np.uint8), (classes, np.float32), (31, np.uint8)):
        voxels = np.rint(HEAD / HEAD.max() * levels).astype(kind)
        nib.save(nib.Nifti1Image(voxels, AFFINE), tmp_path / "x.nii")
        told = [note for note in read_scan(tmp_path / "x.nii").notes if "different values" in note]
        assert told == (
            [f"only {classes + 1} different values found: is it a map of tissue classes or labels, and no scan?"]
            if levels == classes
            else []
        )
