"""Methods x subjects to one long table: each reference read once, finished pairs taken over, subjects in parallel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from darts_ensemble.errors import DartsError
from evaluation.cohort.find import Subject
from evaluation.metrics.grids import read_prediction, read_reference
from evaluation.metrics.pair_scores import Columns, PairScores, Scoring, score_pair
from evaluation.metrics.placement import Fault
from evaluation.results.finished import file_checksum, finished_file, pair_key, read_finished, write_finished
from evaluation.results.folder import IDENTITY, SIDES_MERGED
from evaluation.run.parallel import in_processes
from evaluation.run.protocol_warnings import protocol_warnings

__all__ = [
    "Failure", "Method", "Report", "Scores", "SubjectScores", "SubjectTask", "Suspect", "reason_of", "score_cohort",
    "score_subject",
]  # fmt: skip

Report = Callable[[str], None]


@dataclass(frozen=True)
class Method:
    """A method and its label maps.

    Attributes
    ----------
    name : str
    paths : dict of str to Path
        Label map of each subject that has one.
    also_merged : bool
        Whether it is scored a second time with homologues merged: a sagittal network can't tell the sides.
    seen : frozenset of str
        Subjects on which the method was trained.
    made_here : bool
        Whether this run made the label maps, so that no fault of files can be behind a bad one.
    """

    name: str
    paths: dict[str, Path]
    also_merged: bool = False
    seen: frozenset[str] = frozenset()
    made_here: bool = False


@dataclass(frozen=True)
class Failure:
    """A subject that could not be done, and why; `method` is empty where no method could."""

    subject: str
    method: str
    reason: str


@dataclass(frozen=True)
class Suspect:
    """A pair whose files seem faulty (:class:`evaluation.metrics.placement.Fault`), and whether it is in the tables."""

    subject: str
    method: str
    kind: str
    detail: str
    counted: bool


@dataclass(frozen=True)
class SubjectTask:
    """What is to be scored of one subject.

    Attributes
    ----------
    subject : Subject
    methods : tuple of Method
        Those that have a label map of it.
    scoring : Scoring
    finished : Path or None
        Folder of what earlier runs finished.
    overwrite : bool
        Score again what is finished.
    """

    subject: Subject
    methods: tuple[Method, ...]
    scoring: Scoring
    finished: Path | None
    overwrite: bool


@dataclass(frozen=True)
class SubjectScores:
    """One subject scored.

    Attributes
    ----------
    pairs : dict of str to PairScores
        By method.
    failures : list of Failure
    checksums : dict of str to str
        sha256 of each file read, by path.
    n_reused : int
        Pairs taken over from an earlier run.
    seconds : float
    """

    pairs: dict[str, PairScores]
    failures: list[Failure]
    checksums: dict[str, str]
    n_reused: int
    seconds: float


@dataclass(frozen=True)
class Scores:
    """A cohort scored.

    Attributes
    ----------
    table, groups : DataFrame
        One row a subject, method and region, or group of regions; columns as in :class:`evaluation.results.folder.Results`.
    pairs : dict of str to dict of str to PairScores
        subject -> method -> all that is known of the pair.
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
    pairs: dict[str, dict[str, PairScores]] = field(default_factory=dict)
    suspects: list[Suspect] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    checksums: dict[str, str] = field(default_factory=dict)
    n_reused: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


def score_cohort(
    subjects: Sequence[Subject],
    methods: Sequence[Method],
    scoring: Scoring,
    *,
    finished: Path | None = None,
    overwrite: bool = False,
    include_suspects: bool = False,
    jobs: int = 1,
    cluster: str | None = None,
    report: Report = lambda line: None,
) -> Scores:
    """Score every method on every subject that it has.

    Parameters
    ----------
    subjects, methods, scoring
    finished : Path, optional
        Folder in which finished pairs are kept, and looked for unless `overwrite`.
    overwrite : bool
    include_suspects : bool
        Keep pairs in which a fault of files is suspected in the tables.
    jobs : int
        Processes.
    cluster : str, optional
        Instead of processes, the Dask cluster at this address: see :func:`darts_ensemble.segment.cluster.spread`.
    report : callable
        Called with one line a subject.

    Raises
    ------
    UsageError, ClusterError
        If there is no such cluster.
    """
    tasks = []
    for subject in subjects:
        present = tuple(method for method in methods if subject.id in method.paths)
        if present:
            tasks.append(SubjectTask(subject, present, scoring, finished, overwrite))
    done: dict[str, SubjectScores] = {}
    for place, result in _spread(tasks, jobs, cluster):
        subject = tasks[place].subject
        if isinstance(result, SubjectScores):
            done[subject.id] = result
        else:
            done[subject.id] = SubjectScores({}, [Failure(subject.id, "", reason_of(result))], {}, 0, 0.0)
        report(_line(subject, done[subject.id]))
    return _assemble([task.subject for task in tasks], methods, done, scoring, include_suspects)


