"""Folders with one subject each, of Mindboggle-101 and FreeSurfer (FastSurfer): which of their files are used."""

from __future__ import annotations

import glob
from fnmatch import fnmatch
from pathlib import Path

from darts_ensemble.errors import CohortError, ScanError
from darts_ensemble.scans.links import is_there
from darts_ensemble.scans.scan import find_scan_in_subject

__all__ = [
    "FREESURFER_PREDICTIONS", "FREESURFER_REFERENCES", "MINDBOGGLE_REFERENCES", "MINDBOGGLE_SCANS", "WRONG_HEADERS",
    "file_in_subject", "listed", "scan_in_subject", "subject_folders",
]  # fmt: skip

#: Manual cortex with all other regions by FreeSurfer; else only the manual cortex.
MINDBOGGLE_REFERENCES = ("labels.DKT31.manual+aseg.nii.gz", "labels.DKT31.manual.nii.gz")
MINDBOGGLE_SCANS = ("t1weighted.nii.gz", "t1weighted_brain.nii.gz")
#: FreeSurfer's DKT map; FastSurfer's map from the surfaces, else from the network, with the corpus callosum, else without it
#: (then it is white matter); FreeSurfer's Desikan map (in FastSurfer, a link to a DKT map, which its labels show). Results of
#: this project's networks are never a reference.
FREESURFER_REFERENCES = (
    "aparc.DKTatlas+aseg.mgz", "aparc.DKTatlas+aseg.mapped.mgz", "aparc.DKTatlas+aseg.deep.withCC.mgz",
    "aparc.DKTatlas+aseg.deep.mgz", "aparc+aseg.mgz",
)  # fmt: skip
FREESURFER_PREDICTIONS = ("aparc.DKTatlas+aseg.darts.mgz", *FREESURFER_REFERENCES)
#: Mindboggle-101 scans in whose header the axes are wrong (issue 186 of the Mindboggle project).
WRONG_HEADERS = frozenset(
    [*(f"HLN-12-{number}" for number in (1, 2, *range(4, 13))), "MMRR-21-1", "MMRR-21-21", "NKI-RS-22-16"]
)


def listed(folder: Path) -> list[Path]:
    """Return the sorted content of a folder without hidden files; nothing if it may not be read."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def subject_folders(root: Path, choice: str = "") -> list[Path]:
    """Return the root if it is a subject; else its subjects and those one level deeper (Mindboggle's groups).

    A folder that holds the file `choice` is a subject too.
    """
    if _is_subject(root, choice):
        return [root]
    folders = []
    for child in listed(root):
        if not child.is_dir():
            continue
        if _is_subject(child, choice):
            folders.append(child)
        else:
            folders += [deeper for deeper in listed(child) if deeper.is_dir() and _is_subject(deeper, choice)]
    return folders


def file_in_subject(folder: Path, freesurfer: tuple[str, ...], choice: str = "") -> Path | None:
    """Return a subject's label map: the chosen file, else the first of Mindboggle's, else of `freesurfer` in `mri/`.

    A chosen file may be given without the subject's name at its beginning (`DKT31_CMA_labels.nii.gz` means
    `OASIS-TRT-20-1_DKT31_CMA_labels.nii.gz`), or by a pattern. A broken link is returned, too, so that reading it reports what
    is missing, instead of silently using another file.

    Raises
    ------
    CohortError
        If several files match a pattern.
    """
    if not choice:
        names = [*MINDBOGGLE_REFERENCES, *(f"mri/{name}" for name in freesurfer)]
        return next((folder / name for name in names if is_there(folder / name)), None)
    for place in (folder, folder / "mri"):
        for name in (choice, f"{folder.name}_{choice}"):
            if is_there(place / name):
                return place / name
        if glob.has_magic(choice):
            found = [path for path in listed(place) if fnmatch(path.name, choice)]
            if len(found) > 1:
                raise CohortError(f"{place}: {', '.join(path.name for path in found)} match {choice}; expected one of them")
            if found:
                return found[0]
    return None


def scan_in_subject(folder: Path) -> Path | None:
    """Return a subject's T1, or None if it has none."""
    for name in MINDBOGGLE_SCANS:
        if is_there(folder / name):
            return folder / name
    try:
        return find_scan_in_subject(folder)
    except ScanError:
        return None


def _is_subject(folder: Path, choice: str) -> bool:
    if (folder / "mri").is_dir() or any(is_there(folder / name) for name in (*MINDBOGGLE_REFERENCES, *MINDBOGGLE_SCANS)):
        return True
    try:
        return bool(choice) and file_in_subject(folder, (), choice) is not None
    except CohortError:
        return True
