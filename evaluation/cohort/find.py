"""Find scans, references and predictions: Mindboggle-101, SUBJECTS_DIR, BIDS derivatives, flat folders, manifests, one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from darts_ensemble.errors import CohortError
from darts_ensemble.results import bids_label_maps as bids
from darts_ensemble.scans.families import family_of, not_a_person, timepoints_in
from darts_ensemble.scans.links import as_named, is_there
from darts_ensemble.scans.scan import EXTENSIONS, without_extension
from evaluation.cohort.flat_folder import by_subject, label_maps_in, named_by_subject, scan_beside, subject_of
from evaluation.cohort.layouts import (
    FREESURFER_PREDICTIONS,
    FREESURFER_REFERENCES,
    MINDBOGGLE_REFERENCES,
    file_in_subject,
    scan_in_subject,
    subject_folders,
)
from evaluation.cohort.manifest import read_manifest
from evaluation.cohort.matching import matched
from evaluation.cohort.subjects import (
    Cohort,
    Fault,
    Layout,
    LeftOut,
    Location,
    Predictions,
    Subject,
    choose_subjects,
    natural,
    parse_location,
)

__all__ = [
    "Cohort", "Layout", "Location", "Predictions", "Subject", "choose_subjects", "find_cohort", "find_predictions",
    "parse_location",
]  # fmt: skip


def find_cohort(where: Path | Location) -> Cohort:
    """Find the references at a location, and a scan for each.

    Parameters
    ----------
    where : Path or Location
        Mindboggle-101, one of its groups or one of its subjects; a SUBJECTS_DIR or one FreeSurfer subject; BIDS derivatives;
        a folder of label maps named by subject; a manifest (columns subject and reference); one label map.

    Raises
    ------
    CohortError
        If nothing is found, or two subjects have the same name.
    """
    location = where if isinstance(where, Location) else Location(where)
    # Links are not resolved: a subject has the name that the user gave it.
    root = as_named(location.path)
    if _is_image(root):
        return Cohort("file", (_subject_of_file(root),))
    if root.is_file():
        found = [Subject(row.subject, "manifest", row.file, row.scan, row.family) for row in read_manifest(root, "reference")]
        if not found:
            raise CohortError(f"{root}: no row with a reference; expected a path in the column reference")
        return Cohort("manifest", _by_name(found))
    if not root.is_dir():
        raise CohortError(f"{root}: no such folder; expected Mindboggle-101, a SUBJECTS_DIR, BIDS derivatives or label maps")
    if folders := subject_folders(root, location.file_name):
        return _in_subject_folders(root, folders, location.file_name)
    if label_maps := bids.find_label_maps(root):
        return _in_derivatives(root, label_maps, location)
    files, faults = by_subject(label_maps_in(root))
    found = [Subject(name, "flat", path, scan_beside(path), family_of(name)) for name, path in files.items()]
    if not found and not faults:
        raise CohortError(
            f"{root}: no reference found; expected <subject>/{MINDBOGGLE_REFERENCES[0]}, "
            f"<subject>/mri/{FREESURFER_REFERENCES[0]}, sub-X_dseg.nii.gz or label maps named by subject"
        )
    return _without_templates(Cohort("flat", _by_name(found), faults=tuple(faults)), root)


def find_predictions(where: Path | Location, subjects: Iterable[Subject], *, name: str = "") -> Predictions:
    """Find a method's label map for each subject.

    Parameters
    ----------
    where : Path or Location
        As for :func:`find_cohort`; a manifest has the columns subject and prediction. A single label map belongs to the only
        subject, or to the subject in its name.
    subjects : iterable of Subject
    name : str
        Name of the method; if there are several `seg-` labels and none is chosen, the label of this name is used.

    Raises
    ------
    CohortError
        If nothing is found at the location.
    """
    location = where if isinstance(where, Location) else Location(where)
    root, subjects = as_named(location.path), list(subjects)
    ids = [subject.id for subject in subjects]
    if _is_image(root):
        return _one_file(root, ids)
    if root.is_file():
        return matched("manifest", {row.subject: row.file for row in read_manifest(root, "prediction")}, ids)
    if not root.is_dir():
        raise CohortError(f"{root}: no such folder; expected a SUBJECTS_DIR, BIDS derivatives or label maps named by subject")
    folders = [root] if root.name in ids else subject_folders(root, location.file_name)
    in_folders, faults = _label_maps_in(folders, FREESURFER_PREDICTIONS, location.file_name)
    if in_folders or faults:
        layout: Layout = "freesurfer" if any((folder / "mri").is_dir() for folder in folders) else "mindboggle"
        return matched(layout, in_folders, ids, faults)
    if label_maps := bids.find_label_maps(root):
        labels = {one.segmentation for one in label_maps}
        own = {"seg": name} if name in labels and len(labels) > 1 else {}
        choice = location.entities or own
        keyed, reasons = bids.by_key(bids.choose_label_maps(label_maps, choice, root), choice)
        faults = [Fault(key, reason) for key, reason in reasons.items()]
        return matched("bids", {key: one.path for key, one in keyed.items()}, ids, faults)
    files = label_maps_in(root)
    paths, faults = named_by_subject(ids, files)
    several = {name for fault in faults for name in ids if name == fault.subject}
    left = {path: subject_of(path) for path in files if path not in paths.values()}
    # Files with names that differ in other ways, such as run-01 for run-1.
    more = matched("flat", by_subject(list(left))[0], [id_ for id_ in ids if id_ not in paths and id_ not in several])
    paths |= more.paths
    unmatched = sorted((without_extension(path) for path in left if path not in more.paths.values()), key=natural)
    return Predictions("flat", paths, tuple(unmatched), tuple(faults))


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith(EXTENSIONS) and is_there(path)


def _subject_of_file(path: Path) -> Subject:
    """Return the subject of a single reference; its name is that of the folder if all subjects have this file name."""
    if path.parent.name == "mri":
        folder = path.parents[1]
        return Subject(folder.name, "file", path, scan_in_subject(folder), family_of(folder.name))
    if path.name in MINDBOGGLE_REFERENCES or scan_in_subject(path.parent) is not None:
        return Subject(path.parent.name, "file", path, scan_in_subject(path.parent), family_of(path.parent.name))
    name = subject_of(path)
    return Subject(name, "file", path, scan_beside(path), family_of(name))


def _one_file(path: Path, ids: Sequence[str]) -> Predictions:
    if len(ids) == 1:
        return Predictions("file", {ids[0]: path})
    folder = path.parents[1].name if path.parent.name == "mri" else path.parent.name
    subject = next((name for name in (subject_of(path), folder) if name in ids), None)
    if subject is None:
        paths, _ = named_by_subject(ids, [path])
        subject = next(iter(paths), None)
    return Predictions("file", {subject: path} if subject else {}, () if subject else (subject_of(path),))


def _in_derivatives(root: Path, label_maps: list[bids.BidsLabelMap], location: Location) -> Cohort:
    chosen = bids.choose_label_maps(label_maps, location.entities, root)
    keyed, reasons = bids.by_key(chosen, location.entities)
    faults = tuple(Fault(key, reason) for key, reason in reasons.items())
    found = [Subject(key, "bids", one.path, bids.find_t1w(one), one.subject) for key, one in keyed.items()]
    people = {one.subject for one in chosen}
    unlabelled = sorted({one.subject for one in label_maps} - people, key=natural)
    if not found and faults:
        raise CohortError(faults[0].reason)
    return Cohort("bids", _by_name(found), tuple(unlabelled), faults=faults)


def _in_subject_folders(root: Path, folders: Sequence[Path], choice: str) -> Cohort:
    timepoints = timepoints_in(folders)
    in_folders, faults = _label_maps_in(folders, FREESURFER_REFERENCES, choice)
    subjects = []
    for folder in folders:
        reference = in_folders.get(folder.name)
        if reference is None or not reference.is_relative_to(folder):
            continue
        layout: Layout = "freesurfer" if reference.parent.name == "mri" else "mindboggle"
        family = family_of(folder.name, timepoints)
        subjects.append(Subject(folder.name, layout, reference, scan_in_subject(folder), family))
    if not subjects and not faults:
        wanted = choice or f"{MINDBOGGLE_REFERENCES[0]} or mri/{FREESURFER_REFERENCES[0]}"
        raise CohortError(f"{root}: no reference found in {len(folders)} subjects; expected <subject>/{wanted}")
    failed = {fault.subject for fault in faults}
    unlabelled = tuple(folder.name for folder in folders if folder.name not in in_folders and folder.name not in failed)
    layout = "freesurfer" if any(subject.layout == "freesurfer" for subject in subjects) else "mindboggle"
    return _without_templates(Cohort(layout, _by_name(subjects), unlabelled, faults=tuple(faults)), root)


def _label_maps_in(folders: Sequence[Path], names: tuple[str, ...], choice: str) -> tuple[dict[str, Path], list[Fault]]:
    """Return the label map of each subject's folder that has one, and the subjects with several."""
    found: dict[str, Path] = {}
    faults: dict[str, Fault] = {}
    for folder in folders:
        try:
            path = file_in_subject(folder, names, choice)
        except CohortError as error:
            faults[folder.name] = Fault(folder.name, str(error))
            continue
        if path is None:
            continue
        if folder.name in found:
            faults[folder.name] = Fault(
                folder.name,
                f"{path}: a second subject {folder.name} beside {found[folder.name]}; expected each name once: evaluate the "
                "groups one by one",
            )
        found[folder.name] = path
    return {name: path for name, path in found.items() if name not in faults}, list(faults.values())


