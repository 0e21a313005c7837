"""A reader in the rating application, by its API: what is stored, what may be changed, what is refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from reader_study.app.monitor import longest_run, overview
from reader_study.app.server import create_app
from reader_study.commands.main import app as cli
from reader_study.errors import StudyError
from reader_study.ratings.table import read_ratings
from reader_study.statistics.blinding import read_guesses
from reader_study.study.export import export_study, rating_scale
from reader_study.study.storage import open_study
from reader_study.study.tables import rating_table, seconds_until_answer
from tests.phantoms.small_study import METHODS, SmallStudy, small_study

BASE = "http://127.0.0.1:8000"


class Visitor:
    """A browser's side of the API: signs in with a personal token and draws keys."""

    def __init__(self, study: SmallStudy, token: str) -> None:
        self.http = TestClient(create_app(study.folder), base_url=BASE)
        assert self.http.post("/api/session", json={"token": token}).status_code == 200
        self.keys = 0

    def state(self) -> dict[str, Any]:
        return self.http.get("/api/state").json()

    def post(self, item: str, what: str, key: str = "", **body: Any) -> Any:
        self.keys += 1
        return self.http.post(f"/api/items/{item}/{what}", json={"key": key or f"key-{id(self)}-{self.keys}", **body})

    def show(self, item: str) -> dict[str, Any]:
        reply = self.post(item, "view", kind="shown")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def answer_all(self, rate: Any = lambda n: 1 + n % 5, until: str = "") -> int:
        """Answer item after item as the page does; return how many."""
        for n in range(1000):
            current = self.state()["current"]
            if current is None or current["part"] == until:
                return n
            state = self.show(current["id"])
            given = {
                "ranking": {"ranks": [2, 1, 3]},
                "guess": {"guess": state.get("choices", [""])[n % 4 if "choices" in state else 0]},
            }.get(current["part"], {"rating": rate(n)})
            assert self.post(current["id"], "answer", **given).status_code == 200
        raise AssertionError("the study does not end")


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return small_study(tmp_path / "study")


@pytest.fixture
def anna(study: SmallStudy) -> Visitor:
    return Visitor(study, study.tokens["anna"])


def database(study: SmallStudy) -> Iterator[sqlite3.Connection]:
    connection = open_study(study.folder)
    yield connection
    connection.close()


def test_a_whole_study_is_exported_as_analyse_reads_it(study: SmallStudy, anna: Visitor, tmp_path: Path) -> None:
    assert anna.answer_all() == sum(part["total"] for part in anna.state()["progress"].values()) == 2 + 17 + 2 + 3
    done = export_study(study.folder, tmp_path / "blinded")
    blinded = read_ratings(tmp_path / "blinded" / "ratings.csv", rating_scale(open_study(study.folder)))
    assert (done.n_ratings, done.n_planned, len(blinded)) == (19, 2 * 19, 17)
    assert set(blinded["method"]) == {"A", "B", "C"}
    assert blinded["repeat"].value_counts().to_dict() == {1: 15, 2: 2}
    assert set(blinded["roi"]) == {"Caudate", "Cingulate-Gyrus", "Brain-Stem"}
    assert set(blinded.loc[blinded["roi"] == "Brain-Stem", "hemisphere"]) == {""}
    assert not (tmp_path / "blinded" / "guesses.csv").exists()

    export_study(study.folder, tmp_path / "open", unblind=True, reason="done")
    named = read_ratings(tmp_path / "open" / "ratings.csv")
    key = json.loads((study.folder / "key.json").read_text())["arms"]
    assert named["method"].tolist() == blinded["method"].map(key).tolist()
    pd.testing.assert_frame_equal(named.drop(columns="method"), blinded.drop(columns="method"))
    assert set(read_guesses(tmp_path / "open" / "guesses.csv")["method"]) == set(METHODS)
    ranks = pd.read_csv(tmp_path / "open" / "rankings.csv", keep_default_na=False)
    assert ranks.groupby(["roi", "hemisphere"])["rank"].apply(sorted).tolist() == [[1, 2, 3]] * 2
    # In the column that was in the middle stands the method ranked first.
    assert (ranks.loc[ranks["column_number"] == 1, "rank"] == 1).all()
    events = pd.read_csv(tmp_path / "open" / "events.csv")
    assert events["kind"].value_counts().to_dict() == {"shown": 24, "rated": 19, "ranked": 2, "guessed": 3}
    trail = pd.read_csv(tmp_path / "open" / "audit.csv")
    assert trail["what"].tolist() == ["planned", "signed in", "exported, blinded", "unblinded"]
    assert trail["detail"].iloc[-1] == "19 of 38 answers; done"


