"""Ratings in REDCap: a data dictionary, the ratings coded by it, and both read back to the ratings table.

REDCap takes codes for choices: a choice that is a word of letters, digits and `_` is its own code, and all others of its field
are numbered. The dictionary's column `Field Annotation` holds the name of the column in `ratings.csv` and the values that the
choices mean there, as JSON, so that nothing has to be guessed on the way back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from reader_study.errors import RatingsError
from reader_study.exchange.codebook import Variable
from reader_study.ratings.cell_lists import joined_names, split_names

__all__ = ["ratings_of_redcap", "redcap_dictionary", "redcap_name", "redcap_records"]

#: Columns of REDCap's data dictionary, in its order.
_COLUMNS = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)", "Required Field?",
    "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?", "Field Annotation",
)  # fmt: skip
_NAME, _CHOICES, _ANNOTATION = _COLUMNS[0], _COLUMNS[5], _COLUMNS[-1]
_RECORD = "record_id"


def redcap_dictionary(variables: Sequence[Variable], form: str = "ratings") -> pd.DataFrame:
    """Return REDCap's data dictionary of the ratings: one field per column, the record's number first.

    Field names are lower-case letters, digits and `_`.
    """
    blank = dict.fromkeys(_COLUMNS, "") | {"Form Name": form, "Field Type": "text"}
    fields = [blank | {_NAME: _RECORD, "Field Label": "Number of the row"}]
    for one, name in zip(variables, _names(variables), strict=True):
        values, codes = _coded(one)
        labels = [_label(label) for value, label in one.values if value]
        annotation: dict[str, Any] = {"column": one.name} | ({"values": values} if values else {})
        free = "notes" if one.name == "comment" else "text"
        fields.append(
            blank
            | {
                _NAME: name,
                "Field Type": {"category": "radio", "categories": "checkbox"}.get(one.kind, free),
                "Field Label": one.label,
                _CHOICES: " | ".join(f"{code}, {label}" for code, label in zip(codes, labels, strict=True)),
                "Field Note": one.unit,
                "Text Validation Type OR Show Slider Number": {"integer": "integer", "number": "number"}.get(one.kind, ""),
                "Identifier?": "y" if one.name == "reader" else "",
                "Required Field?": "y" if one.required else "",
                # An @ would begin an action of REDCap.
                _ANNOTATION: json.dumps(annotation, ensure_ascii=False).replace("@", "\\u0040"),
            }
        )
    return pd.DataFrame(fields, columns=list(_COLUMNS))


def redcap_records(ratings: pd.DataFrame, variables: Sequence[Variable]) -> pd.DataFrame:
    """Return ratings as REDCap imports them by the dictionary.

    Parameters
    ----------
    ratings : pandas.DataFrame
        `ratings.csv`, every cell text.
    variables : sequence of Variable
        Of its columns.

    Returns
    -------
    pandas.DataFrame
        `record_id` from 1, and a column per field, of a field of several choices one per choice, as ``name___code`` with 0 or
        1. A blank cell is blank, as for the side of a midline region.
    """
    coded: dict[str, list[str]] = {_RECORD: [str(number) for number in range(1, len(ratings) + 1)]}
    for one, name in zip(variables, _names(variables), strict=True):
        values, codes = _coded(one)
        cells = [str(cell) for cell in ratings[one.name]]
        if one.kind == "categories":
            chosen = [set(split_names(cell)) for cell in cells]
            for value, code in zip(values, codes, strict=True):
                coded[f"{name}___{code}"] = [str(int(value in own)) for own in chosen]
        elif values:
            code_of = dict(zip(values, codes, strict=True)) | {"": ""}
            coded[name] = [code_of.get(cell, cell) for cell in cells]
        else:
            coded[name] = cells
    return pd.DataFrame(coded)


def ratings_of_redcap(records: pd.DataFrame, dictionary: pd.DataFrame) -> pd.DataFrame:
    """Return the ratings table of REDCap's records, raw data with codes, by the dictionary that `export` wrote.

    Parameters
    ----------
    records, dictionary : pandas.DataFrame
        Every cell text.

    Raises
    ------
    RatingsError
        If the dictionary is another one, a field has no column, or a code is none of its field.
    """
    if _NAME not in dictionary or _ANNOTATION not in dictionary:
        raise RatingsError(f"dictionary: no column {_NAME}, or none {_ANNOTATION}; expected redcap_dictionary.csv of an export")
    table: dict[str, list[str]] = {}
    for field in dictionary.to_dict("records"):
        if field[_NAME] == _RECORD:
            continue
        try:
            annotation = json.loads(field[_ANNOTATION])
            column, values = str(annotation["column"]), list(annotation.get("values", []))
        except (ValueError, KeyError, TypeError):
            raise RatingsError(
                f"dictionary: field {field[_NAME]} does not say which column it is; expected redcap_dictionary.csv of an export"
            ) from None
        codes = [choice.partition(",")[0].strip() for choice in field[_CHOICES].split(" | ")] if field[_CHOICES] else []
        table[column] = _decoded(records, field[_NAME], dict(zip(codes, values, strict=False)), field["Field Type"])
    return pd.DataFrame(table)


def redcap_name(name: str) -> str:
    """Return a column's name as REDCap takes it."""
    found = re.sub(r"_+", "_", re.sub(r"[^a-z0-9_]", "_", name.lower())).strip("_")
    return found if found[:1].isalpha() else f"v_{found}"


def _decoded(records: pd.DataFrame, name: str, value_of: dict[str, str], kind: str) -> list[str]:
    columns = [f"{name}___{code}" for code in value_of] if kind == "checkbox" else [name]
    absent = [column for column in columns if column not in records]
    if absent:
        raise RatingsError(f"records: no column {', '.join(absent)}; expected REDCap's raw data with every field")
    if kind == "checkbox":
        rows = zip(*(records[column] for column in columns), strict=True)
        return [joined_names([v for v, on in zip(value_of.values(), row, strict=True) if on == "1"], "; ") for row in rows]
    cells = [str(cell) for cell in records[name]]
    if not value_of:
        return cells
    unknown = [cell for cell in cells if cell and cell not in value_of]
    if unknown:
        raise RatingsError(f"records: {name}: found {unknown[0]}, expected a code ({', '.join(value_of)}): export raw data")
    return [value_of.get(cell, "") for cell in cells]


def _coded(variable: Variable) -> tuple[list[str], list[str]]:
    """Values of a variable, and REDCap's code of each: the value itself where all of them can be."""
    values = [value for value, _ in variable.values if value]
    own = all(re.fullmatch("[A-Za-z0-9_]+", value) for value in values) and len({one.lower() for one in values}) == len(values)
    # The code of a checkbox becomes part of a column's name, in lower-case letters.
    own = own and (variable.kind != "categories" or all(value == value.lower() for value in values))
    return values, values if own else [str(number) for number in range(1, len(values) + 1)]


def _label(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def _names(variables: Sequence[Variable]) -> list[str]:
    """Names of the fields, all different."""
    names: list[str] = []
    for one in variables:
        name = redcap_name(one.name)
        names.append(name if name not in names else f"{name}_{len(names)}")
    return names
