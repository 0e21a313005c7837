"""Find the scans that a user gives as files, folders, a BIDS data set or a SUBJECTS_DIR, and give each one a unique name."""

from __future__ import annotations

import csv
import glob
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from darts_ensemble.errors import ScanError, UsageError
from darts_ensemble.scans.dicom_files import holds_dicom
from darts_ensemble.scans.families import not_a_person, timepoints_in
from darts_ensemble.scans.image_file import ARCHIVES
from darts_ensemble.scans.links import as_named, is_there
from darts_ensemble.scans.scan import EXTENSIONS, SCAN_NAMES, find_scan_in_subject, without_extension

__all__ = ["NamedScan", "find_scans", "name_scans", "names_in_lists", "part_of"]

#: Files that this and similar toolkits write next to scans; they are not scans when a folder is given.
_NOT_SCANS = re.compile(r"(^\.|_(dseg|probseg|agreement|mask|top-ids|top-probabilities)\.|\.MNI152\.|^labels\.|aseg)")
#: What the label map or the mask of a scan is called after it, by those who write them side by side.
_MAP_OF_A_SCAN = re.compile(r"^(.+)[_.-](aseg|brain_?mask|labels?|mask|parc|parcellation|seg|segmentation)$", re.IGNORECASE)
#: BIDS spaces that mean the subject's own space.
_OWN_SPACES = ("", "orig", "T1w", "native", "individual", "scanner", "anat")
_BIDS_LEVELS = ("", "anat/", "ses-*/anat/", "sub-*/anat/", "sub-*/ses-*/anat/")
#: A DICOM folder with one of these names is named after its parent folder.
_FOLDERS_OF_DICOM = ("dicom", "dicoms", "dcm", "series")
_MINDBOGGLE = ("t1weighted.nii.gz", "t1weighted_brain.nii.gz")


@dataclass(frozen=True)
class NamedScan:
    """A scan to be segmented.

    Attributes
    ----------
    path : Path
    name : str
        Unique in the run; the outputs are named after it.
    """

    path: Path
    name: str


def find_scans(
    given: Sequence[Path], left_out: Callable[[str], None] = lambda what: None, *, dicom: bool = False
) -> list[Path]:
    """Return the scans that the given files and folders mean, in order, each once.

    A `.tsv` file is a list with a column `scan` (paths relative to the list) and optionally `name`. A pattern such as
    `data/*/T1.mgz`, if the shell has not expanded it, means all files that it matches. A folder is a FreeSurfer subject
    (`mri/`), a SUBJECTS_DIR, a BIDS data set (`*_T1w`, `*_UNIT1` in `anat/`), a Mindboggle subject or group, or else holds
    image files. Links keep the name that the user gave, also links to a missing file.

    Parameters
    ----------
    given : sequence of Path
    left_out : callable
        Called with one line for each file or folder that looks like a scan or subject and is left out.
    dicom : bool
        If true, a folder with DICOM files and no other scan is returned, to be converted later; else it is an error.

    Raises
    ------
    ScanError
        If a folder holds no scan, a pattern matches nothing, or a list can't be read.
    """
    found: dict[Path, Path] = {}
    for path in given:
        try:
            scans = [scan for one in _matches(path) for scan in _under(one, left_out, dicom=dicom)]
        except OSError as error:
            raise ScanError(f"{path}: not readable ({error.strerror}); expected a folder you may read") from None
        for scan in scans:
            found.setdefault(as_named(scan), scan)
    return list(found.values())


def _matches(path: Path) -> list[Path]:
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
    if not matches:
        raise ScanError(f"{path}: matches nothing; expected a pattern of scans or folders")
    return [Path(match) for match in matches]


def _under(path: Path, left_out: Callable[[str], None], *, dicom: bool) -> list[Path]:
    if path.is_dir():
        return _in_folder(path, left_out, dicom=dicom)
    return [scan for scan, _ in _read_list(path)] if path.suffix.lower() == ".tsv" else [path]


