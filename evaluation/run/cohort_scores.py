"""The scores of a cohort as one long table, with suspicions, failures and warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from evaluation.cohort.find import Subject
from evaluation.metrics.pair_scores import Columns, PairScores, Scoring
from evaluation.metrics.placement import Fault
from evaluation.results.folder import IDENTITY, SIDES_MERGED
from evaluation.run.copied_regions import CopiedRegions, copied_regions
from evaluation.run.labelled_regions import LabelledRegions, labelled_regions
from evaluation.run.protocol_warnings import protocol_warnings
from evaluation.run.same_person import equal_maps, families_of, maps_of_others, reading_notes
from evaluation.run.subject_scores import Failure, Method, SubjectScores

__all__ = ["Scores", "Suspect", "gather"]


@dataclass(frozen=True)
class Suspect:
    """A pair with files that seem faulty (:class:`evaluation.metrics.placement.Fault`), and whether it is in the tables."""

    subject: str
    method: str
    kind: str
    detail: str
    counted: bool


@dataclass(frozen=True)
class Scores:
    """A cohort scored.

    Attributes
    ----------
    table, groups : DataFrame
        One row per subject, method and region (or group); columns as in :class:`evaluation.results.folder.Results`.
    pairs : dict of str to dict of str to PairScores
        subject -> method -> scores of the pair.
    labelled : LabelledRegions
        Which regions the references label.
    copied : CopiedRegions
        Which regions of which method equal the reference in every voxel.
    families : mapping of str to str
        Family of each subject: as in its cohort; subjects whose references have equal voxels share one.
    suspects : list of Suspect
    failures : list of Failure
    warnings : list of str
    checksums : dict of str to str
    n_reused : int
    seconds : dict of str to float
        Of each subject.
    """

    table: pd.DataFrame
    groups: pd.DataFrame
    pairs: dict[str, dict[str, PairScores]]
    labelled: LabelledRegions
    copied: CopiedRegions
    families: Mapping[str, str]
    suspects: list[Suspect] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    checksums: dict[str, str] = field(default_factory=dict)
    n_reused: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


def gather(
    subjects: Sequence[Subject],
    methods: Sequence[Method],
    done: dict[str, SubjectScores],
    scoring: Scoring,
    include_suspects: bool,
) -> Scores:
    pairs = {subject.id: done[subject.id].pairs for subject in subjects}
    labelled = labelled_regions(pairs, scoring)
    copied = copied_regions(pairs, scoring, made_here=[one.name for one in methods if one.made_here], kept=include_suspects)
    families, related = families_of({subject.id: subject for subject in subjects}, pairs)
    of_others = maps_of_others(pairs)
    tables: list[pd.DataFrame] = []
    groups: list[pd.DataFrame] = []
    suspects = []
    warnings = []
    # Methods in the given order, whichever subject comes first.
    for method in methods:
        for subject in subjects:
            pair = done[subject.id].pairs.get(method.name)
            if pair is None:
                continue
            suspect = _suspect(done[subject.id], subject, method, of_others, keep=include_suspects)
            if suspect is not None:
                suspects.append(suspect)
                if not suspect.counted:
                    continue
            if pair.empty:
                warnings.append(f"{subject.id}: {method.paths[subject.id]} is empty: every region counts as missed")
            if pair.laid_on:
                warnings.append(
                    f"{subject.id}: {method.name} was compared voxel by voxel: the reference's header is known to be wrong"
                )
            pair = copied.marked(method.name, labelled.marked(subject.id, pair))
            tables.append(_frame(pair.regions, subject, method, families))
            if pair.merged:
                tables.append(_frame(pair.merged, subject, method, families, SIDES_MERGED))
            groups.append(_frame(pair.groups, subject, method, families))
    return Scores(
        table=_joined(tables),
        groups=_joined(groups),
        pairs=pairs,
        suspects=suspects,
        failures=[failure for subject in subjects for failure in done[subject.id].failures],
        warnings=[
            *warnings,
            *related,
            *equal_maps(pairs),
            *reading_notes(pairs),
            *protocol_warnings(pairs, scoring),
            *labelled.warnings(),
            *copied.warnings(),
        ],
        copied=copied,
        families=families,
        labelled=labelled,
        checksums={path: sum_ for subject in subjects for path, sum_ in done[subject.id].checksums.items()},
        n_reused=sum(one.n_reused for one in done.values()),
        seconds={subject.id: round(done[subject.id].seconds, 2) for subject in subjects},
    )


def _suspect(
    scores: SubjectScores, subject: Subject, method: Method, of_others: Mapping[tuple[str, str], Fault], *, keep: bool
) -> Suspect | None:
    """Return what is suspected of a pair; None if nothing is."""
    fault = of_others.get((subject.id, method.name), scores.pairs[method.name].fault)
    if _same_content(scores, subject, method):
        fault = Fault("the reference itself", "the same bytes: its scores mean nothing")
    return None if fault is None else Suspect(subject.id, method.name, fault.kind, fault.detail, keep or method.made_here)


def _same_content(scores: SubjectScores, subject: Subject, method: Method) -> bool:
    sums = scores.checksums
    return sums[str(subject.reference)] == sums[str(method.paths[subject.id])]


def _frame(columns: Columns, subject: Subject, method: Method, families: Mapping[str, str], ending: str = "") -> pd.DataFrame:
    metrics = [column for column in columns if column not in IDENTITY]
    own = {
        "subject": subject.id,
        "family": families[subject.id],
        "method": method.name + ending,
        "seen_in_training": subject.id in method.seen,
    }
    n = len(columns["region_id"]) if columns else 0
    whole = {**{column: [value] * n for column, value in own.items()}, **columns}
    return pd.DataFrame({column: whole[column] for column in (*IDENTITY, *metrics)})


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    whole = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(IDENTITY))
    return whole.astype({"region_id": "Int64"}) if whole["region_id"].isna().any() else whole
