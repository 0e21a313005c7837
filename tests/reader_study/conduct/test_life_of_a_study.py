"""A running study: a reader added late, one withdrawn, paused, closed, saved while it runs, previewed without a trace."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from reader_study.commands.main import app as cli
from reader_study.conduct.backup import back_up, restore
from reader_study.conduct.late_reader import add_reader
from reader_study.conduct.preview import preview_copy
from reader_study.conduct.status import reinstate_reader, set_status, withdraw_reader
from reader_study.errors import StudyError
from reader_study.study.export import export_study
from reader_study.study.storage import open_study
from reader_study.study.tables import audit_table, event_table
from tests.phantoms.small_study import METHODS, SmallStudy, small_study
from tests.reader_study.study.test_write_ratings import Visitor


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return small_study(tmp_path / "study")


def trail(study: SmallStudy) -> list[tuple[str, str]]:
    table = audit_table(open_study(study.folder))
    return list(zip(table["who"], table["what"], strict=True))


def orders(study: SmallStudy) -> dict[str, list[tuple[object, ...]]]:
    rows = open_study(study.folder).execute(
        "SELECT reader.name, item.id, position, part, repeat FROM item JOIN reader ON reader.id = reader_id ORDER BY 1, 3"
    )
    found: dict[str, list[tuple[object, ...]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(tuple(row)[1:])
    return found


def test_a_reader_added_late_gets_the_order_the_plan_would_have_drawn_and_nobody_elses_changes(study: SmallStudy) -> None:
    anna = Visitor(study, study.tokens["anna"])
    anna.answer_all(until="rating")
    before = orders(study)
    token = add_reader(open_study(study.folder), "Müller, Eva", study.folder / "key.json", who="me")
    after = orders(study)
    assert {name: after[name] for name in before} == before
    assert [item[2:] for item in after["Müller, Eva"]].count(("rating", 2)) == 2
    eva = Visitor(study, token)
    assert eva.answer_all() == 2 + 17 + 2 + 3
    for name in ("Müller, Eva", "ANNA", "all"):
        with pytest.raises(StudyError):
            add_reader(open_study(study.folder), name, study.folder / "key.json", who="me")
    assert ("me", "reader added") in trail(study)


def test_a_withdrawn_reader_rates_no_more_and_is_left_out_by_the_stated_rule(study: SmallStudy, tmp_path: Path) -> None:
    anna, ben = (Visitor(study, study.tokens[name]) for name in ("anna", "ben"))
    for one in (anna, ben):
        one.answer_all(until="ranking")
    connection = open_study(study.folder)
    with pytest.raises(StudyError, match="no reason"):
        withdraw_reader(connection, "ben", who="me", reason=" ")
    withdraw_reader(connection, "ben", who="me", reason="withdrew consent")
    assert ben.http.get("/api/state").status_code == 401
    again = Visitor(study, study.tokens["ben"])
    assert (again.state()["status"], again.state()["current"]) == ("withdrawn", None)
    item = orders(study)["ben"][-1][0]
    assert again.post(str(item), "view", kind="shown").status_code == 409
    export_study(study.folder, tmp_path / "out")
    assert set(pd.read_csv(tmp_path / "out" / "ratings.csv")["reader"]) == {"anna"}
    left = pd.read_csv(tmp_path / "out" / "withdrawn.csv")
    assert left[["reader", "rule", "reason"]].to_numpy().tolist() == [["ben", "leave out", "withdrew consent"]]
    assert json.loads((tmp_path / "out" / "export.json").read_text())["withdrawn"][0]["rule"] == "leave out"
    export_study(study.folder, tmp_path / "all", with_withdrawn=True)
    marked = pd.read_csv(tmp_path / "all" / "ratings.csv", keep_default_na=False)
    assert set(marked.loc[marked["reader"] == "ben", "withdrawn"]) == {"yes"}
    assert set(marked.loc[marked["reader"] == "anna", "withdrawn"]) == {""}
    reinstate_reader(connection, "ben", who="me")
    assert Visitor(study, study.tokens["ben"]).state()["current"] is not None
    withdraw_reader(connection, "ben", who="me", reason="left the country", rule="keep")
    export_study(study.folder, tmp_path / "kept")
    assert set(pd.read_csv(tmp_path / "kept" / "ratings.csv")["reader"]) == {"anna", "ben"}
    # Every event is where it was.
    assert len(event_table(connection)["reader"].unique()) == 2


def test_a_paused_study_takes_nothing_and_goes_on_where_it_was(study: SmallStudy) -> None:
    anna = Visitor(study, study.tokens["anna"])
    item = anna.state()["current"]["id"]
    anna.show(item)
    command = ["pause", str(study.folder), "--note", "Back on Monday"]
    assert CliRunner().invoke(cli, command).exit_code == 0
    refused = anna.post(item, "answer", rating=3)
    assert (refused.status_code, refused.json()["detail"]) == (409, "the study is paused: Back on Monday")
    state = anna.state()
    assert (state["status"], state["note"], state["current"]) == ("paused", "Back on Monday", None)
    assert anna.http.get(f"/api/items/{item}/masks/0").status_code == 404
    assert anna.post(item, "view", kind="paused").status_code == 200  # that the item left the screen is still noted
    assert isinstance(CliRunner().invoke(cli, command).exception, StudyError)
    set_status(open_study(study.folder), "running", who="me")
    assert anna.post(item, "answer", rating=3).status_code == 200
    set_status(open_study(study.folder), "closed", who="me")
    assert anna.state()["status"] == "closed"
    assert [what for _, what in trail(study)][-3:] == ["paused", "resumed", "closed"]


def test_who_signs_in_and_out_is_in_the_audit_trail(study: SmallStudy) -> None:
    anna = Visitor(study, study.tokens["anna"])
    anna.http.post("/api/session/end", json={})
    Visitor(study, study.coordinator).http.get("/api/coordinator/ratings.csv")
    assert CliRunner().invoke(cli, ["new-links", str(study.folder), "ben"]).exit_code == 0
    found = trail(study)
    assert found[1:5] == [
        ("reader anna", "signed in"), ("reader anna", "signed out"), ("coordinator's page", "signed in"),
        ("coordinator's page", "exported, blinded"),
    ]  # fmt: skip
    assert found[5][1] == "new links"


def test_a_backup_is_one_moment_of_a_study_that_runs_and_can_be_restored(study: SmallStudy, tmp_path: Path) -> None:
    readers = [Visitor(study, study.tokens[name]) for name in ("anna", "ben")]
    threads = [threading.Thread(target=reader.answer_all) for reader in readers]
    for thread in threads:
        thread.start()
    done = [back_up(study.folder, tmp_path / f"{n}.zip", who="me") for n in range(5)]
    for thread in threads:
        thread.join()
    assert [one.n_events for one in done] == sorted(one.n_events for one in done)
    total = event_table(open_study(study.folder))
    for one in done:
        restored = tmp_path / f"restored {one.path.stem}"
        restore(one.path, restored)
        connection = open_study(restored)
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert connection.execute("SELECT count(*) FROM session").fetchone()[0] == 0
        assert event_table(connection)["event"].tolist() == total["event"].head(one.n_events).tolist()
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("DELETE FROM audit")
    last = SmallStudy(restored, study.tokens, study.coordinator)
    Visitor(last, study.tokens["anna"]).answer_all()
    export_study(restored, tmp_path / "out", unblind=True)
    assert set(pd.read_csv(tmp_path / "out" / "ratings.csv")["method"]) == set(METHODS)
    assert tmp_path.joinpath("0.zip").stat().st_mode & 0o777 == 0o600
    with pytest.raises(StudyError, match="already there"):
        back_up(study.folder, tmp_path / "0.zip", who="me")


def test_a_file_that_is_no_whole_backup_leaves_no_folder(study: SmallStudy, tmp_path: Path) -> None:
    back_up(study.folder, tmp_path / "a.zip", who="me", with_key=False)
    assert "key.json" not in zipfile.ZipFile(tmp_path / "a.zip").namelist()
    (tmp_path / "half.zip").write_bytes((tmp_path / "a.zip").read_bytes()[:20_000])
    with zipfile.ZipFile(tmp_path / "a.zip") as whole, zipfile.ZipFile(tmp_path / "evil.zip", "w") as evil:
        for name in whole.namelist():
            evil.writestr(name, whole.read(name))
        evil.writestr("images/../../out.txt", "x")
    for name in ("half.zip", "evil.zip", "absent.zip"):
        with pytest.raises(StudyError, match="not a backup"):
            restore(tmp_path / name, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "evil.zip", "half.zip", "study"]


def test_a_preview_begins_anew_and_writes_nothing(study: SmallStudy) -> None:
    Visitor(study, study.tokens["anna"]).answer_all(until="ranking")
    open_study(study.folder).execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def fingerprint() -> dict[str, str]:
        files = (path for path in study.folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = fingerprint()
    with preview_copy(study.folder, "anna") as (copy, token):
        seen = Visitor(SmallStudy(copy, {}, ""), token)
        assert seen.http.get("/api/study").json()["preview"] is True
        assert seen.state()["progress"]["rating"]["done"] == 0
        assert seen.answer_all() == 2 + 17 + 2 + 3
    assert not copy.exists()
    assert fingerprint() == before
    with pytest.raises(StudyError, match="no reader zoe"), preview_copy(study.folder, "zoe"):
        pass


def test_a_study_of_the_first_format_goes_on(study: SmallStudy) -> None:
    connection = open_study(study.folder)
    for table in ("detail", "mark", "lesson", "document", "reader_status"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("UPDATE setting SET value = '1' WHERE name = 'format'")
    connection.execute("DELETE FROM setting WHERE name IN ('questions', 'training', 'anchors', 'instructions', 'colour')")
    connection.close()
    anna = Visitor(study, study.tokens["anna"])
    assert anna.answer_all() == 2 + 17 + 2 + 3
    with pytest.raises(sqlite3.IntegrityError):
        open_study(study.folder).execute(
            "INSERT INTO mark (item_id, reader_id, at, marked, idempotency_key) VALUES ('x', 1, '', 1, 'abcdefgh')"
        )
