"""Label maps that are nearly right are read: rounding noise, slopes, extra axes, compression that the name does not say."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.errors import ScanError
from darts_ensemble.scans.label_values import whole_numbers
from darts_ensemble.scans.scan import read_label_map

IDS = np.arange(4 * 5 * 6).reshape(4, 5, 6) * 17 % 2036


def saved(path: Path, data: np.ndarray, kind: type = nib.Nifti1Image) -> Path:
    nib.save(kind(data, np.eye(4)), path)
    return path


@given(st.floats(0, 0.0199), st.sampled_from([np.float32, np.float64]))
def test_noise_below_a_fiftieth_is_rounded_and_said(noise: float, dtype: type) -> None:
    labels, notes = whole_numbers((IDS + noise).astype(dtype))
    assert np.array_equal(labels, IDS)
    assert labels.dtype == np.int32
    assert len(notes) == (1 if np.any((IDS + noise).astype(dtype) != IDS) else 0)


@pytest.mark.parametrize("value", [0.03, 0.5, np.inf, -np.inf, 1e20])
def test_values_between_whole_numbers_are_refused(tmp_path: Path, value: float) -> None:
    data = IDS.astype(np.float64)
    data[0, 0, 0] = value
    with pytest.raises(ScanError, match=r"a.nii.gz: .* found.*; expected a label map, resampled by nearest neighbour"):
        read_label_map(saved(tmp_path / "a.nii.gz", data))


def test_nan_outside_the_brain_is_background(tmp_path: Path) -> None:
    scan = read_label_map(saved(tmp_path / "a.nii.gz", np.where(IDS > 0, IDS, np.nan).astype(np.float32)))
    assert np.array_equal(scan.data, IDS)
    assert scan.notes == ("NaN voxels were taken for background",)


def test_a_slope_of_a_whole_map_is_rounded(tmp_path: Path) -> None:
    # As tools that scale by themselves store it: 16 bits, their whole range, a slope and an intercept.
    slope = IDS.max() / 65535
    image = nib.Nifti1Image(np.rint(IDS / slope - 32768).astype(np.int16), np.eye(4))
    image.header.set_slope_inter(slope, 32768 * slope)
    nib.save(image, tmp_path / "a.nii.gz")
    raw = bytearray(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()))
    raw[112:120] = np.array([slope, 32768 * slope], dtype="<f4").tobytes()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(raw)))
    scan = read_label_map(tmp_path / "a.nii.gz")
    assert np.array_equal(scan.data, IDS)
    assert "rounded" in scan.notes[0]


@pytest.mark.parametrize("axes", [1, 2, 3, 4])
def test_further_axes_of_one_volume_are_dropped(tmp_path: Path, axes: int) -> None:
    path = saved(tmp_path / "a.nii.gz", IDS.astype(np.int16).reshape(*IDS.shape, *(1,) * axes))
    assert np.array_equal(read_label_map(path).data, IDS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.nii.gz", nib.Nifti1Image),
        ("a.nii", nib.Nifti1Image),
        ("a.nii", nib.Nifti2Image),
        ("a.mgz", nib.MGHImage),
        ("a.mgh", nib.MGHImage),
    ],
)
def test_compression_that_the_name_does_not_say_is_read_and_said(tmp_path: Path, name: str, kind: type) -> None:
    path = saved(tmp_path / name, IDS.astype(np.int16), kind)
    raw = path.read_bytes()
    path.write_bytes(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else gzip.compress(raw))
    scan = read_label_map(path)
    assert np.array_equal(scan.data, IDS)
    assert "read as it is" in scan.notes[0]


def test_classes_as_volumes_are_named(tmp_path: Path) -> None:
    classes = np.random.default_rng(0).integers(0, 7, IDS.shape)
    one_hot = (np.arange(7) == classes[..., None]).astype(np.float32)
    for data in (one_hot, np.moveaxis(one_hot, 3, 0)):
        with pytest.raises(ScanError, match=r"7 volumes of one-hot channels, 0 or 1, one per class: take .*argmax"):
            read_label_map(saved(tmp_path / "a.nii.gz", data))
    with pytest.raises(ScanError, match="7 volumes of probabilities"):
        read_label_map(saved(tmp_path / "a.nii.gz", one_hot * 0.9))
    with pytest.raises(ScanError, match=r"shape \(4, 5, 6, 2\); expected one 3-D volume"):
        read_label_map(saved(tmp_path / "a.nii.gz", np.stack([IDS, IDS], axis=-1).astype(np.int16)))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"\x1f\x8b\x08rest", b"no image at all"])
def test_what_is_no_image_stays_an_error_of_one_line(tmp_path: Path, content: bytes) -> None:
    for name in ("a.nii.gz", "a.nii", "a.mgz", "a.mgh"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ScanError, match=rf"{name}: ") as caught:
            read_label_map(tmp_path / name)
        assert "\n" not in str(caught.value)
