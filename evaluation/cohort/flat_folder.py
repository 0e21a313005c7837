"""Folders of label maps named by subject: `sub-01.nii.gz`, `sub-01_dseg.nii.gz`, with or without scans."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path

from darts_ensemble.scans.links import is_there
from darts_ensemble.scans.scan import EXTENSIONS, without_extension
from evaluation.cohort.layouts import listed
from evaluation.cohort.subjects import Fault

__all__ = ["by_subject", "label_maps_in", "named_by_subject", "scan_beside", "subject_of"]

#: Endings of scans, masks and other files that tools write with label maps.
_NOT_LABELS = re.compile(
    r"(^|_)(T1w?|T2w?|FLAIR|UNIT1|0000|brain|brainmask|mask|agreement|probseg|top-ids|top-probabilities)$", re.IGNORECASE
)
_SCAN_ENDINGS = ("_T1w", "_T1", "_0000", "_brain", "")
#: Endings of label maps, the most certain first.
_LABEL_ENDINGS = ("_dseg", "_seg", "_labels", "_label", "_aseg", "_aparc+aseg")
_LABELS = re.compile(rf"({'|'.join(map(re.escape, _LABEL_ENDINGS))})$", re.IGNORECASE)


def label_maps_in(folder: Path) -> list[Path]:
    """Return the image files of a folder that may be label maps, without those in the MNI152 space.

    If `sub-01_dseg.nii.gz` exists, `sub-01.nii.gz` is its scan.
    """
    files = [
        path
        for path in listed(folder)
        if path.name.lower().endswith(EXTENSIONS)
        and is_there(path)
        and "MNI152" not in path.name
        and not _NOT_LABELS.search(without_extension(path))
    ]
    labelled = {subject_of(path) for path in files if _LABELS.search(without_extension(path))}
    return [path for path in files if _LABELS.search(without_extension(path)) or without_extension(path) not in labelled]


def subject_of(label_map: Path) -> str:
    """Return the subject in the name of a file."""
    return _LABELS.sub("", without_extension(label_map))


def scan_beside(label_map: Path) -> Path | None:
    """Return the scan in the same folder, such as `sub-01_T1w.nii.gz` for `sub-01.nii.gz`."""
    names = [subject_of(label_map) + ending + extension for ending in _SCAN_ENDINGS for extension in EXTENSIONS]
    paths = (label_map.parent / name for name in names)
    return next((path for path in paths if is_there(path) and path != label_map), None)


def by_subject(files: Sequence[Path]) -> tuple[dict[str, Path], list[Fault]]:
    """Return label maps by the subject in their names, and the subjects with several."""
    grouped: dict[str, list[Path]] = {}
    for path in files:
        grouped.setdefault(subject_of(path), []).append(path)
    found, faults = {}, []
    for subject, several in grouped.items():
        if len(several) == 1:
            found[subject] = several[0]
        else:
            faults.append(_several(several, subject))
    return found, faults


def named_by_subject(subjects: Iterable[str], files: Sequence[Path]) -> tuple[dict[str, Path], list[Fault]]:
    """Return the file of each subject that has one, and the subjects with several possible files.

    The file is named by the subject and `_dseg`, else by the subject alone, else it is the only one that begins with the name.
    """
    # Sorted, so that names with the same beginning follow each other: with thousands of subjects in one folder, it is not
    # necessary to go through all files for each.
    files = sorted(files, key=without_extension)
    names = [without_extension(path) for path in files]
    found, faults = {}, []
    for subject in subjects:
        for wanted in (f"{subject}_dseg", subject):
            candidates = files[bisect_left(names, wanted) : bisect_right(names, wanted)]
            if candidates:
                break
        else:
            begins = [place for mark in "_." for place in _beginning_with(f"{subject}{mark}", names)]
            segmentations = [place for place in begins if names[place].endswith("_dseg")]
            candidates = [files[place] for place in segmentations or begins]
        if len(candidates) > 1:
            faults.append(_several(candidates, subject))
        if len(candidates) == 1:
            found[subject] = candidates[0]
    return found, faults


def _beginning_with(start: str, names: list[str]) -> range:
    """Return the positions of the names, which are sorted, that begin with `start`."""
    return range(bisect_left(names, start), bisect_left(names, start[:-1] + chr(ord(start[-1]) + 1)))


def _several(candidates: Sequence[Path], subject: str) -> Fault:
    return Fault(
        subject,
        f"{candidates[0].parent}: {', '.join(path.name for path in candidates)} may all be of {subject}; "
        f"expected one label map per subject, such as {subject}_dseg.nii.gz",
    )
