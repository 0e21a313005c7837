"""One sentence warns of a brain that is upside down or mostly missing; there is no warning for a whole brain."""

from __future__ import annotations

import numpy as np
import pytest

from darts_ensemble.labels import REGIONS
from darts_ensemble.results.suspicion import suspicion
from tests.phantoms.brain import AFFINE, SHAPE, brain

IDS = brain()


def without(count: int, ids: np.ndarray = IDS) -> np.ndarray:
    """The phantom without some small deep regions."""
    gone = [region.id for region in REGIONS if region.id < 1000 and region.id not in (7, 8, 46, 47)][:count]
    return np.where(np.isin(ids, gone), 0, ids)


def placed() -> np.ndarray:
    """A brain with the cerebellum below the cortex and the frontal lobe in front."""
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    mm = voxels @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    ids = np.where(IDS > 0, 1022, 0)
    ids[(IDS > 0) & (mm[..., 2] < -25)] = 8
    ids[(IDS > 0) & (mm[..., 1] > 30)] = 1028
    ids[(IDS > 0) & (mm[..., 1] < -40) & (mm[..., 2] > -20)] = 1011
    return ids


def test_a_whole_brain_whose_views_agree_raises_no_doubt() -> None:
    for agreement in (None, 0.95, 0.75):
        assert suspicion(IDS, AFFINE, agreement) is None
        assert suspicion(without(8), AFFINE, agreement) is None


def test_orientation_is_named_where_the_order_of_lobes_is_turned() -> None:
    upright = placed()
    found = suspicion(upright, AFFINE, 0.5)
    assert found is not None
    assert "orientation" in found and "contrast" in found
    upside_down, backwards = (np.flip(upright, axis) for axis in (1, 2))
    assert "cerebellum lies above" in str(suspicion(upside_down, AFFINE, 0.5))
    assert "frontal lobe lies behind" in str(suspicion(backwards, AFFINE, 0.5))


@pytest.mark.parametrize("agreement", [None, 0.2])
def test_next_to_no_brain_is_told_with_its_volume(agreement: float | None) -> None:
    little = IDS.copy()
    little[:, :, 12:] = 0
    found = str(suspicion(without(30, little), AFFINE, agreement))
    assert "regions are missing" in found
    assert ("views agree on 20%" in found) is (agreement is not None)
    assert "\n" not in found


def test_an_empty_map_is_no_error() -> None:
    assert "only 0 cm3 of brain" in str(suspicion(np.zeros((4, 4, 4), dtype=np.int16), AFFINE, 0.0))
