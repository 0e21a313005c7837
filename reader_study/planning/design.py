"""The design of a reader study: `study.yaml` read and checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reader_study.errors import RatingsError, StudyError
from reader_study.planning.order import Place
from reader_study.planning.regions import PUBLISHED_REGIONS, StudyRegion, study_region
from reader_study.ratings.table import LIKERT, RatingScale

__all__ = ["Design", "design_of", "places_of", "read_design"]

_KEYS = (
    "title", "seed", "readers", "scans", "methods", "cases", "practice", "regions", "sides", "scale", "repeats", "washout",
    "practice_items", "modes", "ranked_share", "guesses", "undo_items", "convention", "seconds_per_item", "if_missing",
)  # fmt: skip
_REQUIRED = ("readers", "scans", "methods", "seed")
MODES = ("rating", "ranking")
#: Washout where none is asked for; half of what the design allows where that is less.
_WASHOUT = 10
_MOST_READERS = 200


@dataclass(frozen=True)
class Design:
    """What a study asks of its readers, and where its images come from.

    Attributes
    ----------
    title : str
    seed : int
        Fixes the order of every reader.
    readers : tuple of str
        Names or codes, as the ratings table will have them.
    scans : mapping of str to Path, or Path
        A scan a case, or a place in which scans are found.
    methods : mapping of str to Path
        Label maps of each method: whatever `darts-eval --pred` finds (`DIR:CHOICE` included).
    cases : tuple of str
        Cases to rate; empty for all that have a scan and a label map of every method.
    practice : tuple of str
        Cases for practice alone.
    regions : tuple of StudyRegion
    sides : tuple of str
        `L`, `R` or both; midline regions are shown in any case.
    scale : RatingScale
    repeats : float
        Share of items that come a second time, unannounced.
    washout : int or None
        Items that lie at least between two of one case and region; None for the default.
    practice_items : int
    modes : tuple of str
        `rating`, `ranking` (all methods side by side) or both.
    ranked_share : float
        Share of the places that are ranked.
    guesses : int
        Items at the end whose method the reader guesses.
    undo_items : int
        How many items back a rating may still be changed.
    convention : {"radiological", "neurological"}
        Whether the patient's left is on the screen's right, or on its left.
    seconds_per_item : float
        For the estimate of the length.
    if_missing : {"stop", "drop"}
        What to do where a method lacks a region: refuse the plan, or leave the place out for all methods.
    """

    title: str
    seed: int
    readers: tuple[str, ...]
    scans: Mapping[str, Path] | Path
    methods: Mapping[str, Path]
    cases: tuple[str, ...] = ()
    practice: tuple[str, ...] = ()
    regions: tuple[StudyRegion, ...] = PUBLISHED_REGIONS
    sides: tuple[str, ...] = ("L", "R")
    scale: RatingScale = LIKERT
    repeats: float = 0.1
    washout: int | None = None
    practice_items: int = 4
    modes: tuple[str, ...] = ("rating",)
    ranked_share: float = 1.0
    guesses: int = 12
    undo_items: int = 3
    convention: str = "radiological"
    seconds_per_item: float = 15.0
    if_missing: str = "stop"

    def washout_for(self, greatest: int) -> int:
        """Washout to keep, given the greatest there can be."""
        return min(_WASHOUT, max(0, greatest // 2)) if self.washout is None else self.washout


def read_design(path: Path) -> Design:
    """Read `study.yaml`; paths in it are relative to its folder.

    Raises
    ------
    StudyError
        If the file can't be read, or a value is missing, unknown or out of range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}; expected a study.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: not readable YAML ({' '.join(str(error).split())}); mend that line") from None
    try:
        return design_of(content, path.resolve().parent)
    except (StudyError, RatingsError) as error:
        raise StudyError(f"{path}: {error}") from None


def design_of(content: Any, folder: Path) -> Design:
    """Turn the content of a `study.yaml` into a design.

    Raises
    ------
    StudyError
        As :func:`read_design`.
    """
    if not isinstance(content, dict):
        raise StudyError(f"no keys found; expected {', '.join(_REQUIRED)} at least")
    for key in content:
        if key not in _KEYS:
            close = difflib.get_close_matches(str(key), _KEYS, n=1)
            raise StudyError(f"unknown key {key!r}; expected one of {', '.join(_KEYS)}{f': {close[0]}?' if close else ''}")
    missing = [key for key in _REQUIRED if not content.get(key) and content.get(key) != 0]
    if missing:
        raise StudyError(f"no {', '.join(missing)}; expected {', '.join(_REQUIRED)} at least")
    design = Design(
        title=_text(content, "title", "Reader study"),
        seed=int(_number(content, "seed", 0, -(2**63), 2**63, whole=True)),
        readers=_names(content, "readers"),
        scans=_scans(content["scans"], folder),
        methods=_methods(content["methods"], folder),
        cases=_names(content, "cases"),
        practice=_names(content, "practice"),
        regions=_regions(content.get("regions")),
        sides=_choice(content, "sides", ("L", "R"), ("L", "R")),
        scale=_scale(content.get("scale")),
        repeats=_number(content, "repeats", 0.1, 0, 0.5),
        washout=int(_number(content, "washout", 0, 0, 10_000, whole=True)) if content.get("washout") is not None else None,
        practice_items=int(_number(content, "practice_items", 4, 0, 100, whole=True)),
        modes=_choice(content, "modes", ("rating",), MODES),
        ranked_share=_number(content, "ranked_share", 1.0, 0.01, 1),
        guesses=int(_number(content, "guesses", 12, 0, 1000, whole=True)),
        undo_items=int(_number(content, "undo_items", 3, 0, 50, whole=True)),
        convention=_choice(content, "convention", ("radiological",), ("radiological", "neurological"))[0],
        seconds_per_item=_number(content, "seconds_per_item", 15, 0.1, 3600),
        if_missing=_choice(content, "if_missing", ("stop",), ("stop", "drop"))[0],
    )
    both = sorted(set(design.cases) & set(design.practice))
    if both:
        raise StudyError(f"practice: {', '.join(both)} are rated as well; expected cases of their own for practice")
    if "ranking" in design.modes and not 2 <= len(design.methods) <= 4:
        raise StudyError(f"modes: ranking shows methods side by side, and there are {len(design.methods)}; expected 2 to 4")
    if len(design.readers) > _MOST_READERS:
        raise StudyError(f"readers: {len(design.readers)} found; expected at most {_MOST_READERS}")
    return design