def score_subject(task: SubjectTask) -> SubjectScores:
    """Score all methods of one subject, its reference read at most once; what is finished is taken over.

    Raises
    ------
    ScanError, CohortError
        If the reference can't be read, or the finished pairs not be written.
    """
    started = time.monotonic()
    subject, scoring = task.subject, task.scoring
    checksums = {str(subject.reference): file_checksum(subject.reference)}
    path = finished_file(task.finished, subject.id) if task.finished else None
    earlier = read_finished(path) if path and not task.overwrite else {}
    keys: dict[str, str] = {}
    failures = []
    for method in task.methods:
        label_map = method.paths[subject.id]
        try:
            checksums[str(label_map)] = checksums.get(str(label_map)) or file_checksum(label_map)
        except DartsError as error:
            failures.append(Failure(subject.id, method.name, str(error)))
            continue
        sums = (checksums[str(subject.reference)], checksums[str(label_map)], scoring.digest())
        keys[method.name] = pair_key(*sums, also_merged=method.also_merged, wrong_header=subject.wrong_header)
    pairs = {name: earlier[key] for name, key in keys.items() if key in earlier}
    n_reused = len(pairs)
    left = [method for method in task.methods if method.name in keys and method.name not in pairs]
    if left:
        reference = read_reference(subject.reference, scoring.protocol)
        for method in left:
            try:
                prediction = read_prediction(method.paths[subject.id], scoring.protocol)
                how = {"also_merged": method.also_merged, "wrong_header": subject.wrong_header}
                pairs[method.name] = score_pair(reference, prediction, scoring, **how)
            except Exception as error:  # one pair that meets a bug or fills the memory must not cost the user the others
                failures.append(Failure(subject.id, method.name, reason_of(error)))
    if path and left and pairs:
        write_finished(path, subject.id, {keys[name]: one for name, one in pairs.items()})
    in_order = {method.name: pairs[method.name] for method in task.methods if method.name in pairs}
    return SubjectScores(in_order, failures, checksums, n_reused, time.monotonic() - started)


def _spread(tasks: Sequence[SubjectTask], jobs: int, cluster: str | None) -> Iterator[tuple[int, Any]]:
    if cluster is None:
        return in_processes(score_subject, tasks, jobs=jobs)
    from darts_ensemble.segment.cluster import spread

    return spread(score_subject, tasks, address=cluster)


def reason_of(error: Exception) -> str:
    """Return in one line why something failed; of errors that are not the project's own the name, and the first words."""
    return str(error) if isinstance(error, DartsError) else f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _line(subject: Subject, scores: SubjectScores) -> str:
    parts = []
    if scores.pairs:
        how = "taken over" if scores.n_reused == len(scores.pairs) else "scored"
        parts.append(f"{how} {', '.join(scores.pairs)}")
    failed = [failure.method or "all methods" for failure in scores.failures]
    if failed:
        parts.append(f"failed {', '.join(failed)}")
    return f"{subject.id}: {'; '.join(parts)}"


def _assemble(
    subjects: Sequence[Subject],
    methods: Sequence[Method],
    done: dict[str, SubjectScores],
    scoring: Scoring,
    include_suspects: bool,
) -> Scores:
    tables: list[pd.DataFrame] = []
    groups: list[pd.DataFrame] = []
    suspects = []
    warnings = []
    # Methods in the order in which they were given, whichever subject comes first.
    for method in methods:
        for subject in subjects:
            pair = done[subject.id].pairs.get(method.name)
            if pair is None:
                continue
            fault = pair.fault
            if _same_content(done[subject.id], subject, method):
                fault = Fault("the reference itself", "the same bytes: its scores say nothing")
            if fault is not None:
                counted = include_suspects or method.made_here
                suspects.append(Suspect(subject.id, method.name, fault.kind, fault.detail, counted))
                if not counted:
                    continue
            if pair.empty:
                warnings.append(f"{subject.id}: {method.paths[subject.id]} is empty: every region counts as missed")
            if pair.laid_on:
                warnings.append(
                    f"{subject.id}: {method.name} was laid on the reference voxel by voxel, whose header is known to be wrong"
                )
            tables.append(_frame(pair.regions, subject, method, method.name))
            if pair.merged:
                tables.append(_frame(pair.merged, subject, method, method.name + SIDES_MERGED))
            groups.append(_frame(pair.groups, subject, method, method.name))
    pairs = {subject.id: done[subject.id].pairs for subject in subjects}
    return Scores(
        table=_joined(tables),
        groups=_joined(groups),
        pairs=pairs,
        suspects=suspects,
        failures=[failure for subject in subjects for failure in done[subject.id].failures],
        warnings=warnings + protocol_warnings(pairs, scoring),
        checksums={path: sum_ for subject in subjects for path, sum_ in done[subject.id].checksums.items()},
        n_reused=sum(one.n_reused for one in done.values()),
        seconds={subject.id: round(done[subject.id].seconds, 2) for subject in subjects},
    )


def _same_content(scores: SubjectScores, subject: Subject, method: Method) -> bool:
    sums = scores.checksums
    return sums[str(subject.reference)] == sums[str(method.paths[subject.id])]


def _frame(columns: Columns, subject: Subject, method: Method, name: str) -> pd.DataFrame:
    metrics = [column for column in columns if column not in IDENTITY]
    own = {
        "subject": subject.id,
        "family": subject.family,
        "method": name,
        "seen_in_training": subject.id in method.seen,
    }
    n = len(columns["region_id"]) if columns else 0
    whole = {**{column: [value] * n for column, value in own.items()}, **columns}
    return pd.DataFrame({column: whole[column] for column in (*IDENTITY, *metrics)})


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    whole = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(IDENTITY))
    return whole.astype({"region_id": "Int64"}) if whole["region_id"].isna().any() else whole
