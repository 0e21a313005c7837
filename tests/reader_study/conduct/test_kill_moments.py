"""Every write of a running study, killed before each of its steps: the study is as before or as after, and continues."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from evaluation.serving.viewer_library import ViewerLibrary
from reader_study.app.access import Served, begin, end
from reader_study.conduct.backup import back_up, restore
from reader_study.conduct.late_reader import add_reader
from reader_study.conduct.status import reinstate_reader, set_status, withdraw_reader
from reader_study.errors import StudyError
from reader_study.exchange.archive import from_archive, write_companions
from reader_study.study.export import export_study
from reader_study.study.items import items_of
from reader_study.study.links import renew_links
from reader_study.study.storage import DATABASE, open_study
from reader_study.study.tokens import GuessLimit, hash_token
from reader_study.study.write_ratings import Answer, ConflictError, note_comment, note_mark, note_view, record_answer
from tests.conftest import SOAK
from tests.phantoms.rich_study import rich_study
from tests.phantoms.small_study import SmallStudy

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

#: Calls into C that change a file, or a row of a database.
STEPS = {
    "backup", "chmod", "execute", "executemany", "executescript", "fsync", "mkdir", "open", "rename", "replace", "rmdir",
    "symlink", "truncate", "unlink", "write", "writelines",
}  # fmt: skip
#: Moments at which a long write is killed; all of them in the long tests.
MOST = 10_000 if SOAK else 20
MORE = {"certainty": 3, "worst": ["back"], "motion": "no", "remark": "a word"}
Write = Callable[[Path], object]


def is_step(function: Any) -> bool:
    in_memory = isinstance(getattr(function, "__self__", None), (str, bytes, io.StringIO, io.BytesIO))
    return getattr(function, "__name__", "") in STEPS and not in_memory


def steps_until_the_end(write: Write, folder: Path) -> int:
    """Do a write in this process and count its steps."""
    count = 0

    def see(frame: Any, event: str, function: Any) -> None:
        nonlocal count
        count += event == "c_call" and is_step(function)

    sys.setprofile(see)
    try:
        write(folder)
    finally:
        sys.setprofile(None)
    return count


def killed_before(step: int, write: Write, folder: Path) -> None:
    """Do a write in a separate process that is killed by SIGKILL before a step, counted from 1."""
    child = os.fork()
    if child == 0:
        count = 0

        def see(frame: Any, event: str, function: Any) -> None:
            nonlocal count
            if event == "c_call" and is_step(function):
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(see)
        try:
            write(folder)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, "the write ended before the step"


def state(folder: Path) -> dict[str, Any]:
    """What a write changes: rows of every table, settings, and the readers' tokens; times and random numbers are left out."""
    connection = open_study(folder)
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
    found: dict[str, Any] = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    found["settings"] = dict(
        tuple(row) for row in connection.execute("SELECT name, value FROM setting WHERE name != 'coordinator_hash'")
    )
    found["items"] = [tuple(row) for row in connection.execute("SELECT reader_id, position, part FROM item ORDER BY 1, 2")]
    found["panels"] = [
        tuple(row)
        for row in connection.execute(
            "SELECT reader_id, position, column_number, picture_id FROM panel JOIN item ON item.id = item_id ORDER BY 1, 2, 3"
        )
    ]
    connection.close()
    return found


def first_item(connection: sqlite3.Connection, *, answered: bool = False) -> dict[str, Any]:
    return next(item for item in items_of(connection, 1) if (item["answer"] is not None) == answered)


def answer(folder: Path, rating: int = 1, key: str = "key-killed") -> None:
    connection = open_study(folder)
    record_answer(connection, 1, first_item(connection)["id"], Answer(rating, more=MORE), key)


def with_connection(write: Callable[[sqlite3.Connection], object]) -> Write:
    return lambda folder: write(open_study(folder))


def served(folder: Path) -> Served:
    return Served(folder, "darts", False, ViewerLibrary(b"", "", "", ""), GuessLimit())


def sign_in(folder: Path) -> None:
    begin(open_study(folder), served(folder), 1, Response())


