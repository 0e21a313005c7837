"""A scan to be segmented, and what an earlier run has left of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darts_ensemble.results.outputs import Targets, target_paths
from darts_ensemble.scans.inputs import NamedScan
from darts_ensemble.scans.links import as_named
from darts_ensemble.scans.scan import file_checksum
from darts_ensemble.segment.made_with import differences

__all__ = ["NOTHING", "Earlier", "Job", "Row", "earlier_result", "start_of_row"]

#: The report on one scan: names of the account's fields and their values.
Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A scan to segment, and folder and format of all results."""

    scan: NamedScan
    out: Path
    form: str

    @property
    def target(self) -> Targets:
        """The files of the result."""
        return target_paths(self.out, self.scan.name, self.form)


def start_of_row(job: Job) -> Row:
    """Return what every row of the account begins with: the scan, its name, and where its label map is to be."""
    return {"scan": str(job.scan.path), "name": job.scan.name, "label_map": str(job.target.label_map)}


@dataclass(frozen=True)
class Earlier:
    """An earlier result of a scan: its row if nothing is left to do, or how it differs from what is asked for."""

    row: Row | None = None
    differs: str = ""


NOTHING = Earlier()


def earlier_result(job: Job, asked: Row) -> Earlier:
    """Return whether a result exists already, belongs to another scan, or was made from other voxels or other settings."""
    target, scan = job.target, job.scan.path
    if not target.label_map.is_file():
        return NOTHING
    try:
        account = json.loads(target.quality.read_text(encoding="utf-8"))
        made, checksum, source = account.get("made_with"), account.get("scan_sha256"), account.get("scan")
    except (OSError, ValueError, AttributeError, RecursionError):  # brackets without end are no JSON either
        error = (
            f"{target.label_map}: nothing says how it was made ({target.quality.name} is missing or damaged); expected another "
            f"--out for {scan}, or --overwrite"
        )
        return Earlier({**start_of_row(job), "status": "failed", "error": error})
    now = file_checksum(scan)
    if source not in (None, str(as_named(scan)), str(scan.resolve())) and (checksum is None or checksum != now):
        error = f"{target.label_map}: holds the regions of {source}; expected another --out for {scan}, or --overwrite"
        return Earlier({**start_of_row(job), "status": "failed", "error": error})
    if not isinstance(made, dict):
        return Earlier(differs="made before settings were recorded")
    changed = differences(asked, made)
    if checksum is None or checksum != now:
        changed.insert(0, "the scan is another file than before")
    if changed:
        return Earlier(differs="; ".join(changed))
    row = {
        **start_of_row(job),
        "status": "done before",
        "scan_sha256": now,
        "suspicion": account.get("suspicion"),
        "flags": account.get("flags", []),
    }
    return Earlier(row)
