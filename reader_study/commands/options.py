"""Words of the command line turned into arguments of the analyses: scales, lists, pairs of a name and a value."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from darts_ensemble.commands.command_line import words
from darts_ensemble.errors import UsageError

if TYPE_CHECKING:  # what it imports takes longer to load than --help may
    from reader_study.ratings.summary import Summary
    from reader_study.ratings.table import RatingScale

__all__ = ["named", "numbers_of", "pairs_of", "printed_table_of", "scale_of", "whole_numbers_of"]

_LEVEL = re.compile(r"\s*(-?[0-9]+)\s*(?:=|\s)\s*(.+?)\s*")


def numbers_of(text: str, option: str) -> list[float]:
    """Return the numbers of a comma-separated list; :class:`UsageError` if one is not a number."""
    try:
        numbers = [float(word) for word in words(text)]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{option} {text}: expected numbers such as 0.2,0.4")
    return numbers


def whole_numbers_of(text: str, option: str) -> list[int]:
    """Return the whole numbers above zero of a comma-separated list; :class:`UsageError` if one is anything else."""
    given = words(text)
    if not given or not all(word.isascii() and word.isdigit() and int(word) for word in given):
        raise UsageError(f"{option} {text}: expected whole numbers such as 20,40")
    return [int(word) for word in given]


def named(texts: Sequence[str], known: Sequence[str], option: str) -> list[str]:
    """Return the names in the words of a repeatable option, each a comma-separated list of known names.

    A name may contain commas itself: the pieces between commas are joined if only that gives known names. A name may be in
    quotation marks, as a spreadsheet writes it.

    Raises
    ------
    UsageError
        If a word is not a list of known names, can be read in several ways, or names one twice.
    """
    found: list[str] = []
    for text in texts:
        readings = _readings(text.split(","), set(known))
        if not readings:
            quoted = [cell.strip() for cell in next(csv.reader([text], skipinitialspace=True), [])]
            readings = [quoted] if set(quoted) <= set(known) else []
        if len(readings) > 1:
            raise UsageError(f"{option} {text}: can be read in several ways; give the option once for each name")
        if not readings:
            unknown = [word for word in words(text) if word not in known]
            raise UsageError(f"{option} {text}: found {', '.join(unknown)}, expected names among {'; '.join(known)}")
        found += readings[0]
    twice = [name for name in dict.fromkeys(found) if found.count(name) > 1]
    if twice:
        raise UsageError(f"{option}: {', '.join(twice)} given twice; expected each once")
    return found


def _readings(pieces: Sequence[str], known: set[str]) -> list[list[str]]:
    """Return every way to join neighbouring pieces to known names."""
    if not pieces:
        return [[]]
    found = []
    for count in range(1, len(pieces) + 1):
        name = ",".join(pieces[:count]).strip()
        if name in known:
            found += [[name, *rest] for rest in _readings(pieces[count:], known)]
    return found


def pairs_of(texts: Sequence[str], option: str, example: str) -> dict[str, str]:
    """Return `NAME=VALUE` words as a mapping; :class:`UsageError` for one without `=` or a name given twice."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {text}: expected NAME=VALUE, such as {example}")
        if name in pairs:
            raise UsageError(f"{option} {name}: given twice; expected each once")
        pairs[name] = value
    return pairs


def printed_table_of(text: str) -> Summary:
    """Return the table of means and SDs that a text names: a file, or `published` for the 2019 one.

    Raises
    ------
    SummaryError
        If the file can't be read.
    """
    from reader_study.published import published_summary
    from reader_study.ratings.summary import read_summary

    return published_summary() if text == "published" else read_summary(Path(text))


def scale_of(text: str, half_points: bool) -> RatingScale:
    """Return the scale of a text like `1=fail,2=warning,3=pass`; the published one, 1 poor to 5 excellent, for an empty one.

    Raises
    ------
    UsageError
        If a level has no number or no word.
    RatingsError
        If the levels do not increase.
    """
    from reader_study.ratings.table import LIKERT, RatingScale

    if not text:
        return RatingScale(LIKERT.levels, LIKERT.words, half_points)
    # A level's words may hold commas: a new level begins where a number follows one.
    matches = [_LEVEL.fullmatch(word) for word in re.split(r",(?=\s*-?[0-9]+\s*[=\s])", text)]
    found = [match for match in matches if match]
    if len(found) < len(matches):
        raise UsageError(f"--scale {text}: expected levels with their words, such as 1=fail,2=warning,3=pass")
    return RatingScale(tuple(int(match[1]) for match in found), tuple(match[2] for match in found), half_points)
