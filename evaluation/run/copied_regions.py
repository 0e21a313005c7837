"""Regions of a label map that equal the reference in every voxel: one was copied from the other, and Dice 1 says nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from evaluation.metrics.pair_scores import PairScores, Scoring
from evaluation.run.labelled_regions import regions_in_words, without_scores

__all__ = ["COPIED", "CopiedRegions", "copied_regions"]

#: The status of such a region.
COPIED = "copied"
#: Regions of fewer voxels may be equal by chance.
_FEWEST_VOXELS = 100

Pairs = Mapping[str, Mapping[str, PairScores]]


@dataclass(frozen=True)
class CopiedRegions:
    """Regions in which a method equals the reference in every voxel, in every subject.

    Attributes
    ----------
    by_method : mapping of str to frozenset of int
        Ids by method; methods without such a region are not in it.
    n_subjects : mapping of str to int
        Subjects of each of these methods.
    kept : bool
        Whether they are scored like others all the same.
    scoring : Scoring
    """

    by_method: Mapping[str, frozenset[int]]
    n_subjects: Mapping[str, int]
    kept: bool
    scoring: Scoring

    def left_out(self) -> dict[str, list[int]]:
        """Return the ids of each method that get no scores."""
        return {} if self.kept else {method: sorted(ids) for method, ids in self.by_method.items() if not self._whole(ids)}

    def marked(self, method: str, pair: PairScores) -> PairScores:
        """Return a pair whose copied regions, and the groups that hold one, have the status "copied" and no scores."""
        copied = set(self.left_out().get(method, ()))
        if not copied:
            return pair
        protocol = self.scoring.protocol
        members = {one.group.name: {protocol.regions[place].id for place in one.places} for one in self.scoring.groups}
        regions = [id_ in copied for id_ in pair.regions["region_id"]]
        groups = [bool(members[name] & copied) for name in pair.groups.get("region_name", [])]
        return replace(
            pair,
            regions=without_scores(pair.regions, regions, COPIED),
            groups=without_scores(pair.groups, groups, COPIED),
        )

    def warnings(self) -> list[str]:
        """Return one line for each method: how many regions, which, and what becomes of them."""
        lines = []
        for method, ids in self.by_method.items():
            n = self.n_subjects[method]
            fate = (
                f"left out of the means and tests of {method} (--include-suspects keeps them)"
                if method in self.left_out()
                else "kept in the tables"
            )
            words = regions_in_words([region for region in self.scoring.regions if region.id in ids], self.scoring)
            lines.append(
                f"{method}: {len(ids)} of {len(self.scoring.places)} regions equal the reference in every voxel, in "
                f"{'every subject' if n > 1 else 'the subject'} (one was copied from the other, and Dice 1 says nothing); "
                f"{fate}: {words}"
            )
        return lines

    def _whole(self, ids: frozenset[int]) -> bool:
        """Whether no region is left: a map made up for a trial, or the reference under another name."""
        return ids.issuperset(region.id for region in self.scoring.regions)


def copied_regions(pairs: Pairs, scoring: Scoring, *, made_here: Collection[str], kept: bool) -> CopiedRegions:
    """Find the regions that a method has from the reference, or the reference from the method.

    In Mindboggle-101 the cortex of a person's `+aseg` file is that of the person's CMA file: a method that is read from the one
    and scored against the other would have a Dice of 1 there.

    Parameters
    ----------
    pairs : mapping
        subject -> method -> scores.
    scoring : Scoring
    made_here : collection of str
        Methods whose label maps this run made: they can't be copies.
    kept : bool
        Whether they stay in the tables like others.
    """
    equal: dict[str, dict[int, bool]] = {}
    n_subjects: dict[str, int] = {}
    for found in pairs.values():
        for method, pair in found.items():
            if method in made_here:
                continue
            n_subjects[method] = n_subjects.get(method, 0) + 1
            of_method = equal.setdefault(method, {})
            columns = (pair.regions[name] for name in ("region_id", "n_ref_voxels", "n_pred_voxels", "dice"))
            for id_, n_reference, n_prediction, dice in zip(*columns, strict=True):
                if n_reference or n_prediction:
                    same = dice == 1.0 and n_reference >= _FEWEST_VOXELS
                    of_method[id_] = of_method.get(id_, True) and same
    by_method = {method: frozenset(id_ for id_, same in of.items() if same) for method, of in equal.items()}
    return CopiedRegions({method: ids for method, ids in by_method.items() if ids}, n_subjects, kept, scoring)