def test_every_method_is_exported_with_the_rating_of_its_own_picture(study: SmallStudy, anna: Visitor, tmp_path: Path) -> None:
    """Rate by the height of the mask, which reveals the method, but only to this test."""
    import nibabel as nib
    import numpy as np

    centres = {"NetworkTuned": 1, "FreeSurfer": 2, "NetworkPlain": 3}
    while (current := anna.state()["current"])["part"] in ("practice", "rating"):
        anna.show(current["id"])
        mask = nib.Nifti1Image.from_bytes(anna.http.get(f"/api/items/{current['id']}/masks/0").content)
        where = nib.affines.apply_affine(mask.affine, np.argwhere(np.asarray(mask.dataobj)).mean(axis=0))
        side = {"L": -1, "R": 1, "": 0}[current["side"]]
        x, y, z = {"Caudate": (12, 10, 6), "Cingulate-Gyrus": (7, 24, 20), "Brain-Stem": (0, -22, -26)}[current["region"]]
        moved = tuple(int(v) for v in np.rint(where - (side * x, y, z)))
        method = {(0, 0, 0): "FreeSurfer", (0, 2, 0): "NetworkPlain", (0, 0, -2): "NetworkTuned"}[moved]
        anna.post(current["id"], "answer", rating=centres[method])
    export_study(study.folder, tmp_path / "open", unblind=True)
    named = read_ratings(tmp_path / "open" / "ratings.csv")
    assert (named["rating"] == named["method"].map(centres)).all()
    assert set(named["method"]) == set(METHODS)


def test_an_answer_sent_twice_is_stored_once(study: SmallStudy, anna: Visitor) -> None:
    item = anna.state()["current"]["id"]
    anna.show(item)
    replies = [anna.post(item, "answer", key="the-same-key", rating=4) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 200]
    for connection in database(study):
        assert connection.execute("SELECT count(*) FROM event WHERE kind = 'rated'").fetchone()[0] == 1
    assert anna.post(item, "answer", key="the-same-key", rating=5).status_code == 409
    assert anna.post(item, "answer", rating=4).status_code == 409


def test_two_windows_of_one_reader_do_not_fight(study: SmallStudy, anna: Visitor) -> None:
    other = Visitor(study, study.tokens["anna"])
    item = other.state()["current"]["id"]
    anna.show(item), other.show(item)
    assert anna.post(item, "answer", rating=2).status_code == 200
    late = other.post(item, "answer", rating=5)
    assert (late.status_code, late.json()["detail"]) == (409, "this item was answered in another window")
    first = anna.state()["changeable"][0]
    assert anna.post(item, "answer", rating=3, previous=first["answer"]).status_code == 200
    assert other.post(item, "answer", rating=1, previous=first["answer"]).status_code == 409
    assert anna.state()["changeable"][0]["rating"] == 3


def test_a_change_is_a_new_row_and_only_the_last_items_of_the_part_can_be_changed(study: SmallStudy, anna: Visitor) -> None:
    anna.answer_all(until="rating")
    assert [item["part"] for item in anna.state()["changeable"]] == ["practice", "practice"]
    items = []
    for _ in range(4):
        items.append(anna.state()["current"]["id"])
        anna.show(items[-1])
        anna.post(items[-1], "answer", rating=1)
    state = anna.state()
    assert [item["id"] for item in state["changeable"]] == [items[3], items[2]]
    old = anna.http.get(f"/api/items/{items[0]}/masks/0")
    assert old.status_code == 404
    changed = anna.post(items[2], "answer", rating=5, previous=state["changeable"][1]["answer"])
    assert changed.status_code == 200
    for connection in database(study):
        kinds = connection.execute("SELECT kind, rating FROM event WHERE item_id = ? ORDER BY id", (items[2],)).fetchall()
        assert [tuple(row) for row in kinds] == [("shown", None), ("rated", 1), ("changed", 5)]
        table = rating_table(connection).set_index("position")
        assert (table.iloc[2]["rating"], table.iloc[2]["changes"]) == (5, 1)


def test_nobody_looks_ahead_and_ratings_close_when_the_next_part_begins(anna: Visitor) -> None:
    state = anna.state()
    ahead = state["next"]["id"]
    assert anna.http.get(f"/api/items/{ahead}/masks/0").status_code == 200  # fetched before it is needed
    assert anna.post(ahead, "view", kind="shown").status_code == 404
    assert anna.post(ahead, "answer", rating=3).status_code == 404
    anna.answer_all(until="guess")
    state = anna.state()
    assert "choices" not in state
    assert [item["part"] for item in state["changeable"]] == ["ranking", "ranking"]
    earlier = state["changeable"][0]
    begun = anna.show(state["current"]["id"])
    assert begun["choices"] == [*sorted(METHODS), "don't know"]
    assert begun["changeable"] == []
    assert anna.post(earlier["id"], "answer", ranks=[1, 1, 1], previous=earlier["answer"]).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"rating": 6}, 400), ({"rating": 0}, 400), ({"rating": 10}, 422), ({"rating": "4"}, 422), ({"rating": 4.0}, 422),
        ({"rating": True}, 422), ({}, 422), ({"ranks": [1, 2, 3]}, 400), ({"guess": "FreeSurfer"}, 400),
        ({"rating": 4, "guess": "x"}, 422), ({"rating": 4, "previous": 3}, 409), ({"rating": 4, "reader": "ben"}, 422),
    ],
)  # fmt: skip
def test_what_is_no_answer_of_this_item_is_refused(anna: Visitor, body: dict[str, Any], status: int) -> None:
    item = anna.state()["current"]["id"]
    anna.show(item)
    assert anna.post(item, "answer", **body).status_code == status
    assert anna.state()["current"]["id"] == item


