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
_BIDS_LEVELS = ("", "anat/", "ses-*/anat/", "sub-*/anat/", "sub-*/ses-*/anat/")
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
        try:
            scans = _in_folder(path) if path.is_dir() else [path]
        except OSError as error:
            raise ScanError(f"{path}: not readable ({error.strerror}); expected a folder you may read") from None
        for scan in scans:
            found.setdefault(scan.resolve(), scan)
    return list(found.values())


def _in_folder(folder: Path) -> list[Path]:
    if (folder / "mri").is_dir():
        return [find_scan_in_subject(folder)]
    subjects = [path for path in sorted(folder.iterdir()) if any((path / "mri" / name).is_file() for name in SCAN_NAMES)]
    if subjects:
        return [find_scan_in_subject(subject) for subject in subjects]
    if bids := sorted({path for levels in _BIDS_LEVELS for path in folder.glob(f"{levels}sub-*_T1w.nii*")}):
        return bids
    for levels in ("", "*/", "*/*/"):
        best: dict[Path, Path] = {}
        for name in _MINDBOGGLE:
            for scan in folder.glob(levels + name):
                best.setdefault(scan.parent, scan)
        if best:
            return sorted(best.values())
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

    Of scans in one folder that would have one name (`T1.mgz` and `T1.nii.gz`) the name is that of the file, extension included.

    Examples
    --------
    >>> [scan.name for scan in name_scans([Path("/d/a/T1.mgz"), Path("/d/b/T1.mgz"), Path("/s/bert/mri/T1.mgz")])]
    ['a_T1', 'b_T1', 'bert']
    """
    bases = {path: _base_and_folder(path) for path in paths}
    beside = Counter((base.lower(), folder) for base, folder in bases.values())
    for path, (base, folder) in bases.items():
        if beside[base.lower(), folder] > 1:
            whole = path.name.replace(".", "_")
            bases[path] = (whole if whole.startswith(base) else f"{base}_{whole}", folder)
    depth = dict.fromkeys(paths, 0)
    while True:
        names = {path: _name(*bases[path], depth[path]) for path in paths}
        counts = Counter(name.lower() for name in names.values())
        alike = [path for path in paths if counts[names[path].lower()] > 1 and depth[path] < len(bases[path][1].parts)]
        if not alike:
            return [NamedScan(path, names[path]) for path in paths]
        for path in alike:
            depth[path] += 1


def _base_and_folder(path: Path) -> tuple[str, Path]:
    """The name of a scan, and the folder whose name would go before it."""
    whole = path.resolve()
    if whole.parent.name == "mri":
        return whole.parents[1].name, whole.parents[2]
    if whole.name in _MINDBOGGLE:
        return whole.parent.name, whole.parents[1]
    return re.sub(r"_T1w$", "", without_extension(path)), whole.parent


def _name(base: str, folder: Path, depth: int) -> str:
    parts = [part for part in folder.parts if part != folder.anchor]
    return "_".join([*parts[len(parts) - depth :], base]) if depth else base
