"""NiiVue, the image viewer: read at run time from the installed wheel of nilearn, which ships it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from darts_ensemble.errors import ServingError

__all__ = ["NILEARN", "ViewerLibrary", "read_viewer_library"]

#: The nilearn that the pages were tested with, and the hash of the file that it ships.
NILEARN = "0.14.1"
_FILE = "_assets/js/niivue.umd.js"
_SHA256 = "c40dc2679c337c906deef22e157ee02c17459db9b8ecc51aa773af27791a567c"
#: The file states no licence; this is the one of the NiiVue project (https://github.com/niivue/niivue).
_LICENCE = "BSD 2-Clause"


@dataclass(frozen=True)
class ViewerLibrary:
    """The installed NiiVue.

    Attributes
    ----------
    script : bytes
    version, licence : str
    source : str
        Where it was read from, in words.
    """

    script: bytes
    version: str
    licence: str
    source: str


def read_viewer_library() -> ViewerLibrary:
    """Read NiiVue from the installed nilearn; nilearn itself is not imported.

    Raises
    ------
    ServingError
        If nilearn is not installed or has another version, or the file is missing or has changed.
    """
    advice = f"pip install nilearn=={NILEARN}, or pip install 'darts-ensemble[app]'"
    try:
        installed = version("nilearn")
    except PackageNotFoundError:
        raise ServingError(
            f"nilearn is not installed, and the viewer NiiVue is read from it; expected {NILEARN}: {advice}"
        ) from None
    if installed != NILEARN:
        raise ServingError(f"nilearn {installed} found; expected {NILEARN}, whose NiiVue the pages were tested with: {advice}")
    spec = find_spec("nilearn")
    path = Path(spec.origin).parent / _FILE if spec and spec.origin else Path(_FILE)
    return _checked(path, f"nilearn {installed}", advice)


def _checked(path: Path, source: str, advice: str) -> ViewerLibrary:
    try:
        script = path.read_bytes()
    except OSError:
        raise ServingError(f"{path}: NiiVue is not there; expected it in {source}: {advice}") from None
    if hashlib.sha256(script).hexdigest() != _SHA256:
        raise ServingError(f"{path}: not the file that {source} ships (its SHA-256 differs); expected it unchanged: {advice}")
    # The hash fixes the text, so the version is there.
    found = re.search(rb'version:"(\d+\.\d+\.\d+)"', script)
    return ViewerLibrary(script, found.group(1).decode() if found else "unknown", _LICENCE, source)
