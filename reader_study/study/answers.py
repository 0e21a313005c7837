"""What a reader sees next, and what they answered: every answer checked, appended, never changed in place.

A reader goes from item to item in the planned order. Only three sorts of items are open to them: the current one, the next
(so that its image can be fetched in advance) and the last few of the same part, which may still be changed.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reader_study.planning.order import PARTS
from reader_study.study.storage import now, setting, transaction

__all__ = [
    "DONT_KNOW", "Answer", "ConflictError", "NotOpenError", "item_is_open", "mask_file", "note_comment", "note_view",
    "record_answer", "scan_file", "state_of", "study_of",
]  # fmt: skip

DONT_KNOW = "don't know"
_ANSWERS = ("rated", "changed", "ranked", "reranked", "guessed")
#: Events of one item; more is no reading, and would fill the disk.
_MOST_EVENTS = 400


class NotOpenError(Exception):
    """The item is not the reader's, or not open to them now."""


class ConflictError(Exception):
    """The answer does not fit what is stored: another window was first, or a key was used for something else."""


@dataclass(frozen=True)
class Answer:
    """An answer as it comes from the browser; one of the three is given.

    Attributes
    ----------
    rating : int or None
    ranks : tuple of int or None
        Of the columns from left to right, 1 the best; ties allowed.
    guess : str or None
        A method's name or :data:`DONT_KNOW`.
    previous : int or None
        Event that it changes; None for the first answer of an item.
    """

    rating: int | None = None
    ranks: tuple[int, ...] | None = None
    guess: str | None = None
    previous: int | None = None

    @property
    def kind(self) -> str:
        """Kind of event it becomes."""
        if self.rating is not None:
            return "rated" if self.previous is None else "changed"
        if self.ranks is not None:
            return "ranked" if self.previous is None else "reranked"
        return "guessed"


