"""The study's SQLite file: tables that refuse what must not be, and connections that lose nothing confirmed.

No item here names its method: it carries an arm (`A`, `B`, ...), and which arm is which method stands in `key.json` alone,
which the server never opens. Events and the audit trail are append-only; triggers refuse every update and delete.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from reader_study.errors import StudyError

__all__ = [
    "DATABASE", "FORMAT", "IMAGES", "KEY", "MOST_COMMENT", "create_database", "note_audit", "now", "open_study", "setting",
    "transaction",
]  # fmt: skip

DATABASE, KEY, IMAGES = "study.sqlite", "key.json", "images"
FORMAT = "1"
#: Longest comment; the server refuses longer ones before they come here.
MOST_COMMENT = 2000

_SCHEMA = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE reader (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32)
) STRICT;
CREATE TABLE study_case (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, scan_file TEXT NOT NULL UNIQUE,
  black INTEGER NOT NULL, white INTEGER NOT NULL
) STRICT;
CREATE TABLE picture (
  id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL REFERENCES study_case, roi TEXT NOT NULL,
  hemisphere TEXT NOT NULL CHECK (hemisphere IN ('L', 'R', '')), view TEXT NOT NULL, arm TEXT NOT NULL,
  mask_file TEXT NOT NULL UNIQUE, offset_x INTEGER NOT NULL, offset_y INTEGER NOT NULL, offset_z INTEGER NOT NULL,
  centre_x INTEGER NOT NULL, centre_y INTEGER NOT NULL, centre_z INTEGER NOT NULL,
  UNIQUE (case_id, roi, hemisphere, arm)
) STRICT;
CREATE TABLE item (
  id TEXT PRIMARY KEY, reader_id INTEGER NOT NULL REFERENCES reader, position INTEGER NOT NULL,
  part TEXT NOT NULL CHECK (part IN ('practice', 'rating', 'ranking', 'guess')),
  repeat INTEGER NOT NULL CHECK (repeat IN (1, 2)), UNIQUE (reader_id, position)
) STRICT;
CREATE TABLE panel (
  item_id TEXT NOT NULL REFERENCES item, column_number INTEGER NOT NULL, picture_id INTEGER NOT NULL REFERENCES picture,
  PRIMARY KEY (item_id, column_number)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL REFERENCES item, at TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('shown', 'paused', 'rated', 'changed', 'ranked', 'reranked', 'guessed', 'comment')),
  rating INTEGER CHECK (rating IS NULL OR rating IN ({levels})),
  ranks TEXT, guess TEXT, comment TEXT CHECK (comment IS NULL OR length(comment) <= {most_comment}),
  previous INTEGER REFERENCES event, idempotency_key TEXT NOT NULL CHECK (length(idempotency_key) BETWEEN 8 AND 64),
  reader_id INTEGER NOT NULL REFERENCES reader,
  CHECK ((kind IN ('rated', 'changed')) = (rating IS NOT NULL)),
  CHECK ((kind IN ('ranked', 'reranked')) = (ranks IS NOT NULL)),
  CHECK ((kind = 'guessed') = (guess IS NOT NULL)),
  CHECK ((kind = 'comment') = (comment IS NOT NULL)),
  CHECK ((kind IN ('changed', 'reranked')) = (previous IS NOT NULL)),
  UNIQUE (reader_id, idempotency_key)
) STRICT;
CREATE INDEX event_of_item ON event (item_id, id);
-- An item is answered once, and every answer is changed once: a change of a change names the change.
CREATE UNIQUE INDEX one_answer ON event (item_id) WHERE kind IN ('rated', 'ranked', 'guessed');
CREATE UNIQUE INDEX one_successor ON event (previous) WHERE previous IS NOT NULL;
CREATE TABLE session (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32), reader_id INTEGER REFERENCES reader, expires TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
"""
_APPEND_ONLY = """
CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;
"""


def create_database(path: Path, levels: Sequence[int]) -> sqlite3.Connection:
    """Create the tables of a study in a new file that its owner alone may read.

    Parameters
    ----------
    path : Path
    levels : sequence of int
        Of the rating scale; the file refuses every other rating.
    """
    path.touch(mode=0o600, exist_ok=False)
    connection = _connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(_SCHEMA.format(levels=", ".join(str(int(level)) for level in levels), most_comment=MOST_COMMENT))
    for table in ("event", "audit", "item", "panel", "picture"):
        for verb in ("UPDATE", "DELETE"):
            connection.executescript(_APPEND_ONLY.format(table=table, verb=verb))
    return connection


def open_study(folder: Path) -> sqlite3.Connection:
    """Open a study's file.

    `synchronous = FULL` under WAL: a commit returns after the log is on the disk, so what was confirmed survives a kill at any
    moment, and a power cut where the disk keeps its word.

    Raises
    ------
    StudyError
        If the folder holds no study, or one of another version.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise StudyError(f"{folder}: no {DATABASE} found; expected a folder made by darts-reader-study plan")
    try:
        connection = _connect(path)
        found = setting(connection, "format")
    except sqlite3.Error as error:
        raise StudyError(f"{path}: not a study ({error}); expected a file made by darts-reader-study plan") from None
    if found != FORMAT:
        connection.close()
        raise StudyError(f"{path}: format {found}; expected {FORMAT}: use the version of darts-ensemble that planned it")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    # Autocommit: transactions are begun where they are needed, by `transaction`.
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
    """Return a setting of the study; "" where there is none."""
    row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return row["value"] if row else ""


def note_audit(connection: sqlite3.Connection, who: str, what: str, detail: str = "") -> None:
    """Append a line to the audit trail."""
    connection.execute("INSERT INTO audit (at, who, what, detail) VALUES (?, ?, ?, ?)", (now(), who, what, detail))


def now() -> str:
    """Return the server's time, UTC, ISO 8601 to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
