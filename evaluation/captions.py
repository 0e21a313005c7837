"""`captions.json`, which stands in each folder of pictures: the name of each without its extension, and its caption."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from darts_ensemble.outputs import write_json

__all__ = ["CAPTIONS", "read_captions", "write_captions"]

CAPTIONS = "captions.json"


def read_captions(folder: Path) -> dict[str, str]:
    """Return the captions of a folder's pictures, in their order; none where the file is missing or no such table."""
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
