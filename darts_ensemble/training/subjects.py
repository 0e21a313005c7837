"""Labelled subjects to train on: found in a SUBJECTS_DIR, BIDS derivatives, Mindboggle-101 or a manifest; split by family."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from darts_ensemble.errors import CohortError
from darts_ensemble.results.bids_label_maps import by_key, choose_label_maps, find_brain_mask, find_label_maps, find_t1w
from darts_ensemble.results.bids_names import entities_of
from darts_ensemble.scans.families import Timepoints, family_of, not_a_person, timepoints_in
from darts_ensemble.scans.links import is_there
from darts_ensemble.scans.scan import SCAN_NAMES, find_scan_in_subject

__all__ = ["LabelledSubject", "choose_subjects", "find_labelled", "split_by_family"]

#: DKT before Desikan, which has other borders of cortical regions; of FastSurfer's maps the one from the surfaces first, then
#: the one with the corpus callosum.
FREESURFER_LABELS = (
    "aparc.DKTatlas+aseg.mgz", "aparc.DKTatlas+aseg.mapped.mgz", "aparc.DKTatlas+aseg.deep.withCC.mgz",
    "aparc.DKTatlas+aseg.deep.mgz", "aparc+aseg.mgz",
)  # fmt: skip
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
        Subjects of one family are never on both sides of a split. By default the person, if the name shows it: timepoints,
        sessions and twins share a family.
    """

    id: str
    scan: Path
    labels: Path
    mask: Path | None
    family: str


def find_labelled(
    data: Path, *, labels_name: str | None = None, named: Sequence[str] = (),
    left_out: Callable[[str], None] = lambda what: None,
) -> list[LabelledSubject]:  # fmt: skip
    """Find the labelled subjects of a SUBJECTS_DIR, of BIDS derivatives, of Mindboggle-101 or a group of it, or of a manifest.

    Parameters
    ----------
    data : Path
        A folder, or a TSV with columns `subject`, `scan`, `labels` and, optionally, `mask` and `family`; its paths are
        relative to it.
    labels_name : str, optional
        File in a subject's `mri/` to use instead of the first of :data:`FREESURFER_LABELS`; in BIDS derivatives, entities such
        as "desc-aseg" or "seg-LABEL".
    named : sequence of str
        Averages and templates of this name are found, too; others are left out.
    left_out : callable
        Called with one line for each subject that has labels and is left out.

    Raises
    ------
    CohortError
        If nothing is found, or the manifest lacks a column, names a missing file, or names a subject twice.
    """
    if data.is_file():
        return _from_manifest(data)
    names = (labels_name,) if labels_name else FREESURFER_LABELS
    folders = [folder for folder in sorted(data.iterdir()) if (folder / "mri").is_dir()] if data.is_dir() else []
    timepoints = timepoints_in(folders)
    found = []
    for folder in folders:
        why = "" if folder.name in named else not_a_person(folder, timepoints)
        one = _freesurfer(folder, names, timepoints, left_out)
        if one is not None and why:
            left_out(f"{folder}: left out, {why}; name it with --subjects to train on it")
        elif one is not None:
            found.append(one)
    found = found or _in_derivatives(data, labels_name, left_out)
    found = found or [
        one for labels in sorted(data.glob(f"**/{MINDBOGGLE_LABELS}")) if (one := _mindboggle(labels)) is not None
    ]
    if not found:
        raise CohortError(
            f"{data}: no subject with a label map found; expected <subject>/mri/ with one of {', '.join(names)} beside the "
            f"scan, sub-X_desc-aparcaseg_dseg.nii.gz with its T1w, Mindboggle's <subject>/{MINDBOGGLE_LABELS}, or a TSV with "
            "columns subject, scan and labels"
        )
    _refuse_twice(found, data)
    return found


def _freesurfer(
    folder: Path, names: Sequence[str], timepoints: Timepoints, left_out: Callable[[str], None]
) -> LabelledSubject | None:
    # A broken link counts as a file: reading it says how to get its content, and no other file is used silently.
    labels = next((folder / "mri" / name for name in names if is_there(folder / "mri" / name)), None)
    if labels is None:
        return None
    if not any(is_there(folder / "mri" / name) for name in SCAN_NAMES):
        left_out(f"{folder}: left out, no {', '.join(SCAN_NAMES)} in mri/")
        return None
    scan = find_scan_in_subject(folder)
    mask = folder / "mri" / "brainmask.mgz"
    family = family_of(folder.name, timepoints)
    return LabelledSubject(folder.name, scan, labels, mask if is_there(mask) and mask != scan else None, family)


