"""Protocols: which ids are scored, merged, masked; tables of users; lists in the docs that equal the tables."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from darts_ensemble.errors import UsageError
from darts_ensemble.labels import REGIONS
from evaluation.protocols.groups import GROUPS, groups_of, layers
from evaluation.protocols.protocol import PROTOCOLS, homologous_id, load_protocol, side_of
from tests.conftest import ROOT

LEFT_DKT = {1002, 1003, *range(1005, 1032), 1034, 1035}
DOCS = ROOT / "docs/reference/evaluation.md"


def ids_of(name: str) -> set[int]:
    return {id_ for region in load_protocol(name).regions for id_ in region.ids}


def test_built_in_protocols_hold_the_ids_of_their_atlases() -> None:
    dkt = LEFT_DKT | {id_ + 1000 for id_ in LEFT_DKT}
    other = {region.id for region in REGIONS} - dkt
    assert ids_of("darts102") == dkt | other
    assert ids_of("dkt31") == dkt
    assert ids_of("dk") == dkt | {1001, 1032, 1033, 2001, 2032, 2033}
    assert [len(load_protocol(name).regions) for name in PROTOCOLS] == [102, 62, 68, 42, 93]
    # outside the cortex there is other tissue, not doubt: it is background to a cortical protocol, never masked
    assert load_protocol("dkt31").background == load_protocol("dk").background == other
    cortex = next(region for region in load_protocol("aseg").regions if region.id == 3)
    assert (cortex.name, cortex.hemisphere, cortex.group, cortex.homologue) == ("Left-Cerebral-Cortex", "left", "cortex", 42)
    assert set(cortex.ids) == {3, 1000, 1001, 1032, 1033} | LEFT_DKT
    assert ids_of("aseg") >= other


def test_the_102_are_in_class_order_with_the_names_and_sides_of_the_labels() -> None:
    for one, region in zip(load_protocol("darts102").regions, REGIONS, strict=True):
        assert (one.id, one.name, one.hemisphere, one.group, one.homologue, one.ids) == (
            region.id, region.name, region.hemisphere, region.group, region.homologue, (region.id,),
        )  # fmt: skip


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_docs_list_the_ids_in_force(name: str) -> None:
    section = DOCS.read_text(encoding="utf-8").split(f"### {name}\n", 1)[1].split("\n#", 1)[0]
    listed = {int(number) for number in re.findall(r"\b\d+\b", section.split("Scored:", 1)[1].split("\n\n", 1)[0])}
    assert listed == ids_of(name)


@pytest.mark.parametrize(
    ("id_", "other", "side"),
    [
        (17, 53, "left"), (2001, 1001, "right"), (3, 42, "left"), (16, None, "midline"), (11123, 12123, "left"),
        (12123, 11123, "right"), (4035, 3035, "right"), (77, None, "midline"), (46, 7, "right"),
    ],
)  # fmt: skip
def test_sides_of_ids_outside_the_102(id_: int, other: int | None, side: str) -> None:
    assert (homologous_id(id_), side_of(id_)) == (other, side)


def write(path: Path, *rows: str) -> str:
    path.write_text("\n".join(row.replace("|", "\t") for row in rows) + "\n", encoding="utf-8")
    return str(path)


def test_a_table_of_ones_own_merges_masks_and_names(tmp_path: Path) -> None:
    # the inferior frontal gyrus of DKT25, both sides, and the cerebellum as one
    path = write(
        tmp_path / "mine.tsv", "id|use|region|group", "1018|score|ifg-l|frontal", "1019|score|ifg-l", "1020|score|ifg-l",
        "2018|score|ifg-r|frontal", "2019|score|ifg-r|", "2020|score|ifg-r|", "7|score|cerebellum", "8|score|cerebellum",
        "46|score|cerebellum", "47|score|cerebellum", "77|mask|", "24|background|", "16|score|",
    )  # fmt: skip
    protocol = load_protocol(path)
    left, right, cerebellum, stem = protocol.regions
    assert (protocol.name, left.ids, left.homologue) == ("mine", (1018, 1019, 1020), 2018)
    assert (left.group, left.hemisphere) == ("frontal", "left")
    assert right.homologue == 1018
    assert (cerebellum.hemisphere, cerebellum.homologue, cerebellum.group) == ("midline", None, "cerebellum")
    assert stem.name == "Brain-Stem"
    ids = np.array([[0, 1019, 2020, 47], [77, 24, 16, 1024], [-5, 70000, 65535, 8]])
    background, masked, outside = protocol.background_place, protocol.masked_place, protocol.outside_place
    assert protocol.places(ids).tolist() == [
        [background, 0, 1, 2], [masked, background, 3, outside], [outside, outside, outside, 2],
    ]  # fmt: skip
    assert protocol.homologue_places.tolist() == [1, 0, 2, 3]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("id|region", "2|a"), "id, region found; expected a tab-separated table with the columns id, use, region"),
        (("id|use|region", "2|score|a", "2|mask|"), "line 3: id 2 a second time"),
        (("id|use|region", "x|score|a"), "line 2: id x; expected a whole number"),
        (("id|use|region", "0|score|a"), "line 2: id 0; expected a whole number from 1"),
        (("id|use|region", "2|keep|a"), "line 2: use keep; expected score, background, mask"),
        (("id|use|region", "9999|score|"), "line 2: id 9999 without a region"),
        (("id|use|region", "2|mask|"), "no id with use score"),
        (("id|use|region|hemisphere", "2|score|a|up"), "region a has hemisphere up"),
        (("id|use|region|group", "2|score|a|x", "41|score|a|y"), "region a has group x, y; expected one"),
    ],
)
def test_tables_that_are_none_are_refused_with_the_line(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_protocol(write(tmp_path / "p.tsv", *rows))


def test_an_unknown_protocol_is_refused_with_those_there_are() -> None:
    expected = "--protocol dkt: no such protocol or file; expected darts102, dkt31, dk, aseg, oasis-cma or a"
    with pytest.raises(UsageError, match=expected):
        load_protocol("dkt")


def test_groups_hold_the_regions_that_they_say() -> None:
    members = {group.name: group.ids for group in GROUPS}
    assert len(members) == len(GROUPS)
    assert members["left cortex"] == LEFT_DKT
    lobes = [members[f"left {lobe} lobe"] for lobe in ("frontal", "parietal", "temporal", "occipital")]
    # with the cingulate and the insula, which are lobes of their own, they make up the cortex, none twice
    parts = [*lobes, members["left cingulate gyrus"], members["left insula"]]
    assert sum(map(len, parts)) == 31
    assert frozenset().union(*parts) == LEFT_DKT
    assert members["right cingulate gyrus"] == {2002, 2010, 2023, 2026}
    assert members["deep grey"] == {10, 11, 12, 13, 26, 28, 49, 50, 51, 52, 58, 60}
    assert members["ventricles"] == {4, 5, 14, 15, 31, 43, 44, 63}
    assert members["whole brain"] == {region.id for region in REGIONS}
    study = [group.name for group in GROUPS if group.kind == "reader study"]
    assert len(study) == 14
    assert members["right thalamus"] == {49}


def test_a_protocol_has_the_groups_of_which_it_has_all() -> None:
    def names(protocol: str, without: int | None = None) -> set[str]:
        one = load_protocol(protocol)
        return {g.group.name for g in groups_of(one, [p for p, r in enumerate(one.regions) if r.id != without])}

    assert len(names("darts102")) == 31
    assert not names("dkt31") & {"whole brain", "deep grey", "left putamen"}
    assert {"left cortex", "whole brain"} <= names("aseg")
    assert "left frontal lobe" not in names("aseg")
    assert names("darts102") - names("darts102", without=1024) == {"left cortex", "left frontal lobe", "whole brain"}
    desikan = load_protocol("dk")
    temporal = next(g for g in groups_of(desikan, range(68)) if g.group.name == "left temporal lobe")
    assert {desikan.regions[place].id for place in temporal.places} >= {1001, 1033}


def test_layers_never_hold_a_region_twice() -> None:
    groups = groups_of(load_protocol("darts102"), range(102))
    sets = layers(groups)
    assert sorted(one.group.name for layer in sets for one in layer) == sorted(one.group.name for one in groups)
    for layer in sets:
        places = np.concatenate([one.places for one in layer])
        assert len(np.unique(places)) == len(places)
