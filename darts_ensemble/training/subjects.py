"""Labelled subjects to train on: found in a SUBJECTS_DIR, in Mindboggle-101 or in a manifest, and split by family."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from darts_ensemble.errors import CohortError
from darts_ensemble.scans.scan import find_scan_in_subject

__all__ = ["LabelledSubject", "choose_subjects", "find_labelled", "split_by_family"]

#: DKT before Desikan, which has other borders of cortical regions.
FREESURFER_LABELS = ("aparc.DKTatlas+aseg.mgz", "aparc.DKTatlas+aseg.deep.mgz", "aparc+aseg.mgz")
MINDBOGGLE_LABELS = "labels.DKT31.manual+aseg.nii.gz"
MINDBOGGLE_SCANS = ("t1weighted.nii.gz", "t1weighted_brain.nii.gz")
_COLUMNS = ("subject", "scan", "labels", "mask", "family")


@dataclass(frozen=True)
class LabelledSubject:
    """A scan and its label map.

    Attributes
    ----------
    id : str
    scan, labels : Path
    mask : Path or None
        A brain mask, or a skull-stripped scan, on any grid of the same space.
    family : str
        Subjects of one family are never on both sides of a split; by default the subject's own name.
    """

    id: str
    scan: Path
    labels: Path
    mask: Path | None
    family: str


def find_labelled(data: Path, *, labels_name: str | None = None) -> list[LabelledSubject]:
    """Find the labelled subjects of a SUBJECTS_DIR, of Mindboggle-101 or one of its groups, or of a manifest.

    Parameters
    ----------
    data : Path
        A folder, or a TSV with columns `subject`, `scan`, `labels` and, optionally, `mask` and `family`; its paths are
        relative to it.
    labels_name : str, optional
        File in a subject's `mri/` to use instead of the first of :data:`FREESURFER_LABELS`.

    Raises
    ------
    CohortError
        If nothing is found, or the manifest lacks a column, names a missing file, or names a subject twice.
    """
    if data.is_file():
        return _from_manifest(data)
    names = (labels_name,) if labels_name else FREESURFER_LABELS
    folders = sorted(data.iterdir()) if data.is_dir() else []
    found = [one for folder in folders if (one := _freesurfer(folder, names)) is not None]
    found = found or [
        one for labels in sorted(data.glob(f"**/{MINDBOGGLE_LABELS}")) if (one := _mindboggle(labels)) is not None
    ]
    if not found:
        raise CohortError(
            f"{data}: no subject with a label map found; expected <subject>/mri/ with one of {', '.join(names)} beside the "
            f"scan, Mindboggle's <subject>/{MINDBOGGLE_LABELS}, or a TSV with columns subject, scan and labels"
        )
    _refuse_twice(found, data)
    return found


def _freesurfer(folder: Path, names: Sequence[str]) -> LabelledSubject | None:
    labels = next((folder / "mri" / name for name in names if (folder / "mri" / name).is_file()), None)
    if labels is None:
        return None
    scan = find_scan_in_subject(folder)
    mask = folder / "mri" / "brainmask.mgz"
    return LabelledSubject(folder.name, scan, labels, mask if mask.is_file() and mask != scan else None, folder.name)


def _mindboggle(labels: Path) -> LabelledSubject | None:
    scans = [labels.parent / name for name in MINDBOGGLE_SCANS if (labels.parent / name).is_file()]
    if not scans:
        return None
    name = labels.parent.name
    # Two scans of one person: there is one mean of 27 scans of Colin; OASIS-TRT and NKI-TRT have two scans under other names.
    mask = scans[1] if len(scans) > 1 else None
    return LabelledSubject(name, scans[0], labels, mask, "Twins-2" if name.startswith("Twins-2") else name)


def _from_manifest(path: Path) -> list[LabelledSubject]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(), delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CohortError(f"{path}: {error}; expected a TSV with columns {', '.join(_COLUMNS)}") from None
    if not rows or not {"subject", "scan", "labels"} <= set(rows[0]):
        found = ", ".join(map(str, rows[0])) if rows else "nothing"
        raise CohortError(f"{path}: {found} found; expected a TSV with columns subject, scan, labels (and mask, family)")
    subjects = []
    for number, row in enumerate(rows, start=2):
        cells = {column: (row.get(column) or "").strip() for column in _COLUMNS}
        if not (cells["subject"] and cells["scan"] and cells["labels"]):
            raise CohortError(f"{path}: row {number} lacks subject, scan or labels; expected all three")
        paths = {column: path.parent / cells[column] for column in ("scan", "labels", "mask") if cells[column]}
        missing = [str(file) for file in paths.values() if not file.is_file()]
        if missing:
            raise CohortError(f"{path}: row {number}: {missing[0]} does not exist; expected a file, relative to the TSV")
        family = cells["family"] or cells["subject"]
        subjects.append(LabelledSubject(cells["subject"], paths["scan"], paths["labels"], paths.get("mask"), family))
    _refuse_twice(subjects, path)
    return subjects


def _refuse_twice(subjects: Sequence[LabelledSubject], where: Path) -> None:
    names = [subject.id for subject in subjects]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CohortError(f"{where}: subject {', '.join(twice)} found twice; expected each name once")


def choose_subjects(subjects: Sequence[LabelledSubject], names: Sequence[str]) -> list[LabelledSubject]:
    """Return the named subjects, in that order; all if no name is given.

    Raises
    ------
    CohortError
        If there is no subject of a name.
    """
    by_id = {subject.id: subject for subject in subjects}
    missing = [name for name in names if name not in by_id]
    if missing:
        raise CohortError(f"no labelled subject {', '.join(missing)}; expected some of {', '.join(by_id)}")
    return [by_id[name] for name in names] if names else list(subjects)


def split_by_family(
    subjects: Sequence[LabelledSubject], *, validation: Sequence[str] = (), share: float = 0.0, seed: int = 0
) -> tuple[list[LabelledSubject], list[LabelledSubject]]:
    """Split subjects into those to train on and those to validate on, without splitting families.

    Parameters
    ----------
    subjects : sequence of LabelledSubject
    validation : sequence of str
        Validate on these; their relatives are left out of training.
    share : float
        If no name is given: share of families to validate on, drawn with `seed`; at least one family if above 0.

    Returns
    -------
    training, validation : lists of LabelledSubject

    Raises
    ------
    CohortError
        If there is no subject of a name, or no subject is left to train on.
    """
    if validation:
        held = {subject.family for subject in choose_subjects(subjects, validation)}
        kept = [subject for subject in subjects if subject.id in validation]
    else:
        families = sorted({subject.family for subject in subjects})
        order = np.random.default_rng(seed).permutation(len(families))
        held = {families[place] for place in order[: max(1, round(share * len(families))) if share > 0 else 0]}
        kept = [subject for subject in subjects if subject.family in held]
    training = [subject for subject in subjects if subject.family not in held]
    if not training:
        raise CohortError(f"all {len(subjects)} subjects are kept for validation; expected some to train on")
    return training, kept
