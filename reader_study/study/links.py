"""Personal links of a study: their addresses, and new ones if they were lost or sent to the wrong person."""

from __future__ import annotations

import csv
import io
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from reader_study.errors import StudyError
from reader_study.study.storage import note_audit, transaction
from reader_study.study.tokens import hash_token, new_token

__all__ = ["COORDINATOR", "link", "renew_links", "write_links"]

#: Stands for the coordinator among names of readers.
COORDINATOR = "coordinator"


def link(base_url: str, token: str) -> str:
    """Return the address that a reader opens: the token is after the #, a part that browsers do not send."""
    return f"{base_url.rstrip('/')}/enter#{token}"


def renew_links(connection: sqlite3.Connection, names: Sequence[str], *, who: str = "serve") -> dict[str, str]:
    """Make new tokens; the old ones and their sessions end.

    Parameters
    ----------
    connection : sqlite3.Connection
    names : sequence of str
        Readers, ``"coordinator"``, or ``"all"``.
    who : str
        For the audit trail.

    Returns
    -------
    dict of str to str
        Token by name.

    Raises
    ------
    StudyError
        If there is no reader of a name.
    """
    readers = {row["name"]: row["id"] for row in connection.execute("SELECT id, name FROM reader ORDER BY id")}
    wanted = list(dict.fromkeys([*readers, COORDINATOR] if "all" in names else names))
    unknown = [name for name in wanted if name not in readers and name != COORDINATOR]
    if unknown:
        raise StudyError(f"no reader {', '.join(unknown)}; expected all, {COORDINATOR} or of {', '.join(readers)}")
    tokens = {name: new_token() for name in wanted}
    with transaction(connection):
        for name, token in tokens.items():
            if name in readers:
                connection.execute("UPDATE reader SET token_hash = ? WHERE id = ?", (hash_token(token), readers[name]))
                connection.execute("DELETE FROM session WHERE reader_id = ?", (readers[name],))
            else:
                connection.execute("UPDATE setting SET value = ? WHERE name = 'coordinator_hash'", (hash_token(token).hex(),))
                connection.execute("DELETE FROM session WHERE reader_id IS NULL")
        note_audit(connection, who, "new links", ", ".join(tokens))
    return tokens


def write_links(path: Path, tokens: Mapping[str, str], base_url: str) -> None:
    """Write the links as CSV (`who`, `link`) into a new file that only its owner may read.

    Raises
    ------
    StudyError
        If the file exists, or can't be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerows([("who", "link"), *((name, link(base_url, token)) for name, token in tokens.items())])
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text.getvalue())
    except FileExistsError:
        raise StudyError(f"{path}: already there; expected a new file for the links") from None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}; expected a file that can be written") from None
