"""Which regions the references of a cohort label: regions outside their protocol can be neither missed nor invented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from evaluation.metrics.pair_scores import Columns, PairScores, Scoring
from evaluation.protocols.protocol import ProtocolRegion
from evaluation.results.folder import metric_names
from evaluation.run.protocol_warnings import named

__all__ = ["ABSENT", "LabelledRegions", "labelled_regions", "regions_in_words", "without_scores"]

#: The status of a region that the reference's protocol does not have.
ABSENT = "absent by protocol"
#: If a reference lacks more regions of the cohort than this, its protocol has fewer regions. FreeSurfer's maps of one brain
#: lack at most six: vessels, optic chiasm, inferior lateral ventricles, CSF.
_MOST_MISSING = 10
#: With at least this number of regions on one side and none on the other, only one hemisphere was labelled.
_FEWEST_OF_A_SIDE = 3
#: Smaller groups may be absent from a brain.
_FEWEST_OF_A_GROUP = 3
#: A group is not scored if a larger share of its regions is not labelled. FastSurfer's map without callosum and vessels lacks
#: 8 % of the regions of the whole brain, SynthSeg's 10 %: these voxels have other labels of the same brain.
_LARGEST_SHARE = 0.1


@dataclass(frozen=True)
class LabelledRegions:
    """Regions that the references of a cohort do not label.

    Attributes
    ----------
    by_none : frozenset of int
        Ids of the scored regions that no reference of the cohort holds.
    by_subject : dict of str to frozenset of int
        For each subject, the ids that the protocol of its own reference does not have, including those of `by_none`.
    scoring : Scoring
    """

    by_none: frozenset[int]
    by_subject: Mapping[str, frozenset[int]]
    scoring: Scoring

    def marked(self, subject: str, pair: PairScores) -> PairScores:
        """Return a pair whose rows of regions that its reference does not label are absent by protocol, without scores."""
        absent = self.by_subject.get(subject, frozenset())
        if not absent:
            return pair
        protocol = self.scoring.protocol
        by_id = {region.id: region for region in protocol.regions}
        regions = [id_ in absent for id_ in pair.regions["region_id"]]
        merged = [bool({id_, by_id[id_].homologue} & absent) for id_ in pair.merged.get("region_id", [])]
        members = {one.group.name: [protocol.regions[place].id for place in one.places] for one in self.scoring.groups}
        groups = [
            sum(id_ in absent for id_ in members[name]) > _LARGEST_SHARE * len(members[name])
            for name in pair.groups.get("region_name", [])
        ]
        return replace(
            pair,
            regions=without_scores(pair.regions, regions, ABSENT),
            merged=without_scores(pair.merged, merged, ABSENT),
            groups=without_scores(pair.groups, groups, ABSENT),
        )

    def warnings(self) -> list[str]:
        """Return one line for what no reference labels, and one for each set of regions that only some references lack."""
        lines = []
        if self.by_none:
            words = regions_in_words(self._regions(self.by_none), self.scoring)
            lines.append(
                f"absent by protocol, as no reference holds them: {len(self.by_none)} of {len(self.scoring.places)} regions "
                f"({words}); they are in no mean"
            )
        lacking: dict[frozenset[int], list[str]] = {}
        for subject, ids in self.by_subject.items():
            if ids - self.by_none:
                lacking.setdefault(ids - self.by_none, []).append(subject)
        for ids, subjects in lacking.items():
            words = regions_in_words(self._regions(ids), self.scoring)
            lines.append(
                f"regions absent by the references' protocol, {len(ids)} ({words}), in no mean of these subjects, as their "
                f"references label less than others: {named(subjects)}"
            )
        return lines

    def _regions(self, ids: frozenset[int]) -> list[ProtocolRegion]:
        return [region for region in self.scoring.regions if region.id in ids]


def labelled_regions(pairs: Mapping[str, Mapping[str, PairScores]], scoring: Scoring) -> LabelledRegions:
    """Find from the voxels of all references which regions each of them labels.

    A region is absent by protocol if no reference of the cohort has it, or if a reference clearly labels fewer regions than the
    others: it follows a protocol without the region (:meth:`evaluation.protocols.parcellation.Parcellation.lacks`), labels only
    one hemisphere, or lacks a whole group (the corpus callosum) or more than ten of the regions that others have.

    Parameters
    ----------
    pairs : mapping
        subject -> method -> scores.
    scoring : Scoring
    """
    held: dict[str, frozenset[int]] = {}
    follows = {}
    for subject, found in pairs.items():
        if not found:
            continue
        one = next(iter(found.values()))
        rows = zip(one.regions["region_id"], one.regions["n_ref_voxels"], strict=True)
        held[subject] = frozenset(id_ for id_, voxels in rows if voxels)
        follows[subject] = one.reference_labels
    everywhere = frozenset().union(*held.values())
    by_none = frozenset(region.id for region in scoring.regions) - everywhere if held else frozenset()
    by_subject = {}
    for subject, ids in held.items():
        lacking = {region.id for region in scoring.regions if region.id not in ids and follows[subject].lacks(region.ids)}
        missing = everywhere - ids
        if len(missing) > _MOST_MISSING:
            lacking |= missing
        lacking |= missing & _of_the_other_side(ids, scoring)
        lacking |= _of_whole_groups(missing, ids, scoring)
        by_subject[subject] = frozenset(lacking | by_none)
    return LabelledRegions(by_none, by_subject, scoring)


def _of_the_other_side(ids: frozenset[int], scoring: Scoring) -> set[int]:
    """Return the ids of the side that a reference does not label if it labels the other one; none if it labels both."""
    sides = {
        side: {region.id for region in scoring.regions if region.hemisphere == side and region.homologue is not None}
        for side in ("left", "right")
    }
    for one, other in (("left", "right"), ("right", "left")):
        if len(sides[one] & ids) >= _FEWEST_OF_A_SIDE and not sides[other] & ids:
            return sides[other]
    return set()


def _of_whole_groups(missing: frozenset[int], ids: frozenset[int], scoring: Scoring) -> set[int]:
    """Return those of the missing regions whose group the reference does not label at all."""
    there = {region.group for region in scoring.regions if region.id in ids}
    by_group: dict[str, set[int]] = {}
    for region in scoring.regions:
        if region.id in missing and region.group not in there:
            by_group.setdefault(region.group, set()).add(region.id)
    return {id_ for members in by_group.values() if len(members) >= _FEWEST_OF_A_GROUP for id_ in members}


def regions_in_words(regions: Iterable[ProtocolRegion], scoring: Scoring) -> str:
    """Return regions in a line: a whole group as `corpus callosum (all 5)`, many of one as `cortex (31 of 62)`, few by name."""
    by_group: dict[str, list[str]] = {}
    for region in regions:
        by_group.setdefault(region.group, []).append(region.name)
    parts = []
    for group, names in by_group.items():
        n = sum(region.group == group for region in scoring.regions)
        if len(names) == n > 2:
            parts.append(f"{group} (all {n})")
        elif len(names) > 4:
            parts.append(f"{group} ({len(names)} of {n})")
        else:
            parts += names
    return ", ".join(parts)


def without_scores(columns: Columns, marked: list[bool], status: str) -> Columns:
    """Return the columns with the given rows marked: they have that status, and their metrics are NaN."""
    if not any(marked):
        return columns
    changed = dict(columns)
    changed["status"] = [status if out else own for out, own in zip(marked, columns["status"], strict=True)]
    for name in metric_names(columns):
        changed[name] = [np.nan if out else value for out, value in zip(marked, columns[name], strict=True)]
    return changed
