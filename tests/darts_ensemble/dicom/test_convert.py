"""A series becomes a NIfTI file whose voxels lie where its slices say, or is refused by name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from darts_ensemble.dicom.convert import convert_folder
from darts_ensemble.errors import ScanError
from tests.phantoms.dicom_series import AFFINE, SHAPE, head, oblique_affine, write_series
from tests.phantoms.enhanced_dicom import write_enhanced, write_legacy_enhanced

AXIAL = np.array([[-1.0, 0, 0, 12], [0, -1.1, 0, 14], [0, 0, 1.3, -15], [0, 0, 0, 1]])
CORONAL = np.array([[-1.0, 0, 0, 12], [0, 0, -1.2, 14], [0, -1.1, 0, 15], [0, 0, 0, 1]])


def values_at(image: Any, mm: np.ndarray) -> np.ndarray:
    """Values of an image at the voxels that lie at these points, which must be the centres of voxels."""
    index = mm @ np.linalg.inv(image.affine)[:3, :3].T + np.linalg.inv(image.affine)[:3, 3]
    assert np.abs(index - np.rint(index)).max() < 0.02
    return np.asarray(image.dataobj)[tuple(np.rint(index).astype(int).T)]


@pytest.mark.parametrize("affine", [AFFINE, AXIAL, CORONAL, AFFINE @ np.diag([1, 1, -1, 1]), oblique_affine((0.8, 0.8, 0.8))])
def test_every_voxel_lies_where_the_slices_say(tmp_path: Path, affine: np.ndarray) -> None:
    data = head()
    write_series(tmp_path / "in", data, affine)
    made = convert_folder(tmp_path / "in", tmp_path / "out" / "a_T1w.nii.gz")
    image: Any = nib.load(made.path)
    index = np.argwhere(np.ones(data.shape, dtype=bool))
    mm = index @ affine[:3, :3].T + affine[:3, 3]
    assert np.array_equal(values_at(image, mm), data.ravel())
    assert sorted(image.shape) == sorted(data.shape)


def test_the_account_beside_it_names_the_files_of_the_series_in_their_order(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in" / "t1")
    write_series(tmp_path / "in" / "flair", SeriesDescription="flair", SeriesNumber=5)
    made = convert_folder(tmp_path / "in", tmp_path / "a_T1w.nii.gz")
    account = json.loads((tmp_path / "a_T1w.json").read_text())
    assert account["files"] in ([str(path) for path in paths], [str(path) for path in paths[::-1]])
    assert account["series"] == dcmread(paths[0]).SeriesInstanceUID
    assert account["why"] == made.why
    assert "of 2 series" in made.why
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_series_is_converted_once_and_again_where_its_files_have_changed(tmp_path: Path) -> None:
    target = tmp_path / "a_T1w.nii.gz"
    paths = write_series(tmp_path / "in")
    first = convert_folder(tmp_path / "in", target).path.read_bytes()
    target.touch()
    before = target.stat().st_mtime_ns
    convert_folder(tmp_path / "in", target)
    assert target.stat().st_mtime_ns == before
    target.unlink()
    assert convert_folder(tmp_path / "in", target).path.read_bytes() == first, "the same series is the same bytes"
    changed = dcmread(paths[3])
    changed.PixelData = bytes(len(changed.PixelData))
    changed.save_as(paths[3])
    assert convert_folder(tmp_path / "in", target).path.read_bytes() != first


def test_the_place_of_another_scan_is_not_taken(tmp_path: Path) -> None:
    for name in "ab":
        write_series(tmp_path / name, patient=name)
    convert_folder(tmp_path / "a", tmp_path / "x_T1w.nii.gz")
    with pytest.raises(ScanError, match=r"x_T1w\.nii\.gz: holds the scan of .*/a; expected another --out for .*/b"):
        convert_folder(tmp_path / "b", tmp_path / "x_T1w.nii.gz")


def without(name: str) -> Any:
    return lambda number, header: delattr(header, name) if number == 5 else None


REFUSED = {
    "no orientation": (without("ImageOrientationPatient"), r"IM0035: no orientation \(ImageOrientationPatient is missing\)"),
    "no position": (without("ImagePositionPatient"), r"IM0035: no place \(ImagePositionPatient is missing\)"),
    "no spacing": (without("PixelSpacing"), r"IM0035: no voxel size \(PixelSpacing is missing\)"),
    "orientation of zeros": (
        lambda number, header: setattr(header, "ImageOrientationPatient", [0, 0, 0, 0, 0, 0]), r"no orientation .*right angles",
    ),
    "a slice missing": (lambda number, header: number != 9, r"1 slice missing, between IM00\d\d and IM00\d\d \(2\.60 mm apart"),
    "two slices missing": (lambda number, header: number not in (6, 7), r"2 slices missing"),
    "the last slices missing": (
        lambda number, header: (setattr(header, "ImagesInAcquisition", 24), None)[1], r"2 of 24 slices missing",
    ),
    "another orientation": (
        lambda number, header: setattr(header, "ImageOrientationPatient", [1, 0, 0, 0, 1, 0]) if number > 15 else None,
        r"another orientation than",
    ),
    "another size": (lambda number, header: setattr(header, "Rows", 12) if number == 3 else None, r"other size or spacing"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_series_that_can_not_be_placed_is_refused_by_name_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    change, complaint = REFUSED[name]
    write_series(tmp_path / "in", change=change)
    with pytest.raises(ScanError, match=complaint) as caught:
        convert_folder(tmp_path / "in", tmp_path / "out" / "a_T1w.nii.gz")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_file_that_was_cut_short_is_named(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in put")
    files[5].write_bytes(files[5].read_bytes()[:-600])
    with pytest.raises(ScanError, match=f"^{re.escape(str(files[5]))}: cut short"):
        convert_folder(tmp_path / "in put", tmp_path / "scan.nii.gz")
    assert not (tmp_path / "scan.nii.gz").exists()


def test_two_echoes_in_one_series_are_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in")
    for number, path in enumerate(paths):
        again = dcmread(path)
        again.SOPInstanceUID = f"{again.SOPInstanceUID}.{number}"[-60:].lstrip(".")
        again.EchoTime = 8
        again.save_as(tmp_path / "in" / f"second{number}")
    with pytest.raises(ScanError, match=r"22 slices lie at the place of another .*echoes"):
        convert_folder(tmp_path / "in", tmp_path / "a_T1w.nii.gz")


def test_slices_of_a_tilted_gantry_are_refused(tmp_path: Path) -> None:
    def tilt(number: int, header: Any) -> None:
        header.ImagePositionPatient = [
            float(one) + 0.4 * number * a for one, a in zip(header.ImagePositionPatient, (0, 1, 0), strict=True)
        ]

    write_series(tmp_path / "in", affine=AXIAL, change=tilt)
    with pytest.raises(ScanError, match="shifted sideways"):
        convert_folder(tmp_path / "in", tmp_path / "a_T1w.nii.gz")


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_voxels_are_read(tmp_path: Path, syntax: Any) -> None:
    data = head()
    for path in write_series(tmp_path / "in", data):
        one = dcmread(path)
        one.compress(syntax)
        one.save_as(path)
    image: Any = nib.load(convert_folder(tmp_path / "in", tmp_path / "a_T1w.nii.gz").path)
    mm = np.argwhere(data > 100) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    assert np.array_equal(values_at(image, mm), data[data > 100])


def test_a_compression_that_can_not_be_read_is_refused_by_name(tmp_path: Path) -> None:
    for path in write_series(tmp_path / "in"):
        one = dcmread(path)
        one.PixelData = encapsulate([bytes(8)])
        one.file_meta.TransferSyntaxUID = JPEG2000Lossless
        one.save_as(path)
        path.write_bytes(path.read_bytes().replace(JPEG2000Lossless.encode(), b"1.2.840.10008.1.2.4.92"))
    with pytest.raises(ScanError, match=r"IM\d+: compressed as JPEG 2000 .*, which dcm2niix can't read"):
        convert_folder(tmp_path / "in", tmp_path / "a_T1w.nii.gz")


def test_one_slice_alone_asks_for_the_folder(tmp_path: Path) -> None:
    path = write_series(tmp_path / "in")[0]
    with pytest.raises(ScanError, match=r"IM0000: no T1-weighted series of MR; found .*one slice: give the folder"):
        convert_folder(path, tmp_path / "a_T1w.nii.gz")


SHUFFLED = [(7 * number) % SHAPE[2] for number in range(SHAPE[2])]


@pytest.mark.filterwarnings("ignore::UserWarning")  # highdicom: on the person's name, which is not as the standard wants it
@pytest.mark.parametrize("frames", [None, SHUFFLED, "legacy"], ids=["enhanced", "frames in another order", "legacy converted"])
def test_a_multi_frame_file_becomes_the_scan_that_its_series_becomes(tmp_path: Path, frames: Any) -> None:
    slices, path = write_series(tmp_path / "classic"), tmp_path / "enhanced" / "x.dcm"
    write_legacy_enhanced(path, slices) if frames == "legacy" else write_enhanced(path, slices, frames)
    first, second = (convert_folder(tmp_path / one, tmp_path / f"{one}.nii.gz") for one in ("classic", "enhanced"))
    wanted, image = nib.load(first.path), nib.load(second.path)
    assert np.array_equal(np.asarray(image.dataobj), np.asarray(wanted.dataobj))  # type: ignore[attr-defined]
    assert np.abs(image.affine - wanted.affine).max() < 1e-4  # type: ignore[attr-defined]
    assert second.why.endswith("22 slices, voxels of 1.10 × 1.20 × 1.30 mm, TR 2300 ms, TE 2.98 ms, TI 900 ms")


def test_a_multi_frame_file_that_lacks_frames_or_repeats_them_is_refused_by_name(tmp_path: Path) -> None:
    slices = write_series(tmp_path / "classic")
    write_enhanced(tmp_path / "gap" / "x.dcm", slices, [*range(9), *range(10, 22)])
    with pytest.raises(ScanError, match=r"1 slice missing, between frame 9 of x\.dcm and frame 10 of x\.dcm"):
        convert_folder(tmp_path / "gap", tmp_path / "a.nii.gz")
    write_enhanced(tmp_path / "echoes" / "x.dcm", slices, [*range(22), *range(22)])
    with pytest.raises(ScanError, match=r"22 slices lie at the place of another \(frame 1 of x\.dcm and frame 23 of x\.dcm\)"):
        convert_folder(tmp_path / "echoes", tmp_path / "a.nii.gz")


@pytest.mark.parametrize("last", [range(11, 22), range(21, 22)], ids=["two halves", "the last slice alone"])
def test_a_series_divided_into_several_multi_frame_files_is_refused_by_name(tmp_path: Path, last: range) -> None:
    slices = write_series(tmp_path / "classic")
    for number, frames in enumerate((range(last.start), last), start=1):
        path = write_enhanced(tmp_path / "in" / f"x{number}.dcm", slices, list(frames))
        part = pydicom.dcmread(path)
        part.SeriesInstanceUID, part.InstanceNumber = "1.2.3.4", number
        part.save_as(path)
    said = r"/in: series 4 \(t1_mprage_sag\): 22 slices in 2 files, some of them multi-frame; expected one multi-frame file"
    with pytest.raises(ScanError, match=said):
        convert_folder(tmp_path / "in", tmp_path / "a.nii.gz")
    assert not list(tmp_path.glob("a.*"))
