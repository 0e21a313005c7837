"""Further questions on an item besides its rating: with another scale, a choice, yes or no, or text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reader_study.errors import StudyError
from reader_study.planning.fields import flag_field, is_absent, scale_of_field, text_field
from reader_study.ratings.table import COLUMNS, LIKERT, OPTIONAL_COLUMNS

__all__ = ["KINDS", "Question", "check_answers", "questions_of_field"]

KINDS = ("rating", "choice", "yes/no", "text")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_KEYS = ("name", "text", "kind", "scale", "choices", "several", "required")
_MOST, _MOST_CHOICES, _LONGEST_CHOICE, _LONGEST_ANSWER = 9, 20, 100, 500


@dataclass(frozen=True)
class Question:
    """A question that is asked with every rating.

    Attributes
    ----------
    name : str
        Column of the exported table: a letter, then letters, digits and `_`.
    text : str
        The question as readers see it.
    kind : {"rating", "choice", "yes/no", "text"}
    levels : tuple of int
        Of a rating.
    words : tuple of str
        Of the levels.
    choices : tuple of str
        Of a choice.
    several : bool
        Whether more than one choice may be taken.
    required : bool
    """

    name: str
    text: str
    kind: str
    levels: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    several: bool = False
    required: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the question as it is stored in the study's file."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def questions_of_field(value: Any) -> tuple[Question, ...]:
    """Return the questions that `study.yaml` lists.

    Raises
    ------
    StudyError
        If one has no name or kind, or its name is used twice or is that of another column.
    """
    if is_absent(value):
        return ()
    if not isinstance(value, list) or len(value) > _MOST:
        raise StudyError(f"questions: {value!r}; expected a list of at most {_MOST} questions, each with name, text and kind")
    questions = tuple(_question(one) for one in value)
    names = [question.name.lower() for question in questions]
    taken = {*COLUMNS, *OPTIONAL_COLUMNS, "arm", "record_id", "withdrawn"}  # record_id: of REDCap
    for name in names:
        if names.count(name) > 1 or name in taken:
            raise StudyError(f"questions: {name} is the name of another column; expected different names")
    return questions


def _question(value: Any) -> Question:
    if not isinstance(value, dict) or set(value) - set(_KEYS):
        raise StudyError(f"questions: {value!r}; expected {', '.join(_KEYS)}")
    name = str(value.get("name", ""))
    if not _NAME.fullmatch(name):
        raise StudyError(f"questions: name {name!r}; expected a letter, then letters, digits and _, 40 at most")
    kind = str(value.get("kind", ""))
    if kind not in KINDS:
        raise StudyError(f"questions: {name}: kind {kind!r}; expected of {', '.join(KINDS)}")
    text = text_field(value, "text", "")
    if not text:
        raise StudyError(f"questions: {name}: no text; expected the question as readers see it")
    scale = scale_of_field(value.get("scale"), LIKERT, f"questions: {name}: scale") if kind == "rating" else None
    several = flag_field(value, "several", False)
    choices = _choices(name, value.get("choices"), several) if kind == "choice" else ()
    return Question(
        name=name,
        text=text,
        kind=kind,
        levels=scale.levels if scale else (),
        words=scale.words if scale else (),
        choices=choices,
        several=several,
        required=flag_field(value, "required", kind != "text"),
    )


def _choices(name: str, value: Any, several: bool) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
        raise StudyError(f"questions: {name}: choices {value!r}; expected a list of words")
    choices = tuple(choice.strip() for choice in value)
    fit = all(0 < len(choice) <= _LONGEST_CHOICE and choice.isprintable() for choice in choices)
    if not fit or not 2 <= len(choices) <= _MOST_CHOICES or len(set(choices)) < len(choices):
        raise StudyError(f"questions: {name}: choices {value!r}; expected 2 to {_MOST_CHOICES} different ones of one line each")
    if several and any(";" in choice for choice in choices):
        raise StudyError(f"questions: {name}: choices {value!r}; expected none with ;, which stands between several in exports")
    return choices


def check_answers(questions: Sequence[Mapping[str, Any]], given: Mapping[str, Any]) -> None:
    """Check the answers to a study's questions.

    Raises
    ------
    ValueError
        If a required one has no answer, or an answer does not fit its question.
    """
    by_name = {question["name"]: question for question in questions}
    for name, value in given.items():
        if name not in by_name:
            raise ValueError("an answer to a question that was not asked")
        if not _is_answer(by_name[name], value):
            raise ValueError(f"{name}: an answer that does not fit its question")
    lacking = [name for name, question in by_name.items() if question["required"] and name not in given]
    if lacking:
        raise ValueError(f"no answer to {', '.join(lacking)}")


def _is_answer(question: Mapping[str, Any], value: Any) -> bool:
    if question["kind"] == "rating":
        return type(value) is int and value in question["levels"]
    if question["kind"] == "yes/no":
        return isinstance(value, str) and value in ("yes", "no")
    if question["kind"] == "text":
        return isinstance(value, str) and 0 < len(value) <= _LONGEST_ANSWER and all(c.isprintable() or c == "\n" for c in value)
    if question["several"]:
        return isinstance(value, list) and len(set(map(str, value))) == len(value) and set(value) <= set(question["choices"])
    return isinstance(value, str) and value in question["choices"]
