"""The records of a study as tables: the last answer to every item with the time it took, blinded (arms, not methods)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime

import pandas as pd

from reader_study.ratings.cell_lists import joined_names
from reader_study.study.storage import setting

__all__ = [
    "audit_table", "event_table", "guess_table", "order_table", "question_names", "ranking_table", "rating_table",
    "seconds_until_answer", "withdrawn_table",
]  # fmt: skip

_WHERE = """
SELECT item.id AS item, reader.name AS reader, study_case.name AS "case", picture.roi, picture.hemisphere, picture.arm,
  picture.view, item.part, item.repeat, item.position, panel.column_number
FROM item JOIN reader ON reader.id = item.reader_id JOIN panel ON panel.item_id = item.id
  JOIN picture ON picture.id = panel.picture_id JOIN study_case ON study_case.id = picture.case_id
ORDER BY reader.id, item.position, panel.column_number
"""


def rating_table(connection: sqlite3.Connection, *, part: str = "rating") -> pd.DataFrame:
    """Return the ratings given so far.

    Parameters
    ----------
    connection : sqlite3.Connection
    part : {"rating", "practice"}

    Returns
    -------
    pandas.DataFrame
        One row per answered item, in reading order: `reader`, `case`, `roi`, `hemisphere`, `arm`, `rating` (the last one
        given), `view`, `repeat`, `seconds` (on the screen before the first answer), `timestamp` (of the last answer, UTC),
        `comment`, `changes` (how often it was changed), `position`, and a column for each further question of the study
        (several choices as :func:`reader_study.ratings.cell_lists.joined_names` joins them).
    """
    columns = [
        "reader", "case", "roi", "hemisphere", "arm", "rating", "view", "repeat", "seconds", "timestamp", "comment", "changes",
        "position", *question_names(connection),
    ]  # fmt: skip
    details = _details(connection)
    events = _events_by_item(connection)
    rows = []
    for item in connection.execute(_WHERE):
        own = events.get(item["item"], [])
        ratings = [event for event in own if event["rating"] is not None]
        if item["part"] != part or not ratings:
            continue
        comments = [event["comment"] for event in own if event["comment"] is not None]
        rows.append(
            {
                **{name: item[name] for name in ("reader", "case", "roi", "hemisphere", "arm", "view", "repeat", "position")},
                "rating": ratings[-1]["rating"],
                "seconds": seconds_until_answer((event["kind"], event["at"]) for event in own),
                "timestamp": ratings[-1]["at"],
                "comment": comments[-1] if comments else "",
                "changes": len(ratings) - 1,
                **details.get(ratings[-1]["id"], {}),
            }
        )
    return pd.DataFrame(rows, columns=columns)


def question_names(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the study's further questions, in its order."""
    return [question["name"] for question in json.loads(setting(connection, "questions") or "[]")]


def _details(connection: sqlite3.Connection) -> dict[int, dict[str, str]]:
    details: dict[int, dict[str, str]] = {}
    asked = {question["name"]: question["choices"] for question in json.loads(setting(connection, "questions") or "[]")}
    for row in connection.execute("SELECT event_id, question, value FROM detail"):
        value = json.loads(row["value"])
        # In the order of the choices, not of the clicks.
        text = joined_names(sorted(value, key=asked[row["question"]].index), "; ") if isinstance(value, list) else str(value)
        details.setdefault(row["event_id"], {})[row["question"]] = text
    return details


def withdrawn_table(connection: sqlite3.Connection) -> pd.DataFrame:
    """Return the readers who are withdrawn now: `reader`, `at`, `rule` ("leave out" or "keep" their ratings), `reason`."""
    return pd.read_sql_query(
        "SELECT reader.name AS reader, at, rule, reason FROM reader_status JOIN reader ON reader.id = reader_id "
        "WHERE reader_status.id IN (SELECT max(id) FROM reader_status GROUP BY reader_id) AND status = 'withdrawn' "
        "ORDER BY reader.id",
        connection,
    )


