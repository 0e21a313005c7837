"""Find scans, references and predictions: Mindboggle-101, SUBJECTS_DIR, BIDS derivatives, flat folders, manifests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from darts_ensemble.errors import CohortError
from darts_ensemble.scans.scan import without_extension
from evaluation.cohort import bids
from evaluation.cohort.flat_folder import label_maps_in, named_by_subject, scan_beside, subject_of
from evaluation.cohort.layouts import (
    FREESURFER_PREDICTIONS,
    FREESURFER_REFERENCES,
    MINDBOGGLE_REFERENCES,
    WRONG_HEADERS,
    file_in_subject,
    mindboggle_family,
    scan_in_subject,
    subject_folders,
)
from evaluation.cohort.manifest import read_manifest

__all__ = [
    "Cohort", "Layout", "Location", "Predictions", "Subject", "choose_subjects", "find_cohort", "find_predictions",
    "parse_location",
]  # fmt: skip

Layout = Literal["mindboggle", "freesurfer", "bids", "flat", "manifest"]


@dataclass(frozen=True)
class Location:
    """Where to look: a folder or manifest, and which of several files a subject to take (a file's name, or a `seg-` label)."""

    path: Path
    choice: str = ""

    @property
    def segmentation(self) -> str:
        """The `seg-` label chosen; empty where none is."""
        return self.choice.removeprefix("seg-") if self.choice.startswith("seg-") else ""

    @property
    def file_name(self) -> str:
        """The name of the file chosen in each subject's folder; empty where none is."""
        return "" if self.segmentation else self.choice


@dataclass(frozen=True)
class Subject:
    """One subject with a reference.

    Attributes
    ----------
    id : str
        Name of its folder, of its file, or in its manifest; with its session in BIDS.
    layout : {"mindboggle", "freesurfer", "bids", "flat", "manifest"}
    reference : Path
        The label map that predictions are scored against.
    scan : Path or None
        Its T1, where there is one.
    family : str
        Subjects that are not independent of each other share it: sessions, twins, what a manifest says; else the id.
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
class Cohort:
    """The subjects at a location, by name, and the folders of subjects that have no reference."""

    layout: Layout
    subjects: tuple[Subject, ...]
    unlabelled: tuple[str, ...]


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
    """

    layout: Layout
    paths: dict[str, Path]
    unmatched: tuple[str, ...]


def parse_location(text: str) -> Location:
    """Read PATH, or PATH:CHOICE where there is something at PATH and nothing at the whole."""
    path, colon, choice = text.rpartition(":")
    if colon and path and choice and not Path(text).exists() and Path(path).exists():
        return Location(Path(path), choice)
    return Location(Path(text))


def find_cohort(where: Path | Location) -> Cohort:
    """Find the references at a location, and a scan for each.

    Parameters
    ----------
    where : Path or Location
        Mindboggle-101, one of its groups or one of its subjects; a SUBJECTS_DIR or one FreeSurfer subject; BIDS derivatives;
        a folder of label maps named by subject; a manifest (columns subject and reference).

    Raises
    ------
    CohortError
        If nothing is found, or two subjects have one name.
    """
    location = where if isinstance(where, Location) else Location(where)
    root = location.path
    if root.is_file():
        found = [Subject(row.subject, "manifest", row.file, row.scan, row.family) for row in read_manifest(root, "reference")]
        if not found:
            raise CohortError(f"{root}: no row with a reference; expected a path in the column reference")
        return Cohort("manifest", _by_name(found), ())
    if not root.is_dir():
        raise CohortError(f"{root}: no such folder; expected Mindboggle-101, a SUBJECTS_DIR, BIDS derivatives or label maps")
    root = root.resolve()
    if folders := subject_folders(root, location.file_name):
        return _in_subject_folders(root, folders, location.file_name)
    if label_maps := bids.find_label_maps(root):
        chosen = bids.one_a_key(bids.choose_segmentation(label_maps, location.segmentation, root))
        found = [Subject(key, "bids", one.path, bids.find_t1w(one), one.subject) for key, one in chosen.items()]
        return Cohort("bids", _by_name(found), ())
    found = [Subject(subject_of(path), "flat", path, scan_beside(path), subject_of(path)) for path in label_maps_in(root)]
    if not found:
        raise CohortError(
            f"{root}: no reference found; expected <subject>/{MINDBOGGLE_REFERENCES[0]}, "
            f"<subject>/mri/{FREESURFER_REFERENCES[0]}, sub-X_dseg.nii.gz or label maps named by subject"
        )
    return Cohort("flat", _by_name(found), ())


def choose_subjects(cohort: Cohort, names: Sequence[str]) -> Cohort:
    """Return the cohort of the subjects named, all of them where no name is given.

    Raises
    ------
    CohortError
        If a name is not there.
    """
    if not names:
        return cohort
    there = {subject.id for subject in cohort.subjects}
    missing = [name for name in names if name not in there]
    if missing:
        raise CohortError(f"no reference for subject {', '.join(missing)}; expected some of {', '.join(sorted(there))}")
    return replace(cohort, subjects=tuple(subject for subject in cohort.subjects if subject.id in names), unlabelled=())


def find_predictions(where: Path | Location, subjects: Iterable[Subject], *, name: str = "") -> Predictions:
    """Find a method's label map for each subject.

    Parameters
    ----------
    where : Path or Location
        As for :func:`find_cohort`; a manifest has the columns subject and prediction.
    subjects : iterable of Subject
    name : str
        The method's; of several `seg-` labels it chooses its own where none is chosen.

    Raises
    ------
    CohortError
        If there is nothing at the location, or several files may be one subject's.
    """
    location = where if isinstance(where, Location) else Location(where)
    root, subjects = location.path, list(subjects)
    if root.is_file():
        return _matched("manifest", {row.subject: row.file for row in read_manifest(root, "prediction")}, subjects)
    if not root.is_dir():
        raise CohortError(f"{root}: no such folder; expected a SUBJECTS_DIR, BIDS derivatives or label maps named by subject")
    root = root.resolve()
    in_folders = {
        folder.name: (file_in_subject(folder, FREESURFER_PREDICTIONS, location.file_name), folder)
        for folder in _possible_subjects(root, {subject.id for subject in subjects}, location.file_name)
    }
    there = {subject: (path, folder) for subject, (path, folder) in in_folders.items() if path is not None}
    if there:
        layout: Layout = "freesurfer" if any((folder / "mri").is_dir() for _, folder in there.values()) else "mindboggle"
        return _matched(layout, {subject: path for subject, (path, _) in there.items()}, subjects)
    label_maps = bids.find_label_maps(root)
    if label_maps:
        labels = {one.segmentation for one in label_maps}
        choice = location.segmentation or (name if name in labels and len(labels) > 1 else "")
        keyed = bids.one_a_key(bids.choose_segmentation(label_maps, choice, root))
        return _matched("bids", {key: one.path for key, one in keyed.items()}, subjects)
    return _flat(root, subjects)


def _in_subject_folders(root: Path, folders: Sequence[Path], choice: str) -> Cohort:
    subjects: dict[str, Subject] = {}
    unlabelled = []
    layout: Layout = "mindboggle"
    for folder in folders:
        reference = file_in_subject(folder, FREESURFER_REFERENCES, choice)
        if reference is None:
            unlabelled.append(folder.name)
            continue
        if folder.name in subjects:
            raise CohortError(
                f"{folder}: a second subject {folder.name} beside {subjects[folder.name].reference}; expected each name once: "
                "evaluate the groups one by one"
            )
        layout = "freesurfer" if reference.parent.name == "mri" else "mindboggle"
        family = mindboggle_family(folder.name) if layout == "mindboggle" else folder.name
        subjects[folder.name] = Subject(folder.name, layout, reference, scan_in_subject(folder), family)
    if not subjects:
        wanted = choice or f"{MINDBOGGLE_REFERENCES[0]} or mri/{FREESURFER_REFERENCES[0]}"
        raise CohortError(f"{root}: no reference found in {len(folders)} subjects; expected <subject>/{wanted}")
    return Cohort(layout, _by_name(subjects.values()), tuple(unlabelled))


def _possible_subjects(root: Path, ids: set[str], choice: str) -> list[Path]:
    """Folders of subjects: those that look like one, and the root itself where it is one of the cohort's."""
    return [root] if root.name in ids else subject_folders(root, choice)


def _matched(layout: Layout, found: dict[str, Path], subjects: Sequence[Subject]) -> Predictions:
    """Give each subject its own: by its name, or by what BIDS makes of it."""
    paths = {}
    taken = set()
    for subject in subjects:
        key = next((key for key in (subject.id, bids.bids_key(subject.id)) if key in found), None)
        if key is not None and (key == subject.id or layout == "bids"):
            paths[subject.id] = found[key]
            taken.add(key)
    return Predictions(layout, paths, tuple(sorted(set(found) - taken, key=_natural)))


def _flat(root: Path, subjects: Sequence[Subject]) -> Predictions:
    files = label_maps_in(root)
    paths = named_by_subject([subject.id for subject in subjects], files)
    left = set(files) - set(paths.values())
    return Predictions("flat", paths, tuple(sorted((without_extension(path) for path in left), key=_natural)))


def _by_name(subjects: Iterable[Subject]) -> tuple[Subject, ...]:
    found: dict[str, Subject] = {}
    for subject in subjects:
        if subject.id in found:
            raise CohortError(
                f"{subject.reference}: a second subject {subject.id} beside {found[subject.id].reference}; expected each once"
            )
        found[subject.id] = subject
    return tuple(sorted(found.values(), key=lambda subject: _natural(subject.id)))


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Sorting key under which MMRR-21-2 comes before MMRR-21-10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split("[-_]", name)]