def _without_templates(cohort: Cohort, root: Path) -> Cohort:
    """Leave out averages and templates, unless the location itself is one of them."""
    if not cohort.subjects and cohort.faults:
        raise CohortError(cohort.faults[0].reason)
    folders = {subject.id: root / subject.id for subject in cohort.subjects}
    if cohort.layout == "freesurfer":
        folders = {subject.id: subject.reference.parents[1] for subject in cohort.subjects}
    if cohort.layout == "mindboggle" or list(folders.values()) == [root]:
        return cohort
    timepoints = timepoints_in(folders.values())
    reasons = {name: not_a_person(folder, timepoints) for name, folder in folders.items()}
    left_out = [LeftOut(subject, reasons[subject.id]) for subject in cohort.subjects if reasons[subject.id]]
    people = tuple(subject for subject in cohort.subjects if not reasons[subject.id])
    if left_out and not people and not cohort.faults:
        names = ", ".join(one.subject.id for one in left_out)
        raise CohortError(f"{root}: only averages and templates found ({names}); expected a person, or --subjects {names}")
    return Cohort(cohort.layout, people, cohort.unlabelled, tuple(left_out), cohort.faults)


def _by_name(subjects: Iterable[Subject]) -> tuple[Subject, ...]:
    found: dict[str, Subject] = {}
    for subject in subjects:
        if subject.id in found:
            raise CohortError(
                f"{subject.reference}: a second subject {subject.id} beside {found[subject.id].reference}; expected each once"
            )
        found[subject.id] = subject
    return tuple(sorted(found.values(), key=lambda subject: natural(subject.id)))
