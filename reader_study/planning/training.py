"""Practice items with a consensus score and an explanation, as `study.yaml` lists them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reader_study.errors import StudyError
from reader_study.planning.fields import is_absent, number_field, whole_number
from reader_study.planning.order import Place
from reader_study.planning.regions import StudyRegion
from reader_study.ratings.table import RatingScale

__all__ = ["Lesson", "Training", "training_of_field"]

_KEYS = ("pass_mark", "tolerance", "items")
_ITEM_KEYS = ("case", "region", "side", "method", "score", "why")
_LONGEST_WHY = 500


@dataclass(frozen=True)
class Lesson:
    """A practice item with the score that experts agreed on, and an explanation (may be empty)."""

    place: Place
    method: str
    score: int
    why: str


@dataclass(frozen=True)
class Training:
    """Lessons in the order in which they are shown, and the rule for passing them.

    Attributes
    ----------
    lessons : tuple of Lesson
    pass_mark : float or None
        Share of lessons that must be rated correctly before the study begins; None for no test.
    tolerance : int
        Steps of the scale by which a rating may differ from the consensus.
    """

    lessons: tuple[Lesson, ...] = ()
    pass_mark: float | None = None
    tolerance: int = 0

    def rule(self) -> dict[str, Any]:
        """Return the rule for passing the training, as it is stored in the study's file."""
        return {"lessons": len(self.lessons), "pass_mark": self.pass_mark, "tolerance": self.tolerance}


def training_of_field(
    value: Any,
    *,
    practice: Collection[str],
    regions: Collection[StudyRegion],
    methods: Collection[str],
    scale: RatingScale,
) -> Training:
    """Return the training that `study.yaml` describes.

    Raises
    ------
    StudyError
        If an item is not of a practice case, or its score is off the scale.
    """
    if is_absent(value):
        return Training()
    if not isinstance(value, dict) or set(value) - set(_KEYS) or not isinstance(value.get("items"), list) or not value["items"]:
        raise StudyError(f"training: {value!r}; expected items, and perhaps pass_mark and tolerance")
    sides = {region.name: tuple(region.ids) for region in regions}
    lessons = tuple(_lesson(one, practice, sides, methods, scale) for one in value["items"])
    if len({(lesson.place, lesson.method) for lesson in lessons}) < len(lessons):
        raise StudyError("training: one item twice; expected each case, region, side and method once")
    mark = None if is_absent(value.get("pass_mark")) else number_field(value, "pass_mark", 0, 0, 1)
    return Training(lessons, mark, int(number_field(value, "tolerance", 0, 0, 8, whole=True)))


def _lesson(
    value: Any, practice: Collection[str], sides: Mapping[str, tuple[str, ...]], methods: Collection[str], scale: RatingScale
) -> Lesson:
    if not isinstance(value, dict) or set(value) - set(_ITEM_KEYS):
        raise StudyError(f"training: {value!r}; expected {', '.join(_ITEM_KEYS)}")
    case, region, method = (str(value.get(name, "")).strip() for name in ("case", "region", "method"))
    side = "" if is_absent(value.get("side")) else str(value["side"]).strip()
    if case not in practice:
        raise StudyError(f"training: case {case!r}; expected one for practice: {', '.join(practice) or 'none listed'}")
    if region not in sides or side not in sides[region]:
        raise StudyError(f"training: region {region!r}, side {side!r}; expected a region and side of the study")
    if method not in methods:
        raise StudyError(f"training: method {method!r}; expected one of {', '.join(methods)}")
    score = whole_number(value.get("score"))
    if score not in scale.levels:
        raise StudyError(f"training: score {value.get('score')!r}; expected one of {scale.describe()}")
    why = str(value.get("why") or "").strip()
    if len(why) > _LONGEST_WHY:
        raise StudyError(f"training: why has {len(why)} characters; expected at most {_LONGEST_WHY}")
    assert score is not None
    return Lesson(Place(case, region, side), method, score, why)
