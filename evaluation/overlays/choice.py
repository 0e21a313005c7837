"""Choose the subjects and structures of overlays: best, median and worst subject; regions by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from darts_ensemble.errors import UsageError
from evaluation.figures.region_layout import readable_name, region_rows, sided_name
from evaluation.protocols.groups import GROUPS
from evaluation.results.folder import SIDES_MERGED, Results
from evaluation.results.significance import choose_baseline

__all__ = [
    "REGIONS_SHOWN",
    "Chosen",
    "Structure",
    "choose_structures",
    "default_structures",
    "lowest_regions",
    "ranked_subjects",
    "ranking_method",
    "structure_dice",
]

#: Regions of the published sample predictions.
REGIONS_SHOWN = ("putamen", "caudate", "hippocampus", "insula", "pallidum")
_SIDE = re.compile("^(left|right) ")


@dataclass(frozen=True)
class Structure:
    """A region, or a group of regions, on one side or both.

    Attributes
    ----------
    name : str
        As written next to the pictures.
    ids : dict of str to tuple of int
        FreeSurfer ids on each of its sides ("left", "right", "midline", "both").
    names : dict of str to str
        `region_name` of each side in scores.csv, or in groups.csv.
    group : bool
        Whether its scores are in groups.csv.
    """

    name: str
    ids: dict[str, tuple[int, ...]]
    names: dict[str, str]
    group: bool

    @property
    def all_ids(self) -> list[int]:
        """Ids of all sides."""
        return [id_ for ids in self.ids.values() for id_ in ids]


@dataclass(frozen=True)
class Chosen:
    """A subject and why it is shown: "best", "median", "worst", "only", or "" if the user chose it."""

    subject: str
    rank: str
    mean_dice: float
    n_ranked: int


def choose_structures(results: Results, names: Sequence[str]) -> list[Structure]:
    """Return the structures with the given names, ids or groups; a name without a side means both sides.

    Raises
    ------
    UsageError
        If the run has no structure of a name.
    """
    return [_structure(results, name) for name in names]


def default_structures(results: Results) -> list[Structure]:
    """Return those of :data:`REGIONS_SHOWN` that a run has, or its first regions if it has none of them."""
    names = {readable_name(name) for name in results.scores["region_name"]}
    shown = [name for name in REGIONS_SHOWN if name in names] or [row.name for row in region_rows(results.scores)]
    return choose_structures(results, shown[: len(REGIONS_SHOWN)])


def lowest_regions(results: Results, subject: str, method: str) -> list[str]:
    """Return the regions with the lowest Dice of a method in a subject, lowest first; as many as are shown by default."""
    table = results.scores
    rows = table[(table["subject"] == subject) & (table["method"] == method) & (table["n_ref_voxels"] > 0)]
    ordered = rows.dropna(subset=["dice"]).sort_values("dice", kind="stable")["region_name"]
    return list(dict.fromkeys(readable_name(str(name)) for name in ordered))[: len(REGIONS_SHOWN)]


def _structure(results: Results, wanted: str) -> Structure:
    word = wanted.strip().lower()
    merged = results.account.get("protocol", {}).get("merged", {})
    known: dict[str, None] = {}
    for table, group in ((results.scores, False), (results.groups, True)):
        rows = table[~table["method"].str.endswith(SIDES_MERGED)].drop_duplicates(["region_name", "hemisphere"])
        found: dict[str, tuple[str, tuple[int, ...]]] = {}
        for row in rows.to_dict("records"):
            name, side = str(row["region_name"]), str(row["hemisphere"])
            short = _SIDE.sub("", name) if group else readable_name(name)
            sided = name if group else sided_name(name, side)
            known |= dict.fromkeys([short])
            # FreeSurfer 7 dropped the suffix of its thalamus.
            labels = {name, name.removesuffix("-Proper"), sided, short, "" if group else str(row["region_id"])}
            if word in {label.lower() for label in labels}:
                members = _group_ids(name) if group else tuple(merged.get(str(row["region_id"]), (int(row["region_id"]),)))
                found[side] = (name, members)
        if found:
            one = next(iter(found.values()))[0]
            short = _SIDE.sub("", one) if group else readable_name(one)
            side = next(iter(found)) if len(found) == 1 and next(iter(found)) in ("left", "right") else ""
            shown = f"{short} {side[:1].upper()}".strip()
            return Structure(
                shown, {s: members for s, (_, members) in found.items()}, {s: name for s, (name, _) in found.items()}, group
            )
    close = get_close_matches(word, [name.lower() for name in known], n=3, cutoff=0.4)
    hint = f"expected one such as {', '.join(close or list(known)[:3])}"
    raise UsageError(f"--regions {wanted}: not among the regions and groups of {results.folder}; {hint}")


def _group_ids(name: str) -> tuple[int, ...]:
    return tuple(sorted(id_ for group in GROUPS if group.name == name for id_ in group.ids | group.more_ids))


def structure_dice(results: Results, structure: Structure, subject: str, method: str) -> dict[str, float]:
    """Return the Dice of each side of a structure in a subject; NaN if there is none."""
    table = results.groups if structure.group else results.scores
    rows = table[(table["subject"] == subject) & (table["method"] == method)].set_index("region_name")["dice"]
    return {side: float(rows.get(name, np.nan)) for side, name in structure.names.items()}


def ranking_method(results: Results, rank_by: str | None = None) -> str:
    """Return the method by whose Dice subjects are ranked: the given one, else the baseline of the figures.

    Raises
    ------
    UsageError
        If the run has no method of that name.
    """
    methods = [method for method in results.methods if not method.endswith(SIDES_MERGED)]
    if rank_by is not None and rank_by not in methods:
        raise UsageError(f"--rank-by {rank_by}; expected a method of the run: {', '.join(methods)}")
    means = results.counted(results.subjects).groupby("method")["mean_dice"].mean()
    return rank_by or choose_baseline(methods, means)


def ranked_subjects(
    results: Results, method: str, subjects: Sequence[str] = (), *, methods: Sequence[str] = ()
) -> list[Chosen]:
    """Return the best, the median and the worst subject by the mean Dice of a method, or the given subjects.

    Subjects that are included in means are ranked, or those seen in training if there are no others; if some of them have all
    of `methods`, only those. For an even number of subjects the lower median is taken, for two the best and the worst, and
    for equal ones the first by name.

    Raises
    ------
    UsageError
        If the run has no such subject.
    """
    rows = results.subjects[results.subjects["method"] == method]
    counted = results.counted(results.subjects)
    kept = counted[counted["method"] == method]
    known = (kept if len(kept) else rows).dropna(subset=["mean_dice"])
    shown = results.subjects[results.subjects["method"].isin(methods)].groupby("subject")["method"].nunique()
    complete = known["subject"].map(shown).eq(len(set(methods)))
    known = known[complete] if complete.any() else known
    known = known.sort_values(["mean_dice", "subject"], ascending=[False, True], kind="stable")
    means = pd.Series(known["mean_dice"].to_numpy(dtype=float), index=list(known["subject"]), dtype=float)
    if subjects:
        every: dict[Any, Any] = dict(zip(rows["subject"], rows["mean_dice"], strict=True))
        unknown = [name for name in subjects if name not in set(results.subjects["subject"])]
        if unknown:
            raise UsageError(
                f"--subjects {', '.join(unknown)}: not in {results.folder / 'subjects.csv'}; expected subjects of it"
            )
        return [Chosen(name, "", float(every.get(name, np.nan)), len(means)) for name in subjects]
    n = len(means)
    places = {0: "only"} if n == 1 else {0: "best", n // 2: "median", n - 1: "worst"} if n > 2 else {0: "best", n - 1: "worst"}
    return [Chosen(str(means.index[at]), rank, float(means.iloc[at]), n) for at, rank in places.items() if n]
