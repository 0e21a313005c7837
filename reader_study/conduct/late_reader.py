"""Add a reader to a study that has begun: the order is drawn as the plan would have drawn it, and no other order changes."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from evaluation.results.run_facts import count_of
from reader_study.errors import StudyError
from reader_study.planning.design import Design, design_of, places_of
from reader_study.planning.names import checked_names
from reader_study.planning.order import Place
from reader_study.planning.plan import order_of
from reader_study.planning.yaml_text import parse_yaml
from reader_study.study.export import read_key
from reader_study.study.folder import write_order
from reader_study.study.storage import note_audit, setting, study_status, transaction
from reader_study.study.tokens import hash_token, new_token

__all__ = ["add_reader"]


def add_reader(connection: sqlite3.Connection, name: str, key: Path, *, who: str) -> str:
    """Add a reader and return their token.

    Parameters
    ----------
    connection : sqlite3.Connection
    name : str
    key : Path
        `key.json`, the only file with the design and with the method of each arm.
    who : str
        For the audit trail.

    Raises
    ------
    StudyError
        If the name is taken or can't be used, the study is closed, or the key is not this study's.
    """
    (name,) = checked_names([name], "readers")
    methods = read_key(key, connection)
    design = _design(key)
    arms = {method: arm for arm, method in methods.items()}
    token = new_token()
    with transaction(connection):
        if study_status(connection)[0] == "closed":
            raise StudyError("the study is closed; expected one that runs or is paused: reopen it first")
        names = [row["name"] for row in connection.execute("SELECT name FROM reader ORDER BY id")]
        checked_names([*names, name], "readers")
        places = _places(connection, design)
        rated = tuple(place for place in places if place.case not in design.practice)
        practice = tuple(place for place in places if place.case in design.practice)
        items = order_of(design, name, len(names), rated, practice, int(setting(connection, "washout")))
        number = connection.execute("INSERT INTO reader (name, token_hash) VALUES (?, ?)", (name, hash_token(token))).lastrowid
        write_order(connection, int(number or 0), items, arms)
        note_audit(connection, who, "reader added", f"{name}; {count_of(len(items), 'item')}")
    return token


def _design(key: Path) -> Design:
    text = json.loads(key.read_text(encoding="utf-8")).get("design", "")
    if not text:
        raise StudyError(f"{key}: no design in it; expected the study.yaml that plan keeps there")
    try:
        return design_of(parse_yaml(text), key.resolve().parent, files=False)
    except StudyError as error:
        raise StudyError(f"{key}: its design can't be read ({error}); expected the one of the plan") from None


def _places(connection: sqlite3.Connection, design: Design) -> tuple[Place, ...]:
    """Return the planned places: places that were dropped, and cases that were not found at that time, have no picture."""
    rows = connection.execute(
        "SELECT DISTINCT study_case.name, roi, hemisphere FROM picture JOIN study_case ON study_case.id = case_id"
    )
    there = {(row["name"], row["roi"], row["hemisphere"]) for row in rows}
    cases = tuple(row["name"] for row in connection.execute("SELECT name FROM study_case ORDER BY id"))
    return tuple(place for place in places_of(design, cases) if (place.case, place.roi, place.hemisphere) in there)
