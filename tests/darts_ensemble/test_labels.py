"""The label table: classes of ids, treatment of ids outside the 102, and which regions are pairs."""

from __future__ import annotations

import numpy as np
import pytest

from darts_ensemble.labels import (
    BACKGROUND_CLASS,
    HOMOLOGUE_CLASS,
    IGNORE_CLASS,
    KEPT_CHANNELS,
    LEFT_CLASS,
    REGION_BY_ID,
    REGION_IDS,
    REGIONS,
    classes_to_ids,
    foreign_ids,
    ids_to_classes,
)


def test_every_id_survives_the_way_into_classes_and_back() -> None:
    ids = np.concatenate([[0], REGION_IDS]).astype(np.int32)
    np.testing.assert_array_equal(classes_to_ids(ids_to_classes(ids)), ids)


def test_the_ten_channels_dropped_are_those_of_the_released_networks() -> None:
    dropped = sorted(set(range(113)) - set(KEPT_CHANNELS.tolist()))
    assert dropped == [34, 35, 42, 43, 73, 74, 77, 78, 108, 109]


@pytest.mark.parametrize("foreign", [77, 80, 72, 3, 42, 1000, 1001, 1032, 2033, -1, 99999])
def test_an_id_outside_the_102_is_ignored_and_counted_not_background(foreign: int) -> None:
    ids = np.array([foreign, foreign, 0, 17])
    np.testing.assert_array_equal(ids_to_classes(ids), [IGNORE_CLASS, IGNORE_CLASS, BACKGROUND_CLASS, 12])
    assert foreign_ids(ids) == {foreign: 2}


def test_a_value_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="class 103"):
        classes_to_ids([103])


def test_homologues_are_mutual_on_opposite_sides_and_of_one_name() -> None:
    assert sum(region.homologue is None for region in REGIONS) == 10
    for region in REGIONS:
        if region.homologue is None:
            assert region.hemisphere == "midline"
            continue
        other = REGION_BY_ID[region.homologue]
        assert other.homologue == region.id
        assert {region.hemisphere, other.hemisphere} == {"left", "right"}
        assert other.group == region.group
        strip = lambda name: name.replace("Left-", "").replace("Right-", "").replace("-lh-", "-").replace("-rh-", "-")  # noqa: E731
        assert strip(other.name) == strip(region.name)
        assert region.name.startswith(("Left-", "ctx-lh-") if region.hemisphere == "left" else ("Right-", "ctx-rh-"))
    np.testing.assert_array_equal(HOMOLOGUE_CLASS[HOMOLOGUE_CLASS], np.arange(103))
    for region in REGIONS:
        assert REGIONS[LEFT_CLASS[region.class_index]].hemisphere == region.hemisphere.replace("right", "left")
        assert LEFT_CLASS[region.class_index] in (region.class_index, HOMOLOGUE_CLASS[region.class_index])


def test_the_cortex_is_the_62_regions_of_dkt31() -> None:
    left = {1002, 1003, *range(1005, 1032), 1034, 1035}
    assert {region.id for region in REGIONS if region.dkt31} == left | {id_ + 1000 for id_ in left}
    assert {region.id for region in REGIONS if region.group == "cortex"} == left | {id_ + 1000 for id_ in left}