def ranking_table(connection: sqlite3.Connection) -> pd.DataFrame:
    """Return the rankings given so far: one row per item and column, `rank` 1 the best, `column_number` from the left."""
    columns = ["reader", "case", "roi", "hemisphere", "arm", "rank", "column_number", "view", "seconds", "timestamp"]
    events = _events_by_item(connection)
    rows = []
    for item in connection.execute(_WHERE):
        own = events.get(item["item"], [])
        ranked = [event for event in own if event["ranks"] is not None]
        if ranked:
            rows.append(
                {
                    **{name: item[name] for name in ("reader", "case", "roi", "hemisphere", "arm", "view", "column_number")},
                    "rank": int(ranked[-1]["ranks"].split(",")[item["column_number"]]),
                    "seconds": seconds_until_answer((event["kind"], event["at"]) for event in own),
                    "timestamp": ranked[-1]["at"],
                }
            )
    return pd.DataFrame(rows, columns=columns)


def guess_table(connection: sqlite3.Connection) -> pd.DataFrame:
    """Return the guesses of the method: `reader`, `case`, `roi`, `hemisphere`, `guess` (a method or "don't know"), `arm`."""
    events = _events_by_item(connection)
    rows = [
        {**{name: item[name] for name in ("reader", "case", "roi", "hemisphere", "arm")}, "guess": event["guess"]}
        for item in connection.execute(_WHERE)
        for event in events.get(item["item"], [])
        if event["guess"] is not None
    ]
    return pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "guess", "arm"])


def order_table(connection: sqlite3.Connection) -> pd.DataFrame:
    """Return what every reader sees, in order, one row per picture: `reader`, `position`, `part`, `repeat`, place, `arm`."""
    return pd.read_sql_query(
        f'SELECT reader, position, part, repeat, "case", roi, hemisphere, arm, column_number FROM ({_WHERE})', connection
    )


def event_table(connection: sqlite3.Connection) -> pd.DataFrame:
    """Return every event, the oldest first."""
    return pd.read_sql_query(
        "SELECT event.id AS event, at, reader.name AS reader, item_id AS item, position, part, repeat, kind, rating, ranks, "
        "guess, comment, previous FROM event JOIN item ON item.id = item_id JOIN reader ON reader.id = event.reader_id "
        "ORDER BY event.id",
        connection,
    )


def audit_table(connection: sqlite3.Connection) -> pd.DataFrame:
    """Return the audit trail, oldest first: `at`, `who`, `what`, `detail`."""
    return pd.read_sql_query("SELECT at, who, what, detail FROM audit ORDER BY id", connection)


def seconds_until_answer(events: Iterable[tuple[str, str]]) -> float:
    """Return the seconds for which an item was on the screen before its first answer.

    Each span begins with `shown` and ends with `paused` or the answer; a span without an end (the browser was closed) is
    not counted.

    Parameters
    ----------
    events : iterable of (kind, time)
        Oldest first; times ISO 8601.

    Returns
    -------
    float
        NaN if there is no answer, or the item was never shown.
    """
    total, since = 0.0, None
    seen = False
    for kind, at in events:
        time = datetime.fromisoformat(at)
        if kind == "shown":
            since, seen = time, True
        elif kind == "paused" and since is not None:
            total += (time - since).total_seconds()
            since = None
        elif kind in ("rated", "ranked", "guessed"):
            if since is not None:
                total += (time - since).total_seconds()
            # A clock that was set back must not give a negative time.
            return round(max(0.0, total), 3) if seen else float("nan")
    return float("nan")


def _events_by_item(connection: sqlite3.Connection) -> dict[str, list[sqlite3.Row]]:
    events: dict[str, list[sqlite3.Row]] = {}
    for row in connection.execute("SELECT * FROM event ORDER BY id"):
        events.setdefault(row["item_id"], []).append(row)
    return events
