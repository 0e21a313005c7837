"""The meaning of each column of an export: a codebook for people, and a data dictionary that REDCap imports."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass

import pandas as pd

from reader_study.study.storage import setting

__all__ = ["Variable", "codebook_table", "redcap_dictionary", "variables_of"]

#: Columns of REDCap's data dictionary, in its order.
_REDCAP = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)", "Required Field?",
    "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?", "Field Annotation",
)  # fmt: skip


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


def variables_of(connection: sqlite3.Connection, methods: list[str]) -> list[Variable]:
    """Return the columns of a study's `ratings.csv`.

    Parameters
    ----------
    connection : sqlite3.Connection
    methods : list of str
        Names in the export: methods, or arms if it is blinded.
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
    return fixed + [_of_question(one) for one in json.loads(setting(connection, "questions") or "[]")]


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


def redcap_dictionary(variables: list[Variable], form: str = "ratings") -> pd.DataFrame:
    """Return REDCap's data dictionary of the ratings: one field per column, the record's number first.

    Field names are lower-case letters, digits and `_`. Categories are coded 1, 2, ... in the codebook's order, ratings by
    their own number.
    """
    first = {"Variable / Field Name": "record_id", "Form Name": form, "Field Type": "text", "Field Label": "Number of the row"}
    fields = [first]
    for one in variables:
        field = {"Variable / Field Name": redcap_name(one.name), "Form Name": form, "Field Label": one.label}
        free = "notes" if one.name == "comment" else "text"
        field["Field Type"] = {"category": "radio", "categories": "checkbox"}.get(one.kind, free)
        if one.values:
            coded = enumerate(((value, meaning) for value, meaning in one.values), start=1)
            field["Choices, Calculations, OR Slider Labels"] = " | ".join(
                f"{value if value.isdigit() else number}, {meaning.replace('|', '/')}" for number, (value, meaning) in coded
            )
        field["Text Validation Type OR Show Slider Number"] = {"integer": "integer", "number": "number"}.get(one.kind, "")
        field["Field Note"] = one.unit
        field["Required Field?"] = "y" if one.required else ""
        field["Identifier?"] = "y" if one.name == "reader" else ""
        fields.append(field)
    return pd.DataFrame(fields, columns=list(_REDCAP)).fillna("")


def redcap_name(name: str) -> str:
    """Return the name of a column in a form that REDCap accepts."""
    found = re.sub(r"_+", "_", re.sub(r"[^a-z0-9_]", "_", name.lower())).strip("_")
    return found if found[:1].isalpha() else f"v_{found}"


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
