"""Who sends a request: sessions of readers and of the coordinator, as dependencies of the server's endpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response

from evaluation.serving.viewer_library import ViewerLibrary
from reader_study.app.preview_room import PreviewRoom
from reader_study.study.storage import note_audit, now, open_study, transaction
from reader_study.study.tokens import GuessLimit, hash_token, new_token

__all__ = ["COORDINATOR", "Connection", "Coordinator", "Reader", "Served", "Session", "begin", "end", "served"]

COORDINATOR = 0
_SESSION_HOURS = 12


@dataclass(frozen=True)
class Served:
    """What the server serves.

    Attributes
    ----------
    folder : Path
        Folder of the study.
    cookie : str
        Name of the session cookie, different for each study, because cookies do not distinguish ports.
    tls : bool
        Whether browsers use HTTPS.
    viewer : ViewerLibrary
    limit : GuessLimit
    base : str
        Path under which the study is served: "" or, for example, `/study`.
    preview : PreviewRoom or None
        None if this is a preview itself.
    """

    folder: Path
    cookie: str
    tls: bool
    viewer: ViewerLibrary
    limit: GuessLimit
    base: str = ""
    preview: PreviewRoom | None = None


def served(request: Request) -> Served:
    """Return what the application serves."""
    found: Served = request.app.state.served
    return found


def _connection(request: Request) -> Iterator[sqlite3.Connection]:
    opened = open_study(served(request).folder)
    try:
        yield opened
    finally:
        opened.close()


Connection = Annotated[sqlite3.Connection, Depends(_connection)]


def _who(request: Request, connection: Connection) -> int | None:
    """Return a reader's number, 0 for the coordinator, None for nobody."""
    token = request.cookies.get(served(request).cookie)
    if not token or len(token) > 100:
        return None
    row = connection.execute("SELECT reader_id, expires FROM session WHERE hash = ?", (hash_token(token),)).fetchone()
    if row is None or row["expires"] <= now():
        return None
    return COORDINATOR if row["reader_id"] is None else int(row["reader_id"])


Session = Annotated[int | None, Depends(_who)]


def _reader(who: Session) -> int:
    if who is None or who == COORDINATOR:
        raise HTTPException(401, "not a reader: open your personal link")
    return who


def _coordinator(who: Session) -> int:
    if who != COORDINATOR:
        raise HTTPException(401, "not the coordinator: open the coordinator's link")
    return COORDINATOR


Reader = Annotated[int, Depends(_reader)]
Coordinator = Annotated[int, Depends(_coordinator)]


def name_of(connection: sqlite3.Connection, who: int) -> str:
    """Return the name of the person in the audit trail."""
    if who == COORDINATOR:
        return "coordinator's page"
    return f"reader {connection.execute('SELECT name FROM reader WHERE id = ?', (who,)).fetchone()['name']}"


def begin(connection: sqlite3.Connection, what: Served, who: int, response: Response) -> None:
    """Begin a session and set its cookie; only its hash is stored."""
    secret = new_token()
    expires = (datetime.now(UTC) + timedelta(hours=_SESSION_HOURS)).isoformat(timespec="milliseconds")
    with transaction(connection):
        connection.execute("DELETE FROM session WHERE expires <= ?", (now(),))
        connection.execute(
            "INSERT INTO session (hash, reader_id, expires) VALUES (?, ?, ?)",
            (hash_token(secret), None if who == COORDINATOR else who, expires),
        )
        note_audit(connection, name_of(connection, who), "signed in")
    response.set_cookie(
        what.cookie, secret, max_age=_SESSION_HOURS * 3600, path="/", secure=what.tls, httponly=True, samesite="strict"
    )


def end(connection: sqlite3.Connection, what: Served, request: Request, response: Response) -> None:
    """End the session of a request, on the server as well."""
    token = request.cookies.get(what.cookie)
    if token:
        with transaction(connection):
            ended = connection.execute(
                "DELETE FROM session WHERE hash = ? RETURNING reader_id", (hash_token(token),)
            ).fetchone()
            if ended is not None:
                who = COORDINATOR if ended["reader_id"] is None else ended["reader_id"]
                note_audit(connection, name_of(connection, who), "signed out")
                if who == COORDINATOR and what.preview:
                    what.preview.close()
    response.delete_cookie(what.cookie, path="/", secure=what.tls, httponly=True, samesite="strict")
