"""Values of `study.yaml`, which are read as text, turned into what their keys mean: numbers, names, choices; or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reader_study.errors import StudyError
from reader_study.planning.names import checked_names
from reader_study.ratings.table import RatingScale

__all__ = [
    "choice_field", "flag_field", "is_absent", "method_folders", "name_fields", "number_field", "scale_of_field",
    "scan_files", "text_field", "whole_number",
]  # fmt: skip

#: Digits of ASCII only: Python also accepts those of other scripts.
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_ABSENT = ("", "null", "Null", "NULL", "~")
_LONGEST_TEXT = 200


def is_absent(value: Any) -> bool:
    """Whether a key has no value: nothing, or a null of YAML."""
    return value is None or (isinstance(value, str) and value.strip() in _ABSENT)


def text_field(content: Mapping[str, Any], key: str, default: str) -> str:
    """Return a line of text.

    Raises
    ------
    StudyError
        If it is not text, or longer than 200 characters.
    """
    value = content.get(key)
    if is_absent(value):
        return default
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or not value.strip().isprintable():
        raise StudyError(f"{key}: {value!r}; expected a line of text of at most {_LONGEST_TEXT} characters")
    return value.strip()


def number_field(
    content: Mapping[str, Any], key: str, default: float, low: float, high: float, *, whole: bool = False
) -> float:
    """Return a number within its range, both ends included.

    Raises
    ------
    StudyError
        If it is not a number, or out of range.
    """
    value = content.get(key)
    if is_absent(value):
        return default
    number = _number(value, whole=whole)
    if number is None or not low <= number <= high:
        raise StudyError(f"{key}: {value!r}; expected {'a whole' if whole else 'a'} number from {low:g} to {high:g}")
    return number


def whole_number(value: Any) -> int | None:
    """Return a whole number written with the digits 0 to 9; None for anything else."""
    number = _number(value, whole=True)
    return None if number is None else int(number)


def _number(value: Any, *, whole: bool) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        if _WHOLE.fullmatch(text):
            return int(text)
        return float(text) if not whole and _NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return None
    return float(value) if isinstance(value, float) else int(value)


def flag_field(content: Mapping[str, Any], key: str, default: bool) -> bool:
    """Return yes or no.

    Raises
    ------
    StudyError
        If it is neither yes, no, true nor false.
    """
    value = content.get(key)
    if is_absent(value):
        return default
    word = str(value).strip().lower()
    if word not in ("yes", "no", "true", "false"):
        raise StudyError(f"{key}: {value!r}; expected yes or no")
    return word in ("yes", "true")


def choice_field(content: Mapping[str, Any], key: str, default: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Return one or several of the allowed words, in their order.

    Raises
    ------
    StudyError
        If there is another word, or none.
    """
    value = content.get(key)
    if is_absent(value):
        return default
    chosen = [value] if isinstance(value, str) else value
    if not isinstance(chosen, list) or not chosen or any(one not in allowed for one in chosen):
        raise StudyError(f"{key}: {value!r}; expected of {', '.join(allowed)}")
    return tuple(one for one in allowed if one in chosen)


def name_fields(content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of names, each as written; see :func:`~reader_study.planning.names.checked_names`.

    Raises
    ------
    StudyError
        If there is no list, or a name can't be used.
    """
    value = content.get(key)
    if is_absent(value):
        return ()
    if not isinstance(value, list) or any(isinstance(name, (dict, list, bool, float)) or name is None for name in value):
        raise StudyError(f"{key}: {value!r}; expected a list of names, in quotes where YAML would read them as something else")
    return checked_names(value, key)


def scan_files(value: Any, folder: Path) -> Mapping[str, Path] | Path:
    """Return the folder in which scans are found, or a file for each case.

    Raises
    ------
    StudyError
        If it is neither, or a name of a case can't be used.
    """
    if isinstance(value, str):
        return folder / value
    if isinstance(value, dict) and value and all(isinstance(path, str) for path in value.values()):
        return {case: folder / path for case, path in zip(checked_names(value, "scans"), value.values(), strict=True)}
    raise StudyError(f"scans: {value!r}; expected a folder, or a file for each case (case: path)")


def method_folders(value: Any, folder: Path) -> Mapping[str, Path]:
    """Return where the label maps of each method are.

    Raises
    ------
    StudyError
        If there are fewer than two methods, or the name of one can't be used.
    """
    if not isinstance(value, dict) or len(value) < 2 or not all(isinstance(path, str) for path in value.values()):
        raise StudyError(f"methods: {value!r}; expected two or more, each with the folder of its label maps (name: folder)")
    return {name: folder / path for name, path in zip(checked_names(value, "methods"), value.values(), strict=True)}


def scale_of_field(value: Any, default: RatingScale, key: str = "scale") -> RatingScale:
    """Return a scale: levels and their words.

    Raises
    ------
    StudyError
        If there are not 2 to 9 levels, or one is not a whole number from 0 to 9.
    RatingsError
        If the words do not form a scale.
    """
    if is_absent(value):
        return default
    levels = {whole_number(level): word for level, word in value.items()} if isinstance(value, dict) else {}
    numbers = sorted(level for level in levels if level is not None)
    fits = 2 <= len(numbers) <= 9 and len(numbers) == len(value) and all(0 <= level <= 9 for level in numbers)
    if not fits or not all(isinstance(levels[level], str) and levels[level].strip() for level in numbers):
        raise StudyError(f"{key}: {value!r}; expected 2 to 9 levels from 0 to 9, each with its word (1: poor)")
    return RatingScale(levels=tuple(numbers), words=tuple(levels[level].strip() for level in numbers))
