"""The meaning of each column of an export: its variables, and a codebook for people."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

import pandas as pd

from reader_study.study.storage import setting

__all__ = ["Variable", "codebook_table", "variables_of"]


@dataclass(frozen=True)
class Variable:
    """A column of `ratings.csv`.

    Attributes
    ----------
    name, label : str
    kind : {"text", "integer", "number", "time", "category", "categories"}
    values : tuple of (str, str)
        Values and what they mean, of a category.
    unit : str
    required : bool
    """

    name: str
    label: str
    kind: str
    values: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    required: bool = True


def variables_of(connection: sqlite3.Connection, methods: list[str], *, withdrawn: bool = False) -> list[Variable]:
    """Return the columns of a study's `ratings.csv`.

    Parameters
    ----------
    connection : sqlite3.Connection
    methods : list of str
        Names in the export: methods, or arms if it is blinded.
    withdrawn : bool
        Whether the export marks ratings of withdrawn readers.
    """
    levels, words = json.loads(setting(connection, "levels")), json.loads(setting(connection, "words"))
    regions = [row["roi"] for row in connection.execute("SELECT roi FROM picture GROUP BY roi ORDER BY min(id)")]
    scale = tuple((str(level), word) for level, word in zip(levels, words, strict=True))
    fixed = [
        Variable("reader", "Name or code of the reader", "text"),
        Variable("case", "Case that was rated", "text"),
        Variable("roi", "Region that was rated", "category", tuple((name, name) for name in regions)),
        Variable("hemisphere", "Side", "category", (("L", "left"), ("R", "right"), ("", "midline")), required=False),
        Variable("method", "Method that drew the region; an arm (A, B, ...) in a blinded export", "category",
                 tuple((name, name) for name in methods)),
        Variable("rating", "Rating, the last one given", "category", scale),
        Variable("view", "Plane shown first", "category", tuple((name, name) for name in ("axial", "coronal", "sagittal"))),
        Variable("repeat", "1 for the first showing, 2 for a hidden repeat", "integer"),
        Variable("seconds", "Time on the screen before the first answer; pauses left out", "number", unit="s", required=False),
        Variable("timestamp", "Time of the last answer, UTC, ISO 8601", "time"),
        Variable("comment", "Comment of the reader", "text", required=False),
    ]  # fmt: skip
    asked = [_of_question(one) for one in json.loads(setting(connection, "questions") or "[]")]
    mark = Variable("withdrawn", "Whether the reader was withdrawn", "category", (("yes", "yes"),), required=False)
    return [*fixed, *asked, *([mark] if withdrawn else [])]


def codebook_table(variables: list[Variable]) -> pd.DataFrame:
    """Return the codebook: one row per column, with `variable`, `label`, `type`, `values`, `unit`, `required`."""
    rows = [
        {
            "variable": one.name,
            "label": one.label,
            "type": one.kind,
            "values": " | ".join(f"{value} = {meaning}" for value, meaning in one.values),
            "unit": one.unit,
            "required": "yes" if one.required else "no",
        }
        for one in variables
    ]
    return pd.DataFrame(rows)


def _of_question(question: dict[str, object]) -> Variable:
    name, text, required = str(question["name"]), str(question["text"]), bool(question["required"])
    if question["kind"] == "rating":
        levels, words = question["levels"], question["words"]
        assert isinstance(levels, list) and isinstance(words, list)
        return Variable(
            name, text, "category", tuple((str(a), b) for a, b in zip(levels, words, strict=True)), required=required
        )
    if question["kind"] == "yes/no":
        return Variable(name, text, "category", (("yes", "yes"), ("no", "no")), required=required)
    if question["kind"] == "choice":
        choices = question["choices"]
        assert isinstance(choices, list)
        kind = "categories" if question["several"] else "category"
        return Variable(name, text, kind, tuple((choice, choice) for choice in choices), required=required)
    return Variable(name, text, "text", required=required)