def _in_derivatives(data: Path, labels_name: str | None, left_out: Callable[[str], None]) -> list[LabelledSubject]:
    """The label maps of BIDS derivatives that have a T1; none of this project's own networks unless they are named."""
    choice = entities_of(labels_name or "")
    label_maps = find_label_maps(data)
    if choice.get("seg") != "darts" and any(one.segmentation == "darts" for one in label_maps):
        label_maps = [one for one in label_maps if one.segmentation != "darts"]
        left_out(f"{data}: label maps of seg-darts left out, which such networks made; name them with --labels seg-darts")
    if not label_maps:
        return []
    keyed, faults = by_key(choose_label_maps(label_maps, choice, data), choice)
    for reason in faults.values():
        left_out(f"{reason}: left out")
    found = []
    for key, one in keyed.items():
        scan = find_t1w(one)
        if scan is None:
            left_out(f"{one.path}: left out, no T1w image of {key} beside it or in the raw data set")
        else:
            found.append(LabelledSubject(key, scan, one.path, find_brain_mask(one), one.subject))
    return found


def _mindboggle(labels: Path) -> LabelledSubject | None:
    scans = [labels.parent / name for name in MINDBOGGLE_SCANS if is_there(labels.parent / name)]
    if not scans:
        return None
    name = labels.parent.name
    # Two scans of one person: there is one mean of 27 scans of Colin; OASIS-TRT and NKI-TRT have two scans under other names.
    mask = scans[1] if len(scans) > 1 else None
    return LabelledSubject(name, scans[0], labels, mask, family_of(name))


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
        missing = [str(file) for file in paths.values() if not is_there(file)]
        if missing:
            raise CohortError(f"{path}: row {number}: {missing[0]} does not exist; expected a file, relative to the TSV")
        family = cells["family"] or family_of(cells["subject"])
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

    The name of a person, such as "sub-01", means all scans of this person (`sub-01_ses-1`), unless one scan has just this name.

    Raises
    ------
    CohortError
        If there is no subject of a name.
    """
    by_name = {subject.id: [subject] for subject in subjects}
    for subject in subjects:
        if subject.family not in by_name or by_name[subject.family][0].id != subject.family:
            by_name.setdefault(subject.family, []).append(subject)
    missing = [name for name in names if name not in by_name]
    if missing:
        raise CohortError(f"no labelled subject {', '.join(missing)}; expected some of {', '.join(one.id for one in subjects)}")
    chosen = {one.id: one for name in names for one in by_name[name]}
    return list(chosen.values()) if names else list(subjects)


def split_by_family(
    subjects: Sequence[LabelledSubject], *, training: Sequence[str] = (), validation: Sequence[str] = (), share: float = 0.0,
    seed: int = 0,
) -> tuple[list[LabelledSubject], list[LabelledSubject]]:  # fmt: skip
    """Split subjects into those to train on and those to validate on, without splitting families.

    Parameters
    ----------
    subjects : sequence of LabelledSubject
    training : sequence of str
        Train on these only; default: on all that are not validated on.
    validation : sequence of str
        Validate on these, whether or not `training` names them; their relatives are left out of training.
    share : float
        If `validation` is empty: share of families to validate on, drawn with `seed` among those of `training`; at least one
        family if above 0.

    Returns
    -------
    training, validation : lists of LabelledSubject

    Raises
    ------
    CohortError
        If there is no subject of a name, or no subject is left to train on.
    """
    chosen = choose_subjects(subjects, training)
    if validation:
        kept = choose_subjects(subjects, list(dict.fromkeys(validation)))
        held = {subject.family for subject in kept}
    else:
        families = sorted({subject.family for subject in chosen})
        order = np.random.default_rng(seed).permutation(len(families))
        held = {families[place] for place in order[: max(1, round(share * len(families))) if share > 0 else 0]}
        kept = [subject for subject in chosen if subject.family in held]
    rest = [subject for subject in chosen if subject.family not in held]
    if not rest:
        raise CohortError(f"all {len(chosen)} subjects are kept for validation; expected some to train on")
    return rest, kept
