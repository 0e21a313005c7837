"""Many scans with one set of networks: reading, computing and writing at the same time here, or spread over a cluster.

Every scan gives exactly one row of the run's account; an error in one scan does not stop the others.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darts_ensemble.cores import threads_of_each, wait_without_spinning
from darts_ensemble.errors import DartsError
from darts_ensemble.scans.inputs import NamedScan
from darts_ensemble.segment.cluster import local_workers, spread
from darts_ensemble.segment.jobs import NOTHING, Job, Row, earlier_result, start_of_row
from darts_ensemble.segment.settings import Settings, describe_run, make_segmenter, overlapping

if TYPE_CHECKING:
    from darts_ensemble.segment.segmenter import Segmenter
    from darts_ensemble.segment.steps import Labelled, Loaded

__all__ = ["Job", "segment_here", "segment_on_cluster"]


def segment_here(segmenter: Segmenter, jobs: Sequence[Job], settings: Settings, report: Callable[[Row], None]) -> None:
    """Segment scans one after the other; while one is computed, the next is read and the last (on a GPU, two) written.

    Parameters
    ----------
    segmenter : Segmenter
        From :func:`darts_ensemble.segment.settings.make_segmenter`.
    jobs : sequence of Job
    settings : Settings
        With `low_memory`, steps do not overlap, so that only one scan is in memory at a time.
    report : callable
        Called with the row of each scan as soon as the scan has ended, by one thread at a time.
    """
    lock = threading.Lock()
    again: dict[Job, str] = {}

    def tell(row: Row) -> None:
        with lock:
            report(row)

    def write(job: Job, labelled: Labelled) -> None:
        try:
            row = _written(segmenter, job, labelled, settings, several=ahead > 0) | _why(again, job)
        except Exception as error:
            row = _failed(job, error, settings)
        tell(row)

    ahead = 1 if overlapping(len(jobs), settings) else 0
    # The steps after the networks run on the CPU; with a GPU, they take longer than the networks.
    written = ahead if segmenter.device.type == "cpu" else 2 * ahead
    with ThreadPoolExecutor(max(1, written)) as writer:
        writing: deque[Future[None]] = deque()
        waiting = _waiting(jobs, settings, describe_run(segmenter, settings), tell, again)
        for job, loading in _read_ahead(segmenter, waiting, ahead):
            try:
                labelled = segmenter.label(loading.result())
            except Exception as error:  # a bug or too little memory for one scan must not stop the others
                tell(_failed(job, error, settings))
                continue
            writing.append(writer.submit(write, job, labelled))
            del labelled
            while len(writing) > written:  # at most this number of finished volumes in memory, in addition to the one in work
                writing.popleft().result()


def _read_ahead(segmenter: Segmenter, jobs: Iterable[Job], ahead: int) -> Iterator[tuple[Job, Future[Loaded]]]:
    source = iter(jobs)
    with ThreadPoolExecutor(1) as reader:
        reading: deque[tuple[Job, Future[Loaded]]] = deque()
        while True:
            while len(reading) <= ahead and (job := next(source, None)) is not None:
                reading.append((job, reader.submit(segmenter.load, job.scan.path, overlapping=ahead > 0)))
            if not reading:
                return
            yield reading.popleft()


def segment_on_cluster(
    segmenter: Segmenter, jobs: Sequence[Job], settings: Settings, report: Callable[[Row], None], *, address: str
) -> None:
    """Segment scans on the workers of a Dask cluster, which need access to the same files; each loads the networks once.

    Parameters
    ----------
    segmenter, jobs, settings, report
        As for :func:`segment_here`.
    address : str
        See :func:`darts_ensemble.segment.cluster.spread`. The workers of "local:4" share this machine's cores, unless
        `threads` says how many each may use.

    Raises
    ------
    UsageError, ClusterError
        If there is no such cluster.
    """
    workers = local_workers(address)
    if workers is not None and not settings.threads:
        settings = replace(settings, threads=threads_of_each(workers))
    settings = _with_whole_paths(settings)
    again: dict[Job, str] = {}
    asked = describe_run(segmenter, settings)
    waiting = list(_waiting(jobs, settings, asked, report, again))
    sent = [Job(NamedScan(job.scan.path.absolute(), job.scan.name), job.out.absolute(), job.form) for job in waiting]
    for index, ended in spread(_SegmentOne(settings, asked), sent, address=address):
        job = waiting[index]
        row = _failed(job, ended, settings) if isinstance(ended, Exception) else ended
        report({**row, **start_of_row(job), **_why(again, job)})


def _with_whole_paths(settings: Settings) -> Settings:
    """Return a job with absolute paths, because workers have other working folders."""
    weights = settings.weights
    if isinstance(weights, str):
        weights = str(Path(weights).absolute()) if weights != "bundled" else weights
    else:
        weights = tuple((view, str(Path(path).absolute())) for view, path in weights)
    fusion_weights = settings.fusion_weights and str(Path(settings.fusion_weights).absolute())
    return replace(settings, weights=weights, fusion_weights=fusion_weights)


@dataclass(frozen=True)
class _SegmentOne:
    """Segments one scan with settings that are sent with it."""

    settings: Settings
    asked: dict[str, Any]

    def __call__(self, job: Job) -> Row:
        # A worker that has died may have finished this scan: then it is not segmented again.
        if not self.settings.overwrite and (row := earlier_result(job, self.asked).row):
            return row
        try:
            segmenter = _segmenter(self.settings)
            return _written(segmenter, job, segmenter.label(segmenter.load(job.scan.path)), self.settings)
        except Exception as error:
            return _failed(job, error, self.settings)


@lru_cache(maxsize=1)
def _segmenter(settings: Settings) -> Segmenter:
    wait_without_spinning()  # a worker of a running cluster has not loaded torch before its first scan
    return make_segmenter(settings)


def _waiting(
    jobs: Sequence[Job], settings: Settings, asked: Row, report: Callable[[Row], None], again: dict[Job, str]
) -> Iterator[Job]:
    """Yield the jobs to do, and note in `again` why one is done again; report those that are done already."""
    for job in jobs:
        earlier = NOTHING if settings.overwrite else earlier_result(job, asked)
        if earlier.row is not None:
            report(earlier.row)
            continue
        if earlier.differs:
            again[job] = earlier.differs
        yield job


def _why(again: Mapping[Job, str], job: Job) -> Row:
    return {"again": again[job]} if job in again else {}


def _written(segmenter: Segmenter, job: Job, labelled: Labelled, settings: Settings, *, several: bool = False) -> Row:
    result = segmenter.finish(labelled, keep_probabilities=settings.probabilities is not None)
    if settings.clean:
        result = result.cleaned()
    result = replace(result, made_with=describe_run(segmenter, settings))
    result.save(job.out, job.scan.name, **settings.saving)
    seconds = {stage: round(took, 3) for stage, took in result.stages.seconds.items()}
    return {
        **start_of_row(job),
        "status": "wrote",
        "seconds": round(sum(seconds.values()), 2),
        "stages": seconds,
        "memory_bytes": asdict(segmenter.memory_needed(result.scan, overlapping=several)),
        "warnings": result.warnings,
        "suspicion": result.suspicion,
        "flags": result.flags,
        "mean_view_agreement": result.mean_agreement,
        "seen_in_training": result.seen_in_training,
        "scan_sha256": result.scan.sha256,
    }


def _failed(job: Job, error: Exception, settings: Settings) -> Row:
    text = str(error)
    if not isinstance(error, DartsError):
        if settings.verbose:
            traceback.print_exception(error, file=sys.stderr)
        text = f"{job.scan.path}: {type(error).__name__}: {' '.join(text.split())[:300]}"
    elif str(job.scan.path) not in text and str(job.target.label_map.parent) not in text:
        text = f"{job.scan.path}: {text}"
    return {**start_of_row(job), "status": "failed", "error": text}
