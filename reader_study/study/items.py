"""The items of a reader: which of them are open now, and what the browser receives of them.

A reader goes from item to item in the planned order. These items are open: the current one, the next (so that its image can
be loaded in advance), the last few of the same part, and those of the same part that the reader marked to look at again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from reader_study.planning.order import PARTS
from reader_study.study.storage import setting, study_status

__all__ = [
    "ANSWERS", "NotOpenError", "changeable", "described", "item_is_open", "items_of", "mask_file", "part_begun", "scan_file",
    "to_look_at_again",
]  # fmt: skip

#: Kinds of events that are answers.
ANSWERS = ("rated", "changed", "ranked", "reranked", "guessed")
_MARKS = ", ".join("?" * len(ANSWERS))
_ITEMS = f"""
SELECT item.id, position, part, repeat, last.id AS answer, last.rating, last.ranks,
  coalesce((SELECT marked FROM mark WHERE mark.item_id = item.id ORDER BY mark.id DESC LIMIT 1), 0) AS marked,
  EXISTS (SELECT 1 FROM panel JOIN lesson ON lesson.picture_id = panel.picture_id
          WHERE panel.item_id = item.id AND item.part = 'practice') AS taught
FROM item LEFT JOIN event AS last ON last.id = (SELECT max(id) FROM event WHERE item_id = item.id AND kind IN ({_MARKS}))
WHERE item.reader_id = ? ORDER BY position
"""
_PANELS = """
SELECT picture.*, scan_file, black, white FROM panel JOIN picture ON picture.id = picture_id
JOIN study_case ON study_case.id = case_id WHERE item_id = ? ORDER BY column_number
"""


class NotOpenError(Exception):
    """The item does not belong to the reader, or is not open now."""


def items_of(connection: sqlite3.Connection, reader_id: int) -> list[dict[str, Any]]:
    """Return the items of a reader in order, each with the event of its last answer or None, its mark, and its lesson."""
    return [dict(row) for row in connection.execute(_ITEMS, (*ANSWERS, reader_id))]


def part_begun(connection: sqlite3.Connection, reader_id: int) -> str:
    """Return the latest part of which the reader has seen an item; at the beginning, the first part."""
    rows = connection.execute(
        "SELECT DISTINCT part FROM event JOIN item ON item.id = event.item_id WHERE event.reader_id = ?", (reader_id,)
    )
    return max((row["part"] for row in rows), key=PARTS.index, default=PARTS[0])


def changeable(items: Sequence[dict[str, Any]], begun: str, window: int) -> list[dict[str, Any]]:
    """Return the last answered items of the reader's current part, the latest first.

    Guesses can't be changed, and neither can answers after which the consensus score was shown.
    """
    same = [item for item in items if item["answer"] is not None and item["part"] == begun and begun != "guess"]
    return [item for item in same[::-1][:window] if not item["taught"]]


def to_look_at_again(items: Sequence[dict[str, Any]], begun: str) -> list[dict[str, Any]]:
    """Return the answered items of the reader's current part that the reader marked, in reading order."""
    return [
        item
        for item in items
        if item["marked"] and item["answer"] is not None and item["part"] == begun != "guess" and not item["taught"]
    ]


def item_is_open(connection: sqlite3.Connection, reader_id: int, item_id: str, *, ahead: bool = True) -> bool:
    """Whether the reader may see the item now; with `ahead`, also the one after the current item."""
    if study_status(connection, reader_id)[0] != "running":
        return False
    items, begun = items_of(connection, reader_id), part_begun(connection, reader_id)
    unanswered = [item["id"] for item in items if item["answer"] is None]
    again = [*changeable(items, begun, int(setting(connection, "undo_items"))), *to_look_at_again(items, begun)]
    return item_id in unanswered[: 2 if ahead else 1] or item_id in [item["id"] for item in again]


def scan_file(connection: sqlite3.Connection, reader_id: int, item_id: str) -> str:
    """Return the stored name of the scan of an open item.

    Raises
    ------
    NotOpenError
    """
    if not item_is_open(connection, reader_id, item_id):
        raise NotOpenError
    return str(connection.execute(_PANELS, (item_id,)).fetchone()["scan_file"])


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


def described(connection: sqlite3.Connection, item: dict[str, Any], study: str) -> dict[str, Any]:
    """Return an item as the browser receives it: where to look, but never by which method."""
    panels = connection.execute(_PANELS, (item["id"],)).fetchall()
    first = panels[0]
    comment = connection.execute(
        "SELECT comment FROM event WHERE item_id = ? AND kind = 'comment' ORDER BY id DESC LIMIT 1", (item["id"],)
    ).fetchone()
    details = connection.execute("SELECT question, value FROM detail WHERE event_id = ?", (item["answer"],))
    return {
        "id": item["id"],
        "part": item["part"],
        "region": first["roi"],
        "side": first["hemisphere"],
        "view": first["view"],
        # Equal for items of one scan, so that a browser loads it once; reveals neither its name nor its file.
        "scan": hashlib.sha256(f"{study}/{first['scan_file']}".encode()).hexdigest()[:16],
        "columns": len(panels),
        "offset": [first["offset_x"], first["offset_y"], first["offset_z"]],
        "centre": [first["centre_x"], first["centre_y"], first["centre_z"]],
        "window": [first["black"], first["white"]],
        "answer": item["answer"],
        "rating": item["rating"],
        "ranks": [int(rank) for rank in item["ranks"].split(",")] if item["ranks"] else None,
        "more": {row["question"]: json.loads(row["value"]) for row in details},
        "comment": comment["comment"] if comment else "",
        "marked": bool(item["marked"]),
        # It was, or will be, answered to by a consensus score.
        "taught": bool(item["taught"]),
    }
