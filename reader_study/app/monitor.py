"""The coordinator's view of a running study: state, progress, training, times, signs of haste; blinded."""

from __future__ import annotations

import json
import math
import sqlite3
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from reader_study.planning.order import PARTS
from reader_study.statistics.agreement import gwet_ac2
from reader_study.study.storage import setting, study_status
from reader_study.study.tables import audit_table, rating_table, withdrawn_table
from reader_study.study.training import training_of

__all__ = ["QUICK_SECONDS", "STRAIGHT_RUN", "longest_run", "overview"]

#: A rating given sooner can hardly be based on a look at the region.
QUICK_SECONDS = 2.0
#: Equal ratings in a row from which a reader is flagged; and their share from which, over at least `_ENOUGH` ratings.
STRAIGHT_RUN = 12
_STRAIGHT_SHARE, _ENOUGH = 0.9, 20
#: Share of quick ratings from which a reader is flagged.
_QUICK_SHARE = 0.1
_ENOUGH_REPEATS = 5
_PROGRESS = """
SELECT reader.id, part, count(*) AS total,
  sum(EXISTS (SELECT 1 FROM event WHERE item_id = item.id AND kind IN ('rated', 'ranked', 'guessed'))) AS done
FROM item JOIN reader ON reader.id = reader_id GROUP BY reader.id, part
"""
_LAST_ACTIVITY = "SELECT reader.name, max(at) FROM event JOIN reader ON reader.id = reader_id GROUP BY reader.id"


def overview(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return the state of the study and of every reader, ready for JSON (None if there is no number).

    Of the study: `status` ("running", "paused" or "closed"), `status_since` (None if it never changed), `status_note` (for
    readers). Per reader: `withdrawn` (when, why, and the rule for the ratings; None for readers who take part), `training`
    (as :func:`~reader_study.study.training.training_of` returns it), `progress` by part, `median_seconds`, `quick` (ratings
    within :data:`QUICK_SECONDS`), `longest_run` of equal ratings, `commonest_share`, `counts` by level, agreement with their
    own ratings on hidden repeats (`repeats`, `exact`, `within_one`, `ac2`), `last_activity`, and `flags`: unusual findings in
    words.
    """
    ratings = rating_table(connection)
    levels = json.loads(setting(connection, "levels"))
    progress = connection.execute(_PROGRESS).fetchall()
    last = dict(connection.execute(_LAST_ACTIVITY).fetchall())
    left = {row["reader"]: row for row in withdrawn_table(connection).to_dict("records")}
    status, note = study_status(connection)
    readers = []
    for row in connection.execute("SELECT id, name FROM reader ORDER BY id"):
        name = row["name"]
        own = ratings[ratings["reader"] == name]
        parts = {one["part"]: {"done": one["done"], "total": one["total"]} for one in progress if one["id"] == row["id"]}
        reader = {
            "reader": name,
            "withdrawn": {key: left[name][key] for key in ("at", "rule", "reason")} if name in left else None,
            "training": training_of(connection, row["id"]),
            "progress": {part: parts[part] for part in PARTS if part in parts},
            "last_activity": last.get(name),
            **_times(own),
            **_spread(own, levels),
            **_repeats(own, levels),
        }
        readers.append({**reader, "flags": _flags(reader)})
    return {
        "title": setting(connection, "title"),
        "status": status,
        "status_since": _status_since(connection),
        "status_note": note,
        "levels": levels,
        "words": json.loads(setting(connection, "words")),
        "quick_seconds": QUICK_SECONDS,
        "readers": readers,
        "audit": audit_table(connection).tail(20)[::-1].to_dict("records"),
    }


def _status_since(connection: sqlite3.Connection) -> str | None:
    found = connection.execute("SELECT max(at) FROM audit WHERE what IN ('paused', 'resumed', 'closed')").fetchone()[0]
    return str(found) if found else None


def longest_run(values: pd.Series) -> int:
    """Return the length of the longest run of equal values."""
    return max((sum(1 for _ in run) for _, run in groupby(values)), default=0)


def _times(own: pd.DataFrame) -> dict[str, Any]:
    seconds = own["seconds"].astype(float).dropna()
    return {
        "ratings": len(own),
        "median_seconds": _or_none(float(seconds.median()) if len(seconds) else math.nan),
        "quick": int((seconds < QUICK_SECONDS).sum()),
    }


def _spread(own: pd.DataFrame, levels: list[int]) -> dict[str, Any]:
    in_order = own.sort_values("position")["rating"]
    counts = {str(level): int((in_order == level).sum()) for level in levels}
    return {
        "counts": counts,
        "longest_run": longest_run(in_order),
        "commonest_share": _or_none(max(counts.values()) / len(own) if len(own) else math.nan),
    }


def _repeats(own: pd.DataFrame, levels: list[int]) -> dict[str, Any]:
    pairs = own.pivot_table(index=["case", "roi", "hemisphere", "arm"], columns="repeat", values="rating", aggfunc="last")
    none: dict[str, Any] = {"repeats": 0, "exact": None, "within_one": None, "ac2": None}
    if not {1, 2} <= set(pairs.columns):
        return none
    both = pairs[[1, 2]].dropna().to_numpy(dtype=float)
    if not len(both):
        return none
    steps = np.abs(np.searchsorted(levels, both[:, 0]) - np.searchsorted(levels, both[:, 1]))
    ac2 = gwet_ac2(both, levels) if len(both) >= _ENOUGH_REPEATS else math.nan
    return {
        "repeats": len(both),
        "exact": float((steps == 0).mean()),
        "within_one": float((steps <= 1).mean()),
        "ac2": _or_none(ac2),
    }


def _flags(reader: dict[str, Any]) -> list[str]:
    flags = []
    if reader["quick"] > max(2, _QUICK_SHARE * reader["ratings"]):
        flags.append(f"quick: {reader['quick']} of {reader['ratings']} ratings within {QUICK_SECONDS:g} s")
    if reader["longest_run"] >= STRAIGHT_RUN:
        flags.append(f"straight line: {reader['longest_run']} equal ratings in a row")
    elif reader["ratings"] >= _ENOUGH and reader["commonest_share"] >= _STRAIGHT_SHARE:
        flags.append(f"straight line: {reader['commonest_share']:.0%} of the ratings are equal")
    return flags


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
