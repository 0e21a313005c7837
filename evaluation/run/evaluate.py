"""Methods x subjects to one long table: each reference read once, finished pairs reused, subjects in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from evaluation.cohort.find import Subject
from evaluation.metrics.pair_scores import Scoring
from evaluation.run.cohort_scores import Scores, Suspect, gather
from evaluation.run.parallel import in_processes
from evaluation.run.subject_scores import Failure, Method, SubjectScores, SubjectTask, reason_of, score_subject

__all__ = [
    "Failure", "Method", "Report", "Scores", "SubjectScores", "SubjectTask", "Suspect", "reason_of", "score_cohort",
    "score_subject",
]  # fmt: skip

Report = Callable[[str], None]


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
        Folder in which finished pairs are kept; they are reused unless `overwrite`.
    overwrite : bool
    include_suspects : bool
        Keep pairs in which a fault of files is suspected in the tables.
    jobs : int
        Processes.
    cluster : str, optional
        Instead of processes, the Dask cluster at this address: see :func:`darts_ensemble.segment.cluster.spread`.
    report : callable
        Called with one line per subject.

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
    return gather([task.subject for task in tasks], methods, done, scoring, include_suspects)


def _spread(tasks: Sequence[SubjectTask], jobs: int, cluster: str | None) -> Iterator[tuple[int, Any]]:
    if cluster is None:
        return in_processes(score_subject, tasks, jobs=jobs)
    from darts_ensemble.segment.cluster import spread

    return spread(score_subject, tasks, address=cluster)


def _line(subject: Subject, scores: SubjectScores) -> str:
    parts = []
    if scores.pairs:
        how = "taken over" if scores.n_reused == len(scores.pairs) else "scored"
        parts.append(f"{how} {', '.join(scores.pairs)}")
    reasons: dict[str, list[str]] = {}
    for method, why in scores.again.items():
        reasons.setdefault(why, []).append(method)
    parts += [f"{', '.join(methods)} again ({why})" for why, methods in reasons.items()]
    failed = [failure.method or "all methods" for failure in scores.failures]
    if failed:
        parts.append(f"failed {', '.join(failed)}")
    return f"{subject.id}: {'; '.join(parts)}"
