"""What a run would do with each scan, told from its header and from earlier results; nothing is computed or written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from darts_ensemble.errors import DartsError
from darts_ensemble.scans.header import read_header
from darts_ensemble.segment.jobs import NOTHING, Job, Row, earlier_result, start_of_row
from darts_ensemble.segment.settings import Settings, describe_run, overlapping

if TYPE_CHECKING:
    from darts_ensemble.segment.segmenter import Segmenter

__all__ = ["foretell"]


def foretell(segmenter: Segmenter, jobs: Sequence[Job], settings: Settings, report: Callable[[Row], None]) -> None:
    """Report for each scan whether it is to do, done before or impossible, and how much memory it needs.

    Parameters
    ----------
    segmenter : Segmenter
    jobs : sequence of Job
    settings : Settings
    report : callable
        Called with a row per scan: its `status` is "to do", "done before" or "failed".
    """
    asked = describe_run(segmenter, settings)
    several = overlapping(len(jobs), settings)
    for job in jobs:
        earlier = NOTHING if settings.overwrite else earlier_result(job, asked)
        if earlier.row is not None:
            report(earlier.row)
            continue
        row: Row = {**start_of_row(job), "status": "to do"}
        if earlier.differs:
            row["again"] = earlier.differs
        try:
            header = read_header(job.scan.path)
            row["memory_bytes"] = asdict(segmenter.memory_needed(header, overlapping=several))
            row["warnings"] = [f"{header.path}: {note}" for note in header.notes]
            segmenter.check_memory(header, overlapping=several)
        except DartsError as error:
            row |= {"status": "failed", "error": str(error)}
        report(row)
