"""Preview of a study as a reader sees it, on a copy: nothing is written into the study."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reader_study.conduct.backup import copy_database
from reader_study.conduct.status import reader_number
from reader_study.errors import StudyError
from reader_study.study.storage import DATABASE, IMAGES, open_study, transaction
from reader_study.study.tokens import hash_token, new_token

__all__ = ["preview_copy"]


@contextmanager
def preview_copy(folder: Path, reader: str = "") -> Iterator[tuple[Path, str]]:
    """Give a copy of a study without any answers, and a token for one of its readers.

    The copy is deleted at the end. Images are not copied, because they are only read.

    Parameters
    ----------
    folder : Path
        Of the study.
    reader : str
        The reader whose order is shown; by default the first.

    Raises
    ------
    StudyError
        If the folder is not a study, or there is no such reader.
    """
    token = new_token()
    with tempfile.TemporaryDirectory(prefix="darts-preview-") as scratch:
        copy = Path(scratch)
        connection = open_study(folder)
        try:
            copy_database(connection, copy / DATABASE)
        finally:
            connection.close()
        (copy / IMAGES).symlink_to((folder / IMAGES).resolve())
        connection = open_study(copy)
        try:
            first = connection.execute("SELECT name FROM reader ORDER BY id LIMIT 1").fetchone()
            if first is None:
                raise StudyError(f"{folder}: no reader in it; expected one at least")
            number = reader_number(connection, reader or first["name"])
            _forget_answers(connection, number, token)
        finally:
            connection.close()
        yield copy, token


def _forget_answers(connection: sqlite3.Connection, number: int, token: str) -> None:
    """Remove all answers from the copy; only `token` opens it, because readers could look ahead with their own links."""
    with transaction(connection):
        for table in ("event", "detail", "mark", "reader_status", "item", "panel"):
            connection.execute(f"DROP TRIGGER {table}_DELETE")
        for table in ("detail", "mark", "reader_status", "session"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("UPDATE setting SET value = 'running' WHERE name = 'status'")
        connection.execute("UPDATE setting SET value = '' WHERE name = 'status_note'")
        connection.execute("DROP INDEX IF EXISTS one_successor")
        connection.execute("DELETE FROM event WHERE previous IS NOT NULL")
        connection.execute("DELETE FROM event")
        # Planned positions begin at 0; further rounds of practice come before them.
        connection.execute("DELETE FROM panel WHERE item_id IN (SELECT id FROM item WHERE position < 0)")
        connection.execute("DELETE FROM item WHERE position < 0")
        for row in connection.execute("SELECT id FROM reader").fetchall():
            own = token if row["id"] == number else new_token()
            connection.execute("UPDATE reader SET token_hash = ? WHERE id = ?", (hash_token(own), row["id"]))
        connection.execute("UPDATE setting SET value = ? WHERE name = 'coordinator_hash'", (hash_token(new_token()).hex(),))
        connection.execute("INSERT INTO setting (name, value) VALUES ('preview', '1')")
