"""Headers that are odd, damaged or made up: read as ITK and nibabel read them, or refused in one line; nothing else happens."""

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
from darts_ensemble.scans.header import read_header
from darts_ensemble.scans.scan import read_label_map, read_scan

SHAPE = (12, 14, 10)
DATA = np.random.default_rng(0).integers(1, 900, SHAPE).astype(np.int16)
AFFINE = np.eye(4)
AFFINE[:3, :3] = Rotation.from_euler("xyz", [8, -5, 12], degrees=True).as_matrix() @ np.diag([-1.2, 1.0, 1.5])
AFFINE[:3, 3] = [12, -11, -13]


def nifti(data: np.ndarray = DATA, version: Any = nib.Nifti1Image) -> Any:
    image = version(data, AFFINE)
    image.set_qform(AFFINE, 1)
    image.set_sform(AFFINE, 1)
    return image


@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3), zooms=st.tuples(*[st.floats(0.3, 5)] * 3), mirrored=st.booleans(),
    origin=st.tuples(*[st.floats(-200, 200)] * 3), forms=st.sampled_from(["sform", "qform", "both"]),
    code=st.sampled_from([1, 2, 3, 4]), kind=st.sampled_from(["u1", "i2", "f4", "f8", "u2", "i4"]),
    order=st.sampled_from("<>"), packed=st.booleans(),
)  # fmt: skip
def test_any_valid_nifti_lies_and_counts_as_itk_reads_it(
    tmp_path_factory: pytest.TempPathFactory, angles: Any, zooms: Any, mirrored: bool, origin: Any, forms: str, code: int,
    kind: str, order: str, packed: bool,
) -> None:  # fmt: skip
    itk = pytest.importorskip("SimpleITK")
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(zooms)
    affine[:3, 0] *= -1 if mirrored else 1
    affine[:3, 3] = origin
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype(f"{order}{kind}"))
    image = nib.Nifti1Image((DATA % 200 + 1).astype(kind), affine, header)
    image.set_qform(affine if forms != "sform" else None, code if forms != "sform" else 0)
    image.set_sform(affine if forms != "qform" else None, code if forms != "qform" else 0)
    if forms == "sform":
        image.header.set_zooms(zooms)
    path = tmp_path_factory.mktemp("itk") / ("a.nii.gz" if packed else "a.nii")
    nib.save(image, path)
    scan = read_scan(path)
    theirs = itk.ReadImage(str(path))
    spacing, directions = np.array(theirs.GetSpacing()), np.array(theirs.GetDirection()).reshape(3, 3)
    lps = np.diag([-1.0, -1, 1])
    np.testing.assert_allclose(scan.affine[:3, :3], lps @ directions * spacing, atol=2e-3)
    np.testing.assert_allclose(scan.affine[:3, 3], lps @ np.array(theirs.GetOrigin()), atol=2e-2)
    np.testing.assert_array_equal(scan.data, itk.GetArrayFromImage(theirs).T)
    assert scan.notes == ()


def packed(field: str, *values: Any) -> dict[int, bytes]:
    """Bytes of a field of a NIfTI-1 header, by where they lie."""
    dtype, offset = nib.Nifti1Header.template_dtype.fields[field][:2]
    return {offset: np.array(values if dtype.shape else values[0], dtype=dtype.base).tobytes()}


