"""Score all methods of one subject: its reference is read at most once, and finished pairs are reused."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darts_ensemble.errors import DartsError
from darts_ensemble.versions import package_version
from evaluation.cohort.find import Subject
from evaluation.metrics.grids import read_prediction, read_reference
from evaluation.metrics.pair_scores import PairScores, Scoring, score_pair
from evaluation.results.finished import (
    file_checksum,
    finished_file,
    pair_key,
    read_finished,
    read_made_from,
    why_again,
    write_finished,
)

__all__ = ["Failure", "Method", "SubjectScores", "SubjectTask", "reason_of", "score_subject"]


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
        Whether this run made the label maps, so that an error in the files cannot be the reason for low scores.
    """

    name: str
    paths: dict[str, Path]
    also_merged: bool = False
    seen: frozenset[str] = frozenset()
    made_here: bool = False


@dataclass(frozen=True)
class Failure:
    """A subject that could not be scored, and why; `method` is empty if no method could."""

    subject: str
    method: str
    reason: str


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
        Folder of the finished pairs of earlier runs.
    overwrite : bool
        Also score finished pairs again.
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
        Pairs reused from an earlier run.
    seconds : float
    again : dict of str to str
        Why a method with a finished pair is scored again.
    """

    pairs: dict[str, PairScores]
    failures: list[Failure]
    checksums: dict[str, str]
    n_reused: int
    seconds: float
    again: dict[str, str] = field(default_factory=dict)


def score_subject(task: SubjectTask) -> SubjectScores:
    """Score all methods of one subject; its reference is read at most once, and finished pairs are reused.

    Raises
    ------
    ScanError, CohortError
        If the reference can't be read, or the finished pairs can't be written.
    """
    started = time.monotonic()
    subject, scoring = task.subject, task.scoring
    checksums = {str(subject.reference): file_checksum(subject.reference)}
    path = finished_file(task.finished, subject.id) if task.finished else None
    earlier = read_finished(path) if path and not task.overwrite else {}
    made_earlier = read_made_from(path) if path and not task.overwrite else {}
    keys: dict[str, str] = {}
    made_from: dict[str, dict[str, Any]] = {}
    failures = []
    for method in task.methods:
        label_map = method.paths[subject.id]
        try:
            checksums[str(label_map)] = checksums.get(str(label_map)) or file_checksum(label_map)
        except DartsError as error:
            failures.append(Failure(subject.id, method.name, str(error)))
            continue
        sums = (checksums[str(subject.reference)], checksums[str(label_map)], scoring.digest())
        made_from[method.name] = _made_from(*sums[:2], scoring)
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
            except Exception as error:  # a bug or too little memory in one pair must not stop the others
                failures.append(Failure(subject.id, method.name, reason_of(error)))
    if path and left and pairs:
        write_finished(path, subject.id, {keys[name]: one for name, one in pairs.items()}, made_from)
    in_order = {method.name: pairs[method.name] for method in task.methods if method.name in pairs}
    again = {
        method.name: why
        for method in left
        if method.name in pairs and (why := why_again(made_earlier.get(method.name, {}), made_from[method.name]))
    }
    return SubjectScores(in_order, failures, checksums, n_reused, time.monotonic() - started, again)


def _made_from(reference: str, label_map: str, scoring: Scoring) -> dict[str, Any]:
    """Return what the scores of a pair depend on, by the words that name a change of it."""
    return {
        "the reference": reference,
        "the label map": label_map,
        "the protocol": scoring.protocol.digest,
        "the regions": list(scoring.places),
        "--outside-protocol": scoring.outside,
        "surfaces": list(scoring.definitions),
        "--tolerance": list(scoring.tolerances),
        "--misses": scoring.misses,
        "the version": package_version("darts-ensemble"),
    }


def reason_of(error: Exception) -> str:
    """Return in one line why something failed; for errors of other kinds than the project's own, their name and first words."""
    return str(error) if isinstance(error, DartsError) else f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