def study_of(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return what every reader may know of the study: title, scale, conventions. No method, no case."""
    return {
        "title": setting(connection, "title"),
        "levels": json.loads(setting(connection, "levels")),
        "words": json.loads(setting(connection, "words")),
        "convention": setting(connection, "convention"),
        "undo_items": int(setting(connection, "undo_items")),
    }


def state_of(connection: sqlite3.Connection, reader_id: int) -> dict[str, Any]:
    """Return where a reader stands: counts, the current and the next item, and those that may still be changed.

    The names of the methods are in it only once the reader has begun to guess; their ratings are closed then.
    """
    items = _items(connection, reader_id)
    unanswered = [item for item in items if item["answer"] is None]
    current = unanswered[0] if unanswered else None
    begun = _part_begun(connection, reader_id)
    changeable = _changeable(items, begun, int(setting(connection, "undo_items")))
    study = setting(connection, "study")
    state: dict[str, Any] = {
        "progress": {
            part: {"done": sum(i["answer"] is not None for i in of_part), "total": len(of_part)}
            for part in PARTS
            if (of_part := [i for i in items if i["part"] == part])
        },
        "begun": begun,
        "current": _described(connection, current, study) if current else None,
        "next": _described(connection, unanswered[1], study) if len(unanswered) > 1 else None,
        "changeable": [_described(connection, item, study) for item in changeable],
    }
    if current and current["part"] == "guess" and begun == "guess":
        state["choices"] = [*json.loads(setting(connection, "methods_to_guess")), DONT_KNOW]
    return state


def item_is_open(connection: sqlite3.Connection, reader_id: int, item_id: str, *, ahead: bool = True) -> bool:
    """Whether the reader may see the item now; with `ahead`, the one after the current as well."""
    items = _items(connection, reader_id)
    unanswered = [item["id"] for item in items if item["answer"] is None]
    changeable = _changeable(items, _part_begun(connection, reader_id), int(setting(connection, "undo_items")))
    return item_id in unanswered[: 2 if ahead else 1] or item_id in [item["id"] for item in changeable]


def scan_file(connection: sqlite3.Connection, reader_id: int, item_id: str) -> str:
    """Return the stored name of the scan of an open item.

    Raises
    ------
    NotOpenError
    """
    if not item_is_open(connection, reader_id, item_id):
        raise NotOpenError
    row = connection.execute(
        "SELECT scan_file FROM panel JOIN picture ON picture.id = picture_id JOIN study_case ON study_case.id = case_id "
        "WHERE item_id = ? LIMIT 1",
        (item_id,),
    ).fetchone()
    return str(row["scan_file"])


def mask_file(connection: sqlite3.Connection, reader_id: int, item_id: str, column: int) -> str:
    """Return the stored name of the mask in a column of an open item.

    Raises
    ------
    NotOpenError
    """
    row = connection.execute(
        "SELECT mask_file FROM panel JOIN picture ON picture.id = picture_id WHERE item_id = ? AND column_number = ?",
        (item_id, column),
    ).fetchone()
    if row is None or not item_is_open(connection, reader_id, item_id):
        raise NotOpenError
    return str(row["mask_file"])


def note_view(connection: sqlite3.Connection, reader_id: int, item_id: str, kind: str, key: str) -> None:
    """Append that an item came on the screen (`shown`) or left it unanswered (`paused`).

    Raises
    ------
    NotOpenError, ConflictError
    """
    with transaction(connection):
        if _replayed(connection, reader_id, key, item_id, {"kind": kind}):
            return
        # The next item may be fetched ahead, but not looked at: that would begin its part, and close the one before.
        _must_be_open(connection, reader_id, item_id)
        _append(connection, reader_id, item_id, kind, key)


def note_comment(connection: sqlite3.Connection, reader_id: int, item_id: str, comment: str, key: str) -> None:
    """Append a comment on an item; the last one counts, an empty one takes it back.

    Raises
    ------
    NotOpenError, ConflictError
    """
    with transaction(connection):
        if _replayed(connection, reader_id, key, item_id, {"kind": "comment", "comment": comment}):
            return
        _must_be_open(connection, reader_id, item_id)
        _append(connection, reader_id, item_id, "comment", key, comment=comment)


def record_answer(connection: sqlite3.Connection, reader_id: int, item_id: str, answer: Answer, key: str) -> None:
    """Store an answer; what comes a second time under the same key is stored once.

    Parameters
    ----------
    connection : sqlite3.Connection
    reader_id : int
    item_id : str
    answer : Answer
    key : str
        Idempotency key: the browser draws one for every answer and keeps it when it asks again.

    Raises
    ------
    NotOpenError
        If the item is not the reader's, or not the current one or one that may be changed.
    ConflictError
        If the item was answered or changed meanwhile, or the key belongs to something else.
    ValueError
        If the answer is not one of this item's: another kind, off the scale, other columns.
    """
    with transaction(connection):
        stored = {"kind": answer.kind, "rating": answer.rating, "ranks": _joined(answer.ranks), "guess": answer.guess}
        if _replayed(connection, reader_id, key, item_id, stored):
            return
        items = _items(connection, reader_id)
        item = next((one for one in items if one["id"] == item_id), None)
        if item is None:
            raise NotOpenError
        _must_fit(connection, item, answer)
        begun = _part_begun(connection, reader_id)
        if item["answer"] is None:
            if answer.previous is not None:
                raise ConflictError("nothing to change: this item has no answer yet")
            if next(one for one in items if one["answer"] is None) is not item:
                raise NotOpenError
            if PARTS.index(begun) < PARTS.index(item["part"]):
                raise NotOpenError  # the part has not been entered: its first item was never shown
        else:
            changeable = [one["id"] for one in _changeable(items, begun, int(setting(connection, "undo_items")))]
            if answer.previous != item["answer"]:
                raise ConflictError("this item was answered in another window")
            if item_id not in changeable:
                raise NotOpenError
        _append(
            connection, reader_id, item_id, answer.kind, key,
            rating=answer.rating, ranks=_joined(answer.ranks), guess=answer.guess, previous=answer.previous,
        )  # fmt: skip


def _items(connection: sqlite3.Connection, reader_id: int) -> list[dict[str, Any]]:
    """A reader's items in order, each with its last answer's event or None."""
    marks = ", ".join("?" * len(_ANSWERS))
    rows = connection.execute(
        "SELECT item.id, position, part, repeat, last.id AS answer, last.rating, last.ranks FROM item LEFT JOIN event AS last "
        f"ON last.id = (SELECT max(id) FROM event WHERE item_id = item.id AND kind IN ({marks})) "
        "WHERE item.reader_id = ? ORDER BY position",
        (*_ANSWERS, reader_id),
    )
    return [dict(row) for row in rows]


def _part_begun(connection: sqlite3.Connection, reader_id: int) -> str:
    """The latest part of which an item has been on the reader's screen; the first one in the beginning."""
    rows = connection.execute(
        "SELECT DISTINCT part FROM event JOIN item ON item.id = event.item_id WHERE event.reader_id = ?", (reader_id,)
    )
    return max((row["part"] for row in rows), key=PARTS.index, default=PARTS[0])


def _changeable(items: Sequence[dict[str, Any]], begun: str, window: int) -> list[dict[str, Any]]:
    """The last answered items of the part the reader is in, latest first; a guess is never changed."""
    answered = [item for item in items if item["answer"] is not None]
    same = [item for item in answered if item["part"] == begun and begun != "guess"]
    return same[::-1][:window]


def _described(connection: sqlite3.Connection, item: dict[str, Any], study: str) -> dict[str, Any]:
    """An item as the browser gets it: where to look, never at whose work."""
    panels = connection.execute(
        "SELECT picture.*, scan_file, black, white FROM panel JOIN picture ON picture.id = picture_id "
        "JOIN study_case ON study_case.id = case_id WHERE item_id = ? ORDER BY column_number",
        (item["id"],),
    ).fetchall()
    first = panels[0]
    comment = connection.execute(
        "SELECT comment FROM event WHERE item_id = ? AND kind = 'comment' ORDER BY id DESC LIMIT 1", (item["id"],)
    ).fetchone()
    return {
        "id": item["id"],
        "part": item["part"],
        "region": first["roi"],
        "side": first["hemisphere"],
        "view": first["view"],
        # Equal for items of one scan, so that a browser fetches it once; tells neither its name nor its file.
        "scan": hashlib.sha256(f"{study}/{first['scan_file']}".encode()).hexdigest()[:16],
        "columns": len(panels),
        "offset": [first["offset_x"], first["offset_y"], first["offset_z"]],
        "centre": [first["centre_x"], first["centre_y"], first["centre_z"]],
        "window": [first["black"], first["white"]],
        "answer": item["answer"],
        "rating": item["rating"],
        "ranks": [int(rank) for rank in item["ranks"].split(",")] if item["ranks"] else None,
        "comment": comment["comment"] if comment else "",
    }


def _must_be_open(connection: sqlite3.Connection, reader_id: int, item_id: str) -> None:
    if not item_is_open(connection, reader_id, item_id, ahead=False):
        raise NotOpenError
    count = connection.execute("SELECT count(*) FROM event WHERE item_id = ?", (item_id,)).fetchone()[0]
    if count >= _MOST_EVENTS:
        raise ConflictError(f"{count} events of this item: no more are taken")


def _must_fit(connection: sqlite3.Connection, item: dict[str, Any], answer: Answer) -> None:
    kind = {"practice": "rating", "rating": "rating", "ranking": "ranks", "guess": "guess"}[item["part"]]
    if getattr(answer, kind) is None:
        raise ValueError(f"this item takes {kind}")
    if answer.rating is not None and answer.rating not in json.loads(setting(connection, "levels")):
        raise ValueError("a rating off the scale")
    if answer.guess is not None and answer.guess not in [*json.loads(setting(connection, "methods_to_guess")), DONT_KNOW]:
        raise ValueError("a guess that is none of the choices")
    if answer.ranks is not None:
        columns = connection.execute("SELECT count(*) FROM panel WHERE item_id = ?", (item["id"],)).fetchone()[0]
        if len(answer.ranks) != columns or any(not 1 <= rank <= columns for rank in answer.ranks) or 1 not in answer.ranks:
            raise ValueError(f"expected a rank of each of the {columns} columns, the best 1")


def _replayed(connection: sqlite3.Connection, reader_id: int, key: str, item_id: str, stored: dict[str, Any]) -> bool:
    """Whether this very event is stored already under its key."""
    row = connection.execute("SELECT * FROM event WHERE reader_id = ? AND idempotency_key = ?", (reader_id, key)).fetchone()
    if row is None:
        return False
    if row["item_id"] != item_id or any(row[name] != value for name, value in stored.items()):
        raise ConflictError("this idempotency key was used for something else")
    return True


def _append(
    connection: sqlite3.Connection,
    reader_id: int,
    item_id: str,
    kind: str,
    key: str,
    *,
    rating: int | None = None,
    ranks: str | None = None,
    guess: str | None = None,
    comment: str | None = None,
    previous: int | None = None,
) -> None:
    connection.execute(
        "INSERT INTO event (item_id, reader_id, at, kind, rating, ranks, guess, comment, previous, idempotency_key) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (item_id, reader_id, now(), kind, rating, ranks, guess, comment, previous, key),
    )


def _joined(ranks: tuple[int, ...] | None) -> str | None:
    return None if ranks is None else ",".join(map(str, ranks))
