"""Errors in files are found and named; maps that are only imperfect are not suspected."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.labels import REGION_BY_ID
from darts_ensemble.scans.scan import Scan
from evaluation.metrics.grids import Reference, read_prediction, read_reference
from evaluation.metrics.placement import Fault, find_fault
from evaluation.protocols.parcellation import parcellation_of
from evaluation.protocols.protocol import load_protocol
from tests.phantoms.brain import AFFINE, SHAPE, brain, save

DARTS = load_protocol("darts102")
IDS = brain().astype(np.int32)
IMPERFECT = brain(jitter=5).astype(np.int32)
MIRRORED = np.array([[-1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def reference() -> Reference:
    ids = np.asfortranarray(IDS)
    foreground = np.flatnonzero(ids.reshape(-1, order="F"))
    return Reference(Scan(Path("reference"), ids, AFFINE, None), parcellation_of(IDS), foreground)


def fault(ids: np.ndarray, affine: np.ndarray = AFFINE) -> Fault | None:
    return find_fault(reference(), Scan(Path("prediction"), np.asfortranarray(ids), affine, None), DARTS)


def exchanged(ids: np.ndarray) -> np.ndarray:
    table = np.arange(3000)
    for id_, region in REGION_BY_ID.items():
        table[id_] = region.homologue or id_
    return table[ids]


def moved(*mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[:3, 3] += mm
    return affine


@pytest.mark.parametrize("jitter", [0, 5, 12])
def test_a_method_that_is_merely_imperfect_is_not_suspected(jitter: float) -> None:
    assert fault(brain(jitter=jitter).astype(np.int32)) is None


@given(axes=st.permutations([0, 1, 2]), flips=st.tuples(*[st.booleans()] * 3))
def test_no_storage_order_is_suspected(axes: list[int], flips: tuple[bool, bool, bool]) -> None:
    orientation = np.array([[axis, -1 if flip else 1] for axis, flip in zip(axes, flips, strict=True)])
    image = nib.Nifti1Image(IMPERFECT, AFFINE).as_reoriented(orientation)
    assert fault(np.asarray(image.dataobj), image.affine) is None


def test_exchanged_labels_are_named() -> None:
    found = fault(exchanged(IMPERFECT))
    assert found is not None
    assert found.kind == "left and right exchanged"
    assert found.detail.startswith("mean Dice 0.0")
    one_side = IMPERFECT.copy()
    one_side[np.isin(IMPERFECT, [id_ for id_, region in REGION_BY_ID.items() if region.hemisphere == "left"])] = 0
    assert fault(one_side) is None
    assert fault(exchanged(one_side)) == fault(exchanged(one_side))
    assert fault(exchanged(one_side)).kind == "left and right exchanged"  # type: ignore[union-attr]


def test_a_volume_mirrored_by_its_affine_is_named() -> None:
    # the same voxels, but the header's x points the other way about the middle of the head
    found = fault(IMPERFECT, MIRRORED @ AFFINE)
    assert found is not None
    assert found.kind in ("another affine", "left and right exchanged")
    assert "reference's axes are LIA, the prediction's RIA" in found.detail or found.kind == "left and right exchanged"


@pytest.mark.parametrize("mm", [(12.0, 0.0, 0.0), (0.0, -8.0, 8.0), (100.0, 30.0, 0.0)])
def test_a_shifted_origin_is_named_in_mm(mm: tuple[float, float, float]) -> None:
    found = fault(IMPERFECT, moved(*mm))
    assert found is not None
    assert found.kind == "origin shifted"
    told = found.detail.split("moved by (")[1].split(")")[0]
    np.testing.assert_allclose([float(value) for value in told.split(", ")], mm, atol=1.5)


def test_a_lost_affine_is_named() -> None:
    found = fault(IMPERFECT, np.diag([4.0, 4, 4, 1]))
    assert found is not None
    assert found.kind == "another affine"
    assert "the reference's axes are LIA, the prediction's RAS" in found.detail


def test_another_head_or_place_is_near_zero() -> None:
    rng = np.random.default_rng(0)
    ids = np.unique(IDS[IDS > 0])
    found = fault(np.where(IDS > 0, rng.choice(ids, SHAPE), 0).astype(np.int32))
    assert found is not None
    assert found.kind == "overlap near zero"
    assert found.detail.startswith("mean Dice 0.0")
    # half the head cut off and laid elsewhere: no shift makes it fit
    corner = np.zeros_like(IDS)
    corner[:4, :4, :4] = 17
    found = fault(corner)
    assert found is not None
    assert found.detail == "0 % of the smaller brain lies in the other"


def test_one_small_region_is_not_taken_for_another_place() -> None:
    assert fault(np.where(IDS == 17, 17, 0)) is None
    assert fault(np.zeros_like(IDS)) is None


def test_a_cortical_protocol_sees_exchanged_sides_too(tmp_path: Path) -> None:
    protocol = load_protocol("dkt31")
    one = read_reference(save(tmp_path / "r.nii.gz", IDS), protocol)
    two = read_prediction(save(tmp_path / "p.nii.gz", exchanged(IDS)), protocol)
    found = find_fault(one, two, protocol)
    assert found is not None
    assert found.kind == "left and right exchanged"
