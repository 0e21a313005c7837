"""Places of disagreement: a thick one comes before many thin ones, in mm whatever the voxels are."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.viewer.disagreement import differing, low_agreement, worst_places


def ball(shape: tuple[int, ...], middle: tuple[int, ...], radius: float, sizes: tuple[float, ...]) -> np.ndarray:
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    return sum(((axis - at) * size) ** 2 for axis, at, size in zip(axes, middle, sizes, strict=True)) <= radius**2


@pytest.mark.parametrize("sizes", [(1.0, 1.0, 1.0), (0.5, 1.0, 2.0)])
def test_the_middle_of_the_thickest_place_comes_first_though_a_thin_shell_has_more_voxels(sizes: tuple[float, ...]) -> None:
    shape = (80, 60, 40)
    thick, less = ball(shape, (20, 20, 15), 5, sizes), ball(shape, (60, 45, 28), 3, sizes)
    shell = np.zeros(shape, dtype=bool)
    shell[2:78, 2, 2:38] = True
    assert shell.sum() > thick.sum() or sizes != (1.0, 1.0, 1.0)
    places = worst_places(thick | less | shell, sizes)
    assert [place.at for place in places[:2]] == [(20, 20, 15), (60, 45, 28)]
    # A ball of radius r ends within a voxel of r.
    assert places[0].thickness == pytest.approx(10, abs=2 * max(sizes))
    assert [place.thickness for place in places] == sorted((place.thickness for place in places), reverse=True)


def test_places_lie_apart_and_are_not_endless() -> None:
    disagree = np.zeros((60, 60, 60), dtype=bool)
    disagree[10:50, 10:50, 30] = True
    places = worst_places(disagree, (1.0, 1.0, 1.0), most=5)
    assert len(places) == 5
    for number, one in enumerate(places):
        for other in places[:number]:
            assert np.linalg.norm(np.subtract(one.at, other.at)) > 6


def test_the_edge_of_the_image_is_the_end_of_a_place() -> None:
    disagree = np.ones((9, 9, 9), dtype=bool)
    (place, *_) = worst_places(disagree, (1.0, 1.0, 1.0))
    assert place.at == (4, 4, 4) and place.thickness == pytest.approx(10)
    assert worst_places(np.zeros((9, 9, 9), dtype=bool), (1.0, 1.0, 1.0)) == []


def test_maps_differ_where_their_ids_do_and_for_a_region_where_one_alone_has_it() -> None:
    one, two = np.array([0, 1, 1, 2, 3], dtype=np.uint16), np.array([0, 1, 2, 1, 4], dtype=np.uint16)
    assert differing(one, two).tolist() == [False, False, True, True, True]
    assert differing(one, two, 1).tolist() == [False, False, True, True, False]
    assert low_agreement(np.array([0, 85, 127, 128, 255], dtype=np.uint8)).tolist() == [True, True, True, False, False]
