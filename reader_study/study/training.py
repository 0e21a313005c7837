"""Training with feedback: what readers see after a practice item, and whether they may continue.

Practice items may have a consensus score and an explanation. If there is a pass mark, practice is repeated until the share
of these items that were rated within the tolerance (first answers of the latest round) reaches it.
"""

from __future__ import annotations

import json
import math
import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any

from reader_study.study.storage import setting

__all__ = ["agrees", "begin_round_if_needed", "feedback_of", "training_of"]

_LESSONS = """
SELECT item.id, item.position, lesson.score, lesson.why,
  (SELECT rating FROM event WHERE event.item_id = item.id AND kind = 'rated') AS given
FROM item JOIN panel ON panel.item_id = item.id JOIN lesson ON lesson.picture_id = panel.picture_id
WHERE item.reader_id = ? AND item.part = 'practice' ORDER BY item.position
"""


def agrees(given: int, score: int, levels: Sequence[int], tolerance: int) -> bool:
    """Whether a rating counts as right: it lies at most `tolerance` steps of the scale from the consensus score."""
    return abs(levels.index(given) - levels.index(score)) <= tolerance


def feedback_of(connection: sqlite3.Connection, item_id: str) -> dict[str, Any] | None:
    """Return what the reader learns of a practice item after rating it; None without a lesson.

    `given` and `score` (levels of the scale), `why`, and `agrees`: whether the rating counts as right.
    """
    row = connection.execute(
        "SELECT lesson.score, lesson.why, event.rating AS given FROM item JOIN panel ON panel.item_id = item.id "
        "JOIN lesson ON lesson.picture_id = panel.picture_id JOIN event ON event.item_id = item.id AND event.kind = 'rated' "
        "WHERE item.id = ? AND item.part = 'practice'",
        (item_id,),
    ).fetchone()
    if row is None:
        return None
    levels = json.loads(setting(connection, "levels"))
    found = {name: row[name] for name in ("given", "score", "why")}
    return {**found, "agrees": agrees(row["given"], row["score"], levels, _tolerance(connection))}


def _tolerance(connection: sqlite3.Connection) -> int:
    return int(json.loads(setting(connection, "training") or "{}").get("tolerance", 0))


def training_of(connection: sqlite3.Connection, reader_id: int) -> dict[str, Any] | None:
    """Return the progress of the training; None if there are no lessons.

    `rounds` so far; of the latest round: `of` (its items with a consensus score), `answered`, `right` (rated within the
    `tolerance`, steps of the scale); `pass_mark` (a share) and `needed` (items, the smallest number that reaches it), both
    None without a pass mark.
    """
    lessons = connection.execute(_LESSONS, (reader_id,)).fetchall()
    if not lessons:
        return None
    rule = json.loads(setting(connection, "training") or "{}")
    size = int(rule.get("lessons", len(lessons))) or len(lessons)
    # A further round comes before the others: its positions are the smallest.
    latest = lessons[:size]
    levels = json.loads(setting(connection, "levels"))
    tolerance = _tolerance(connection)
    answered = [row for row in latest if row["given"] is not None]
    right = sum(agrees(row["given"], row["score"], levels, tolerance) for row in answered)
    return {
        "rounds": len(lessons) // size,
        "right": right,
        "answered": len(answered),
        "of": len(latest),
        "tolerance": tolerance,
        "pass_mark": rule.get("pass_mark"),
        "needed": None if rule.get("pass_mark") is None else _needed(float(rule["pass_mark"]), len(latest)),
    }


def _needed(pass_mark: float, items: int) -> int:
    # 0.55 of 20 is 11; in floating point it is a little more.
    return math.ceil(round(pass_mark * items, 9))


def begin_round_if_needed(connection: sqlite3.Connection, reader_id: int) -> bool:
    """Give the reader the practice items again if the pass mark was missed; within the transaction of the last answer."""
    training = training_of(connection, reader_id)
    if training is None or training["pass_mark"] is None or training["answered"] < training["of"]:
        return False
    unanswered = connection.execute(
        "SELECT count(*) FROM item WHERE reader_id = ? AND part = 'practice' AND NOT EXISTS "
        "(SELECT 1 FROM event WHERE item_id = item.id AND kind = 'rated')",
        (reader_id,),
    ).fetchone()[0]
    if unanswered or training["right"] >= training["needed"]:
        return False
    taught = [row["id"] for row in connection.execute(_LESSONS, (reader_id,)).fetchall()[: training["of"]]]
    first = connection.execute("SELECT min(position) FROM item WHERE reader_id = ?", (reader_id,)).fetchone()[0]
    for number, old in enumerate(taught):
        new = secrets.token_hex(16)
        connection.execute(
            "INSERT INTO item (id, reader_id, position, part, repeat) VALUES (?, ?, ?, 'practice', 1)",
            (new, reader_id, first - len(taught) + number),
        )
        connection.execute(
            "INSERT INTO panel (item_id, column_number, picture_id) "
            "SELECT ?, column_number, picture_id FROM panel WHERE item_id = ?",
            (new, old),
        )
    return True
