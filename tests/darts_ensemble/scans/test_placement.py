"""Where a scan lies is read as the reference software of the field reads it; guesses give a warning; no head is 600 mm wide."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from darts_ensemble.errors import ScanError
from darts_ensemble.results.volumetry import region_volumes
from darts_ensemble.scans.image_file import open_image
from darts_ensemble.scans.placement import placement
from darts_ensemble.scans.scan import read_scan, write_label_map

SHAPE = (20, 24, 18)
RIGID = np.eye(4)
RIGID[:3, :3] = Rotation.from_euler("xyz", [8, -5, 12], degrees=True).as_matrix() @ np.diag([-1.2, 1.0, 1.5])
RIGID[:3, 3] = [12, -11, -13]
DATA = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)


def nifti(
    sform: np.ndarray | None, qform: np.ndarray | None, codes: tuple[int, int] = (1, 1), unit: int | None = None
) -> nib.Nifti1Image:
    image = nib.Nifti1Image(DATA, np.eye(4))
    image.set_qform(RIGID if qform is None else qform, codes[1] if qform is not None else 0)
    if qform is None and sform is not None:
        image.header.set_zooms(np.linalg.norm(sform[:3, :3], axis=0))
    image.set_sform(sform, codes[0] if sform is not None else 0)
    if unit is not None:
        image.header["xyzt_units"] = unit
    return image


def saved(image: Any, path: Path) -> Path:
    nib.save(image, path)
    return path


def test_without_any_code_a_nifti_is_taken_as_las_and_told(tmp_path: Path) -> None:
    scan = read_scan(saved(nifti(None, None), tmp_path / "bare.nii"))
    assert nib.aff2axcodes(scan.affine) == ("L", "A", "S")
    (warning,) = scan.notes
    assert warning.startswith("no orientation in the header")


@pytest.mark.parametrize("codes", [(1, 1), (2, 1), (4, 1), (1, 4)])
def test_where_both_forms_agree_nothing_is_told_and_the_sform_counts(tmp_path: Path, codes: tuple[int, int]) -> None:
    near = RIGID.copy()
    near[:3, 3] += 2
    scan = read_scan(saved(nifti(RIGID, near, codes), tmp_path / "x.nii.gz"))
    np.testing.assert_allclose(scan.affine, RIGID, atol=1e-4)
    assert scan.notes == ()


def test_forms_of_opposite_hand_or_far_apart_give_a_warning(tmp_path: Path) -> None:
    mirrored = RIGID @ np.diag([-1.0, 1, 1, 1])
    mirrored[:3, 3] += RIGID[:3, 0] * (SHAPE[0] - 1)
    far = RIGID.copy()
    far[:3, 3] += 60
    for other, words in ((mirrored, "disagree on left and right"), (far, "mm apart")):
        scan = read_scan(saved(nifti(RIGID, other), tmp_path / "x.nii"))
        np.testing.assert_allclose(scan.affine, RIGID, atol=1e-4)
        assert words in scan.notes[0]


@given(
    scales=st.tuples(*[st.floats(0.75, 1.35)] * 3), shear=st.floats(-0.2, 0.2), code=st.sampled_from([1, 2, 3, 4]),
    with_qform=st.booleans(),
)  # fmt: skip
def test_an_affine_that_stretches_the_head_gives_volumes_of_the_scanner(
    scales: tuple[float, float, float], shear: float, code: int, with_qform: bool
) -> None:
    stretch = np.diag([*scales, 1.0])
    stretch[0, 1] = shear
    image = nifti(stretch @ RIGID, RIGID if with_qform else None, (code, 1))
    image.header.set_zooms((1.2, 1.0, 1.5))
    affine, told = placement(image)
    volume = abs(np.linalg.det(affine[:3, :3]))
    strong = abs(shear) > 0.1 or max(abs(scale - 1) for scale in scales) > 0.2
    if with_qform or code >= 3:
        assert volume == pytest.approx(1.8, rel=0.07)
    if strong:
        assert len(told) == 1
        if with_qform:
            np.testing.assert_allclose(affine, RIGID, atol=1e-4)
            assert region_volumes(np.full((2, 2, 2), 17), affine)["volume_mm3"].sum() == pytest.approx(8 * 1.8, rel=1e-3)


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000), (3, 0.001), (2, 1), (0, 1), (1 | 8, 1000)])
@pytest.mark.parametrize("forms", ["sform", "qform", "both"])
def test_units_of_length_are_honoured_and_kept_on_disk(tmp_path: Path, unit: int, factor: float, forms: str) -> None:
    there = np.diag([1 / factor] * 3 + [1]) @ RIGID
    image = nifti(
        there if forms in ("sform", "both") else None, there if forms in ("qform", "both") else None, unit=unit
    )  # fmt: skip
    scan = read_scan(saved(image, tmp_path / "x.nii"))
    zooms = np.linalg.norm(scan.affine[:3, :3], axis=0)
    np.testing.assert_allclose(zooms, [1.2, 1, 1.5], rtol=1e-4)
    np.testing.assert_allclose(scan.affine, RIGID, atol=1e-3)
    write_label_map(np.full(SHAPE, 17), scan, tmp_path / "labels.nii")
    labels, stored = nib.load(tmp_path / "labels.nii").header, nib.load(tmp_path / "x.nii").header
    for field in ("pixdim", "srow_x", "srow_y", "srow_z", "sform_code", "qform_code", "quatern_b", "qoffset_x"):
        np.testing.assert_array_equal(labels[field], stored[field], err_msg=field)
    assert int(labels["xyzt_units"]) & 7 == (unit & 7 or 2)


def test_an_mgh_file_without_an_orientation_is_coronal_as_freesurfer_takes_it(tmp_path: Path) -> None:
    lia = np.array([[-1.0, 0, 0, 10], [0, 0, 1, -9], [0, -1, 0, 12], [0, 0, 0, 1]])
    for name in ("x.mgh", "x.mgz"):
        path = saved(nib.MGHImage(DATA, lia), tmp_path / name)
        content = bytearray(gzip.decompress(path.read_bytes()) if name == "x.mgz" else path.read_bytes())
        content[28:30] = struct.pack(">h", 0)
        path.write_bytes(gzip.compress(bytes(content)) if name == "x.mgz" else bytes(content))
        scan = read_scan(path)
        np.testing.assert_array_equal(scan.affine, lia)
        assert "goodRASFlag 0" in scan.notes[0]
        write_label_map(np.full(SHAPE, 17), scan, tmp_path / f"labels-{name}")
        np.testing.assert_array_equal(nib.load(tmp_path / f"labels-{name}").affine, lia)


def test_an_invalid_quaternion_is_scaled_or_passed_over_for_the_sform_and_told(tmp_path: Path) -> None:
    for sform in (None, RIGID):
        content = bytearray(saved(nifti(sform, RIGID), tmp_path / "good.nii").read_bytes())
        content[256:268] = struct.pack("<fff", 0.9, 0.8, 0.7)
        (tmp_path / "bad.nii").write_bytes(content)
        scan = read_scan(tmp_path / "bad.nii")
        np.testing.assert_array_equal(scan.data, DATA)
        assert "the qform's quaternion is invalid" in scan.notes[0]
        np.testing.assert_allclose(np.abs(np.linalg.det(scan.affine[:3, :3])), 1.8, rtol=1e-3)
        if sform is not None:
            np.testing.assert_allclose(scan.affine, RIGID, atol=1e-4)


@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
@pytest.mark.parametrize("offset", [0, 100, 348])
def test_voxels_said_to_lie_in_the_header_are_read_from_behind_it(tmp_path: Path, extension: str, offset: int) -> None:
    content = bytearray(saved(nifti(RIGID, RIGID), tmp_path / "good.nii").read_bytes())
    content[108:112] = struct.pack("<f", offset)
    path = tmp_path / f"odd{extension}"
    path.write_bytes(gzip.compress(bytes(content)) if extension == ".nii.gz" else bytes(content))
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.data, DATA)
    assert "read from byte 352" in scan.notes[0]


def test_a_name_that_is_wrong_about_compression_is_no_hindrance(tmp_path: Path) -> None:
    for image, plain, packed in ((nifti(RIGID, RIGID), ".nii", ".nii.gz"), (nib.MGHImage(DATA, RIGID), ".mgh", ".mgz")):
        content = saved(image, tmp_path / f"good{plain}").read_bytes()
        (tmp_path / f"not-packed{packed}").write_bytes(content)
        (tmp_path / f"packed{plain}").write_bytes(gzip.compress(content))
        for name in (f"not-packed{packed}", f"packed{plain}"):
            scan = read_scan(tmp_path / name)
            np.testing.assert_array_equal(scan.data, DATA)
            np.testing.assert_allclose(scan.affine, RIGID, atol=1e-4)
            assert "compressed" in scan.notes[0]


@pytest.mark.parametrize("written", [".nii", ".nii.gz", ".mgh", ".mgz"])
@pytest.mark.parametrize("named", [".nii", ".nii.gz", ".mgh", ".mgz"])
def test_a_name_of_another_format_is_no_hindrance(tmp_path: Path, written: str, named: str) -> None:
    image = nib.MGHImage(DATA, RIGID) if written.startswith(".mg") else nifti(RIGID, RIGID)
    saved(image, tmp_path / f"good{written}").rename(tmp_path / f"x{named}")
    scan = read_scan(tmp_path / f"x{named}")
    np.testing.assert_array_equal(scan.data, DATA)
    np.testing.assert_allclose(scan.affine, RIGID, atol=1e-4)
    assert any("was read as it is" in note for note in scan.notes) is (written != named)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"PK\x03\x04" + bytes(600), "a zip archive"),
        (b"BZh9" + bytes(600), "bzip2"),
        (b"<!DOCTYPE html><html></html>", "a page"),
        (b"NRRD0005\n" + bytes(600), "NRRD"),
        (gzip.compress(gzip.compress(bytes(600), mtime=0), mtime=0), "compressed twice"),
        (bytes(600), "not an image"),
    ],
)
@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_what_is_no_image_is_named_as_what_it_is(tmp_path: Path, content: bytes, words: str, extension: str) -> None:
    path = tmp_path / f"x{extension}"
    path.write_bytes(content)
    with pytest.raises(ScanError, match=words) as told:
        read_scan(path)
    assert str(told.value).startswith(str(path))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("zoom", [0.1, 0.15, 6.5, 12, 40, 4000, 1e-3])
def test_a_size_that_no_head_has_is_refused_before_voxels_are_read(
    tmp_path: Path, zoom: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(nifti(RIGID @ np.diag([zoom, 1, 1, 1]), None), tmp_path / "odd.nii")

    def refuse(*given: Any) -> None:
        raise AssertionError("voxels were read")

    monkeypatch.setattr(nib.arrayproxy.ArrayProxy, "__array__", refuse)
    with pytest.raises(ScanError, match=r"odd\.nii: voxels of .* expected voxels of 0\.2 to 6 mm and at most 500 mm") as told:
        read_scan(path)
    assert "\n" not in str(told.value)


def test_a_huge_grid_is_refused_by_its_header_alone(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((3000, 3000, 3000))
    header.set_zooms((1, 1, 1))
    header.set_sform(np.eye(4), 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    (tmp_path / "huge.nii").write_bytes(header.binaryblock + bytes(4))
    with pytest.raises(ScanError, match="field of view of 3000"):
        read_scan(tmp_path / "huge.nii")


@pytest.mark.parametrize("shape", [(*SHAPE, 1), (*SHAPE, 1, 1), (*SHAPE, 1, 1, 1)])
def test_trailing_axes_of_one_are_no_series(tmp_path: Path, shape: tuple[int, ...]) -> None:
    scan = read_scan(saved(nib.Nifti1Image(DATA.reshape(shape), RIGID), tmp_path / "x.nii"))
    np.testing.assert_array_equal(scan.data, DATA)


@pytest.mark.parametrize("inside", [1, 255])
def test_a_mask_is_no_scan(tmp_path: Path, inside: int) -> None:
    mask = (DATA % 2 * inside).astype(np.uint8)
    with pytest.raises(ScanError, match=f"only the values 0 and {inside} found; expected a T1 scan, not a mask"):
        read_scan(saved(nib.Nifti1Image(mask, RIGID), tmp_path / "mask.nii"))


def test_reading_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(saved(nifti(RIGID, RIGID), tmp_path / "good.nii").read_bytes())
    content[76:80] = struct.pack("<f", 0)  # qfac, which nibabel mends with a line on stderr
    (tmp_path / "odd.nii").write_bytes(content)
    open_image(tmp_path / "odd.nii")
    assert capfd.readouterr() == ("", "")
