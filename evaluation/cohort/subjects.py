"""What to look for, and what is found: subjects with references, a method's label maps, what is left out and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from darts_ensemble.errors import CohortError
from evaluation.cohort.layouts import WRONG_HEADERS

__all__ = [
    "LAYOUT_NAMES", "Cohort", "Fault", "Layout", "LeftOut", "Location", "Predictions", "Subject", "choose_subjects", "natural",
    "parse_location",
]  # fmt: skip

Layout = Literal["mindboggle", "freesurfer", "bids", "flat", "manifest", "file"]
#: The name of each layout on the screen and in reports.
LAYOUT_NAMES: dict[str, str] = {
    "mindboggle": "Mindboggle-101", "freesurfer": "SUBJECTS_DIR", "bids": "BIDS derivatives", "flat": "folder of label maps",
    "manifest": "manifest", "file": "one label map",
}  # fmt: skip

_ENTITIES = re.compile(r"[a-zA-Z]+-[a-zA-Z0-9+]+(_[a-zA-Z]+-[a-zA-Z0-9+]+)*")


@dataclass(frozen=True)
class Location:
    """Where to look: a folder, manifest or label map, and which of several files per subject to use.

    Attributes
    ----------
    path : Path
    choice : str
        A file's name or pattern, or BIDS entities such as "seg-LABEL" and "desc-LABEL"; empty for the usual one.
    """

    path: Path
    choice: str = ""

    @property
    def entities(self) -> dict[str, str]:
        """The chosen BIDS entities; none if a file is chosen."""
        if not _ENTITIES.fullmatch(self.choice):
            return {}
        return dict(part.split("-", 1) for part in self.choice.split("_"))

    @property
    def file_name(self) -> str:
        """The name or pattern of the file chosen in each subject's folder; empty if none is chosen."""
        return "" if self.entities else self.choice


@dataclass(frozen=True)
class Subject:
    """One scan with a reference.

    Attributes
    ----------
    id : str
        Name of its folder, of its file, or in its manifest; in BIDS with session, run and other entities.
    layout : str
        See :data:`Layout`.
    reference : Path
        The label map that predictions are scored against.
    scan : Path or None
        Its T1, if there is one.
    family : str
        Subjects that are not independent of each other share it: see :mod:`darts_ensemble.scans.families`; else the id.
    """

    id: str
    layout: Layout
    reference: Path
    scan: Path | None
    family: str

    @property
    def wrong_header(self) -> bool:
        """Whether the scan is one of Mindboggle's whose header is known to be wrong."""
        return self.layout == "mindboggle" and self.id in WRONG_HEADERS


@dataclass(frozen=True)
class LeftOut:
    """A reference that is not one of a person's scan (a template, an average): scored only if it is named."""

    subject: Subject
    reason: str


@dataclass(frozen=True)
class Fault:
    """A subject whose label map is ambiguous, and why: it fails, the others are scored."""

    subject: str
    reason: str


@dataclass(frozen=True)
class Cohort:
    """The subjects at a location, by name.

    Attributes
    ----------
    layout : str
    subjects : tuple of Subject
    unlabelled : tuple of str
        Subjects that have no reference.
    left_out : tuple of LeftOut
    faults : tuple of Fault
    """

    layout: Layout
    subjects: tuple[Subject, ...]
    unlabelled: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Predictions:
    """A method's label maps.

    Attributes
    ----------
    layout : str
        See :data:`Layout`.
    paths : dict of str to Path
        By subject; those without a label map are left out.
    unmatched : tuple of str
        Label maps, by their subjects, that belong to no subject of the cohort.
    faults : tuple of Fault
    """

    layout: Layout
    paths: dict[str, Path]
    unmatched: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = field(default=())


def parse_location(text: str) -> Location:
    """Read PATH, or PATH:CHOICE if PATH exists and the whole text is not a path."""
    path, colon, choice = text.rpartition(":")
    if colon and path and choice and not Path(text).exists() and Path(path).exists():
        return Location(Path(path), choice)
    return Location(Path(text))


def choose_subjects(cohort: Cohort, names: Sequence[str]) -> Cohort:
    """Return the cohort of the named subjects, or of all if no name is given.

    A template or an average is scored if it is named.

    Raises
    ------
    CohortError
        If there is no subject of a name.
    """
    if not names:
        return cohort
    there = {subject.id: subject for subject in (*cohort.subjects, *(one.subject for one in cohort.left_out))}
    faults = {fault.subject: fault for fault in cohort.faults}
    missing = [name for name in names if name not in there and name not in faults]
    if missing:
        known = sorted((subject.id for subject in cohort.subjects), key=natural)
        raise CohortError(f"no reference for subject {', '.join(missing)}; expected some of {_shortened(known)}")
    return replace(
        cohort,
        subjects=tuple(sorted((there[name] for name in set(names) & set(there)), key=lambda one: natural(one.id))),
        unlabelled=(),
        left_out=(),
        faults=tuple(faults[name] for name in sorted(set(names) & set(faults))),
    )


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Return a sorting key by which MMRR-21-2 comes before MMRR-21-10."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split("[-_]", name)]


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 20 else f"{', '.join(names[:20])} and {len(names) - 20} more"