READ, NAN = "read", float("nan")
#: What is changed in the header, and what must come of it: it is read, or refused with these words.
HEADERS: dict[str, tuple[dict[int, bytes], str]] = {
    "slope 0": (packed("scl_slope", 0), READ),
    "slope NaN": (packed("scl_slope", NAN), READ),
    "slope infinite": (packed("scl_slope", np.inf), READ),
    "slope 1, intercept not a number": (packed("scl_slope", 1) | packed("scl_inter", NAN), READ),
    "slope 2": (packed("scl_slope", 2) | packed("scl_inter", 0), READ),
    "slope negative": (packed("scl_slope", -1) | packed("scl_inter", 0), READ),
    "bitpix wrong": (packed("bitpix", 32), READ),
    "qfac 0": (packed("pixdim", 0, 1.2, 1, 1.5, 0, 0, 0, 0), READ),
    "qfac 7": (packed("pixdim", 7, 1.2, 1, 1.5, 0, 0, 0, 0), READ),
    "pixdim negative": (packed("pixdim", -1, -1.2, 1, 1.5, 0, 0, 0, 0), READ),
    "pixdim 0": (packed("pixdim", 1, 0, 0, 0, 0, 0, 0, 0), READ),
    "pixdim NaN": (packed("pixdim", 1, NAN, 1, 1, 0, 0, 0, 0), READ),
    "time step NaN": (packed("pixdim", -1, 1.2, 1, 1.5, NAN, 0, 0, 0), READ),
    "qform code 9": (packed("qform_code", 9), READ),
    "qform code negative": (packed("qform_code", -1), READ),
    "sform code negative": (packed("sform_code", -3), READ),
    "both codes 0": (packed("qform_code", 0) | packed("sform_code", 0), READ),
    "quaternion NaN": (packed("quatern_b", NAN), READ),
    "quaternion of length 3": (packed("quatern_b", 3), READ),
    "offset NaN": (packed("qoffset_x", NAN), READ),
    "units unknown": (packed("xyzt_units", 255), READ),
    "intent": (packed("intent_code", 1002), READ),
    "magic of a pair": (packed("magic", b"ni1"), READ),
    "magic empty": (packed("magic", b""), "expected"),
    "no sform row": (packed("srow_x", 0, 0, 0, 0), READ),
    "sform NaN": (packed("srow_x", NAN, 0, 0, 0), READ),
    "sform infinite": (packed("srow_y", np.inf, 0, 0, 0), READ),
    "sform of kilometres": (packed("srow_x", 1e6, 0, 0, 0), READ),
    "dim 0": (packed("dim", 0, 12, 14, 10, 1, 1, 1, 1), "expected"),
    "dim 8": (packed("dim", 8, 12, 14, 10, 1, 1, 1, 1), "expected"),
    "dim -1": (packed("dim", -1, 12, 14, 10, 1, 1, 1, 1), "expected"),
    "two axes": (packed("dim", 2, 12, 14, 1, 1, 1, 1, 1), "expected one 3-D volume"),
    "a slice": (packed("dim", 3, 12, 14, 1, 1, 1, 1, 1), "expected one 3-D volume"),
    "a side of 0": (packed("dim", 3, 0, 14, 10, 1, 1, 1, 1), "expected"),
    "a side below 0": (packed("dim", 3, -12, 14, 10, 1, 1, 1, 1), "expected"),
    "more voxels than there are": (packed("dim", 3, 200, 200, 200, 1, 1, 1, 1), "damaged"),
    "more voxels than memory": (packed("dim", 3, 400, 480, 320, 1, 1, 1, 1), "damaged"),
    "fewer voxels than there are": (packed("dim", 3, 12, 14, 8, 1, 1, 1, 1), READ),
    "type unknown": (packed("datatype", 77), "expected"),
    "type complex": (packed("datatype", 32), "expected"),
    "type colours": (packed("datatype", 128) | packed("bitpix", 24), "expected"),
    "type bit": (packed("datatype", 1), "expected"),
    "voxels beyond the end": (packed("vox_offset", 1e6), "expected"),
    "voxels before the start": (packed("vox_offset", -4), READ),
    "voxels at NaN": (packed("vox_offset", NAN), "expected"),
}


@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", HEADERS)
def test_an_odd_header_is_read_or_refused_in_one_line(
    tmp_path: Path, kind: str, extension: str, capfd: pytest.CaptureFixture[str]
) -> None:
    changes, outcome = HEADERS[kind]
    nib.save(nifti(), tmp_path / "good.nii")
    content = bytearray((tmp_path / "good.nii").read_bytes())
    for place, value in changes.items():
        content[place : place + len(value)] = value
    path = tmp_path / f"odd{extension}"
    path.write_bytes(gzip.compress(bytes(content)) if extension == ".nii.gz" else bytes(content))
    if outcome == READ:
        scan = read_scan(path)
        assert np.isfinite(scan.affine).all()
        assert 0.1 < abs(np.linalg.det(scan.affine[:3, :3])) < 10
        assert all("\n" not in note for note in scan.notes)
        assert read_header(path).shape == scan.data.shape
    else:
        with pytest.raises(ScanError, match=outcome) as told:
            read_scan(path)
        assert str(told.value).startswith(str(path))
        assert "\n" not in str(told.value)
    assert capfd.readouterr() == ("", "")


MGH = {
    "version 2": ({0: struct.pack(">i", 2)}, "expected"),
    "no columns": ({4: struct.pack(">i", 0)}, "expected"),
    "columns below 0": ({4: struct.pack(">i", -5)}, "expected"),
    "three frames": ({16: struct.pack(">i", 3)}, "expected"),
    "type unknown": ({20: struct.pack(">i", 9)}, "expected"),
    "sizes 0": ({30: struct.pack(">fff", 0, 0, 0)}, "expected"),
    "sizes NaN": ({30: struct.pack(">fff", NAN, 1, 1)}, "expected"),
    "cosines 0": ({42: struct.pack(">9f", *[0] * 9)}, "singular"),
    "centre NaN": ({78: struct.pack(">fff", NAN, 0, 0)}, "singular"),
    "goodRASFlag 0": ({28: struct.pack(">h", 0)}, READ),
    "goodRASFlag -1": ({28: struct.pack(">h", -1)}, READ),
    "goodRASFlag 0 and cosines 0": ({28: struct.pack(">h", 0) + bytes(60)}, READ),
    "degrees of freedom": ({24: struct.pack(">i", 77)}, READ),
}


