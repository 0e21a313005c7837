"""Write the answers of a reader to disk: ratings, rankings, guesses, comments; each is checked and appended, none replaced."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reader_study.planning.order import PARTS
from reader_study.planning.questions import check_answers
from reader_study.study.items import NotOpenError, changeable, item_is_open, items_of, part_begun, to_look_at_again
from reader_study.study.state import DONT_KNOW
from reader_study.study.storage import now, setting, study_status, transaction
from reader_study.study.training import begin_round_if_needed

__all__ = ["Answer", "ConflictError", "note_comment", "note_mark", "note_view", "record_answer"]

#: Most events of one item; more do not come from reading, and would fill the disk.
_MOST_EVENTS = 400


class ConflictError(Exception):
    """The answer contradicts what is stored: another window was first, its key was used before, or the item is closed."""


@dataclass(frozen=True)
class Answer:
    """An answer as the browser sends it; one of the first three attributes is given.

    Attributes
    ----------
    rating : int or None
    ranks : tuple of int or None
        Of the columns from left to right, 1 the best; ties allowed.
    guess : str or None
        A method's name or :data:`~reader_study.study.state.DONT_KNOW`.
    previous : int or None
        The event that it changes; None for the first answer to an item.
    more : mapping of str to Any
        Answers to the study's further questions, by the question's name.
    """

    rating: int | None = None
    ranks: tuple[int, ...] | None = None
    guess: str | None = None
    previous: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Kind of event it becomes."""
        if self.rating is not None:
            return "rated" if self.previous is None else "changed"
        if self.ranks is not None:
            return "ranked" if self.previous is None else "reranked"
        return "guessed"


def note_view(connection: sqlite3.Connection, reader_id: int, item_id: str, kind: str, key: str) -> None:
    """Append that an item appeared on the screen (`shown`) or left it without an answer (`paused`).

    Raises
    ------
    NotOpenError, ConflictError
    """
    with transaction(connection):
        if _replayed(connection, reader_id, key, item_id, {"kind": kind}):
            return
        if kind != "paused" or study_status(connection, reader_id)[0] == "running":
            # The next item may be loaded in advance but not shown: that would begin its part, and close the part before.
            _must_be_open(connection, reader_id, item_id)
        elif not connection.execute("SELECT 1 FROM item WHERE id = ? AND reader_id = ?", (item_id, reader_id)).fetchone():
            raise NotOpenError
        _append(connection, reader_id, item_id, kind, key)


def note_comment(connection: sqlite3.Connection, reader_id: int, item_id: str, comment: str, key: str) -> None:
    """Append a comment on an item; the last one counts, an empty one removes it.

    Raises
    ------
    NotOpenError, ConflictError
    """
    with transaction(connection):
        if _replayed(connection, reader_id, key, item_id, {"kind": "comment", "comment": comment}):
            return
        _must_be_open(connection, reader_id, item_id)
        _append(connection, reader_id, item_id, "comment", key, comment=comment)


def note_mark(connection: sqlite3.Connection, reader_id: int, item_id: str, marked: bool, key: str) -> None:
    """Append that a reader wants to look at an item again, or no longer.

    Raises
    ------
    NotOpenError, ConflictError
    """
    with transaction(connection):
        row = connection.execute("SELECT * FROM mark WHERE reader_id = ? AND idempotency_key = ?", (reader_id, key)).fetchone()
        if row is not None:
            if (row["item_id"], bool(row["marked"])) != (item_id, marked):
                raise ConflictError("this idempotency key was used for something else")
            return
        _must_be_open(connection, reader_id, item_id)
        if connection.execute("SELECT count(*) FROM mark WHERE item_id = ?", (item_id,)).fetchone()[0] >= _MOST_EVENTS:
            raise ConflictError(f"{_MOST_EVENTS} marks of this item: no more are accepted")
        connection.execute(
            "INSERT INTO mark (item_id, reader_id, at, marked, idempotency_key) VALUES (?, ?, ?, ?, ?)",
            (item_id, reader_id, now(), int(marked), key),
        )


