"""Pause, resume and close a study; withdraw and reinstate a reader. Every step is recorded in the audit trail."""

from __future__ import annotations

import sqlite3

from reader_study.errors import StudyError
from reader_study.study.storage import note_audit, now, study_status, transaction

__all__ = ["RULES", "reader_number", "reinstate_reader", "set_status", "withdraw_reader"]

#: How an export treats the ratings of a withdrawn reader: left out, or kept.
RULES = ("leave out", "keep")
_ALLOWED = {"paused": ("running",), "running": ("paused", "closed"), "closed": ("running", "paused")}
_LONGEST_NOTE = 500


def set_status(connection: sqlite3.Connection, status: str, *, who: str, note: str = "") -> None:
    """Pause (`paused`), resume (`running`) or close (`closed`) a study for all readers.

    Parameters
    ----------
    connection : sqlite3.Connection
    status : {"running", "paused", "closed"}
    who : str
        For the audit trail.
    note : str
        Shown to readers.

    Raises
    ------
    StudyError
        If the study already has this status, or the note is too long.
    """
    if len(note) > _LONGEST_NOTE:
        raise StudyError(f"note: {len(note)} characters; expected at most {_LONGEST_NOTE}")
    with transaction(connection):
        found = study_status(connection)[0]
        if found not in _ALLOWED[status]:
            raise StudyError(f"the study is {found}; expected {' or '.join(_ALLOWED[status])} to make it {status}")
        for name, value in (("status", status), ("status_note", note)):
            connection.execute(
                "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )
        what = "resumed" if status == "running" else status
        note_audit(connection, who, what, note or f"was {found}")


def reader_number(connection: sqlite3.Connection, name: str) -> int:
    """Return the number of a reader.

    Raises
    ------
    StudyError
        If there is no such reader.
    """
    row = connection.execute("SELECT id FROM reader WHERE name = ?", (name,)).fetchone()
    if row is None:
        names = [row["name"] for row in connection.execute("SELECT name FROM reader ORDER BY id")]
        raise StudyError(f"no reader {name}; expected one of {', '.join(names)}")
    return int(row["id"])


def withdraw_reader(connection: sqlite3.Connection, name: str, *, who: str, reason: str, rule: str = "leave out") -> None:
    """Withdraw a reader: sessions end, and the link shows nothing to rate; every rating stays in the study's file.

    Parameters
    ----------
    connection : sqlite3.Connection
    name : str
    who : str
        For the audit trail.
    reason : str
    rule : {"leave out", "keep"}
        Whether exports leave out all of the reader's ratings, or keep those given until now.

    Raises
    ------
    StudyError
        If there is no such reader, the reader is already withdrawn, or no reason is given.
    """
    if not reason.strip():
        raise StudyError("no reason; expected one for the audit trail, such as --reason 'withdrew consent'")
    if rule not in RULES:
        raise StudyError(f"rule {rule}; expected of {', '.join(RULES)}")
    number = reader_number(connection, name)
    with transaction(connection):
        if study_status(connection, number)[0] == "withdrawn":
            raise StudyError(f"reader {name} has been withdrawn already")
        _append(connection, number, "withdrawn", rule, reason)
        connection.execute("DELETE FROM session WHERE reader_id = ?", (number,))
        note_audit(connection, who, "reader withdrawn", f"{name}; ratings: {rule}; {reason}")


def reinstate_reader(connection: sqlite3.Connection, name: str, *, who: str, reason: str = "") -> None:
    """Undo a withdrawal: the reader goes on where they were, and their ratings count again.

    Raises
    ------
    StudyError
        If there is no such reader, or they have not been withdrawn.
    """
    number = reader_number(connection, name)
    with transaction(connection):
        if study_status(connection, number)[0] != "withdrawn":
            raise StudyError(f"reader {name} has not been withdrawn")
        _append(connection, number, "active", "keep", reason)
        note_audit(connection, who, "reader reinstated", f"{name}{f'; {reason}' if reason else ''}")


def _append(connection: sqlite3.Connection, number: int, status: str, rule: str, reason: str) -> None:
    connection.execute(
        "INSERT INTO reader_status (reader_id, at, status, rule, reason) VALUES (?, ?, ?, ?, ?)",
        (number, now(), status, rule, reason),
    )
