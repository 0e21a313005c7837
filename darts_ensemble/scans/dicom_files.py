"""Tell DICOM files by their first bytes, without any package for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["dicom_files", "holds_dicom", "is_dicom"]

#: Endings of files that may lack the mark at byte 128, as old archives write them.
_ENDINGS = (".dcm", ".ima")


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark at byte 128, or the ending of one."""
    try:
        if not path.is_file():  # to open a pipe would wait for ever
            return False
        if path.suffix.lower() in _ENDINGS:
            return True
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def dicom_files(folder: Path) -> Iterator[Path]:
    """Yield the DICOM files of a folder and the folders below it, hidden ones left out; a file is yielded if it is one."""
    if folder.is_file():
        if is_dicom(folder):
            yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from dicom_files(path)
        elif is_dicom(path):
            yield path


def holds_dicom(path: Path) -> bool:
    """Whether a path is a DICOM file, or a folder with one in it or below it."""
    return next(dicom_files(path), None) is not None
