"""Further questions, training with a pass mark, the list to look again, instructions: what the server stores and refuses."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from reader_study.errors import StudyError
from reader_study.planning.design import design_of
from reader_study.planning.questions import check_answers, questions_of_field
from reader_study.ratings.table import read_ratings
from reader_study.study.export import export_study
from reader_study.study.storage import open_study
from tests.phantoms.rich_study import DESIGN_OF_ALL, rich_study
from tests.phantoms.small_study import METHODS, SmallStudy
from tests.reader_study.study.test_write_ratings import Visitor

MORE = {"certainty": 3, "worst": ["front, left", "back"], "motion": "no"}
LESSON = {"case": "c", "region": "Insula", "side": "L", "method": "X", "score": 3}
MINIMAL: dict[str, Any] = {"readers": ["a"], "scans": "scans", "methods": {"X": "x", "Y": "y"}, "seed": 1}


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return rich_study(tmp_path / "study")


def rate(visitor: Visitor, rating: int, **more: Any) -> Any:
    item = visitor.state()["current"]["id"]
    visitor.show(item)
    return visitor.post(item, "answer", rating=rating, more=MORE | more)


def test_practice_tells_what_experts_agreed_on_and_comes_again_below_the_pass_mark(study: SmallStudy) -> None:
    anna = Visitor(study, study.tokens["anna"])
    state = anna.state()
    untouched = {"right": 0, "answered": 0, "of": 2, "tolerance": 1, "pass_mark": 0.5, "needed": 1}
    assert state["training"] == {"rounds": 1} | untouched
    assert not any(word in str(state) for word in ("feedback", "follows the border", *METHODS))
    first = rate(anna, 2).json()
    assert first["feedback"] == {"given": 2, "score": 5, "why": "The outline follows the border.", "agrees": False}
    assert first["changeable"] == []  # nobody corrects an answer to what they were told
    second = rate(anna, 5).json()
    assert second["training"] == {"rounds": 2} | untouched
    assert (second["current"]["part"], second["progress"]["practice"]) == ("practice", {"done": 2, "total": 4})
    close = rate(anna, 4).json()["feedback"]
    assert (close["score"], close["agrees"]) == (5, True)  # within the tolerance
    done = rate(anna, 5).json()
    assert (done["training"]["right"], done["training"]["rounds"], done["current"]["part"]) == (1, 2, "rating")
    # Ratings of the study have no feedback.
    assert rate(anna, 3).json()["feedback"] is None


def test_further_answers_are_required_checked_stored_changed_and_exported(study: SmallStudy, tmp_path: Path) -> None:
    anna = Visitor(study, study.tokens["anna"])
    item = anna.state()["current"]["id"]
    anna.show(item)
    for more in (
        {}, {"certainty": 3, "motion": "no"}, MORE | {"certainty": 4}, MORE | {"motion": "maybe"}, MORE | {"worst": ["up"]},
        MORE | {"worst": "back"}, MORE | {"other": "x"}, MORE | {"certainty": "3"}, MORE | {"remark": "x" * 501},
        MORE | {"worst": ["back", "back"]},
    ):  # fmt: skip
        assert anna.post(item, "answer", rating=3, more=more).status_code == 400, more
    assert anna.post(item, "answer", rating=3, more={"certainty": 3.5}).status_code == 422
    for _ in range(2):
        rate(anna, 5)
        rate(anna, 2)
        if anna.state()["current"]["part"] == "rating":
            break
    rated = rate(anna, 4, remark="=a formula?").json()["changeable"][0]
    assert rated["more"] == MORE | {"remark": "=a formula?"}
    changed = anna.post(rated["id"], "answer", rating=2, previous=rated["answer"], more=MORE | {"motion": "yes"})
    assert changed.status_code == 200
    rate(anna, 1)
    export_study(study.folder, tmp_path / "out", unblind=True)
    table = pd.read_csv(tmp_path / "out" / "ratings.csv", keep_default_na=False, dtype=str)
    assert table[["rating", "certainty", "worst", "motion", "remark"]].to_numpy().tolist() == [
        ["2", "3", "front, left; back", "yes", ""], ["1", "3", "front, left; back", "no", ""],
    ]  # fmt: skip
    assert set(table["roi"]) <= {"Caudate", "Cingulate-Gyrus", "Blob"}
    assert (
        len(read_ratings(tmp_path / "out" / "ratings.csv", regions=["Caudate", "Cingulate-Gyrus", "Blob"], least_methods=1))
        == 2
    )
    connection = open_study(study.folder)
    for statement in (
        "UPDATE detail SET value = '1'",
        "DELETE FROM detail",
        "DELETE FROM lesson",
        "UPDATE lesson SET score = 1",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)


def test_a_key_stands_for_one_answer_with_all_its_further_answers(study: SmallStudy) -> None:
    anna = Visitor(study, study.tokens["anna"])
    item = anna.state()["current"]["id"]
    anna.show(item)
    assert [anna.post(item, "answer", key="one-key-1", rating=3, more=MORE).status_code for _ in range(2)] == [200, 200]
    for other in (MORE | {"motion": "yes"}, MORE | {"remark": "x"}, {"certainty": 3}):
        assert anna.post(item, "answer", key="one-key-1", rating=3, more=other).status_code == 409, other
    connection = open_study(study.folder)
    stored = {row["question"]: json.loads(row["value"]) for row in connection.execute("SELECT question, value FROM detail")}
    assert stored == MORE


@pytest.mark.parametrize(
    ("share", "items", "needed"), [(0.55, 20, 11), (0.8, 5, 4), (0.7, 10, 7), (0.5, 3, 2), (1, 7, 7), (0, 4, 0)]
)
def test_a_pass_mark_needs_the_smallest_number_that_reaches_it(share: float, items: int, needed: int) -> None:
    from reader_study.study.training import _needed

    assert _needed(share, items) == needed


def test_marked_items_of_the_part_can_be_changed_until_the_next_part_begins(study: SmallStudy) -> None:
    anna = Visitor(study, study.tokens["anna"])
    while anna.state()["current"]["part"] == "practice":
        rate(anna, 5), rate(anna, 2)
    first = anna.state()["current"]["id"]
    anna.show(first)
    for key in ("mark-key-1", "mark-key-1"):
        assert anna.post(first, "mark", key=key, marked=True).status_code == 200
    assert anna.post(first, "mark", key="mark-key-1", marked=False).status_code == 409
    assert anna.state()["again"] == []  # not answered yet
    while anna.state()["current"]["part"] == "rating":
        rate(anna, 1)
    state = anna.state()
    assert [item["id"] for item in state["again"]] == [first]
    assert first not in [item["id"] for item in state["changeable"]]
    assert anna.http.get(f"/api/items/{first}/masks/0").status_code == 200
    changed = anna.post(first, "answer", rating=5, previous=state["again"][0]["answer"], more=MORE)
    assert changed.status_code == 200
    anna.show(anna.state()["current"]["id"])  # side by side has begun
    assert anna.state()["again"] == []
    assert anna.post(first, "mark", marked=False).status_code == 404
    ben = Visitor(study, study.tokens["ben"])
    assert ben.post(first, "mark", marked=True).status_code == 404


def test_instructions_are_safe_html_and_pictures_carry_nothing_but_pixels(study: SmallStudy) -> None:
    anna = Visitor(study, study.tokens["anna"])
    text = anna.http.get("/read").text
    assert "<strong>outline</strong>" in text and "Misses most of the region." in text
    assert "&lt;script&gt;" in text and "<script>alert" not in text
    names = sorted({part.split('"')[0] for part in text.split("api/pictures/")[1:]})
    assert len(names) == 2
    picture = anna.http.get(f"/api/pictures/{names[0]}")
    assert picture.headers["content-type"] == "image/png"
    opened = Image.open(io.BytesIO(picture.content))
    assert opened.size == (200, 120) and not opened.info
    anna.http.post("/api/session/end", json={})
    assert anna.http.get(f"/api/pictures/{names[0]}").status_code == 401


def test_time_left_follows_the_readers_own_pace(study: SmallStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = Visitor(study, study.tokens["anna"])
    total = anna.state()["minutes_left"]
    pictures = 2 + 5 * 3 + 2 + 2 * 3 + 3  # practice, ratings and repeats, two rankings of three, guesses
    assert total == round(pictures * 15 / 60)
    times = iter(f"2026-01-01T{n // 60:02d}:{n % 60:02d}:00.000+00:00" for n in range(60))
    monkeypatch.setattr("reader_study.study.write_ratings.now", lambda: next(times))
    while anna.state()["current"]["part"] == "practice":
        rate(anna, 5), rate(anna, 2)
    for _ in range(4):
        rate(anna, 3)  # a minute each: from `shown` to the answer
    assert anna.state()["minutes_left"] == pictures - 2 - 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"questions": [{"name": "rating", "text": "x", "kind": "yes/no"}]}, "name of another column"),
        ({"questions": [{"name": "2x", "text": "x", "kind": "yes/no"}]}, "expected a letter"),
        ({"questions": [{"name": "a", "text": "x", "kind": "maybe"}]}, "expected of rating, choice"),
        ({"questions": [{"name": "a", "text": "x", "kind": "choice", "choices": ["one"]}]}, "2 to 20"),
        ({"anchors": {"7": "x"}}, "anchors"),
        ({"questions": [{"name": "a", "text": "x", "kind": "choice", "choices": ["one", " one"]}]}, "different"),
        ({"questions": [{"name": "a", "text": "x", "kind": "choice", "choices": ["a", "b;c"], "several": "yes"}]}, "with ;"),
        ({"instructions": "absent.md"}, "absent.md: No such file"),
        ({"colour": "red"}, "six hexadecimal digits"),
        ({"start": "nose"}, "expected of head, region"),
        ({"training": {"items": [LESSON]}}, "one for practice"),
        ({"practice": ["c"], "training": {"items": [LESSON | {"side": ""}]}}, "and side"),
        ({"practice": ["c"], "training": {"items": [LESSON | {"method": "Z"}]}}, "method 'Z'"),
        ({"regions": [{"name": "Lesion", "labels": ["x"]}]}, "whole numbers above zero"),
        ({"regions": [{"name": "All Regions", "labels": ["1"]}]}, "has another meaning"),
        ({"regions": [{"name": "Lesion", "labels": {"left": ["1"]}}]}, "a list for L and one for R"),
    ],
)  # fmt: skip
def test_a_design_that_cannot_be_followed_is_refused(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=told):
        design_of(MINIMAL | change, tmp_path)


def test_a_picture_without_a_description_or_outside_the_folder_is_refused(tmp_path: Path) -> None:
    for number, (old, new, told) in enumerate(
        [
            ("![A grey square with a border]", "![]", "no description"),
            ("(pictures/border.png)\nanchors", "(../secret.png)\nanchors", "expected a file in"),
            ("(pictures/border.png)\nanchors", "(https://example.org/x.png)\nanchors", "expected a file in"),
            ("(pictures/border.png)\nanchors", "(pictures/none.png)\nanchors", "not readable"),
        ]
    ):
        with pytest.raises(StudyError, match=told):
            rich_study(tmp_path / f"study{number}", DESIGN_OF_ALL.replace(old, new))


def test_answers_to_questions_are_of_their_kind() -> None:
    questions = [one.to_json() for one in questions_of_field([{"name": "a", "text": "x", "kind": "rating"}])]
    check_answers(questions, {"a": 3})
    for wrong in (0, True, "3", [3], None):
        with pytest.raises(ValueError, match="does not fit its question"):
            check_answers(questions, {"a": wrong})
