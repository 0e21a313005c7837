"""What readers see beside the images: instructions, a description of each score, the colour of the region."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reader_study.errors import StudyError
from reader_study.planning.fields import is_absent, whole_number
from reader_study.ratings.table import RatingScale

__all__ = ["DEFAULT_COLOUR", "anchors_of_field", "colour_field", "markdown_field"]

DEFAULT_COLOUR = "#ffc83d"
_LONGEST = 20_000


def markdown_field(value: Any, folder: Path, key: str) -> str:
    """Return Markdown: the text itself, or that of the file it names (`*.md`).

    Raises
    ------
    StudyError
        If it is not text, too long, or a file that can't be read.
    """
    if is_absent(value):
        return ""
    if not isinstance(value, str):
        raise StudyError(f"{key}: {value!r}; expected Markdown, or the name of an .md file")
    text = value
    if value.strip().endswith(".md") and "\n" not in value.strip():
        path = folder / value.strip()
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"{key}: {path}: {getattr(error, 'strerror', None) or error}; expected a text file") from None
    if len(text) > _LONGEST:
        raise StudyError(f"{key}: {len(text)} characters; expected at most {_LONGEST}")
    return text


def anchors_of_field(value: Any, folder: Path, scale: RatingScale) -> Mapping[int, str]:
    """Return the Markdown of each level that has an anchor.

    Raises
    ------
    StudyError
        If it is not a mapping, or a level is off the scale.
    """
    if is_absent(value):
        return {}
    if not isinstance(value, dict) or any(whole_number(level) not in scale.levels for level in value):
        raise StudyError(f"anchors: {value!r}; expected Markdown for levels of the scale ({scale.describe()})")
    found = {whole_number(level): markdown_field(text, folder, f"anchors: {level}") for level, text in value.items()}
    return dict(sorted((level, text) for level, text in found.items() if level is not None))


def colour_field(value: Any) -> str:
    """Return a colour as `#rrggbb`.

    Raises
    ------
    StudyError
        If it is not a colour.
    """
    if is_absent(value):
        return DEFAULT_COLOUR
    if not isinstance(value, str) or not re.fullmatch("#[0-9a-fA-F]{6}", value.strip()):
        raise StudyError(f"colour: {value!r}; expected six hexadecimal digits in quotes, such as '#00e5ff'")
    return value.strip().lower()
