"""The SQLite file of a study: tables that refuse invalid rows, and connections that lose nothing that was confirmed.

An item does not name its method but an arm (`A`, `B`, ...). Only `key.json`, which the server never opens, says which arm
is which method. Events and the audit trail are append-only; triggers refuse every update and delete.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from reader_study.errors import StudyError
from reader_study.study.schema import ADDED, SCHEMA, append_only

__all__ = [
    "DATABASE", "FORMAT", "IMAGES", "KEY", "MOST_COMMENT", "create_database", "note_audit", "now", "open_study", "setting",
    "study_status", "transaction",
]  # fmt: skip

DATABASE, KEY, IMAGES = "study.sqlite", "key.json", "images"
FORMAT = "2"
#: Earlier formats, which are brought to the present one when they are opened: tables are added, none is changed.
_EARLIER = ("1",)
#: Longest comment; the server refuses longer ones before they come here.
MOST_COMMENT = 2000


def create_database(path: Path, levels: Sequence[int]) -> sqlite3.Connection:
    """Create the tables of a study in a new file that only its owner may read.

    Parameters
    ----------
    path : Path
    levels : sequence of int
        Levels of the rating scale; the file refuses every other rating.
    """
    path.touch(mode=0o600, exist_ok=False)
    connection = _connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA.format(levels=", ".join(str(int(level)) for level in levels), most_comment=MOST_COMMENT))
    connection.executescript(ADDED + append_only())
    return connection


def open_study(folder: Path) -> sqlite3.Connection:
    """Open a study's file.

    `synchronous = FULL` under WAL: a commit returns after the log is on the disk. What was confirmed therefore survives a
    kill at any moment, and a power cut if the disk really writes what it reports as written.

    Raises
    ------
    StudyError
        If the folder has no study, or a study of another version.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise StudyError(f"{folder}: no {DATABASE} found; expected a folder made by darts-reader-study plan")
    try:
        connection = _connect(path)
        found = setting(connection, "format")
    except sqlite3.Error as error:
        raise StudyError(f"{path}: not a study ({error}); expected a file made by darts-reader-study plan") from None
    if found in _EARLIER:
        _bring_up_to_date(connection)
        found = FORMAT
    if found != FORMAT:
        connection.close()
        raise StudyError(f"{path}: format {found}; expected {FORMAT}: use the version of darts-ensemble that planned it")
    return connection


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        # One statement after another: executescript would commit each by itself.
        for statement in _statements(ADDED + append_only()):
            connection.execute(statement)
        connection.execute("UPDATE setting SET value = ? WHERE name = 'format'", (FORMAT,))


def _statements(script: str) -> Iterator[str]:
    begun = ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            yield begun
            begun = ""


def _connect(path: Path) -> sqlite3.Connection:
    # Autocommit: `transaction` begins transactions where they are needed.
    connection = sqlite3.connect(path, timeout=15, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the only writing transaction; commit at the end, roll back on an error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def setting(connection: sqlite3.Connection, name: str) -> str:
    """Return a setting of the study; "" if there is none."""
    row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return row["value"] if row else ""


def study_status(connection: sqlite3.Connection, reader_id: int | None = None) -> tuple[str, str]:
    """Return `running`, `paused`, `closed`, or `withdrawn` for a reader who has left, with the note for readers."""
    if reader_id is not None:
        row = connection.execute(
            "SELECT status FROM reader_status WHERE reader_id = ? ORDER BY id DESC LIMIT 1", (reader_id,)
        ).fetchone()
        if row is not None and row["status"] == "withdrawn":
            return "withdrawn", ""
    return setting(connection, "status") or "running", setting(connection, "status_note")


def note_audit(connection: sqlite3.Connection, who: str, what: str, detail: str = "") -> None:
    """Append a line to the audit trail."""
    connection.execute("INSERT INTO audit (at, who, what, detail) VALUES (?, ?, ?, ?)", (now(), who, what, detail))


def now() -> str:
    """Return the server's time, UTC, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
