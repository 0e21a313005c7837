"""Compressed images: read and written by ISA-L as nibabel and gzip read and write them, and the same bytes each time."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from darts_ensemble.errors import ScanError
from darts_ensemble.scans.image_file import open_image
from darts_ensemble.scans.packing import save_image
from darts_ensemble.scans.scan import read_scan

VALUES = np.random.default_rng(3).integers(0, 2000, (17, 19, 23)).astype(np.int16)
AFFINE = np.array([[0.0, 0.9, 0, -20], [-1.1, 0, 0, 30], [0, 0, 1.3, -40], [0, 0, 0, 1]])


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mgz", "a.nii", "a.mgh"])
def test_what_is_written_is_read_by_nibabel_and_what_nibabel_writes_is_read(name: str, tmp_path: Path) -> None:
    kind: Any = nib.MGHImage if ".mg" in name else nib.Nifti1Image
    for write, read in ((save_image, nib.load), (nib.save, lambda path: read_scan(path).image)):
        write(kind(VALUES, AFFINE), tmp_path / name)  # type: ignore[operator]
        np.testing.assert_allclose(read(tmp_path / name).affine, AFFINE, atol=1e-6)  # type: ignore[operator]
    np.testing.assert_array_equal(read_scan(tmp_path / name).data, VALUES)
    save_image(kind(VALUES, AFFINE), tmp_path / name)
    np.testing.assert_array_equal(nib.load(tmp_path / name).get_fdata(), VALUES)
    np.testing.assert_array_equal(read_scan(tmp_path / name).data, VALUES)


def test_the_same_voxels_are_the_same_bytes_whatever_the_file_is_called(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VALUES, AFFINE)
    for name in ("a.nii.gz", "b.nii.gz"):
        save_image(image, tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_zeros_after_the_compressed_part_are_no_damage_as_for_gzip(tmp_path: Path) -> None:
    save_image(nib.MGHImage(VALUES, AFFINE), tmp_path / "a.mgz")
    with (tmp_path / "a.mgz").open("ab") as file:
        file.write(bytes(700))
    assert gzip.decompress((tmp_path / "a.mgz").read_bytes())
    np.testing.assert_array_equal(read_scan(tmp_path / "a.mgz").data, VALUES)


def test_a_file_of_several_compressed_parts_is_read_whole(tmp_path: Path) -> None:
    content = nib.Nifti1Image(VALUES, AFFINE).to_bytes()
    (tmp_path / "a.nii.gz").write_bytes(b"".join(gzip.compress(content[n : n + 5000]) for n in range(0, len(content), 5000)))
    np.testing.assert_array_equal(read_scan(tmp_path / "a.nii.gz").data, VALUES)


def test_the_header_of_a_file_in_two_parts_alone_is_refused(tmp_path: Path) -> None:
    pair = nib.Nifti1Pair(VALUES, AFFINE)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(pair.header.binaryblock))
    with pytest.raises(ScanError):
        read_scan(tmp_path / "a.nii.gz")


def test_a_scan_that_was_read_keeps_no_file_open(tmp_path: Path) -> None:
    save_image(nib.Nifti1Image(VALUES, AFFINE), tmp_path / "a.nii.gz")
    scan = read_scan(tmp_path / "a.nii.gz")
    held = scan.image.file_map["image"].fileobj
    assert held is None or held.closed
    image, _ = open_image(tmp_path / "a.nii.gz")
    assert image.shape == VALUES.shape
