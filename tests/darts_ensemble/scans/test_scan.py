"""Scans of every format are read as they are, and label maps written whole, on the same grid, or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from darts_ensemble.errors import ScanError
from darts_ensemble.labels import REGION_IDS
from darts_ensemble.scans.scan import (
    EXTENSIONS,
    find_scan_in_subject,
    read_label_map,
    read_scan,
    without_extension,
    write_label_map,
    write_volume,
)

SHAPE = (7, 9, 6)
AFFINE = np.eye(4)
AFFINE[:3, :3] = Rotation.from_euler("xyz", [12, -7, 20], degrees=True).as_matrix() @ np.diag([-0.9, 1.1, 1.3])
AFFINE[:3, 3] = [31.5, -20.25, 7.125]


def voxels(dtype: Any = np.int16) -> np.ndarray:
    return np.random.default_rng(5).integers(1, 250, size=SHAPE).astype(dtype)


def kind_of(path: Path) -> Any:
    return nib.MGHImage if path.name.lower().endswith((".mgz", ".mgh")) else nib.Nifti1Image


def saved(path: Path, data: np.ndarray | None = None) -> Path:
    nib.save(kind_of(path)(voxels() if data is None else data, AFFINE), path)
    return path


def map_of(largest: int) -> np.ndarray:
    ids = np.zeros(SHAPE, dtype=np.int64)
    ids[1:3, 2:5, 1:4] = 17
    ids[4, 4, 4] = largest
    return ids


@pytest.mark.parametrize("extension", [*EXTENSIONS, ".NII.GZ", ".MGZ"])
@pytest.mark.parametrize("written", EXTENSIONS)
def test_a_label_map_lies_where_its_scan_lies_whatever_the_formats(tmp_path: Path, extension: str, written: str) -> None:
    scan = read_scan(saved(tmp_path / f"head{extension}"))
    np.testing.assert_array_equal(scan.data, voxels())
    np.testing.assert_allclose(scan.affine, AFFINE, atol=1e-5)
    write_label_map(map_of(2035), scan, tmp_path / "out" / f"labels{written}")
    image: Any = nib.load(tmp_path / "out" / f"labels{written}")
    assert type(image) is kind_of(Path(written))
    assert image.shape == SHAPE
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(image.dataobj), map_of(2035))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"labels{written}"]


@pytest.mark.parametrize("written", EXTENSIONS)
@pytest.mark.parametrize(("largest", "dtype"), [(17, np.uint8), (255, np.uint8), (256, np.int16), (2035, np.int16)])
@pytest.mark.parametrize("held", [np.int16, np.int64, np.uint16])
def test_ids_take_one_byte_where_they_fit_else_two_never_eight(
    tmp_path: Path, written: str, largest: int, dtype: Any, held: Any
) -> None:
    write_label_map(map_of(largest).astype(held), read_scan(saved(tmp_path / "head.mgz")), tmp_path / f"labels{written}")
    image: Any = nib.load(tmp_path / f"labels{written}")
    assert image.get_data_dtype().newbyteorder("=") == dtype
    np.testing.assert_array_equal(np.asarray(image.dataobj), map_of(largest))


@pytest.mark.parametrize(("sform", "qform"), [(0, 1), (1, 0), (4, 1), (2, 3)])
@pytest.mark.parametrize("version", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_the_header_of_a_nifti_scan_is_kept(tmp_path: Path, sform: int, qform: int, version: Any, extension: str) -> None:
    image = version(voxels(np.float32) / 3, AFFINE)
    other = AFFINE.copy()
    other[:3, 3] += 4
    image.set_qform(AFFINE if not sform else other, qform)
    image.set_sform(AFFINE, sform)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"scanner 7"
    image.header["cal_max"] = 80
    image.set_data_dtype(np.int16)  # stored with a slope, which a label map must not inherit
    nib.save(image, tmp_path / f"head{extension}")
    stored: Any = nib.load(tmp_path / f"head{extension}")
    assert stored.dataobj.slope != 1
    scan = read_scan(tmp_path / f"head{extension}")
    np.testing.assert_allclose(scan.data, stored.get_fdata(), atol=1e-6)
    write_label_map(map_of(2035), scan, tmp_path / "labels.nii.gz")
    labels: Any = nib.load(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(labels.dataobj), map_of(2035))
    assert (labels.dataobj.slope, labels.dataobj.inter) == (1, 0)
    for field in ("pixdim", "descrip", "xyzt_units", "sform_code", "qform_code", "srow_x", "quatern_b", "qoffset_x"):
        np.testing.assert_array_equal(labels.header[field], stored.header[field], err_msg=field)
    np.testing.assert_allclose(labels.affine, stored.affine, atol=1e-5)
    assert labels.header["cal_max"] == 0, "a viewer would show ids above it in one colour"


def test_the_header_of_an_mgz_scan_is_kept(tmp_path: Path) -> None:
    image = nib.MGHImage(voxels(np.uint8), AFFINE)
    image.header["tr"], image.header["flip_angle"], image.header["te"], image.header["ti"] = 2300, 0.14, 2.9, 900
    nib.save(image, tmp_path / "T1.mgz")
    write_label_map(map_of(2035), read_scan(tmp_path / "T1.mgz"), tmp_path / "labels.mgz")
    labels, stored = nib.load(tmp_path / "labels.mgz").header, nib.load(tmp_path / "T1.mgz").header
    for field in ("tr", "flip_angle", "te", "ti", "delta", "Mdc", "Pxyz_c", "goodRASFlag"):
        np.testing.assert_array_equal(labels[field], stored[field])


def test_values_are_those_of_a_big_endian_file(tmp_path: Path) -> None:
    image = nib.Nifti1Image(voxels().astype(">i2"), AFFINE, nib.Nifti1Header(endianness=">"))
    nib.save(image, tmp_path / "head.nii")
    scan = read_scan(tmp_path / "head.nii")
    np.testing.assert_array_equal(scan.data, voxels())
    write_label_map(map_of(2035), scan, tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "labels.nii.gz").dataobj), map_of(2035))


@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_one_volume_in_a_series_of_one_is_a_scan_and_its_map_has_three_axes(tmp_path: Path, extension: str) -> None:
    scan = read_scan(saved(tmp_path / f"head{extension}", voxels()[..., None]))
    np.testing.assert_array_equal(scan.data, voxels())
    write_label_map(map_of(53), scan, tmp_path / f"labels{extension}")
    assert nib.load(tmp_path / f"labels{extension}").shape == SHAPE


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("shape", [(*SHAPE, 2), (1, 9, 6)])
def test_a_series_or_a_single_slice_is_refused(tmp_path: Path, extension: str, shape: tuple[int, ...]) -> None:
    path = saved(tmp_path / f"run{extension}", np.resize(voxels(), shape))
    with pytest.raises(ScanError, match=r"run\.\S+: shape .*expected one 3-D volume"):
        read_scan(path)


def test_voxels_of_colour_or_complex_numbers_are_refused(tmp_path: Path) -> None:
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colours, AFFINE), tmp_path / "colours.nii")
    nib.save(nib.Nifti1Image(voxels().astype(np.complex64), AFFINE), tmp_path / "complex.nii")
    for name in ("colours.nii", "complex.nii"):
        with pytest.raises(ScanError, match=f"{name}: voxels of type .*expected one number per voxel"):
            read_scan(tmp_path / name)


def test_a_map_of_many_region_ids_is_no_scan_but_a_scan_of_few_values_is(tmp_path: Path) -> None:
    labels = np.zeros((24, 24, 24), dtype=np.int16)
    labels.ravel()[: 102 * 80] = np.repeat(REGION_IDS, 80)
    with pytest.raises(ScanError, match="not a label map"):
        read_scan(saved(tmp_path / "labels.nii.gz", labels))
    with pytest.raises(ScanError, match="not a label map"):
        read_scan(saved(tmp_path / "labels.mgz", labels.astype(np.float32)))
    for dark in (np.uint8, np.float32):
        quantised = np.random.default_rng(0).integers(0, 40, size=(24, 24, 24)).astype(dark) * 6
        assert read_scan(saved(tmp_path / "eight-bit.nii.gz", quantised)).data.max() == 234


def test_a_label_map_of_whole_floats_is_read_as_integers_and_fractions_are_refused(tmp_path: Path) -> None:
    found = read_label_map(saved(tmp_path / "labels.mgz", map_of(2035).astype(np.float32)))
    assert found.data.dtype == np.int32
    np.testing.assert_array_equal(found.data, map_of(2035))
    with pytest.raises(ScanError, match=r"soft\.nii: values that are not whole numbers"):
        read_label_map(saved(tmp_path / "soft.nii", map_of(53).astype(np.float32) + 0.25))


@pytest.mark.parametrize("form", EXTENSIONS)
def test_volumes_of_one_or_many_frames_lie_on_the_scan_too(tmp_path: Path, form: str) -> None:
    scan = read_scan(saved(tmp_path / "head.nii.gz"))
    several = np.random.default_rng(1).random((*SHAPE, 3))
    for data in (several[..., 0], several):
        write_volume(data, scan, tmp_path / f"share{form}")
        image: Any = nib.load(tmp_path / f"share{form}")
        assert image.get_data_dtype().newbyteorder("=") == np.float32
        np.testing.assert_allclose(np.asarray(image.dataobj), data, atol=1e-7)
        np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)


def test_a_map_of_another_shape_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not lie on the grid"):
        write_label_map(map_of(53)[1:], read_scan(saved(tmp_path / "head.nii")), tmp_path / "labels.nii")
    assert not (tmp_path / "labels.nii").exists()


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_full_disk_leaves_what_was_there_and_no_half_file(
    tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = read_scan(saved(tmp_path / "head.nii"))
    target = tmp_path / "out" / f"labels{extension}"
    write_label_map(map_of(17), scan, target)
    before = target.read_bytes()

    def fill(image: Any, path: Path) -> None:
        Path(path).write_bytes(b"half of a file")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("darts_ensemble.scans.scan.save_image", fill)
    with pytest.raises(ScanError, match=rf"out/labels\S+: {os.strerror(errno.ENOSPC)}; expected a folder with room"):
        write_label_map(map_of(53), scan, target)
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_limit_of_the_system_on_files_leaves_nothing(tmp_path: Path) -> None:
    saved(tmp_path / "head.nii")
    code = (
        "import resource, sys, numpy as np\nfrom pathlib import Path\n"
        "from darts_ensemble.errors import ScanError\nfrom darts_ensemble.scans.scan import read_scan, write_label_map\n"
        "scan = read_scan(sys.argv[1])\nresource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))\n"
        "try:\n    write_label_map(np.full(scan.data.shape, 53), scan, Path(sys.argv[2]))\n"
        "except ScanError as error:\n    print(error)\n"
    )
    target = tmp_path / "out" / "labels.nii"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "head.nii", target], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{target}: {os.strerror(errno.EFBIG)}; expected a folder with room to write\n"
    assert list(target.parent.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("I am a file")
    with pytest.raises(ScanError, match=r"out/labels\.nii: .*; expected a folder with room to write"):
        write_label_map(map_of(53), read_scan(saved(tmp_path / "head.nii")), tmp_path / "out" / "labels.nii")


def test_an_unreadable_file_or_folder_is_said_to_be_unreadable(unreadable: Path) -> None:
    for name in ("head.nii.gz", "head.mgz", "head.nii", "IM0001"):
        with pytest.raises(ScanError, match=f"{name}: not readable"):
            read_scan(unreadable / name)
    with pytest.raises(ScanError, match=r"locked/head\.nii\.gz: not readable"):
        read_scan(unreadable / "locked" / "head.nii.gz")


@pytest.fixture
def unreadable(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder of files that the test may not read; root steps down for the time of the test."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp())
    (folder / "locked").mkdir()
    for name in ("head.nii.gz", "head.mgz", "head.nii", "locked/head.nii.gz"):
        saved(folder / name)
    (folder / "IM0001").write_bytes(b"no image")
    for path in folder.rglob("*"):
        path.chmod(0)
    folder.chmod(0o755)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        (folder / "locked").chmod(0o700)
        shutil.rmtree(folder)


def test_the_best_scan_of_a_freesurfer_subject_is_taken(tmp_path: Path) -> None:
    (tmp_path / "bert" / "mri").mkdir(parents=True)
    with pytest.raises(ScanError, match=r"bert: no scan found; expected mri/ with one of T1\.mgz, orig\.mgz"):
        find_scan_in_subject(tmp_path / "bert")
    for name in ("brainmask.mgz", "brain.mgz", "orig.mgz", "T1.mgz"):
        (tmp_path / "bert" / "mri" / name).touch()
        assert find_scan_in_subject(tmp_path / "bert").name == name


@pytest.mark.parametrize(
    ("name", "stem"), [("a.b.nii.gz", "a.b"), ("T1.MGZ", "T1"), ("x.nii", "x"), ("x.mgh", "x"), ("notes.txt", "notes")]
)
def test_names_lose_their_extension_only(name: str, stem: str) -> None:
    assert without_extension(Path("/d") / name) == stem
