"""The progress of a reader: what is done, what comes next, what may be changed, and how long the rest takes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from statistics import median
from typing import Any

from reader_study.planning.order import PARTS
from reader_study.study.items import changeable, described, items_of, part_begun, to_look_at_again
from reader_study.study.storage import setting, study_status
from reader_study.study.training import training_of

__all__ = ["DONT_KNOW", "state_of", "study_of"]

DONT_KNOW = "don't know"
#: Number of latest answers from which the remaining time is estimated, and fewest for an estimate; breaks are not reading time.
_LATEST, _FEWEST, _LONGEST_SECONDS = 30, 5, 300.0
_TIMES = """
SELECT (julianday(at) - julianday((SELECT at FROM event AS shown WHERE shown.item_id = event.item_id
  AND shown.kind = 'shown' AND shown.id < event.id ORDER BY shown.id DESC LIMIT 1))) * 86400 AS seconds,
  (SELECT count(*) FROM panel WHERE panel.item_id = event.item_id) AS pictures
FROM event WHERE reader_id = ? AND kind IN ('rated', 'ranked', 'guessed') ORDER BY id DESC LIMIT ?
"""


def study_of(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return what every reader may know about the study: title, scale, conventions; no method, no case."""
    return {
        "title": setting(connection, "title"),
        "levels": json.loads(setting(connection, "levels")),
        "words": json.loads(setting(connection, "words")),
        "convention": setting(connection, "convention"),
        "undo_items": int(setting(connection, "undo_items")),
        "questions": json.loads(setting(connection, "questions") or "[]"),
        "start_view": setting(connection, "start_view") or "head",
        "colour": setting(connection, "colour") or "#ffc83d",
        "preview": bool(setting(connection, "preview")),
    }


def state_of(connection: sqlite3.Connection, reader_id: int) -> dict[str, Any]:
    """Return the progress of a reader: counts, the current and the next item, and those that may still be changed.

    It includes the names of the methods only when the reader has begun to guess; from then on ratings can't be changed.
    """
    items = items_of(connection, reader_id)
    status, note = study_status(connection, reader_id)
    unanswered = [item for item in items if item["answer"] is None] if status == "running" else []
    current = unanswered[0] if unanswered else None
    begun = part_begun(connection, reader_id)
    window = int(setting(connection, "undo_items"))
    may_change = changeable(items, begun, window) if status == "running" else []
    again = to_look_at_again(items, begun) if status == "running" else []
    study = setting(connection, "study")
    state: dict[str, Any] = {
        "status": status,
        "note": note,
        "progress": {
            part: {"done": sum(i["answer"] is not None for i in of_part), "total": len(of_part)}
            for part in PARTS
            if (of_part := [i for i in items if i["part"] == part])
        },
        "begun": begun,
        "current": described(connection, current, study) if current else None,
        "next": described(connection, unanswered[1], study) if len(unanswered) > 1 else None,
        "changeable": [described(connection, item, study) for item in may_change],
        "again": [described(connection, item, study) for item in again],
        "minutes_left": _minutes_left(connection, reader_id, unanswered),
        "training": training_of(connection, reader_id),
    }
    if current and current["part"] == "guess" and begun == "guess":
        state["choices"] = [*json.loads(setting(connection, "methods_to_guess")), DONT_KNOW]
    return state


def _minutes_left(connection: sqlite3.Connection, reader_id: int, unanswered: Sequence[dict[str, Any]]) -> int:
    """Return the minutes for the rest at the reader's own pace, when it is known; each picture of a ranking counts as one."""
    found = connection.execute(_TIMES, (reader_id, _LATEST)).fetchall()
    paces = [
        min(row["seconds"], _LONGEST_SECONDS) / row["pictures"]
        for row in found
        if row["seconds"] is not None and row["seconds"] > 0
    ]
    pace = median(paces) if len(paces) >= _FEWEST else float(setting(connection, "seconds_per_item") or 15)
    columns = json.loads(setting(connection, "methods_to_guess"))
    pictures = sum(len(columns) if item["part"] == "ranking" else 1 for item in unanswered)
    return round(pictures * pace / 60)