@pytest.mark.parametrize("extension", [".mgh", ".mgz"])
@pytest.mark.parametrize("kind", MGH)
def test_an_odd_mgh_header_is_read_or_refused_in_one_line(tmp_path: Path, kind: str, extension: str) -> None:
    changes, outcome = MGH[kind]
    nib.save(nib.MGHImage(DATA, AFFINE), tmp_path / "good.mgh")
    content = bytearray((tmp_path / "good.mgh").read_bytes())
    for place, value in changes.items():
        content[place : place + len(value)] = value
    path = tmp_path / f"odd{extension}"
    path.write_bytes(gzip.compress(bytes(content)) if extension == ".mgz" else bytes(content))
    if outcome == READ:
        np.testing.assert_array_equal(read_scan(path).data, DATA)
        return
    with pytest.raises(ScanError, match=outcome) as told:
        read_scan(path)
    assert str(told.value).startswith(str(path))
    assert "\n" not in str(told.value)


@given(
    changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6), packed=st.booleans(),
    mgh=st.booleans(), labels=st.booleans(),
)  # fmt: skip
def test_no_damage_of_a_header_is_more_than_one_line(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], packed: bool, mgh: bool, labels: bool
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    nib.save(nib.MGHImage(DATA, AFFINE) if mgh else nifti(), folder / ("good.mgh" if mgh else "good.nii"))
    content = bytearray((folder / ("good.mgh" if mgh else "good.nii")).read_bytes())
    for place, value in changes:
        content[place] = value
    ending = (".mgz" if packed else ".mgh") if mgh else (".nii.gz" if packed else ".nii")
    path = folder / f"odd{ending}"
    path.write_bytes(gzip.compress(bytes(content)) if packed else bytes(content))
    try:
        scan = (read_label_map if labels else read_scan)(path)
    except ScanError as error:
        assert "\n" not in str(error)
        return
    assert scan.data.ndim == 3
    assert np.isfinite(scan.affine).all()


@pytest.mark.parametrize("frames", [4, 9_000, 2_000_000_000])
def test_a_label_map_that_says_it_has_many_volumes_is_refused_without_reading_them(tmp_path: Path, frames: int) -> None:
    nib.save(nib.MGHImage(DATA, AFFINE), tmp_path / "odd.mgh")
    content = bytearray((tmp_path / "odd.mgh").read_bytes())
    content[16:20] = struct.pack(">i", frames)
    (tmp_path / "odd.mgh").write_bytes(content)
    with pytest.raises(ScanError, match=rf"shape \(.*, {frames}\); expected one 3-D volume") as told:
        read_label_map(tmp_path / "odd.mgh")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgh", "a.mgz"])
def test_a_file_cut_off_anywhere_is_refused_in_one_line(tmp_path: Path, share: float, name: str) -> None:
    nib.save(nib.MGHImage(DATA, AFFINE) if ".mg" in name else nifti(), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(ScanError) as told:
        read_scan(tmp_path / name)
    assert "\n" not in str(told.value)


def test_a_header_extension_of_any_length_is_passed_over(tmp_path: Path) -> None:
    image = nifti()
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 5000))
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read_scan(tmp_path / "a.nii.gz").data, DATA)


@pytest.mark.parametrize("name", ["x.nii", "x.hdr", "x.img"])
def test_half_of_a_pair_of_header_and_image_is_named_as_that(tmp_path: Path, name: str) -> None:
    image = nib.Nifti1Pair(np.ones((40, 40, 40), np.int16), np.diag([5.0, 5, 5, 1]))
    nib.save(image, tmp_path / "pair.hdr")
    half = "pair.img" if name.endswith(".img") else "pair.hdr"
    (tmp_path / half).replace(tmp_path / name)
    with pytest.raises(ScanError, match=r"of a pair of files, \.hdr and \.img, make one \.nii\.gz"):
        read_scan(tmp_path / name)


@pytest.mark.parametrize("name", ["scans.zip", "scans.tar.gz", "x.7z"])
def test_an_archive_in_place_of_a_scan_is_to_be_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(ScanError, match=rf"{name}: not a file that can be read here; expected .*\(unpack it\)"):
        read_scan(tmp_path / name)