def _read_list(path: Path) -> list[tuple[Path, str]]:
    """Return the scans of a list, with the name of each, or "" if it has none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t")
            columns = rows.fieldnames or []
            if "scan" not in columns:
                raise ScanError(
                    f"{path}: columns {', '.join(columns) or 'none'}; expected a tab-separated table with a column scan"
                )
            scans = [(path.parent / row["scan"].strip(), (row.get("name") or "").strip()) for row in rows if row["scan"]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScanError(f"{path}: {error}; expected a tab-separated table with a column scan") from None
    if not scans:
        raise ScanError(f"{path}: no scan in it; expected one row per scan")
    return scans


def names_in_lists(given: Sequence[Path]) -> dict[Path, str]:
    """Return the names in the given `.tsv` lists; the keys are absolute paths of scans.

    Raises
    ------
    UsageError
        If two scans have the same name, or a name holds a path separator.
    """
    names: dict[Path, str] = {}
    owners: dict[str, Path] = {}
    for path in (one for pattern in given for one in _matches(pattern)):
        if path.suffix.lower() != ".tsv" or not path.is_file():
            continue
        for scan, name in _read_list(path):
            if not name:
                continue
            if name in (".", "..") or re.search(r"[/\\]", name):
                raise UsageError(f"{path}: name {name} of {scan}; expected one that can be a file's")
            whole = as_named(scan)
            if owners.setdefault(name.lower(), whole) != whole:
                raise UsageError(f"{path}: {scan} and {owners[name.lower()]} are both named {name}; expected different names")
            names[whole] = name
    return names


def part_of(text: str) -> tuple[int, int]:
    """Read text such as "3/10", the third of ten parts of the scans.

    Raises
    ------
    UsageError
        If the text does not have this form.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"part {text}; expected such as 3/10, the third of ten")
    return int(match[1]), int(match[2])


def _in_folder(folder: Path, left_out: Callable[[str], None], *, dicom: bool) -> list[Path]:
    if (folder / "mri").is_dir():
        return [find_scan_in_subject(folder)]
    if subjects := _subjects_in(folder, left_out):
        return subjects
    if bids := _in_bids(folder, left_out):
        return bids
    for levels in ("", "*/", "*/*/"):
        best: dict[Path, Path] = {}
        for name in _MINDBOGGLE:
            for scan in folder.glob(levels + name):
                best.setdefault(scan.parent, scan)
        if best:
            return sorted(best.values())
    files = [path for path in sorted(folder.iterdir()) if is_there(path) and path.name.lower().endswith(EXTENSIONS)]
    images = [path for path in files if not _NOT_SCANS.search(path.name)]
    if not images and dicom and holds_dicom(folder):
        return [folder]
    if not images:
        below = (path for levels in ("*/*", "*/*/*") for path in sorted(folder.glob(levels)))
        deeper = next((path for path in below if path.name.lower().endswith(EXTENSIONS)), None)
        archive = next((path for path in sorted(folder.iterdir()) if path.name.lower().endswith(ARCHIVES)), None)
        hint = f"unpack {archive.name} and such" if archive else "DICOM: convert it with dcm2niix"
        hint = f"name those below it, such as {deeper}" if deeper else hint
        raise ScanError(
            f"{folder}: no scan found; expected a SUBJECTS_DIR, a BIDS data set or files {', '.join(EXTENSIONS)} ({hint})"
        )
    _tell_of_maps(files, images, left_out)
    return _without_their_maps(images, left_out)


def _tell_of_maps(files: Sequence[Path], images: Sequence[Path], left_out: Callable[[str], None]) -> None:
    """Tell in one line of the files that are named like label maps or masks and belong to no scan beside them."""
    beside = tuple(f"{without_extension(path)}{sign}" for path in images for sign in "_-.")
    maps = [path for path in files if path not in images and not path.name.startswith((".", *beside))]
    if maps:
        more = f" and {len(maps) - 1} more" if len(maps) > 1 else ""
        left_out(f"{maps[0]}{more}: left out, by their names label maps or masks; name such a file to segment it")


def _without_their_maps(images: Sequence[Path], left_out: Callable[[str], None]) -> list[Path]:
    """Return the images of a folder without those that another one's name with an ending says to be its label map or mask."""
    stems = {without_extension(path) for path in images}
    scans = []
    for path in images:
        found = _MAP_OF_A_SCAN.match(without_extension(path))
        if found and found[1] in stems:
            left_out(f"{path}: left out, by its name a label map or mask of {found[1]}; name it to segment it")
        else:
            scans.append(path)
    return scans


