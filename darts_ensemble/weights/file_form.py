"""What a file is if it can't be weights, from its first bytes: a page that a download has led to, a pointer, nothing, text."""

from __future__ import annotations

from pathlib import Path

from darts_ensemble.errors import CheckpointError
from darts_ensemble.scans.links import why_empty

__all__ = ["refuse_other_forms"]

#: How a PyTorch file begins: a zip archive, or the pickle of older versions.
_PYTORCH = (b"PK\x03\x04", b"\x80")
_START = 512


def refuse_other_forms(path: Path) -> None:
    """Refuse a file that begins like no weights file; of a JSON file, such as fusion weights, nothing is expected.

    Raises
    ------
    CheckpointError
        If it can't be read, or is neither safetensors nor a PyTorch file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; expected a weights file you may read") from None
    if path.suffix == ".json" or start.startswith(_PYTORCH) or _is_safetensors(start, path.stat().st_size):
        return
    raise CheckpointError(
        f"{path}: {_name_of(path, start)}; expected a .safetensors or a released .pth file: download it again"
    )


def _is_safetensors(start: bytes, size: int) -> bool:
    """Whether a file begins with the length of a JSON header, and this header fits in it."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= size - 8


def _name_of(path: Path, start: bytes) -> str:
    if pointer := why_empty(path, start):
        return pointer
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not text:
        return "an empty file"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page, not weights; a link may lead to a page about a file in place of the file"
    if text.startswith((b"{", b"[")):
        return "JSON, not weights"
    return "text, not weights" if b"\0" not in start else "not a weights file, or one cut off"
