"""Two label maps come to one grid and one protocol; what is dropped is counted; what can't be compared is refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import resample_from_to

from darts_ensemble.errors import CohortError
from darts_ensemble.labels import REGION_IDS, ids_to_classes
from darts_ensemble.scan import Scan, read_label_map
from evaluation.protocol import compare, holds_class_indices, on_grid_of, read_prediction, read_reference

AFFINE = np.array([[-1.0, 0, 0, 20], [0, 0, 1, -15], [0, -1, 0, 18], [0, 0, 0, 1]])


def phantom() -> np.ndarray:
    """Blocks of eight regions in a cube of 32 voxels."""
    ids = np.zeros((32, 32, 32), dtype=np.int16)
    for number, id_ in enumerate((2, 41, 17, 53, 1024, 2024, 16, 1035)):
        i, j, k = (np.array([number & 1, number >> 1 & 1, number >> 2]) * 11 + 5).tolist()
        ids[i : i + 10, j : j + 10, k : k + 10] = id_
    return ids


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def test_foreign_reference_ids_are_masked_out_of_both_maps_and_foreign_predictions_are_background() -> None:
    reference = np.array([[[17, 17, 77, 77, 1001, 0, 17, 0]]])
    prediction = np.array([[[17, 1001, 17, 77, 17, 1033, 53, 0]]])
    pair = compare(reference, prediction)
    left, right = ids_to_classes([17, 53])
    assert sorted(zip(pair.reference.tolist(), pair.prediction.tolist(), strict=True)) == sorted(
        [(left, left), (left, 102), (102, 102), (left, right)]
    )
    assert pair.masked == {77: 2, 1001: 1}
    assert pair.dropped == {77: 1, 1001: 1, 1033: 1}


def test_a_prediction_stored_in_another_orientation_comes_back_exactly(tmp_path: Path) -> None:
    ids = phantom()
    reference = read_reference(save(tmp_path / "reference.nii.gz", ids))
    canonical = nib.as_closest_canonical(nib.Nifti1Image(ids, AFFINE))
    nib.save(canonical, tmp_path / "prediction.nii.gz")
    assert canonical.shape == ids.shape
    np.testing.assert_array_equal(read_prediction(tmp_path / "prediction.nii.gz", reference), ids)


def test_another_grid_is_brought_over_as_nibabel_does(tmp_path: Path) -> None:
    ids = phantom()
    reference = read_reference(save(tmp_path / "reference.nii.gz", ids))
    angle = np.deg2rad(9)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.9, 1.3, 0.8])
    affine[:3, 3] = [-14.2, -18.1, -15.3]
    grid = ((40, 30, 44), affine)
    moved = resample_from_to(nib.Nifti1Image(ids, AFFINE), grid, order=0)
    save(tmp_path / "prediction.nii.gz", np.asarray(moved.dataobj).astype(np.int16), affine)
    expected = resample_from_to(moved, (ids.shape, AFFINE), order=0)
    np.testing.assert_array_equal(read_prediction(tmp_path / "prediction.nii.gz", reference), np.asarray(expected.dataobj))


def test_brains_in_two_places_are_refused_by_name(tmp_path: Path) -> None:
    reference = read_reference(save(tmp_path / "reference.nii.gz", phantom()))
    away = AFFINE.copy()
    away[0, 3] += 60
    with pytest.raises(CohortError, match=r"prediction.nii.gz: its brain does not overlap.*reference.nii.gz"):
        read_prediction(save(tmp_path / "prediction.nii.gz", phantom(), away), reference)
    away[0, 3] = AFFINE[0, 3] + 25
    with pytest.raises(CohortError, match="does not overlap"):
        read_prediction(save(tmp_path / "prediction.nii.gz", phantom(), away), reference)


def test_a_prediction_of_one_small_region_is_not_taken_for_another_place(tmp_path: Path) -> None:
    reference = read_reference(save(tmp_path / "reference.nii.gz", phantom()))
    small = np.where(phantom() == 17, 17, 0).astype(np.int16)
    np.testing.assert_array_equal(read_prediction(save(tmp_path / "p.nii.gz", small), reference), small)


def test_a_class_index_map_of_the_original_is_recognised_also_on_another_grid(tmp_path: Path) -> None:
    ids = phantom()
    reference = read_reference(save(tmp_path / "reference.nii.gz", ids))
    classes = ids_to_classes(ids)
    assert holds_class_indices(classes)
    np.testing.assert_array_equal(read_prediction(save(tmp_path / "same.nii.gz", classes), reference), ids)
    # cut off: what lies outside its grid is background, not class 0, left white matter
    shifted = AFFINE @ np.block([[np.eye(3), np.full((3, 1), 4)], [np.zeros((1, 3)), np.ones((1, 1))]])
    cut = save(tmp_path / "cut.nii.gz", np.ascontiguousarray(classes[4:, 4:, 4:]), shifted)
    np.testing.assert_array_equal(read_prediction(cut, reference), ids)


def test_a_map_of_freesurfer_ids_is_not_taken_for_class_indices() -> None:
    assert not holds_class_indices(phantom())
    assert not holds_class_indices(np.where(phantom() > 1000, 102, phantom()))
    assert not holds_class_indices(np.zeros((3, 3, 3), dtype=np.int32))


def test_maps_without_any_of_the_102_are_refused_but_an_empty_prediction_is_scored(tmp_path: Path) -> None:
    reference = read_reference(save(tmp_path / "reference.nii.gz", phantom()))
    other = save(tmp_path / "other.nii.gz", np.where(phantom() > 0, 77, 0).astype(np.int16))
    with pytest.raises(CohortError, match="none of the 102"):
        read_reference(other)
    with pytest.raises(CohortError, match="none of the 102"):
        read_prediction(other, reference)
    empty = read_prediction(save(tmp_path / "empty.nii.gz", np.zeros((32, 32, 32), dtype=np.int16)), reference)
    assert not empty.any()


def test_bankssts_tells_a_desikan_map_whatever_its_name(tmp_path: Path) -> None:
    ids = phantom()
    assert not read_reference(save(tmp_path / "aparc+aseg.nii.gz", ids)).desikan
    ids[10, 10, 10] = 2001
    assert read_reference(save(tmp_path / "dkt.nii.gz", ids)).desikan


def test_a_grid_twice_as_fine_keeps_volumes(tmp_path: Path) -> None:
    fine = np.repeat(np.repeat(np.repeat(phantom(), 2, 0), 2, 1), 2, 2)
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] -= AFFINE[:3, :3] @ np.full(3, 0.25)
    reference = read_label_map(save(tmp_path / "reference.nii.gz", phantom()))
    moved = on_grid_of(reference, Scan(tmp_path / "fine", fine.astype(np.int32), affine, None))
    np.testing.assert_array_equal(moved, phantom())
    assert set(np.unique(moved)) - {0} <= set(REGION_IDS.tolist())
