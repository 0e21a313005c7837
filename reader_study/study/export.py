"""Export the ratings of a study: blinded, or with the names of the methods, which is recorded in the audit trail."""

from __future__ import annotations

import getpass
import json
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darts_ensemble.results.outputs import write_json, write_text
from reader_study.errors import StudyError
from reader_study.ratings.spreadsheets import read_text_table
from reader_study.ratings.table import COLUMNS, RatingScale, check_ratings, known_regions
from reader_study.study.storage import KEY, note_audit, now, open_study, setting, transaction
from reader_study.study.tables import (
    audit_table,
    event_table,
    guess_table,
    question_names,
    ranking_table,
    rating_table,
    withdrawn_table,
)

__all__ = ["Exported", "export_study", "rating_scale", "ratings_csv", "read_key", "this_user"]

_RATINGS = (*COLUMNS, "view", "repeat", "seconds", "timestamp", "comment")
_PLACE = ("reader", "case", "roi", "hemisphere")
#: A spreadsheet takes texts with these beginnings for formulas.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Exported:
    """Result of :func:`export_study`.

    Attributes
    ----------
    files : tuple of Path
    n_ratings, n_planned : int
        Number of ratings given, and planned.
    unblinded : bool
    """

    files: tuple[Path, ...]
    n_ratings: int
    n_planned: int
    unblinded: bool


def export_study(
    folder: Path,
    out: Path,
    *,
    unblind: bool = False,
    key: Path | None = None,
    reason: str = "",
    overwrite: bool = False,
    with_withdrawn: bool = False,
) -> Exported:
    """Write `ratings.csv`, which `analyse` reads, and rankings, guesses, events and the audit trail beside it.

    Parameters
    ----------
    folder : Path
        Folder of the study; a server may be running on it.
    out : Path
    unblind : bool
        Write the names of the methods instead of the letters of the arms. This is recorded in the audit trail first.
    key : Path, optional
        `key.json`, if it is not in the study's folder.
    reason : str
        For the audit trail.
    overwrite : bool
        Whether an earlier export in `out` may be replaced.
    with_withdrawn : bool
        Whether all ratings of withdrawn readers are kept, marked in a column; if not, the rule of each withdrawal is applied.
        `withdrawn.csv` always lists the readers and the rules.

    Raises
    ------
    StudyError
        If the folder is not a study, has no rating yet, the key does not fit, or `out` already has an export.
    """
    earlier = next((out / name for name in ("ratings.csv", "rankings.csv", "export.json") if (out / name).exists()), None)
    if earlier and not overwrite:
        raise StudyError(f"{earlier}: already there; expected another folder, or --overwrite")
    connection = open_study(folder)
    try:
        withdrawn = withdrawn_table(connection)
        ratings, rankings, guesses = (
            _without_withdrawn(table(connection), withdrawn, keep=with_withdrawn)
            for table in (rating_table, ranking_table, guess_table)
        )
        if ratings.empty and rankings.empty:
            raise StudyError(f"{folder}: no rating yet; expected some: export when readers have begun")
        planned = connection.execute("SELECT count(*) FROM item WHERE part IN ('rating', 'ranking')").fetchone()[0]
        given = len(ratings) + len(rankings.drop_duplicates([*_PLACE]))
        methods = read_key(key or folder / KEY, connection) if unblind else None
        with transaction(connection):
            what = "unblinded" if unblind else "exported, blinded"
            detail = f"{given} of {planned} answers" + (f"; {reason}" if reason else "")
            note_audit(connection, this_user(), what, detail)
        tables = {"ratings.csv": _ratings_csv(ratings, methods, question_names(connection))} if len(ratings) else {}
        if len(rankings):
            tables["rankings.csv"] = _csv(_named(rankings, methods))
        if unblind:
            tables["guesses.csv"] = _csv(_named(guesses, methods)[[*_PLACE, "guess", "method"]])
        if len(withdrawn):
            tables["withdrawn.csv"] = _csv(_safe(withdrawn, "reason"))
        tables["events.csv"] = _csv(_safe(event_table(connection), "comment"))
        tables["audit.csv"] = _csv(audit_table(connection))
        if len(ratings):
            _read_back(tables["ratings.csv"], connection, out)
        for name, text in tables.items():
            write_text(out / name, text)
        order = _planned_order(key or folder / KEY, connection, methods)
        write_json(out / "export.json", _account(connection, unblind, given, planned, withdrawn) | {"order": order})
        files = tuple(out / name for name in (*tables, "export.json"))
        return Exported(files, given, planned, unblind)
    finally:
        connection.close()


def ratings_csv(connection: sqlite3.Connection) -> str:
    """Return the blinded ratings as CSV: the same table as `ratings.csv`, with arms instead of methods."""
    ratings = _without_withdrawn(rating_table(connection), withdrawn_table(connection), keep=False)
    return _ratings_csv(ratings, None, question_names(connection))