def test_the_file_itself_refuses_what_must_not_be(study: SmallStudy, anna: Visitor) -> None:
    anna.answer_all(until="rating")
    insert = (
        "INSERT INTO event (item_id, reader_id, at, kind, rating, idempotency_key) SELECT id, reader_id, '', ?, ?, ? FROM item"
    )
    for connection in database(study):
        for statement, values in (
            ("UPDATE event SET rating = 5", ()),
            ("DELETE FROM event", ()),
            ("DELETE FROM audit", ()),
            ("UPDATE audit SET what = ''", ()),
            ("UPDATE panel SET picture_id = 1", ()),
            (f"{insert} WHERE position = 9", ("rated", 6, "abcdefgh")),
            (f"{insert} WHERE position = 9", ("rated", None, "abcdefgh")),
            (f"{insert} WHERE position = 9", ("changed", 3, "abcdefgh")),
            (f"{insert} WHERE position = 0", ("rated", 3, "abcdefgh")),
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement, values)
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")] == ["wal", 2]


def test_comments_are_kept_and_a_spreadsheet_takes_none_for_a_formula(study: SmallStudy, anna: Visitor, tmp_path: Path) -> None:
    anna.answer_all(until="rating")
    for text in ('=HYPERLINK("http://x")', "fine, «mostly»\nsecond line"):
        item = anna.state()["current"]["id"]
        anna.show(item)
        assert anna.post(item, "comment", comment="first thought").status_code == 200
        assert anna.post(item, "comment", comment=text).status_code == 200
        anna.post(item, "answer", rating=3)
    assert anna.post(anna.state()["current"]["id"], "comment", comment="x" * 2001).status_code == 422
    export_study(study.folder, tmp_path / "out")
    comments = read_ratings(tmp_path / "out" / "ratings.csv", least_methods=1)["comment"].tolist()
    assert comments == ['\'=HYPERLINK("http://x")', "fine, «mostly»\nsecond line"]


def test_time_is_what_an_item_was_on_the_screen() -> None:
    at = [f"2026-01-01T10:00:{second:02d}.000+00:00" for second in range(60)]
    assert seconds_until_answer([("shown", at[0]), ("rated", at[7])]) == 7
    assert (
        seconds_until_answer([("shown", at[0]), ("paused", at[3]), ("shown", at[20]), ("rated", at[24]), ("changed", at[50])])
        == 7
    )
    # The browser was closed without a word: that span counts nothing.
    assert seconds_until_answer([("shown", at[0]), ("shown", at[30]), ("rated", at[32])]) == 2
    assert pd.isna(seconds_until_answer([("rated", at[3])]))
    assert pd.isna(seconds_until_answer([("shown", at[3])]))


def test_the_coordinator_sees_haste_straight_lines_and_agreement_with_oneself(study: SmallStudy, anna: Visitor) -> None:
    anna.answer_all(rate=lambda n: 3)
    ben = Visitor(study, study.tokens["ben"])
    ben.answer_all(until="rating")
    page = Visitor(study, study.coordinator).http.get("/api/coordinator/overview").json()
    first, second = page["readers"]
    assert (first["reader"], first["ratings"], first["longest_run"], first["quick"]) == ("anna", 17, 17, 17)
    assert first["flags"] == ["quick: 17 of 17 ratings within 2 s", "straight line: 17 equal ratings in a row"]
    assert (first["repeats"], first["exact"], first["within_one"]) == (2, 1, 1)
    assert first["progress"]["rating"] == {"done": 17, "total": 17}
    assert (second["ratings"], second["flags"], second["progress"]["practice"]["done"]) == (0, [], 2)
    assert not any(method in json.dumps(page) for method in METHODS)
    assert longest_run(pd.Series([1, 1, 2, 2, 2, 1])) == 3
    for connection in database(study):
        assert overview(connection)["readers"] == page["readers"]


def test_export_refuses_a_study_without_ratings_another_key_and_an_earlier_export(
    study: SmallStudy, anna: Visitor, tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match="no rating yet"):
        export_study(study.folder, tmp_path / "out")
    anna.answer_all(until="ranking")
    wrong = tmp_path / "key.json"
    wrong.write_text(json.dumps({"arms": {"A": "x", "B": "y", "C": "z"}}))
    with pytest.raises(StudyError, match="key of another study"):
        export_study(study.folder, tmp_path / "out", unblind=True, key=wrong)
    command = ["export", str(study.folder), "-o", str(tmp_path / "out")]
    assert CliRunner().invoke(cli, command).exit_code == 0
    assert isinstance(CliRunner().invoke(cli, command).exception, StudyError)
    told = CliRunner().invoke(cli, [*command, "--unblind", "--overwrite"])
    assert told.exit_code == 0 and "warning: unblinded before the study was complete" in told.output
    for connection in database(study):
        assert [row["what"] for row in connection.execute("SELECT what FROM audit ORDER BY id")][1:] == [
            "signed in",
            "exported, blinded",
            "unblinded",
        ]
