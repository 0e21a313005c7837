"""A prediction is brought to its reference's grid as nibabel does it; the labels show whether a map follows DK or DKT."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.processing import resample_from_to

from darts_ensemble.errors import CohortError
from darts_ensemble.labels import ids_to_classes
from darts_ensemble.scans.scan import Scan, read_label_map
from evaluation.metrics.grids import holds_class_indices, on_grid_of, read_prediction, read_reference
from evaluation.protocols.parcellation import Parcellation, parcellation_of
from evaluation.protocols.protocol import load_protocol
from tests.phantoms.brain import AFFINE, SHAPE, brain, save

DARTS = load_protocol("darts102")
IDS = brain()


def reference(tmp_path: Path) -> Scan:
    return read_reference(save(tmp_path / "reference.nii.gz", IDS), DARTS).labels


def brought(tmp_path: Path, ids: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, str]:
    prediction = read_prediction(save(tmp_path / "prediction.nii.gz", ids, affine), DARTS)
    return on_grid_of(reference(tmp_path), prediction)


def test_the_same_grid_is_taken_as_it_is(tmp_path: Path) -> None:
    moved, how = brought(tmp_path, IDS, AFFINE)
    np.testing.assert_array_equal(moved, IDS)
    assert how == "same grid"


def test_another_orientation_comes_back_exactly(tmp_path: Path) -> None:
    canonical = nib.as_closest_canonical(nib.Nifti1Image(IDS, AFFINE))
    moved, how = brought(tmp_path, np.asarray(canonical.dataobj), canonical.affine)
    np.testing.assert_array_equal(moved, IDS)
    assert how == "axes reordered"
    assert moved.flags.f_contiguous


@given(
    angle=st.floats(-20, 20), size=st.tuples(*[st.floats(2.5, 6)] * 3), shift=st.tuples(*[st.floats(-30, 30)] * 3),
    flip=st.booleans(),
)  # fmt: skip
def test_any_grid_is_brought_over_as_nibabel_does(
    tmp_path_factory: pytest.TempPathFactory, angle: float, size: tuple[float, ...], shift: tuple[float, ...], flip: bool
) -> None:
    turn, zoom = np.deg2rad(angle), np.diag([-size[0] if flip else size[0], size[1], size[2]])
    affine = np.eye(4)
    affine[:3, :3] = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]) @ zoom
    affine[:3, 3] = np.array(shift) - affine[:3, :3] @ [15, 16, 14]
    ids = brain((30, 32, 28), affine).astype(np.int32)
    labels = Scan(Path("prediction"), np.asfortranarray(ids), affine, None)
    moved, _ = on_grid_of(Scan(Path("reference"), IDS, AFFINE, None), labels)
    expected = np.asarray(resample_from_to(nib.Nifti1Image(ids, affine), (SHAPE, AFFINE), order=0).dataobj)
    # A point half way between two voxels may go to either.
    assert np.mean(moved != expected) < 1e-4


def test_a_grid_twice_as_fine_keeps_volumes(tmp_path: Path) -> None:
    fine = np.repeat(np.repeat(np.repeat(IDS, 2, 0), 2, 1), 2, 2)
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] -= AFFINE[:3, :3] @ np.full(3, 0.25)
    moved, how = brought(tmp_path, fine, affine)
    np.testing.assert_array_equal(moved, IDS)
    assert how == "resampled"


def test_a_class_index_map_of_the_original_is_recognised_also_cut_off(tmp_path: Path) -> None:
    classes = ids_to_classes(IDS)
    assert holds_class_indices(classes)
    np.testing.assert_array_equal(brought(tmp_path, classes, AFFINE)[0], IDS)
    # what lies outside its grid is background, not class 0, left white matter
    shifted = AFFINE @ np.block([[np.eye(3), np.full((3, 1), 2)], [np.zeros((1, 3)), np.ones((1, 1))]])
    cut = np.ascontiguousarray(classes[2:-2, 2:-2, 2:-2])
    expected = np.zeros_like(IDS)
    expected[2:-2, 2:-2, 2:-2] = IDS[2:-2, 2:-2, 2:-2]
    np.testing.assert_array_equal(brought(tmp_path, cut, shifted)[0], expected)


def test_a_map_of_freesurfer_ids_is_not_taken_for_class_indices() -> None:
    assert not holds_class_indices(IDS)
    assert not holds_class_indices(np.where(IDS > 1000, 102, IDS))
    assert not holds_class_indices(np.zeros((3, 3, 3), dtype=np.int32))


def test_maps_without_any_region_are_refused_but_an_empty_prediction_is_scored(tmp_path: Path) -> None:
    other = save(tmp_path / "other.nii.gz", np.where(IDS > 0, 77, 0))
    with pytest.raises(CohortError, match="none of the 102 regions of protocol darts102 found"):
        read_reference(other, DARTS)
    with pytest.raises(CohortError, match="none of the 102 regions"):
        read_prediction(other, DARTS)
    empty = save(tmp_path / "empty.nii.gz", np.zeros(SHAPE))
    assert not read_prediction(empty, DARTS).data.any()
    with pytest.raises(CohortError, match="none of the 102 regions"):
        read_reference(empty, DARTS)
    # one region is enough, and it is the protocol's that count
    with pytest.raises(CohortError, match="none of the 62 regions of protocol dkt31"):
        read_reference(save(tmp_path / "deep.nii.gz", np.where(IDS == 17, 17, 0)), load_protocol("dkt31"))


def test_the_protocol_of_a_cortex_is_told_from_its_labels() -> None:
    desikan = IDS.copy()
    desikan[tuple(np.argwhere(IDS == 1030)[:60].T)] = 1001
    assert parcellation_of(IDS) == Parcellation("DKT", cortex_only=False)
    assert parcellation_of(desikan).cortex == "Desikan"
    assert parcellation_of(np.where(IDS > 1000, IDS, 0)) == Parcellation("DKT", cortex_only=True)
    aseg = np.where(IDS > 2000, 42, np.where(IDS > 1000, 3, IDS))
    assert parcellation_of(aseg).cortex == "one region per side"
    assert parcellation_of(np.where(IDS > 1000, 0, IDS)).cortex == "none"
    assert parcellation_of(np.where(np.isin(IDS, (17, 53, 1024)), IDS, 0)).cortex == "not known"


def test_strays_of_bankssts_do_not_make_a_desikan_map() -> None:
    stray = IDS.copy()
    stray[tuple(np.argwhere(IDS == 2030)[:10].T)] = 2001  # 0.07 % of the cortex
    assert parcellation_of(stray).cortex == "DKT"


@pytest.mark.parametrize(
    ("cortex", "cortex_only", "lacking", "held"),
    [
        ("DKT", False, (1001, 2033, 3), (1030, 17)),
        ("Desikan", False, (42,), (1001, 17)),
        ("DKT", True, (17, 16, 2001), (1030,)),
        ("one region per side", False, (1030, 1001), (3, 17)),
        ("none", False, (1030, 3), (17,)),
        ("not known", False, (), (1001, 1030, 3, 17)),
    ],
)
def test_what_is_absent_by_protocol(cortex: str, cortex_only: bool, lacking: tuple[int, ...], held: tuple[int, ...]) -> None:
    one = Parcellation(cortex, cortex_only)  # type: ignore[arg-type]
    assert all(one.lacks((id_,)) for id_ in lacking)
    assert not any(one.lacks((id_,)) for id_ in held)
    # a region that is merged from several ids is there where one of them can be
    assert not Parcellation("one region per side", False).lacks((3, 1030))


def test_real_maps_are_told_apart(shared_data: Path) -> None:
    for name, cortex in (("aparc.DKTatlas+aseg.mgz", "DKT"), ("aparc+aseg.mgz", "Desikan")):
        ids = read_label_map(shared_data / "subjects/sub-01/mri" / name).data
        assert parcellation_of(ids[ids != 0]).cortex == cortex
