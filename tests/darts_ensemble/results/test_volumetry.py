"""Volumes, agreement in each region, and the flags that ask a user to look."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nibabel.affines import voxel_sizes
from scipy.spatial.transform import Rotation

from darts_ensemble.labels import REGION_BY_ID, REGION_IDS, REGIONS
from darts_ensemble.results.volumetry import quality_flags, region_agreement, region_volumes, unusual_volumes

CENTIMETRES = np.diag([10.0, 10.0, 10.0, 1.0])


@pytest.mark.parametrize("angles", [(0, 0, 0), (15, -20, 33)])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (0.7, 0.8, 1.2), (-1.1, 0.9, 2.0)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_a_volume_is_the_number_of_voxels_times_their_size_however_oblique(
    angles: tuple[float, ...], sizes: tuple[float, ...], order: Any, dtype: Any
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(sizes)
    some = [0, 17, 53] if dtype is np.uint8 else [0, 17, 53, 2035]
    ids = np.asarray(np.random.default_rng(0).choice(some, size=(8, 9, 7)).astype(dtype), order=order)
    table = region_volumes(ids, affine).set_index("region_id")
    assert list(table.index) == [region.id for region in REGIONS]
    for one in some[1:]:
        count = np.count_nonzero(ids == one)
        assert table.loc[one, "n_voxels"] == count
        assert table.loc[one, "volume_mm3"] == pytest.approx(count * np.prod(voxel_sizes(affine)), abs=6e-4)
    assert table["n_voxels"].sum() == np.count_nonzero(ids)
    assert tuple(table.loc[17, ["region_name", "hemisphere", "group"]]) == ("Left-Hippocampus", "left", "medial temporal")


@pytest.mark.parametrize("orders", [("C", "C"), ("F", "C"), ("C", "F"), ("F", "F")])
def test_agreement_of_a_region_is_its_mean_however_the_arrays_lie_in_memory(orders: Any) -> None:
    rng = np.random.default_rng(1)
    ids = np.asarray(rng.choice([0, 10, 49, 1022], size=(6, 11, 8)).astype(np.int16), order=orders[0])
    agreement = np.asarray(rng.choice([0, 1 / 3, 1], size=ids.shape).astype(np.float32), order=orders[1])
    table = region_agreement(ids, agreement).set_index("region_id")
    assert list(table.columns) == ["region_name", "n_voxels", "agreement"]
    for one in (10, 49, 1022):
        assert table.loc[one, "n_voxels"] == np.count_nonzero(ids == one)
        assert table.loc[one, "agreement"] == pytest.approx(agreement[ids == one].mean(), abs=5.1e-5)
    assert table["agreement"].notna().sum() == 3, "a region that is absent has no agreement"


def plausible() -> np.ndarray:
    """All 102 regions, nine voxels each, inside a border of background: 918 cm3 with voxels of 1 cm."""
    ids = np.zeros((12, 12, 12), dtype=np.int16)
    inside = np.zeros(1000, dtype=np.int16)
    inside[: 102 * 9] = np.repeat(REGION_IDS, 9)
    ids[1:-1, 1:-1, 1:-1] = inside.reshape(10, 10, 10)
    return ids


def flags(ids: np.ndarray, affine: np.ndarray = CENTIMETRES, agreement: float | None = 0.9) -> list[str]:
    return quality_flags(region_volumes(ids, affine), ids, agreement)


def test_a_plausible_brain_raises_no_flag_with_or_without_agreement() -> None:
    assert flags(plausible()) == []
    assert flags(plausible(), agreement=None) == []


def test_missing_regions_are_named() -> None:
    ids = plausible()
    ids[(ids == 14) | (ids == 15)] = 16
    assert flags(ids) == ["missing region: 3rd-Ventricle, 4th-Ventricle"]


@pytest.mark.parametrize(("left", "flagged"), [(6, False), (5, True), (15, False), (16, True)])
def test_sides_that_differ_by_more_than_half_their_mean_are_named(left: int, flagged: bool) -> None:
    ids = plausible()
    flat = ids.ravel()
    if left < 9:
        flat[np.flatnonzero(flat == 17)[: 9 - left]] = 0
    else:
        flat[[i for i in np.flatnonzero(flat == 0) if ids_inside(i)][: left - 9]] = 17
    assert np.count_nonzero(ids == 17) == left
    expected = [f"left/right asymmetry: Left-Hippocampus {left}000 mm3, other side 9000 mm3"] if flagged else []
    assert flags(ids) == expected


def ids_inside(index: int) -> bool:
    return all(1 <= one <= 10 for one in np.unravel_index(index, (12, 12, 12)))


def test_small_pairs_are_not_called_unlike() -> None:
    ids = plausible()
    ids[ids == 30] = 0
    ids[1, 1, 1] = 30
    found = flags(ids, np.diag([3.0, 3.0, 3.0, 1.0]))
    assert not any("asymmetry" in flag for flag in found), "a vessel of a few voxels always differs"


@pytest.mark.parametrize(("size", "flagged"), [(9.4, True), (9.6, False), (12.7, False), (12.8, True)])
def test_a_brain_of_unlikely_size_is_flagged_with_the_range(size: float, flagged: bool) -> None:
    found = flags(plausible(), np.diag([size, size, size, 1.0]))
    expected = [f"volume of all regions {918 * size**3 / 1000:.0f} cm3, outside 800 to 1900"] if flagged else []
    assert found == expected


@pytest.mark.parametrize("face", [(0, 5, 5), (-1, 5, 5), (5, 0, 5), (5, -1, 5), (5, 5, 0), (5, 5, -1)])
def test_brain_on_any_face_of_the_scan_is_flagged(face: tuple[int, int, int]) -> None:
    ids = plausible()
    ids[face] = 1022
    assert flags(ids) == ["brain touches the border of the scan"]


def test_views_that_disagree_are_flagged() -> None:
    assert flags(plausible(), agreement=0.699) == ["low view agreement: 0.70"]
    assert flags(plausible(), agreement=0.7) == []


def test_a_real_brain_raises_no_flag(shared_data: Any) -> None:
    image: Any = nib.load(shared_data / "subjects/sub-01/mri/aparc.DKTatlas+aseg.mgz")
    ids = np.asarray(image.dataobj)
    table = region_volumes(ids, image.affine)
    assert isinstance(table, pd.DataFrame)
    assert table["volume_mm3"].sum() == np.isin(ids, REGION_IDS).sum()
    assert quality_flags(table, ids, 0.9) == []
    assert {REGION_BY_ID[int(one)].name for one in table["region_id"]} == set(table["region_name"])


def test_a_region_of_unusual_volume_is_named_with_its_range(shared_data: Any) -> None:
    image: Any = nib.load(shared_data / "subjects/sub-07/mri/aparc.DKTatlas+aseg.mgz")
    ids = np.asarray(image.dataobj).copy()
    assert unusual_volumes(region_volumes(ids, image.affine)) == []
    ids[ids == 17] = np.where(np.arange(np.count_nonzero(ids == 17)) % 4 == 0, 17, 0)
    (flag,) = unusual_volumes(region_volumes(ids, image.affine))
    assert flag.startswith("volume outside the usual range: Left-Hippocampus ")
    assert "," not in flag


def test_every_region_has_a_range_and_a_missing_one_is_left_to_the_other_flag() -> None:
    everything = region_volumes(np.repeat(REGION_IDS, 1000)[None, None], np.diag([100.0, 100, 100, 1]))
    (flag,) = unusual_volumes(everything)
    assert all(region.name in flag for region in REGIONS)
    assert unusual_volumes(region_volumes(np.zeros((2, 2, 2), dtype=np.int16), np.eye(4))) == []
