"""`captions.json` in each folder of pictures: the name of each picture without its extension, and its caption."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from darts_ensemble.results.outputs import write_json

__all__ = ["CAPTIONS", "SUFFIXES", "forget_pictures", "read_captions", "write_captions"]

CAPTIONS = "captions.json"
#: Extensions of the files of a picture.
SUFFIXES = (".pdf", ".svg", ".png")


def read_captions(folder: Path) -> dict[str, str]:
    """Return the captions of a folder's pictures, in order; none if the file is missing or damaged."""
    try:
        content = json.loads((folder / CAPTIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(stem): str(caption) for stem, caption in content.items()} if isinstance(content, dict) else {}


def write_captions(folder: Path, captions: Mapping[str, str]) -> None:
    """Write the captions of a folder's pictures.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    write_json(folder / CAPTIONS, dict(captions))


def forget_pictures(folder: Path) -> None:
    """Remove the captions of a folder and the pictures they name, which otherwise could be taken for those of a new run."""
    for stem in read_captions(folder):
        for suffix in SUFFIXES:
            with suppress(OSError):
                (folder / f"{Path(stem).name}{suffix}").unlink()
    with suppress(OSError):
        (folder / CAPTIONS).unlink()
