"""Read YAML 1.2 with every value as the written text: `010`, `1e3`, `on` and `null` are ordinary names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reader_study.errors import StudyError

__all__ = ["parse_yaml", "read_yaml"]


def read_yaml(path: Path) -> Any:
    """Read a file; see :func:`parse_yaml`.

    Raises
    ------
    StudyError
        If the file can't be read or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}; expected a study.yaml") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: not readable YAML ({error}); save it as UTF-8") from None
    try:
        return parse_yaml(text)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from None


def parse_yaml(text: str) -> Any:
    """Turn YAML into dicts, lists and str.

    YAML 1.1, and 1.2 with its usual types, turn unquoted codes into something else: `010` into 8 or 10, `12:30` into 750,
    `on` into True, `1e3` into 1000.0. Here no value has a type until the key that it belongs to gives it one.

    Raises
    ------
    StudyError
        If it is not YAML, or a key occurs twice in one mapping.
    """
    try:
        # `base` resolves no tags: every scalar is a str.
        return YAML(typ="base", pure=True).load(text)
    except YAMLError as error:
        raise StudyError(f"not readable YAML ({' '.join(str(error).split())}); correct that line") from None