def sign_out(folder: Path) -> None:
    request = Request({"type": "http", "headers": [(b"cookie", b"darts=a-known-token")]})
    end(open_study(folder), served(folder), request, Response())


def signed_in(folder: Path) -> None:
    connection = open_study(folder)
    connection.execute("INSERT INTO session (hash, reader_id, expires) VALUES (?, 1, '9999')", (hash_token("a-known-token"),))
    connection.close()


def rate_first(folder: Path, count: int, rating: int = 5) -> None:
    for number in range(count):
        connection = open_study(folder)
        item = first_item(connection)["id"]
        note_view(connection, 1, item, "shown", f"key-shown-{number}")
        record_answer(connection, 1, item, Answer(rating, more=MORE), f"key-rated-{number}")
        connection.close()


#: Each write of one transaction: what is done before, the write.
WRITES: dict[str, tuple[Write | None, Write]] = {
    "an answer with further questions": (None, answer),
    "the answer after which practice comes again": (
        lambda folder: rate_first(folder, 1, rating=1),
        lambda folder: answer(folder, rating=5),
    ),
    "that an item came on the screen": (
        None,
        with_connection(lambda c: note_view(c, 1, first_item(c)["id"], "shown", "key-shown-again")),
    ),
    "signing in": (None, sign_in),
    "signing out": (signed_in, sign_out),
    "a comment": (
        None,
        with_connection(lambda c: note_comment(c, 1, first_item(c)["id"], "a comment", "key-comment")),
    ),
    "a mark to look again": (None, with_connection(lambda c: note_mark(c, 1, first_item(c)["id"], True, "key-mark-1"))),
    "a pause": (None, with_connection(lambda c: set_status(c, "paused", who="me", note="Back on Monday"))),
    "going on": (
        with_connection(lambda c: set_status(c, "paused", who="me")),
        with_connection(lambda c: set_status(c, "running", who="me")),
    ),
    "reopening": (
        with_connection(lambda c: set_status(c, "closed", who="me")),
        with_connection(lambda c: set_status(c, "running", who="me")),
    ),
    "closing": (None, with_connection(lambda c: set_status(c, "closed", who="me"))),
    "a further reader": (
        None,
        lambda folder: add_reader(open_study(folder), "Zoë", folder / "key.json", who="me"),
    ),
    "a withdrawal": (None, with_connection(lambda c: withdraw_reader(c, "ben", who="me", reason="moved away"))),
    "taking it back": (
        with_connection(lambda c: withdraw_reader(c, "ben", who="me", reason="moved away")),
        with_connection(lambda c: reinstate_reader(c, "ben", who="me")),
    ),
    "new links": (None, with_connection(lambda c: renew_links(c, ["all"], who="me"))),
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    """A study in which one item is on the first reader's screen."""
    study = rich_study(tmp_path_factory.mktemp("kills") / "study")
    connection = open_study(study.folder)
    note_view(connection, 1, first_item(connection)["id"], "shown", "key-first-shown")
    connection.execute("INSERT INTO session (hash, reader_id, expires) VALUES (?, 2, '9999')", (bytes(32),))
    connection.close()
    return study


@pytest.fixture
def copy(planned: SmallStudy, tmp_path: Path) -> Callable[[Write | None], Path]:
    """A function that copies the study to a new folder and does the steps before a write there."""
    made = []

    def new(before: Write | None = None) -> Path:
        folder = tmp_path / f"copy {len(made)}"
        made.append(folder)
        shutil.copytree(planned.folder, folder)
        if before:
            before(folder)
        return folder

    return new


def some(steps: int) -> list[int]:
    """Numbers of steps, the first and the last among them."""
    return sorted({1 + round(n * (steps - 1) / (min(steps, MOST) - 1 or 1)) for n in range(min(steps, MOST))})


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_there_wholly_or_not_at_all_and_can_be_done_again(name: str, copy: Callable[..., Path]) -> None:
    before, write = WRITES[name]
    whole = copy(before)
    as_before = state(whole)
    steps = steps_until_the_end(write, whole)
    as_after = state(whole)
    assert as_after != as_before and steps >= 3
    for step in some(steps):
        folder = copy(before)
        killed_before(step, write, folder)
        found = state(folder)
        assert found in (as_before, as_after), f"killed before step {step} of {steps}"
        if found == as_before:
            write(folder)
        assert state(folder) == as_after
        shutil.rmtree(folder)


def test_an_answer_that_was_stored_before_the_kill_is_not_stored_again(copy: Callable[..., Path]) -> None:
    folder = copy()
    answer(folder)
    as_after = state(folder)
    connection = open_study(folder)
    # The browser asks again under the same key, for the item that was current then.
    item = first_item(connection, answered=True)["id"]
    record_answer(connection, 1, item, Answer(1, more=MORE), "key-killed")
    assert state(folder) == as_after
    with pytest.raises(ConflictError):
        record_answer(connection, 1, item, Answer(1, more=MORE | {"motion": "yes"}), "key-killed")


def test_a_backup_is_whole_or_absent_and_the_study_goes_on(copy: Callable[..., Path], tmp_path: Path) -> None:
    folder = copy()
    as_before = state(folder)
    steps = steps_until_the_end(lambda study: back_up(study, tmp_path / "first.zip", who="me"), folder)
    for step in some(steps):
        study, out = copy(), tmp_path / f"{step}.zip"
        killed_before(step, lambda at, out=out: back_up(at, out, who="me"), study)
        found = state(study)
        assert found | {"audit": as_before["audit"]} == as_before  # that it was begun may be in the trail
        if out.exists():
            restore(out, tmp_path / f"from {step}")
        else:
            back_up(study, out, who="me")
            restore(out, tmp_path / f"from {step}")
        restored = state(tmp_path / f"from {step}")
        assert restored["items"] == as_before["items"] and restored["event"] == as_before["event"]
        shutil.rmtree(study)


def test_a_restored_study_is_whole_or_absent(copy: Callable[..., Path], tmp_path: Path) -> None:
    folder = copy()
    saved = back_up(folder, tmp_path / "saved.zip", who="me").path
    images = sorted(path.name for path in (folder / "images").iterdir())
    steps = steps_until_the_end(lambda out: restore(saved, out), tmp_path / "first")
    for step in some(steps):
        out = tmp_path / f"restored {step}"
        killed_before(step, lambda at: restore(saved, at), out)
        if not out.exists():
            restore(saved, out)
        assert sorted(path.name for path in out.iterdir() if not path.name.startswith(DATABASE)) == ["images", "key.json"]
        assert sorted(path.name for path in (out / "images").iterdir()) == images
        assert state(out)["items"] == state(folder)["items"]


def export(study: Path, out: Path, *, overwrite: bool = False) -> None:
    done = export_study(study, out, unblind=True, overwrite=overwrite)
    write_companions(study, out, done.files, key=None, unblinded=True)


def test_an_export_and_its_archive_are_whole_or_are_written_again(copy: Callable[..., Path], tmp_path: Path) -> None:
    def rated(folder: Path) -> None:
        rate_first(folder, 4)

    folder = copy(rated)
    as_before = state(folder)
    export(copy(rated), tmp_path / "the first reads more files than all later ones")
    steps = steps_until_the_end(lambda study: export(study, tmp_path / "first"), folder)
    names = {path.name for path in (tmp_path / "first").iterdir()}
    for step in some(steps):
        study, out = copy(rated), tmp_path / f"out {step}"
        killed_before(step, lambda at, out=out: export(at, out), study)
        assert state(study) | {"audit": as_before["audit"]} == as_before
        if (out / "study.zip").exists():
            from_archive(out / "study.zip", tmp_path / f"read {step}", "", None, None, "")
        if out.exists():
            with (
                pytest.raises(StudyError, match="--overwrite")
                if any((out / name).exists() for name in ("ratings.csv", "export.json"))
                else nullcontext()
            ):
                export(study, out)
        export(study, out, overwrite=True)
        assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == names
        from_archive(out / "study.zip", tmp_path / f"read again {step}", "", None, None, "")
        shutil.rmtree(study)
