"""The legend: names, colours and volumes of what the maps hold; regions are found as users call them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from darts_ensemble.errors import UsageError
from darts_ensemble.labels import REGION_BY_ID
from evaluation.viewer.images import LabelMap
from evaluation.viewer.legend import entry_named, index_map, legend_of


def label_map(ids: np.ndarray, name: str = "a") -> LabelMap:
    values, counts = np.unique(ids, return_counts=True)
    volumes = {int(value): float(count) for value, count in zip(values, counts, strict=True) if value}
    return LabelMap(name, Path(name), ids.astype(np.int32), volumes)


@pytest.fixture
def maps() -> list[LabelMap]:
    one = np.zeros((12, 12, 12), dtype=np.int32)
    one[1:4, 1:4, 1:4] = 17  # the left hippocampus
    one[8:11, 1:4, 1:4] = 53  # the right one
    one[5, 5, 5] = 16
    one[1:3, 8:10, 8:10] = 1028
    two = one.copy()
    two[one == 16] = 0
    two[9, 9, 9] = 9001
    return [label_map(one), label_map(two, "b")]


def test_every_region_of_any_map_has_name_colour_and_a_volume_in_each(maps: list[LabelMap]) -> None:
    legend = {entry.id: entry for entry in legend_of(maps)}
    assert set(legend) == {17, 53, 16, 1028, 9001}
    assert (legend[17].name, legend[17].freesurfer_name, legend[17].rgb) == (
        "left hippocampus", "Left-Hippocampus", REGION_BY_ID[17].rgb,
    )  # fmt: skip
    assert (legend[1028].name, legend[9001].name) == ("left superior frontal", "label 9001")
    assert legend[16].volumes == (1.0, None) and legend[9001].volumes == (None, 1.0)
    assert legend[53].volumes == (27.0, 27.0)
    # The 102 come in their order, others after them.
    assert [entry.id for entry in legend_of(maps)][-1] == 9001


def test_the_voxel_to_jump_to_lies_in_the_region_at_its_middle(maps: list[LabelMap]) -> None:
    legend = {entry.id: entry for entry in legend_of(maps)}
    assert legend[17].at == (2, 2, 2) and legend[53].at == (9, 2, 2) and legend[9001].at == (9, 9, 9)
    # The middle of a ring is not in the ring; the place is.
    ring = np.zeros((21, 21, 3), dtype=np.int32)
    x, y = np.ogrid[-10:11, -10:11]
    ring[(np.hypot(x, y) < 10) & (np.hypot(x, y) > 7)] = 17
    (entry,) = legend_of([label_map(ring)])
    assert entry.at is not None and ring[entry.at] == 17


def test_a_region_outside_the_scan_has_a_volume_and_no_place(maps: list[LabelMap]) -> None:
    cut = LabelMap("c", Path("c"), np.where(maps[0].ids == 16, 0, maps[0].ids), maps[0].volumes)
    entry = next(entry for entry in legend_of([cut]) if entry.id == 16)
    assert entry.at is None and entry.volumes == (1.0,)


@pytest.mark.parametrize("known", [[17, 53, 1028], [-4, 17, 53], [17, 90_000_000, -90_000_000]])
def test_places_count_from_one_in_the_order_of_the_list(known: list[int]) -> None:
    ids = np.array([0, 17, 53, 1028, -4, 90_000_000, -90_000_000, 5], dtype=np.int32)
    expected = [known.index(id_) + 1 if id_ in known else 0 for id_ in ids.tolist()]
    assert index_map(ids, known).tolist() == expected
    assert index_map(ids, []).tolist() == [0] * len(ids)


@pytest.mark.parametrize("wanted", ["17", "Left-Hippocampus", "left hippocampus", "hippocampus L", " Hippocampus l"])
def test_a_region_is_found_as_users_call_it(maps: list[LabelMap], wanted: str) -> None:
    assert entry_named(legend_of(maps), wanted).id == 17


def test_a_name_without_a_side_is_enough_where_there_is_one_side(maps: list[LabelMap]) -> None:
    assert entry_named(legend_of(maps), "superior frontal").id == 1028
    with pytest.raises(UsageError, match="left hippocampus and right hippocampus are meant"):
        entry_named(legend_of(maps), "hippocampus")
    with pytest.raises(UsageError, match="not in the label maps; expected one such as left hippocampus"):
        entry_named(legend_of(maps), "hippocampos left")
    with pytest.raises(UsageError, match="there is no region"):
        entry_named([], "17")