def places_of(design: Design, cases: tuple[str, ...]) -> tuple[Place, ...]:
    """Return every case, region and side that the design asks for, in the design's order."""
    return tuple(
        Place(case, region.name, side)
        for case in cases
        for region in design.regions
        for side in region.ids
        if side in design.sides or not side
    )


def _text(content: Mapping[str, Any], key: str, default: str) -> str:
    value = content.get(key, default)
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise StudyError(f"{key}: {value!r}; expected a line of text of at most 200 characters")
    return value.strip()


def _number(content: Mapping[str, Any], key: str, default: float, low: float, high: float, *, whole: bool = False) -> float:
    value = content.get(key, default)
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise StudyError(f"{key}: {value!r}; expected {'a whole' if whole else 'a'} number from {low:g} to {high:g}")
    return value


def _names(content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = content.get(key) or []
    if not isinstance(value, list) or any(isinstance(name, (dict, list, bool)) or name is None for name in value):
        raise StudyError(f"{key}: {value!r}; expected a list of names")
    names = tuple(str(name).strip() for name in value)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StudyError(f"{key}: {', '.join(twice)} given twice; expected each name once")
    if not all(name and len(name) <= 100 and name.isprintable() for name in names):
        raise StudyError(f"{key}: an empty, long or unprintable name; expected 1 to 100 characters a name")
    return names


def _choice(content: Mapping[str, Any], key: str, default: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    value = content.get(key, list(default))
    chosen = [value] if isinstance(value, str) else value
    if not isinstance(chosen, list) or not chosen or any(one not in allowed for one in chosen):
        raise StudyError(f"{key}: {value!r}; expected of {', '.join(allowed)}")
    return tuple(one for one in allowed if one in chosen)


def _scans(value: Any, folder: Path) -> Mapping[str, Path] | Path:
    if isinstance(value, str):
        return folder / value
    if isinstance(value, dict) and value and all(isinstance(path, str) for path in value.values()):
        return {str(case): folder / path for case, path in value.items()}
    raise StudyError(f"scans: {value!r}; expected a folder, or a file a case (case: path)")


def _methods(value: Any, folder: Path) -> Mapping[str, Path]:
    if not isinstance(value, dict) or len(value) < 2 or not all(isinstance(path, str) for path in value.values()):
        raise StudyError(f"methods: {value!r}; expected two or more, each with the folder of its label maps (name: folder)")
    names = [str(name).strip() for name in value]
    if len(set(names)) < len(names) or any(not name or len(name) > 100 for name in names):
        raise StudyError(f"methods: {', '.join(names)}; expected names of 1 to 100 characters, each once")
    return {name: folder / path for name, path in zip(names, value.values(), strict=True)}


def _regions(value: Any) -> tuple[StudyRegion, ...]:
    if value is None or value == "published":
        return PUBLISHED_REGIONS
    if not isinstance(value, list) or not value:
        raise StudyError(f"regions: {value!r}; expected published, or a list of names or of name: view")
    regions = []
    for one in value:
        if isinstance(one, dict) and len(one) == 1:
            ((name, view),) = one.items()
            regions.append(study_region(str(name), str(view)))
        elif isinstance(one, str):
            regions.append(study_region(one))
        else:
            raise StudyError(f"regions: {one!r}; expected a name, or name: view")
    if len({region.name for region in regions}) < len(regions):
        raise StudyError("regions: one given twice; expected each once")
    return tuple(regions)


def _scale(value: Any) -> RatingScale:
    if value is None:
        return LIKERT
    if not isinstance(value, dict) or not value or not all(type(level) is int and 0 <= level <= 9 for level in value):
        raise StudyError(f"scale: {value!r}; expected 2 to 9 levels from 0 to 9, each with its word (1: poor)")
    levels = tuple(sorted(value))
    return RatingScale(levels=levels, words=tuple(str(value[level]) for level in levels))
