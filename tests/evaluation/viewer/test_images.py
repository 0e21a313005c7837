"""What darts-view reads: everything on one grid in RAS order, whatever orientation and grid a file has."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from darts_ensemble.errors import ScanError, UsageError
from evaluation.viewer.images import distinct_names, read_viewed
from tests.phantoms.brain import AFFINE, SHAPE, brain, ids_at, save
from tests.phantoms.viewed_case import reoriented, scan_of, write_case


@pytest.mark.parametrize("codes", ["LIA", "RAS", "PSR", "AIL", "LPI"])
def test_a_voxel_of_the_screen_is_where_the_affine_says_whatever_the_order_of_the_file(tmp_path: Path, codes: str) -> None:
    case = write_case(tmp_path, codes)
    viewed = read_viewed(case.scan, [case.first])
    assert nib.aff2axcodes(viewed.affine) == ("R", "A", "S")
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in viewed.data.shape), indexing="ij"), axis=-1)
    expected = ids_at(nib.affines.apply_affine(viewed.affine, voxels))
    assert np.array_equal(viewed.maps[0].ids, expected)
    # The scan of the phantom grows with the id within each hundred: the order of the intensities is kept.
    shown, stored = viewed.data.astype(float), scan_of(expected)
    assert np.corrcoef(shown.ravel(), stored.ravel())[0, 1] > 0.99
    stored_file = np.asarray(nib.load(case.scan).dataobj)
    at = (5, 17, 30)
    assert stored_file[tuple(np.rint(nib.affines.apply_affine(viewed.to_file, at)).astype(int))] == stored[at]
    assert viewed.notes == ()


def test_volumes_are_those_of_the_maps_own_grid_and_a_foreign_grid_is_noted(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    fine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1.0])
    path = save(tmp_path / "fine.nii.gz", brain(tuple(2 * n for n in SHAPE), fine), fine)
    viewed = read_viewed(case.scan, [path])
    assert viewed.maps[0].ids.shape == viewed.data.shape
    stored = np.asarray(nib.load(path).dataobj)
    assert viewed.maps[0].volumes[17] == pytest.approx((stored == 17).sum() * 8.0)
    assert len(viewed.notes) == 1 and "its grid is not the scan's" in viewed.notes[0]


def test_class_indices_of_the_original_are_shown_as_freesurfer_ids(tmp_path: Path) -> None:
    from darts_ensemble.labels import ids_to_classes

    case = write_case(tmp_path)
    save(tmp_path / "classes.nii.gz", ids_to_classes(brain()).astype(np.int16))
    one, two = read_viewed(case.scan, [case.first, tmp_path / "classes.nii.gz"]).maps
    assert np.array_equal(one.ids, two.ids)


def test_the_agreement_is_a_share_of_255_and_one_where_its_file_does_not_reach(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    viewed = read_viewed(case.scan, [case.first], case.agreement)
    assert viewed.agreement is not None
    ids = viewed.maps[0].ids
    assert {int(viewed.agreement[ids == id_][0]) for id_ in (12, 13, 17)} == {0, 85, 255}
    part = nib.load(case.agreement).slicer[4:, :, :]
    nib.save(part, tmp_path / "part.nii.gz")
    moved = read_viewed(case.scan, [case.first], tmp_path / "part.nii.gz")
    assert moved.agreement is not None and np.array_equal(moved.agreement == 0, viewed.agreement == 0)


def test_an_agreement_of_two_views_is_no_mask(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    nib.save(nib.Nifti1Image((brain() != 12).astype(np.float32), AFFINE), tmp_path / "two.nii.gz")
    assert read_viewed(case.scan, [case.first], tmp_path / "two.nii.gz").agreement is not None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text.nii.gz", "not an image"),
        ("none.nii.gz", "no such file"),
        ("notes.txt", "not a file that can be read here"),
        ("beside.nii.gz", "no labelled voxel lies within"),
        ("scan.nii.gz", "different values found; expected a label map"),
        ("halves.nii.gz", "expected a label map, resampled by nearest neighbour"),
    ],
)
def test_what_is_no_label_map_of_the_scan_is_refused_by_name(tmp_path: Path, name: str, message: str) -> None:
    case = write_case(tmp_path / "case")
    for text in ("text.nii.gz", "notes.txt"):
        (tmp_path / text).write_text("not an image")
    away = AFFINE.copy()
    away[:3, 3] += 5000
    save(tmp_path / "beside.nii.gz", brain(), away)
    rng = np.random.default_rng(0)
    nib.save(nib.Nifti1Image(rng.integers(0, 30000, SHAPE).astype(np.int16), AFFINE), tmp_path / "scan.nii.gz")
    nib.save(nib.Nifti1Image((brain() / 2).astype(np.float32), AFFINE), tmp_path / "halves.nii.gz")
    with pytest.raises(ScanError, match=message) as caught:
        read_viewed(case.scan, [tmp_path / name])
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_agreement_is_refused_by_name(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    with pytest.raises(ScanError, match="expected the agreement of views, shares from 0 to 1"):
        read_viewed(case.scan, [case.first], case.second)


def test_files_of_one_name_are_told_apart_and_names_can_be_given(tmp_path: Path) -> None:
    paths = [tmp_path / "a/mri/aseg.mgz", tmp_path / "b/mri/aseg.mgz", tmp_path / "b/other.mgz"]
    assert distinct_names(paths) == ["a/mri/aseg.mgz", "b/mri/aseg.mgz", "other.mgz"]
    case = write_case(tmp_path)
    viewed = read_viewed(case.scan, [case.first, case.second], names=["reference"])
    assert [one.name for one in viewed.maps] == ["reference", "second_dseg.nii.gz"]
    with pytest.raises(UsageError, match="2 names for 1 label maps"):
        read_viewed(case.scan, [case.first], names=["a", "b"])


def test_the_folder_of_a_subject_stands_for_its_scan(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    (tmp_path / "sub/mri").mkdir(parents=True)
    image = reoriented(nib.load(case.scan), "LIA")
    nib.save(nib.MGHImage(np.asarray(image.dataobj).astype(np.float32), image.affine), tmp_path / "sub/mri/T1.mgz")
    assert read_viewed(tmp_path / "sub", [case.first]).scan == tmp_path / "sub/mri/T1.mgz"