def rating_scale(connection: sqlite3.Connection) -> RatingScale:
    """Return the study's rating scale."""
    return RatingScale(tuple(json.loads(setting(connection, "levels"))), tuple(json.loads(setting(connection, "words"))))


def read_key(path: Path, connection: sqlite3.Connection) -> dict[str, str]:
    """Read which arm is which method.

    Raises
    ------
    StudyError
        If the file does not exist or belongs to another study.
    """
    try:
        arms = json.loads(path.read_text(encoding="utf-8"))["arms"]
        named = {str(arm): str(method) for arm, method in arms.items()}
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}; expected the study's {KEY}: give its place with --key") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise StudyError(f"{path}: not a key; expected the {KEY} that plan wrote") from None
    used = {row["arm"] for row in connection.execute("SELECT DISTINCT arm FROM picture")}
    guessed = json.loads(setting(connection, "methods_to_guess"))
    if used - set(named) or sorted(named.values()) != sorted(guessed):
        raise StudyError(f"{path}: the key of another study (its methods: {', '.join(named.values())}); expected this study's")
    return named


def _planned_order(path: Path, connection: sqlite3.Connection, methods: Mapping[str, str] | None) -> dict[str, list[str]]:
    """Return methods (arms if the export is blinded) and regions in the planned order, in which `analyse` shows them."""
    regions = [row["roi"] for row in connection.execute("SELECT roi FROM picture GROUP BY roi ORDER BY min(id)")]
    if methods is None:
        return {"methods": sorted({row["arm"] for row in connection.execute("SELECT arm FROM picture")}), "regions": regions}
    # The key lists label maps in the order of the design; its arms are sorted by name.
    listed = list(json.loads(path.read_text(encoding="utf-8")).get("label_maps", {}))
    return {"methods": listed or sorted(methods.values()), "regions": regions}


def _named(table: pd.DataFrame, methods: Mapping[str, str] | None) -> pd.DataFrame:
    named = table.rename(columns={"arm": "method"})
    if methods is not None:
        named["method"] = named["method"].map(methods)
    return named


def _without_withdrawn(table: pd.DataFrame, withdrawn: pd.DataFrame, *, keep: bool) -> pd.DataFrame:
    """Leave out ratings by the rules of the withdrawals, or keep all and mark them."""
    if keep:
        return table.assign(withdrawn=["yes" if name in set(withdrawn["reader"]) else "" for name in table["reader"]])
    left_out = withdrawn.loc[withdrawn["rule"] == "leave out", "reader"]
    return table[~table["reader"].isin(left_out)].reset_index(drop=True)


def _ratings_csv(ratings: pd.DataFrame, methods: Mapping[str, str] | None, questions: Sequence[str]) -> str:
    marks = ["withdrawn"] if "withdrawn" in ratings else []
    named = _named(ratings, methods)[[*_RATINGS, *questions, *marks]].copy()
    for name in questions:
        named[name] = pd.Series(["" if pd.isna(cell) else cell for cell in named[name]], index=named.index, dtype=object)
    return _csv(_safe(named, "comment", *questions))


def _safe(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return free text that no spreadsheet takes for a formula: what looks like one gets an apostrophe before it."""
    guarded = table.copy()
    for column in columns:
        guarded[column] = [
            f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text for text in table[column]
        ]
    return guarded


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def _read_back(text: str, connection: sqlite3.Connection, out: Path) -> None:
    """Read the table as `analyse` does, before any file gets its final name."""
    probe = out / ".ratings.check.csv"
    write_text(probe, text)
    try:
        regions = [*known_regions(), *(row["roi"] for row in connection.execute("SELECT DISTINCT roi FROM picture"))]
        scale = rating_scale(connection)
        check_ratings(read_text_table(probe), scale, regions=regions, least_methods=1, source=str(out / "ratings.csv"))
    finally:
        probe.unlink()


def this_user() -> str:
    """Return the user of this process, for the audit trail."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a process whose user has no name
        user = "unknown user"
    return f"{user}@{platform.node() or 'unknown host'}"


def _account(
    connection: sqlite3.Connection, unblinded: bool, given: int, planned: int, withdrawn: pd.DataFrame
) -> dict[str, object]:
    return {
        "title": setting(connection, "title"),
        "exported": now(),
        "unblinded": unblinded,
        "answers": given,
        "planned": planned,
        "scale": dict(zip(json.loads(setting(connection, "levels")), json.loads(setting(connection, "words")), strict=True)),
        "withdrawn": withdrawn.to_dict("records"),
        "seconds": "on the screen before the first answer; pauses left out",
        "timestamp": "of the last answer, UTC, the server's clock",
    }
