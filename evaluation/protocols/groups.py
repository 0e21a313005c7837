"""Groups of regions scored as one: cortex of each side, lobes, deep grey, ventricles, whole brain, reader-study regions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import REGIONS
from evaluation.protocols.protocol import Protocol

__all__ = ["DEEP_STRUCTURES", "GROUPS", "Group", "GroupPlaces", "groups_of", "layers"]

#: `--regions "deep structures"`: the 23 that FreeSurfer and the Center for Morphometric Analysis (manual labels) both have.
#: Without cerebral white matter, cerebellar cortex, inferior lateral ventricles, and structures of a few voxels.
DEEP_STRUCTURES = frozenset({4, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 26, 28, 43, 46, 49, 50, 51, 52, 53, 54, 58, 60})


@dataclass(frozen=True)
class Group:
    """Several regions taken as one.

    Attributes
    ----------
    name : str
    hemisphere : {"left", "right", "both"}
    kind : str
        "hemisphere", "lobe", "structure", "whole brain" or "reader study".
    ids : frozenset of int
        Regions of the group among the 102: a protocol that lacks one of them doesn't have the group.
    more_ids : frozenset of int
        Ids outside the 102 that also belong to it, if a protocol has them.
    """

    name: str
    hemisphere: str
    kind: str
    ids: frozenset[int]
    more_ids: frozenset[int]


@dataclass(frozen=True)
class GroupPlaces:
    """A group under a protocol: the positions of its regions, (n,) int64."""

    group: Group
    places: npt.NDArray[np.int64]


# Last two digits of the cortical ids in each lobe, after the table of FreeSurfer's wiki page CorticalParcellation, which
# leaves the cingulate and the insula to lobes of their own. Bankssts (1) and the poles (32, 33) are not DKT's.
_LOBES = {
    "frontal lobe": (3, 12, 14, 17, 18, 19, 20, 24, 27, 28, 32),
    "parietal lobe": (8, 22, 25, 29, 31),
    "temporal lobe": (1, 6, 7, 9, 15, 16, 30, 33, 34),
    "occipital lobe": (5, 11, 13, 21),
}
_NOT_DKT = (1, 32, 33)
#: The seven regions of the published reader study (arXiv 1911.05567, table 6), by their left ids.
_READER_STUDY = {
    "insula": (1035,), "caudate": (11,), "cingulate gyrus": (1002, 1010, 1023, 1026), "lateral ventricle": (4,),
    "pallidum": (13,), "putamen": (12,), "thalamus": (10,),
}  # fmt: skip
_STRUCTURES = ("white matter", "ventricles", "deep grey", "medial temporal", "cerebellum", "corpus callosum")


def _cortical(side: str, numbers: Iterable[int]) -> tuple[frozenset[int], frozenset[int]]:
    base = 1000 if side == "left" else 2000
    inside = frozenset(base + number for number in numbers if number not in _NOT_DKT)
    return inside, frozenset(base + number for number in numbers if number in _NOT_DKT)


def _right(ids: Iterable[int]) -> frozenset[int]:
    homologues = {region.id: region.homologue for region in REGIONS}
    return frozenset(homologues[id_] or id_ for id_ in ids)


def _all_groups() -> tuple[Group, ...]:
    groups = []
    for side, cortex_of_aseg, unknown in (("left", 3, 1000), ("right", 42, 2000)):
        cortex = frozenset(region.id for region in REGIONS if region.group == "cortex" and region.hemisphere == side)
        more = frozenset({cortex_of_aseg, unknown, *(unknown + number for number in _NOT_DKT)})
        groups.append(Group(f"{side} cortex", side, "hemisphere", cortex, more))
    for lobe, numbers in _LOBES.items():
        groups += [Group(f"{side} {lobe}", side, "lobe", *_cortical(side, numbers)) for side in ("left", "right")]
    for structure in _STRUCTURES:
        ids = frozenset(region.id for region in REGIONS if region.group == structure)
        # Mindboggle's CMA labels have the cerebellar cortex under 6 and 45.
        more = frozenset({6, 45}) if structure == "cerebellum" else frozenset()
        groups.append(Group(structure, "both", "structure", ids, more))
    whole = frozenset(region.id for region in REGIONS)
    groups.append(Group("whole brain", "both", "whole brain", whole, groups[0].more_ids | groups[1].more_ids))
    for name, left in _READER_STUDY.items():
        groups.append(Group(f"left {name}", "left", "reader study", frozenset(left), frozenset()))
        groups.append(Group(f"right {name}", "right", "reader study", _right(left), frozenset()))
    return tuple(groups)


#: All groups, in the order of the tables.
GROUPS = _all_groups()


def groups_of(protocol: Protocol, scored: Sequence[int]) -> list[GroupPlaces]:
    """Return the groups of which a protocol has all regions, and all of these are scored.

    Parameters
    ----------
    protocol : Protocol
    scored : sequence of int
        Positions of the regions that are scored.

    Notes
    -----
    A region belongs to a group if all its ids do: a protocol that merges the cortex of a side into one region has no lobes.
    """
    found = []
    for group in GROUPS:
        members = group.ids | group.more_ids
        places = [place for place, region in enumerate(protocol.regions) if members.issuperset(region.ids)]
        covered = {id_ for place in places for id_ in protocol.regions[place].ids}
        if covered.issuperset(group.ids) and set(scored).issuperset(places):
            found.append(GroupPlaces(group, np.array(places, dtype=np.int64)))
    return found


def layers(groups: Sequence[GroupPlaces]) -> list[list[GroupPlaces]]:
    """Divide the groups into few sets (first fit) without a common region, so that each set can be one label map."""
    sets: list[list[GroupPlaces]] = []
    for group in groups:
        for one in sets:
            if not any(np.intersect1d(group.places, other.places).size for other in one):
                one.append(group)
                break
        else:
            sets.append([group])
    return sets