def _subjects_in(folder: Path, left_out: Callable[[str], None]) -> list[Path]:
    """Return the scan of each subject of a SUBJECTS_DIR; averages of several scans or people are left out."""
    scans = []
    subjects = [subject for subject in sorted(folder.iterdir()) if (subject / "mri").is_dir()]
    timepoints = timepoints_in(subjects)
    for subject in subjects:
        if not any(is_there(subject / "mri" / name) for name in SCAN_NAMES):
            left_out(f"{subject}: left out, no {', '.join(SCAN_NAMES)} in mri/")
        elif why := not_a_person(subject, timepoints):
            left_out(f"{subject}: left out, {why}; name it to segment it")
        else:
            scans.append(find_scan_in_subject(subject))
    return scans


def _in_bids(folder: Path, left_out: Callable[[str], None]) -> list[Path]:
    """Return the T1-weighted images of a BIDS data set, no phase images and none in the space of a template."""
    names = [f"{levels}sub-*_{suffix}.nii*" for levels in _BIDS_LEVELS for suffix in ("T1w", "UNIT1")]
    scans = []
    for path in sorted({path for name in names for path in folder.glob(name)}):
        if not path.name.endswith((".nii", ".nii.gz")):
            continue
        entities = dict(re.findall(r"(?:^|_)([A-Za-z]+)-([A-Za-z0-9+]+)", path.name))
        if entities.get("part", "mag") != "mag":
            left_out(f"{path}: left out, part-{entities['part']} is no magnitude image; name it to segment it")
        elif entities.get("space", "") not in _OWN_SPACES:
            left_out(f"{path}: left out, in the space of {entities['space']}; name it to segment it")
        elif path.suffix == ".nii" and is_there(path.with_name(f"{path.name}.gz")):
            left_out(f"{path}: left out, {path.name}.gz beside it is the same scan; name it to segment it")
        else:
            scans.append(path)
    return scans


def name_scans(paths: Sequence[Path], given: Mapping[Path, str] | None = None) -> list[NamedScan]:
    """Name scans after their subject or file; if two would have the same name, names of parent folders are put before it.

    Names in `given` (the keys are absolute paths) are kept. A link is named after itself, not after its target.

    If scans in one folder would have the same name (`T1.mgz` and `T1.nii.gz`), they get the file name with its extension.

    Examples
    --------
    >>> [scan.name for scan in name_scans([Path("/d/a/T1.mgz"), Path("/d/b/T1.mgz"), Path("/s/bert/mri/T1.mgz")])]
    ['a_T1', 'b_T1', 'bert']
    """
    fixed = given or {}
    bases = {path: _base_and_folder(path) for path in paths}
    beside = Counter((base.lower(), folder) for base, folder in bases.values())
    for path, (base, folder) in bases.items():
        if beside[base.lower(), folder] > 1:
            whole = path.name.replace(".", "_")
            bases[path] = (whole if whole.startswith(base) else f"{base}_{whole}", folder)
    beside = Counter((base.lower(), folder) for base, folder in bases.values())
    for path, (base, folder) in bases.items():
        if beside[base.lower(), folder] > 1:  # a/t1weighted.nii.gz and a/mri/t1weighted.nii.gz
            bases[path] = ("_".join(as_named(path).relative_to(folder).parts).replace(".", "_"), folder)
    depth = dict.fromkeys(paths, 0)
    while True:
        names = {path: fixed.get(as_named(path)) or _name(*bases[path], depth[path]) for path in paths}
        counts = Counter(name.lower() for name in names.values())
        free = [path for path in paths if as_named(path) not in fixed]
        alike = [path for path in free if counts[names[path].lower()] > 1 and depth[path] < len(bases[path][1].parts)]
        if not alike:
            return [NamedScan(path, names[path]) for path in paths]
        for path in alike:
            depth[path] += 1


def _base_and_folder(path: Path) -> tuple[str, Path]:
    """Return the name of a scan, and the folder whose name would be put before it."""
    whole = as_named(path)
    if whole.name.lower() in _FOLDERS_OF_DICOM and whole.is_dir():
        return whole.parent.name, whole.parents[1]
    if whole.is_dir():
        return whole.name, whole.parent
    if whole.parent.name == "mri":
        return whole.parents[1].name, whole.parents[2]
    if whole.name in _MINDBOGGLE:
        return whole.parent.name, whole.parents[1]
    return re.sub(r"_T1w$", "", without_extension(path)), whole.parent


def _name(base: str, folder: Path, depth: int) -> str:
    parts = [part for part in folder.parts if part != folder.anchor]
    return "_".join([*parts[len(parts) - depth :], base]) if depth else base