def record_answer(connection: sqlite3.Connection, reader_id: int, item_id: str, answer: Answer, key: str) -> None:
    """Store an answer; an answer that comes twice under the same key is stored once.

    Parameters
    ----------
    connection : sqlite3.Connection
    reader_id : int
    item_id : str
    answer : Answer
    key : str
        Idempotency key: the browser draws one for every answer, and uses the same one when it sends the answer again.

    Raises
    ------
    NotOpenError
        If the item does not belong to the reader, or is neither the current one nor one that may be changed.
    ConflictError
        If the item was answered or changed in the meantime, or the key was used for something else.
    ValueError
        If the answer does not fit the item: another kind, off the scale, other columns.
    """
    with transaction(connection):
        stored = {
            "kind": answer.kind, "rating": answer.rating, "ranks": _joined(answer.ranks), "guess": answer.guess,
            "previous": answer.previous,
        }  # fmt: skip
        if _replayed(connection, reader_id, key, item_id, stored, answer.more):
            return
        _must_run(connection, reader_id)
        items = items_of(connection, reader_id)
        item = next((one for one in items if one["id"] == item_id), None)
        if item is None:
            raise NotOpenError
        _must_fit(connection, item, answer)
        _must_be_its_turn(connection, reader_id, items, item, answer)
        event = _append(
            connection, reader_id, item_id, answer.kind, key,
            rating=answer.rating, ranks=_joined(answer.ranks), guess=answer.guess, previous=answer.previous,
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO detail (event_id, question, value) VALUES (?, ?, ?)",
            [(event, name, json.dumps(value, ensure_ascii=False)) for name, value in answer.more.items()],
        )
        if item["part"] == "practice" and answer.previous is None:
            begin_round_if_needed(connection, reader_id)


def _must_be_its_turn(
    connection: sqlite3.Connection, reader_id: int, items: list[dict[str, Any]], item: dict[str, Any], answer: Answer
) -> None:
    begun = part_begun(connection, reader_id)
    if item["answer"] is None:
        if answer.previous is not None:
            raise ConflictError("nothing to change: this item has no answer yet")
        if next(one for one in items if one["answer"] is None) is not item:
            raise NotOpenError
        if PARTS.index(begun) < PARTS.index(item["part"]):
            raise NotOpenError  # the part has not been entered: its first item was never shown
        return
    may_change = [*changeable(items, begun, int(setting(connection, "undo_items"))), *to_look_at_again(items, begun)]
    if answer.previous != item["answer"]:
        raise ConflictError("this item was answered in another window")
    if item["id"] not in [one["id"] for one in may_change]:
        raise NotOpenError


def _must_run(connection: sqlite3.Connection, reader_id: int) -> None:
    status, note = study_status(connection, reader_id)
    if status == "withdrawn":
        raise ConflictError("you have left this study")
    if status != "running":
        raise ConflictError(f"the study is {status}{f': {note}' if note else ''}")


def _must_be_open(connection: sqlite3.Connection, reader_id: int, item_id: str) -> None:
    _must_run(connection, reader_id)
    if not item_is_open(connection, reader_id, item_id, ahead=False):
        raise NotOpenError
    count = connection.execute("SELECT count(*) FROM event WHERE item_id = ?", (item_id,)).fetchone()[0]
    if count >= _MOST_EVENTS:
        raise ConflictError(f"{count} events of this item: no more are accepted")


def _must_fit(connection: sqlite3.Connection, item: dict[str, Any], answer: Answer) -> None:
    kind = {"practice": "rating", "rating": "rating", "ranking": "ranks", "guess": "guess"}[item["part"]]
    if getattr(answer, kind) is None:
        raise ValueError(f"this item takes {kind}")
    if answer.rating is not None:
        if answer.rating not in json.loads(setting(connection, "levels")):
            raise ValueError("a rating off the scale")
        check_answers(json.loads(setting(connection, "questions") or "[]"), answer.more)
    elif answer.more:
        raise ValueError("further questions are asked with a rating only")
    if answer.guess is not None and answer.guess not in [*json.loads(setting(connection, "methods_to_guess")), DONT_KNOW]:
        raise ValueError("a guess that is not one of the choices")
    if answer.ranks is not None:
        columns = connection.execute("SELECT count(*) FROM panel WHERE item_id = ?", (item["id"],)).fetchone()[0]
        if len(answer.ranks) != columns or any(not 1 <= rank <= columns for rank in answer.ranks) or 1 not in answer.ranks:
            raise ValueError(f"expected a rank of each of the {columns} columns, the best 1")


def _replayed(
    connection: sqlite3.Connection,
    reader_id: int,
    key: str,
    item_id: str,
    stored: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> bool:
    """Whether the same event, with its answers to further questions, is already stored under its key."""
    row = connection.execute("SELECT * FROM event WHERE reader_id = ? AND idempotency_key = ?", (reader_id, key)).fetchone()
    if row is None:
        return False
    if row["item_id"] != item_id or any(row[name] != value for name, value in stored.items()):
        raise ConflictError("this idempotency key was used for something else")
    details = connection.execute("SELECT question, value FROM detail WHERE event_id = ?", (row["id"],))
    if {detail["question"]: json.loads(detail["value"]) for detail in details} != dict(more or {}):
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
) -> int:
    done = connection.execute(
        "INSERT INTO event (item_id, reader_id, at, kind, rating, ranks, guess, comment, previous, idempotency_key) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (item_id, reader_id, now(), kind, rating, ranks, guess, comment, previous, key),
    )
    return int(done.lastrowid or 0)


def _joined(ranks: tuple[int, ...] | None) -> str | None:
    return None if ranks is None else ",".join(map(str, ranks))
