"""The design of a reader study: `study.yaml` read and checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reader_study.errors import RatingsError, StudyError
from reader_study.planning.fields import (
    choice_field,
    is_absent,
    method_folders,
    name_fields,
    number_field,
    scale_of_field,
    scan_files,
    text_field,
)
from reader_study.planning.order import Place
from reader_study.planning.questions import Question, questions_of_field
from reader_study.planning.regions import PUBLISHED_REGIONS, StudyRegion, regions_of_field
from reader_study.planning.screen_texts import DEFAULT_COLOUR, anchors_of_field, colour_field, markdown_field
from reader_study.planning.training import Training, training_of_field
from reader_study.planning.yaml_text import read_yaml
from reader_study.ratings.table import LIKERT, RatingScale

__all__ = ["Design", "design_of", "places_of", "read_design"]

_KEYS = (
    "title", "seed", "readers", "scans", "methods", "cases", "practice", "regions", "sides", "scale", "repeats", "washout",
    "practice_items", "modes", "ranked_share", "guesses", "undo_items", "convention", "seconds_per_item", "if_missing",
    "questions", "instructions", "anchors", "training", "start", "colour",
)  # fmt: skip
_REQUIRED = ("readers", "scans", "methods", "seed")
MODES = ("rating", "ranking")
#: Default washout; or half of what the design allows, if that is less.
_WASHOUT = 10
_MOST_READERS = 200


@dataclass(frozen=True)
class Design:
    """What the readers of a study have to do, and where its images come from.

    Attributes
    ----------
    title : str
    seed : int
        Fixes the order of every reader.
    readers : tuple of str
        Names or codes, as in the ratings table.
    scans : mapping of str to Path, or Path
        One scan per case, or a folder in which scans are found.
    methods : mapping of str to Path
        Label maps of each method, in any layout that `darts-eval --pred` accepts (also `DIR:CHOICE`).
    cases : tuple of str
        Cases to rate; empty for all that have a scan and a label map of every method.
    practice : tuple of str
        Cases for practice only.
    regions : tuple of StudyRegion
    sides : tuple of str
        `L`, `R` or both; midline regions are always shown.
    scale : RatingScale
    repeats : float
        Share of items that are shown a second time, unannounced.
    washout : int or None
        Least number of items between two items of the same case and region; None for the default.
    practice_items : int
    modes : tuple of str
        `rating`, `ranking` (all methods side by side) or both.
    ranked_share : float
        Share of the places (case, region and side) that are ranked.
    guesses : int
        Items at the end whose method the reader guesses.
    undo_items : int
        How many of the last answers may still be changed.
    convention : {"radiological", "neurological"}
        Whether the patient's left is on the screen's right, or on its left.
    seconds_per_item : float
        For the estimate of the length.
    if_missing : {"stop", "drop", "show"}
        What to do where a method lacks a region: refuse the plan, leave the place out for all methods, or show the scan
        without an outline. A place that all methods lack is left out in both of the latter.
    questions : tuple of Question
        Asked with every rating.
    instructions : str
        Markdown, shown before the study begins and under Help.
    anchors : mapping of int to str
        Markdown by level: a description of each score.
    training : Training
        Practice items with a consensus score.
    start_view : {"head", "region"}
        Whether the screen first shows the whole head, or the region filling the view.
    colour : str
        Colour of the region, `#rrggbb`.
    folder : Path
        Folder to which paths of pictures in instructions and anchors are relative.
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
    questions: tuple[Question, ...] = ()
    instructions: str = ""
    anchors: Mapping[int, str] = field(default_factory=dict)
    training: Training = field(default_factory=Training)
    start_view: str = "head"
    colour: str = DEFAULT_COLOUR
    folder: Path = Path()

    def washout_for(self, greatest: int) -> int:
        """Return the washout to keep, given the largest possible one."""
        return min(_WASHOUT, max(0, greatest // 2)) if self.washout is None else self.washout


def read_design(path: Path) -> Design:
    """Read `study.yaml`; paths in it are relative to its folder.

    Raises
    ------
    StudyError
        If the file can't be read, or a value is missing, unknown or out of range.
    """
    content = read_yaml(path)
    try:
        return design_of(content, path.resolve().parent)
    except (StudyError, RatingsError) as error:
        raise StudyError(f"{path}: {error}") from None


def design_of(content: Any, folder: Path, *, files: bool = True) -> Design:
    """Turn the content of a `study.yaml` into a design.

    Parameters
    ----------
    content : Any
        Content of the YAML file.
    folder : Path
        Paths in it are relative to this folder.
    files : bool
        Whether files that instructions and anchors name are read: after planning they may no longer exist.

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
    missing = [key for key in _REQUIRED if is_absent(content.get(key)) or content[key] in ([], {})]
    if missing:
        raise StudyError(f"no {', '.join(missing)}; expected {', '.join(_REQUIRED)} at least")
    readers, methods, regions = (
        name_fields(content, "readers"), method_folders(content["methods"], folder), regions_of_field(content.get("regions"))
    )  # fmt: skip
    practice, scale = name_fields(content, "practice"), scale_of_field(content.get("scale"), LIKERT)
    design = Design(
        title=text_field(content, "title", "Reader study"),
        seed=int(number_field(content, "seed", 0, -(2**63), 2**63, whole=True)),
        readers=readers,
        scans=scan_files(content["scans"], folder),
        methods=methods,
        cases=name_fields(content, "cases"),
        practice=practice,
        regions=regions,
        sides=choice_field(content, "sides", ("L", "R"), ("L", "R")),
        scale=scale,
        repeats=number_field(content, "repeats", 0.1, 0, 0.5),
        washout=None if is_absent(content.get("washout")) else int(number_field(content, "washout", 0, 0, 10_000, whole=True)),
        practice_items=int(number_field(content, "practice_items", 4, 0, 100, whole=True)),
        modes=choice_field(content, "modes", ("rating",), MODES),
        ranked_share=number_field(content, "ranked_share", 1.0, 0.01, 1),
        guesses=int(number_field(content, "guesses", 12, 0, 1000, whole=True)),
        undo_items=int(number_field(content, "undo_items", 3, 0, 50, whole=True)),
        convention=choice_field(content, "convention", ("radiological",), ("radiological", "neurological"))[0],
        seconds_per_item=number_field(content, "seconds_per_item", 15, 0.1, 3600),
        if_missing=choice_field(content, "if_missing", ("stop",), ("stop", "drop", "show"))[0],
        questions=questions_of_field(content.get("questions")),
        instructions=markdown_field(content.get("instructions"), folder, "instructions") if files else "",
        anchors=anchors_of_field(content.get("anchors"), folder, scale) if files else {},
        training=training_of_field(
            content.get("training"), practice=practice, regions=regions, methods=list(methods), scale=scale
        ),
        start_view=choice_field(content, "start", ("head",), ("head", "region"))[0],
        colour=colour_field(content.get("colour")),
        folder=folder,
    )
    both = sorted(set(design.cases) & set(design.practice))
    if both:
        raise StudyError(f"practice: {', '.join(both)} are rated as well; expected other cases for practice")
    if "ranking" in design.modes and not 2 <= len(design.methods) <= 4:
        raise StudyError(f"modes: ranking shows methods side by side, and there are {len(design.methods)}; expected 2 to 4")
    if len(design.readers) > _MOST_READERS:
        raise StudyError(f"readers: {len(design.readers)} found; expected at most {_MOST_READERS}")
    return design


def places_of(design: Design, cases: tuple[str, ...]) -> tuple[Place, ...]:
    """Return every case, region and side of the design, in its order."""
    return tuple(
        Place(case, region.name, side)
        for case in cases
        for region in design.regions
        for side in region.ids
        if side in design.sides or not side
    )
