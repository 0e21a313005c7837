"""One sentence warns of a brain that is upside down or mostly missing; there is no warning for a whole brain."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from darts_ensemble.labels import REGIONS
from darts_ensemble.results.suspicion import suspicion
from darts_ensemble.scans.conform import Conformed
from darts_ensemble.scans.scan import Scan
from tests.conftest import SOAK
from tests.phantoms.brain import AFFINE, SHAPE, brain

IDS = brain()


def without(count: int, ids: np.ndarray = IDS) -> np.ndarray:
    """The phantom without some small deep regions."""
    gone = [region.id for region in REGIONS if region.id < 1000 and region.id not in (7, 8, 46, 47)][:count]
    return np.where(np.isin(ids, gone), 0, ids)


def placed() -> np.ndarray:
    """A brain with the cerebellum below the cortex and behind, and the frontal lobe in front."""
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    mm = voxels @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    ids = np.where(IDS > 0, 1022, 0)
    ids[(IDS > 0) & (mm[..., 2] < -25) & (mm[..., 1] < 0)] = 8
    ids[(IDS > 0) & (mm[..., 1] > 30)] = 1028
    ids[(IDS > 0) & (mm[..., 1] < -40) & (mm[..., 2] > -20)] = 1011
    return ids


def test_a_whole_brain_whose_views_agree_raises_no_doubt() -> None:
    for agreement in (None, 0.95, 0.75):
        assert suspicion(IDS, AFFINE, agreement) is None
        assert suspicion(without(3), AFFINE, agreement) is None


def uneven(pairs: int) -> np.ndarray:
    """The phantom with a third of so many regions of the left side."""
    ids = IDS.copy()
    for region in [one for one in REGIONS if one.hemisphere == "left" and one.homologue][:pairs]:
        where = np.flatnonzero(ids == region.id)
        ids.flat[where[len(where) // 3 :]] = 0
    return ids


def test_many_pairs_with_sides_that_differ_and_missing_regions_are_a_doubt_of_one_view() -> None:
    assert suspicion(uneven(7), AFFINE, None) is None
    found = str(suspicion(uneven(8), AFFINE, None))
    assert "(8 pairs of regions differ much between the sides)" in found
    gone = np.where(np.isin(uneven(6), (16, 85)), 0, uneven(6))  # the brain stem and the optic chiasm have no other side
    assert "(2 of 102 regions are missing, 6 pairs" in str(suspicion(gone, AFFINE, 0.9))


def test_a_brain_larger_than_any_is_a_doubt_about_voxel_sizes() -> None:
    wide = AFFINE @ np.diag([1.3, 1.3, 1.3, 1])
    assert "voxel sizes" in str(suspicion(IDS, wide, 0.95))
    assert suspicion(IDS, AFFINE @ np.diag([1.1, 1.1, 1.1, 1]), 0.95) is None


def test_orientation_is_named_where_the_order_of_lobes_is_turned() -> None:
    upright = placed()
    found = suspicion(upright, AFFINE, 0.5)
    assert found is not None
    assert "orientation" in found and "contrast" in found
    upside_down, backwards = (np.flip(upright, axis) for axis in (1, 2))
    assert "cerebellum lies above" in str(suspicion(upside_down, AFFINE, 0.5))
    assert "cerebellum lies in front" in str(suspicion(backwards, AFFINE, 0.5))
    without_cerebellum = np.where(backwards == 8, 1022, backwards)
    assert "frontal lobe lies behind" in str(suspicion(without_cerebellum, AFFINE, 0.5))


def test_a_head_back_to_front_is_named_also_where_the_lobes_follow_the_place() -> None:
    """As networks label that know the position in the head: frontal in front, whatever lies there."""
    ids = placed()
    lobes = np.isin(ids, (1028, 1011))
    turned = np.where(lobes, ids, np.where(np.flip(ids, 2) == 8, 8, np.where(ids == 8, 1022, ids)))
    assert "back to front" in str(suspicion(turned, AFFINE, 0.54))


@pytest.mark.parametrize("agreement", [None, 0.2])
def test_next_to_no_brain_is_reported_with_its_volume(agreement: float | None) -> None:
    little = IDS.copy()
    little[:, :, 12:] = 0
    found = str(suspicion(without(30, little), AFFINE, agreement))
    assert "regions are missing" in found
    assert ("views agree on 20%" in found) is (agreement is not None)
    assert "\n" not in found


def test_an_empty_map_is_no_error() -> None:
    assert "only 0 cm3 of brain" in str(suspicion(np.zeros((4, 4, 4), dtype=np.int16), AFFINE, 0.0))


def conformed(data: np.ndarray, extent: tuple[int, int, int] = (160, 200, 180)) -> Conformed:
    """A scan of some values; on the networks' grid tissue reaches as far as given."""
    volume = np.zeros((256, 256, 256), dtype=np.float32)
    volume[tuple(slice(128 - length // 2, 128 + length // 2) for length in extent)] = 100
    scan = Scan(Path("x.nii"), data, AFFINE, nib.Nifti1Image(IDS, AFFINE))
    return Conformed(volume, np.eye(4), scan, identical=False)


T1 = np.where(IDS > 0, 100.0, 0.0)
Z = np.where(IDS > 0, np.random.default_rng(0).normal(size=IDS.shape), 0)


def hounsfield() -> np.ndarray:
    data = np.where(IDS > 0, 40, -1000)
    data[:, :3] = 900  # bone
    return data


def test_the_sentence_names_what_values_and_extent_show() -> None:
    few = without(15, np.where(IDS >= 1000, 1022, IDS))
    for scan, words in (
        (conformed(hounsfield()), "as of a CT"),
        (conformed(T1, (160, 40, 180)), "40 mm from top to bottom: is it a slab"),
        (conformed(Z), "as of a statistical map"),
        (conformed(T1), "such as T2 or FLAIR"),
        (None, "such as T2 or FLAIR"),
    ):
        found = str(suspicion(few, AFFINE, 0.21, scan))
        assert words in found
        assert found.startswith("probably not an upright T1 of a whole head (")
        assert "\n" not in found


def test_dark_white_matter_is_a_doubt_even_where_the_labels_are_good() -> None:
    flair = conformed(np.where(np.isin(IDS, (2, 41)), 60.0, np.where(IDS > 0, 100.0, 0.0)))
    for agreement in (None, 0.9, 0.63):
        found = str(suspicion(IDS, AFFINE, agreement, flair))
        assert "white matter is darker than the cortex" in found
        assert "such as T2 or FLAIR" in found


def test_nothing_else_in_the_values_makes_a_doubt_where_the_labels_are_good() -> None:
    for scan in (conformed(hounsfield()), conformed(T1, (160, 40, 180)), conformed(Z)):
        assert suspicion(IDS, AFFINE, 0.9, scan) is None


@pytest.mark.parametrize("turn", list(itertools.product((1, -1), repeat=3)))
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))) if SOAK else [(0, 1, 2)])
def test_labels_turned_in_any_way_give_one_sentence(turn: tuple[int, int, int], order: tuple[int, int, int]) -> None:
    turned = placed().transpose(order)[tuple(slice(None, None, step) for step in turn)]
    found = str(suspicion(turned, AFFINE, 0.55))
    assert found.count(": ") >= 1
    if order == (0, 1, 2):
        # LIA: the second axis runs down, the third to the front.
        up, front = turn[1] > 0, turn[2] > 0
        assert ("upside down" in found) is not up
        if up:
            assert ("back to front" in found) is not front
