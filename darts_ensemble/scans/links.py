"""Paths as the user gives them, with links kept, and explanations for broken links and pointer files."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["as_named", "is_there", "why_empty"]

_POINTERS = {
    b"/annex/objects/": "a git-annex file whose content is not here; get it with `datalad get` or `git annex get`",
    b"version https://git-lfs": "a Git LFS pointer whose content is not here; get it with `git lfs pull`",
}


def as_named(path: Path) -> Path:
    """Return an absolute path without `.` and `..`; links are not followed, because users know the name of the link."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def is_there(path: Path) -> bool:
    """Whether a name is in its folder; a broken link counts, too."""
    return path.is_file() or path.is_symlink()


def why_empty(path: Path, start: bytes) -> str | None:
    """Return what a file is if it holds no image, and what to do about it; None if it may be an image.

    Parameters
    ----------
    path : Path
    start : bytes
        The first bytes of the file; empty if there is no file.
    """
    if path.is_symlink() and not path.exists():
        target = str(path.readlink())
        if "annex/objects" in Path(target).as_posix():
            return _POINTERS[b"/annex/objects/"]
        return f"a link to {target}, which does not exist; expected a link to a scan"
    return next((what for pointer, what in _POINTERS.items() if start.startswith(pointer)), None)
