"""Find scans, references and predictions: Mindboggle-101, FreeSurfer's SUBJECTS_DIR, folders of files named by subject."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from darts_ensemble.errors import CohortError, ScanError
from darts_ensemble.scan import EXTENSIONS, find_scan_in_subject, without_extension

__all__ = [
    "FREESURFER_REFERENCES",
    "MINDBOGGLE_REFERENCES",
    "WRONG_HEADERS",
    "Cohort",
    "Subject",
    "choose_subjects",
    "find_cohort",
    "find_predictions",
]

#: Cortex manual, the rest FreeSurfer's; else the manual cortex alone.
MINDBOGGLE_REFERENCES = ("labels.DKT31.manual+aseg.nii.gz", "labels.DKT31.manual.nii.gz")
MINDBOGGLE_SCANS = ("t1weighted.nii.gz", "t1weighted_brain.nii.gz")
#: FreeSurfer's DKT map, FastSurfer's, FreeSurfer's Desikan map. What this project's networks wrote is never a reference.
FREESURFER_REFERENCES = ("aparc.DKTatlas+aseg.mgz", "aparc.DKTatlas+aseg.deep.mgz", "aparc+aseg.mgz")
FREESURFER_PREDICTIONS = ("aparc.DKTatlas+aseg.darts.mgz", *FREESURFER_REFERENCES)
#: Mindboggle-101 scans whose header orientation is wrong (issue 186 of the Mindboggle project).
WRONG_HEADERS = frozenset(
    [*(f"HLN-12-{number}" for number in (1, 2, *range(4, 13))), "MMRR-21-1", "MMRR-21-21", "NKI-RS-22-16"]
)


@dataclass(frozen=True)
class Subject:
    """One subject with a reference.

    Attributes
    ----------
    id : str
        Name of its folder.
    layout : {"mindboggle", "freesurfer"}
    reference : Path
        The label map that predictions are scored against.
    scan : Path or None
        Its T1, where there is one.
    cortex_only : bool
        Whether the reference labels the cortex alone, so that all other regions are absent by protocol.
    """

    id: str
    layout: Literal["mindboggle", "freesurfer"]
    reference: Path
    scan: Path | None
    cortex_only: bool


@dataclass(frozen=True)
class Cohort:
    """The subjects under a folder, by name, and the folders of subjects that have no reference."""

    subjects: tuple[Subject, ...]
    unlabelled: tuple[str, ...]


def find_cohort(root: Path) -> Cohort:
    """Find the references under a folder, and a scan for each.

    Parameters
    ----------
    root : Path
        Mindboggle-101, one of its groups or one of its subjects; a SUBJECTS_DIR or one FreeSurfer subject.

    Raises
    ------
    CohortError
        If nothing is found, or two subjects have one name.
    """
    if not root.is_dir():
        raise CohortError(f"{root}: no such folder; expected Mindboggle-101, a SUBJECTS_DIR or one subject")
    root = root.resolve()
    subjects: dict[str, Subject] = {}
    unlabelled = []
    for folder in _subject_folders(root):
        subject = _subject(folder)
        if subject is None:
            unlabelled.append(folder.name)
        elif subject.id in subjects:
            raise CohortError(
                f"{folder}: a second subject {subject.id} beside {subjects[subject.id].reference}; expected each name once: "
                "evaluate the groups one by one"
            )
        else:
            subjects[subject.id] = subject
    if not subjects:
        raise CohortError(
            f"{root}: no reference found; "
            f"expected <subject>/{MINDBOGGLE_REFERENCES[0]} or <subject>/mri/{FREESURFER_REFERENCES[0]}"
        )
    return Cohort(tuple(subjects[name] for name in sorted(subjects, key=_natural)), tuple(unlabelled))


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
    return Cohort(tuple(subject for subject in cohort.subjects if subject.id in names), ())


def find_predictions(folder: Path, subjects: Iterable[Subject]) -> dict[str, Path]:
    """Find a method's label map for each subject.

    Parameters
    ----------
    folder : Path
        A SUBJECTS_DIR, a Mindboggle-like tree, or label maps named by subject (`sub-01.nii.gz`, `sub-01_dseg.nii.gz`).
    subjects : iterable of Subject

    Returns
    -------
    dict of str to Path
        By subject; those without a label map are left out.

    Raises
    ------
    CohortError
        If the folder is not there, or several files of it may be one subject's.
    """
    if not folder.is_dir():
        raise CohortError(f"{folder}: no such folder; expected a SUBJECTS_DIR or label maps named by subject")
    folder = folder.resolve()
    files = [path for path in _listed(folder) if path.name.lower().endswith(EXTENSIONS) and "MNI152" not in path.name]
    homes = [folder, *(path for path in _listed(folder) if path.is_dir())]
    found = {}
    for subject in subjects:
        own = [home / subject.id for home in homes] + [folder] * (folder.name == subject.id)
        names = [f"mri/{name}" for name in FREESURFER_PREDICTIONS] + list(MINDBOGGLE_REFERENCES)
        path = next((home / name for home in own for name in names if (home / name).is_file()), None)
        path = path or _named_by_subject(subject.id, files)
        if path is not None:
            found[subject.id] = path
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except PermissionError:
        return []


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Sorting key under which MMRR-21-2 comes before MMRR-21-10."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in name.replace("_", "-").split("-")]


def _is_subject(folder: Path) -> bool:
    return (folder / "mri").is_dir() or any((folder / name).is_file() for name in (*MINDBOGGLE_REFERENCES, *MINDBOGGLE_SCANS))


def _subject_folders(root: Path) -> list[Path]:
    """The root where it is a subject; else its subjects and those one level deeper (Mindboggle's groups)."""
    if _is_subject(root):
        return [root]
    folders = []
    for child in _listed(root):
        if not child.is_dir():
            continue
        if _is_subject(child):
            folders.append(child)
        else:
            folders += [grandchild for grandchild in _listed(child) if grandchild.is_dir() and _is_subject(grandchild)]
    return folders


def _subject(folder: Path) -> Subject | None:
    reference = next((folder / name for name in MINDBOGGLE_REFERENCES if (folder / name).is_file()), None)
    if reference is not None:
        scan = next((folder / name for name in MINDBOGGLE_SCANS if (folder / name).is_file()), None)
        return Subject(folder.name, "mindboggle", reference, scan, cortex_only=reference.name == MINDBOGGLE_REFERENCES[1])
    reference = next((folder / "mri" / name for name in FREESURFER_REFERENCES if (folder / "mri" / name).is_file()), None)
    if reference is None:
        return None
    try:
        scan = find_scan_in_subject(folder)
    except ScanError:
        scan = None
    return Subject(folder.name, "freesurfer", reference, scan, cortex_only=False)


def _named_by_subject(subject: str, files: list[Path]) -> Path | None:
    """The file named as the subject, else with `_dseg` at its end, else the only one that begins with the subject's name."""
    named = {path: without_extension(path) for path in files}
    for wanted in (subject, f"{subject}_dseg"):
        exact = [path for path, name in named.items() if name == wanted]
        if exact:
            return exact[0]
    begins = [path for path, name in named.items() if name.startswith((f"{subject}_", f"{subject}."))]
    segmentations = [path for path in begins if named[path].endswith("_dseg")]
    candidates = segmentations or begins
    if len(candidates) > 1:
        raise CohortError(
            f"{candidates[0].parent}: {', '.join(path.name for path in candidates)} all begin with {subject}; "
            f"expected one label map a subject, such as {subject}_dseg.nii.gz"
        )
    return candidates[0] if candidates else None
