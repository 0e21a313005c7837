"""From what a user names (files, folders, a BIDS data set, a SUBJECTS_DIR) to scans, each with a name of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from darts_ensemble.errors import ScanError
from darts_ensemble.scan import EXTENSIONS, SCAN_NAMES, find_scan_in_subject, without_extension

__all__ = ["NamedScan", "find_scans", "name_scans"]

#: What this toolkit and its peers write beside scans; not taken for a scan when a folder is given.
_NOT_SCANS = re.compile(r"(^\.|_(dseg|probseg|agreement|mask|top-ids|top-probabilities)\.|\.MNI152\.|^labels\.|aseg)")
_MINDBOGGLE = ("t1weighted.nii.gz", "t1weighted_brain.nii.gz")


@dataclass(frozen=True)
class NamedScan:
    """A scan to be segmented.

    Attributes
    ----------
    path : Path
    name : str
        Unique in the run; names the outputs.
    """

    path: Path
    name: str


def find_scans(given: Sequence[Path]) -> list[Path]:
    """Return the scans that files and folders stand for, in order, each once.

    A folder is a FreeSurfer subject (`mri/`), a SUBJECTS_DIR, a BIDS data set (`*_T1w` in `anat/`), a Mindboggle subject or
    group, or else holds image files.

    Raises
    ------
    ScanError
        If a folder holds no scan.
    """
    found: dict[Path, Path] = {}
    for path in given:
        for scan in _in_folder(path) if path.is_dir() else [path]:
            found.setdefault(scan.resolve(), scan)
    return list(found.values())


def _in_folder(folder: Path) -> list[Path]:
    if (folder / "mri").is_dir():
        return [find_scan_in_subject(folder)]
    subjects = [path for path in sorted(folder.iterdir()) if any((path / "mri" / name).is_file() for name in SCAN_NAMES)]
    if subjects:
        return [find_scan_in_subject(subject) for subject in subjects]
    bids = sorted(
        path for pattern in ("sub-*/anat/*_T1w.nii*", "sub-*/ses-*/anat/*_T1w.nii*", "anat/*_T1w.nii*", "ses-*/anat/*_T1w.nii*")
        for path in folder.glob(pattern)
    )  # fmt: skip
    if bids:
        return bids
    for levels in ("", "*/", "*/*/"):
        for name in _MINDBOGGLE:
            if scans := sorted(folder.glob(levels + name)):
                return scans
    images = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.lower().endswith(EXTENSIONS) and not _NOT_SCANS.search(path.name)
    ]
    if not images:
        raise ScanError(
            f"{folder}: no scan found; expected a SUBJECTS_DIR, a BIDS data set or files {', '.join(EXTENSIONS)} "
            "(DICOM: convert it with dcm2niix)"
        )
    return images


def name_scans(paths: Sequence[Path]) -> list[NamedScan]:
    """Name scans after their subject or file; where two would have one name, parent folders go before it.

    Examples
    --------
    >>> [scan.name for scan in name_scans([Path("/d/a/T1.mgz"), Path("/d/b/T1.mgz"), Path("/s/bert/mri/T1.mgz")])]
    ['a_T1', 'b_T1', 'bert']
    """
    depth = dict.fromkeys(paths, 0)
    while True:
        names = {path: _name(path, depth[path]) for path in paths}
        counts = Counter(name.lower() for name in names.values())
        alike = [path for path in paths if counts[names[path].lower()] > 1 and depth[path] < len(path.resolve().parts)]
        if not alike:
            return [NamedScan(path, names[path]) for path in paths]
        for path in alike:
            depth[path] += 1


def _name(path: Path, depth: int) -> str:
    whole = path.resolve()
    if whole.parent.name == "mri":
        base, folder = whole.parents[1].name, whole.parents[2]
    elif whole.name in _MINDBOGGLE:
        base, folder = whole.parent.name, whole.parents[1]
    else:
        base, folder = re.sub(r"_T1w$", "", without_extension(path)), whole.parent
    parts = [part for part in folder.parts if part != folder.anchor]
    return "_".join([*parts[len(parts) - depth :], base]) if depth else base
