"""Folders of label maps named by subject: `sub-01.nii.gz`, `sub-01_dseg.nii.gz`."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path

from darts_ensemble.errors import CohortError
from darts_ensemble.scans.scan import EXTENSIONS, without_extension
from evaluation.cohort.layouts import listed

__all__ = ["label_maps_in", "named_by_subject", "scan_beside", "subject_of"]

#: Endings of scans, masks and what tools write beside label maps.
_NOT_LABELS = re.compile(r"_(T1w?|0000|brain|brainmask|mask|agreement|probseg|top-ids|top-probabilities)$")
_SCAN_ENDINGS = ("_T1w", "_T1", "_0000", "_brain")


def label_maps_in(folder: Path) -> list[Path]:
    """Return the image files of a folder that may be label maps, those in the MNI152 space left out."""
    return [
        path
        for path in listed(folder)
        if path.name.lower().endswith(EXTENSIONS)
        and path.is_file()
        and "MNI152" not in path.name
        and not _NOT_LABELS.search(without_extension(path))
    ]


def subject_of(label_map: Path) -> str:
    """Return the subject that a file is named by."""
    return re.sub(r"_(dseg|seg|labels)$", "", without_extension(label_map))


def scan_beside(label_map: Path) -> Path | None:
    """Return the scan in the same folder, such as `sub-01_T1w.nii.gz` for `sub-01.nii.gz`."""
    names = [subject_of(label_map) + ending + extension for ending in _SCAN_ENDINGS for extension in EXTENSIONS]
    return next((label_map.parent / name for name in names if (label_map.parent / name).is_file()), None)


def named_by_subject(subjects: Iterable[str], files: Sequence[Path]) -> dict[str, Path]:
    """Return the file of each subject that has one: of its name, else with `_dseg` after it, else the only one that begins so.

    Raises
    ------
    CohortError
        If several may be a subject's.
    """
    # Sorted, so that what begins with a name stands together: thousands of subjects in one folder are found without going
    # through all of its files for each.
    files = sorted(files, key=without_extension)
    names = [without_extension(path) for path in files]
    found = {}
    for subject in subjects:
        for wanted in (subject, f"{subject}_dseg"):
            candidates = files[bisect_left(names, wanted) : bisect_right(names, wanted)]
            if candidates:
                break
        else:
            begins = [place for mark in "_." for place in _beginning_with(f"{subject}{mark}", names)]
            segmentations = [place for place in begins if names[place].endswith("_dseg")]
            candidates = [files[place] for place in segmentations or begins]
        if len(candidates) > 1:
            raise _several(candidates, subject)
        if candidates:
            found[subject] = candidates[0]
    return found


def _beginning_with(start: str, names: list[str]) -> range:
    """Places of the names, sorted, that begin with `start`."""
    return range(bisect_left(names, start), bisect_left(names, start[:-1] + chr(ord(start[-1]) + 1)))


def _several(candidates: list[Path], subject: str) -> CohortError:
    return CohortError(
        f"{candidates[0].parent}: {', '.join(path.name for path in candidates)} all begin with {subject}; "
        f"expected one label map a subject, such as {subject}_dseg.nii.gz"
    )
