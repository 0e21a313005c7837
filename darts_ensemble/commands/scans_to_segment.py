"""From the arguments of darts-segment to the scans of a run, each with a name of its own; DICOM series are converted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from darts_ensemble.commands.command_line import errors
from darts_ensemble.errors import ScanError, UsageError
from darts_ensemble.scans.dicom_files import is_dicom
from darts_ensemble.scans.inputs import NamedScan, find_scans, name_scans, names_in_lists, part_of
from darts_ensemble.scans.links import as_named
from darts_ensemble.segment.scan_queue import Job
from darts_ensemble.segment.settings import Settings

__all__ = ["jobs_of"]

#: Folder below the results in which converted scans lie; BIDS has this name for it, and validators do not look into it.
SOURCES = "sourcedata"
Row = dict[str, Any]


def jobs_of(
    given: list[Path], out: Path, settings: Settings, *, part: str | None, series: str | None, say: Callable[[str], None]
) -> tuple[list[Job], list[Row]]:
    """Return the scans of all arguments, or of one part of them, and a row for each argument without a scan.

    Parameters
    ----------
    given : list of Path
    out : Path
        Folder of the results; converted DICOM series lie in its folder `sourcedata`.
    settings : Settings
        Format of the results, and whether DICOM segmentations are written.
    part : str or None
        Such as "3/10". All scans are named before the part is taken, so that names do not depend on the number of parts.
    series : str or None
        Which series of a DICOM folder; see :func:`darts_ensemble.dicom.choose.choose_t1`.
    say : callable
        Called with a line for each DICOM folder.

    Raises
    ------
    UsageError
        If two scans would have the same result.
    """
    number, count = (1, 1) if part is None else part_of(part)
    found: dict[Path, Path] = {}
    good: list[Path] = []
    failed: list[Row] = []
    for path in given:
        try:
            for scan in find_scans([path], lambda line: errors.print(f"darts-segment: {line}"), dicom=True):
                found.setdefault(as_named(scan), scan)
            good.append(path)
        except ScanError as error:
            failed.append({"scan": str(path), "status": "failed", "error": str(error)})
    jobs = [Job(scan, out, settings.form) for scan in name_scans(list(found.values()), names_in_lists(good))]
    taken: dict[str, Path] = {}
    for job in jobs:
        key = str(job.target.label_map).lower()
        if key in taken:
            raise UsageError(
                f"{job.scan.path} and {taken[key]}: both would be {job.target.label_map}; expected different names"
            )
        taken[key] = job.scan.path
    ready = []
    for job in jobs[number - 1 :: count]:
        try:
            one = _converted(job, series, say)
            if settings.dicom_seg:
                _source_of(one.scan.path)  # a scan of another kind is refused before it is segmented
            ready.append(one)
        except ScanError as error:
            failed.append({"scan": str(job.scan.path), "name": job.scan.name, "status": "failed", "error": str(error)})
    return ready, failed


def _converted(job: Job, series: str | None, say: Callable[[str], None]) -> Job:
    """Return a job with the converted T1 scan in place of a DICOM folder or file; any other job unchanged."""
    path = job.scan.path
    if not path.is_dir() and not is_dicom(path):
        return job
    from darts_ensemble.dicom.convert import convert_folder

    made = convert_folder(path, job.out / SOURCES / f"{job.scan.name}_T1w.nii.gz", series)
    say(f"{path}: {made.why}")
    return replace(job, scan=NamedScan(made.path, job.scan.name))


def _source_of(scan: Path) -> None:
    from darts_ensemble.dicom.segmentation_object import source_series

    source_series(scan)
