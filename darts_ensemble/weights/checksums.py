"""sha256 sums of weights files, in a file SHA256SUMS in the same folder, which `sha256sum -c` can read as well."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from darts_ensemble.errors import CheckpointError

__all__ = [
    "REFINEMENT_NAME",
    "SUMS_NAME",
    "FileCheck",
    "check_file",
    "check_folder",
    "network_files_in",
    "read_sums",
    "sha256_of",
    "weights_files_in",
    "write_sums",
]

SUMS_NAME = "SHA256SUMS"
#: The second look in a weights folder; see :mod:`darts_ensemble.refinement`.
REFINEMENT_NAME = "refinement.safetensors"
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](\S.*)")

Status = Literal["ok", "changed", "missing", "unlisted", "not known"]


@dataclass(frozen=True)
class FileCheck:
    """Result of comparing a file's sha256 with the expected one.

    Attributes
    ----------
    path : Path
    status : {"ok", "changed", "missing", "unlisted", "not known"}
        "unlisted": the folder's list of sums doesn't name the file. "not known": there is no sum to compare with.
    sha256 : str or None
        Sum of the file as it is; None if it is missing.
    expected : str or None
    """

    path: Path
    status: Status
    sha256: str | None
    expected: str | None

    @property
    def good(self) -> bool:
        """Whether the file is neither changed nor missing nor unlisted."""
        return self.status in ("ok", "not known")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal.

    Raises
    ------
    CheckpointError
        If it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; expected a weights file you may read") from None


def network_files_in(folder: Path) -> list[Path]:
    """Return the weights files of the views in a folder, by name, without training checkpoints and the second look."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in (".safetensors", ".pth", ".pt")
        and not path.name.endswith(".checkpoint.pt")
        and path.name != REFINEMENT_NAME
    )


def weights_files_in(folder: Path) -> list[Path]:
    """Return the files of a weights folder, by name: weights of the views, fusion weights, and the second look."""
    others = (folder / name for name in ("fusion.json", REFINEMENT_NAME))
    return sorted([*network_files_in(folder), *(path for path in others if path.exists())])


def read_sums(folder: Path) -> dict[str, str] | None:
    """Return the sums listed in a folder, file name to sha256; None if it has no list.

    Raises
    ------
    CheckpointError
        If a line is not a sum and a name.
    """
    path = folder / SUMS_NAME
    if not path.is_file():
        return None
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise CheckpointError(
                f"{path}: line {number} is {line[:80]!r}; expected 64 hexadecimal digits, two spaces and a name"
            )
        sums[found[2]] = found[1].lower()
    return sums


def write_sums(folder: Path) -> Path:
    """List the sums of the weights files of a folder in its SHA256SUMS; return the list's path.

    Raises
    ------
    CheckpointError
        If the folder has no weights file.
    ScanError
        If the list can't be written.
    """
    from darts_ensemble.results.outputs import write_text  # loads pandas, which --help does not need

    files = weights_files_in(folder) if folder.is_dir() else []
    if not files:
        raise CheckpointError(f"{folder}: no weights file; expected a folder with one .safetensors or .pth per view")
    write_text(folder / SUMS_NAME, "".join(f"{sha256_of(path)}  {path.name}\n" for path in files))
    return folder / SUMS_NAME


def check_file(path: Path, expected: str | None) -> FileCheck:
    """Compare a file with its expected sum (None: not known)."""
    if not path.is_file():
        return FileCheck(path, "missing", None, expected)
    found = sha256_of(path)
    if expected is None:
        return FileCheck(path, "not known", found, None)
    return FileCheck(path, "ok" if found == expected else "changed", found, expected)


def check_folder(folder: Path) -> list[FileCheck]:
    """Compare the weights files of a folder with its SHA256SUMS, by name.

    Without a list, every file is "not known"; with a list, a file that is not in it is "unlisted".

    Raises
    ------
    CheckpointError
        If the folder holds no weights, or its list can't be read.
    """
    sums = read_sums(folder) if folder.is_dir() else None
    files = weights_files_in(folder) if folder.is_dir() else []
    if not files and not sums:
        raise CheckpointError(f"{folder}: no weights file; expected a folder with one .safetensors or .pth per view")
    if sums is None:
        return [check_file(path, None) for path in files]
    checks = {name: check_file(folder / name, expected) for name, expected in sums.items()}
    for path in files:
        if path.name not in sums:
            checks[path.name] = FileCheck(path, "unlisted", sha256_of(path), None)
    return [checks[name] for name in sorted(checks)]
