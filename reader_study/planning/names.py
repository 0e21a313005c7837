"""Names of readers, cases, methods and questions: any line of text that has no other meaning."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from reader_study.errors import StudyError
from reader_study.ratings.alike import folded_name

__all__ = ["LONGEST_NAME", "RESERVED", "checked_names"]

LONGEST_NAME = 100
#: Words with another meaning where names are given or shown: in commands, in the audit trail, in tables of results.
RESERVED = {
    "readers": (
        "all", "coordinator", "coordinator's page", "everybody", "everyone", "nobody", "none", "plan", "preview", "serve",
        "study",
    ),
    "methods": ("all", "don't know", "none"),
    "cases": ("all",),
    "practice": ("all",),
    "scans": ("all",),
    "regions": ("all", "all regions"),
}  # fmt: skip
#: Characters with which a formula begins in a spreadsheet.
_FORMULA = ("=", "+", "@")
#: Joiners that scripts such as Persian, Hindi or Sinhala need within words; all other characters that are not printable are
#: refused.
_JOINERS = ("\u200c", "\u200d")


def checked_names(values: Iterable[object], key: str) -> tuple[str, ...]:
    """Return names without surrounding spaces, in Unicode's composed form.

    Parameters
    ----------
    values : iterable
        As found in `study.yaml`.
    key : str
        Key under which they were found; it decides which words are reserved.

    Raises
    ------
    StudyError
        If a name is empty, too long, not printable, reserved, like a formula, or can't be told from another.
    """
    names = tuple(unicodedata.normalize("NFC", str(value)).strip() for value in values)
    for name in names:
        _refuse_unusable(name, key)
    seen: dict[str, str] = {}
    for name in names:
        folded = folded_name(name)
        if folded in seen:
            if seen[folded] == name:
                raise StudyError(f"{key}: {name} given twice; expected each name once")
            raise StudyError(
                f"{key}: {seen[folded]} and {name} differ only in capital letters or in the form of letters; "
                "expected names that can be told apart"
            )
        seen[folded] = name
    return names


def _refuse_unusable(name: str, key: str) -> None:
    if not name:
        raise StudyError(f"{key}: an empty name; expected 1 to {LONGEST_NAME} characters for each name")
    if len(name) > LONGEST_NAME:
        raise StudyError(f"{key}: {name[:20]}… has {len(name)} characters; expected 1 to {LONGEST_NAME} for each name")
    if not all(character.isprintable() or character in _JOINERS for character in name):
        raise StudyError(f"{key}: {name!r} holds characters that are not printable; expected one line of text for each name")
    if folded_name(name) in {folded_name(word) for word in RESERVED.get(key, ())}:
        raise StudyError(f"{key}: {name} has another meaning in commands and tables; expected another name")
    if name.startswith(_FORMULA):
        raise StudyError(f"{key}: a spreadsheet takes {name} for a formula; expected a name that does not begin with {name[0]}")
