"""The coordinator's page: state of the study, training, withdrawn readers, and a preview that writes nothing; no method."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from reader_study.app.server import create_app
from reader_study.conduct.status import set_status, withdraw_reader
from reader_study.study.storage import open_study
from tests.phantoms.rich_study import rich_study
from tests.phantoms.small_study import METHODS, SmallStudy, small_study
from tests.reader_study.app.test_blinding import TRACES
from tests.reader_study.study.test_questions_and_training import rate
from tests.reader_study.study.test_write_ratings import BASE, Visitor


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return small_study(tmp_path / "study")


@pytest.fixture
def browser(study: SmallStudy) -> Iterator[TestClient]:
    """The coordinator's browser; the server ends with the test."""
    with TestClient(create_app(study.folder), base_url=BASE) as http:
        assert http.post("/api/session", json={"token": study.coordinator}).json() == {"go": "/coordinator"}
        yield http


def whole(study: SmallStudy) -> str:
    """Everything in a study's file, as text."""
    return "\n".join(open_study(study.folder).iterdump())


def test_the_overview_says_that_the_study_is_paused_and_who_has_left(study: SmallStudy, browser: TestClient) -> None:
    seen = browser.get("/api/coordinator/overview").json()
    assert (seen["status"], seen["status_since"], seen["status_note"]) == ("running", None, "")
    assert [reader["withdrawn"] for reader in seen["readers"]] == [None, None]
    assert [reader["training"] for reader in seen["readers"]] == [None, None]
    connection = open_study(study.folder)
    set_status(connection, "paused", who="me", note="Back on Monday")
    withdraw_reader(connection, "ben", who="me", reason="moved away", rule="keep")
    seen = browser.get("/api/coordinator/overview").json()
    assert (seen["status"], seen["status_note"]) == ("paused", "Back on Monday")
    assert seen["status_since"] == next(line["at"] for line in seen["audit"] if line["what"] == "paused")
    left = seen["readers"][1]["withdrawn"]
    assert (left["rule"], left["reason"], seen["readers"][0]["withdrawn"]) == ("keep", "moved away", None)


def test_the_overview_shows_rounds_of_training(tmp_path: Path) -> None:
    study = rich_study(tmp_path / "study")
    anna = Visitor(study, study.tokens["anna"])
    rate(anna, 1)
    rate(anna, 5)
    seen = Visitor(study, study.coordinator).http.get("/api/coordinator/overview").json()
    assert [(one["training"]["rounds"], one["training"]["needed"]) for one in seen["readers"]] == [(2, 1), (1, 1)]


def test_a_preview_is_opened_on_the_page_and_writes_nothing_into_the_study(study: SmallStudy, browser: TestClient) -> None:
    Visitor(study, study.tokens["anna"]).answer_all(until="ranking")
    set_status(open_study(study.folder), "paused", who="me")
    before = whole(study)
    reply = browser.post("/api/coordinator/preview", json={})
    assert reply.json() == {"go": "/preview/read"}
    page = browser.get("/preview/read").text
    assert "Preview: nothing is kept" in page and 'src="/preview/static/niivue.js"' in page
    state = browser.get("/preview/api/state").json()
    assert (state["status"], state["progress"]["rating"]["done"]) == ("running", 0)
    item = state["current"]["id"]
    for body in ({"what": "view", "kind": "shown"}, {"what": "answer", "rating": 3}):
        path = f"/preview/api/items/{item}/{body.pop('what')}"
        assert browser.post(path, json={"key": f"key-of-{len(body)}-{path[-4:]}", **body}).status_code == 200
    assert browser.get(f"/preview/api/items/{item}/masks/0").status_code in (200, 404)
    assert browser.get("/preview/api/state").json()["progress"]["practice"]["done"] == 1
    assert whole(study) == before
    # The coordinator is who they were, and a further preview begins anew.
    assert browser.get("/api/coordinator/overview").status_code == 200
    assert browser.post("/api/coordinator/preview", json={"reader": "ben"}).status_code == 200
    assert browser.get("/preview/api/state").json()["progress"]["practice"]["done"] == 0
    assert browser.post("/api/coordinator/preview", json={"reader": "zoe"}).status_code == 404
    assert browser.get("/preview/api/state").status_code == 200


def test_nobody_but_the_coordinator_opens_or_enters_a_preview(study: SmallStudy, browser: TestClient) -> None:
    assert browser.get("/preview/read").status_code == 404
    browser.post("/api/coordinator/preview", json={})
    for name, token in {**study.tokens, "coordinator": study.coordinator}.items():
        other = TestClient(browser.app, base_url=BASE)
        # A link of the study would let its reader look ahead, and read the methods' names, in a preview.
        assert other.post("/preview/api/session", json={"token": token}).status_code == 401, name
        assert other.get("/preview/api/state").status_code == 401
        if name != "coordinator":
            other.post("/api/session", json={"token": token})
            assert other.post("/api/coordinator/preview", json={}).status_code == 401
            assert other.get("/preview/api/state").status_code == 401


def test_a_preview_ends_with_the_coordinators_session_and_with_the_server(study: SmallStudy) -> None:
    def opened(http: TestClient) -> Path:
        http.post("/api/session", json={"token": study.coordinator})
        http.post("/api/coordinator/preview", json={})
        api: Any = http.app
        room = api._app.state.served.preview
        return Path(room._app.state.served.folder)

    with TestClient(create_app(study.folder), base_url=BASE) as http:
        copy = opened(http)
        assert copy.is_dir()
        http.post("/api/session/end", json={})
        assert not copy.exists() and http.get("/preview/read").status_code == 404
        copy = opened(http)
        assert copy.is_dir()
    assert not copy.exists()


def test_training_begins_anew_in_a_preview(tmp_path: Path) -> None:
    study = rich_study(tmp_path / "study")
    anna = Visitor(study, study.tokens["anna"])
    rate(anna, 1)
    rate(anna, 5)
    assert anna.state()["training"]["rounds"] == 2
    with TestClient(create_app(study.folder), base_url=BASE) as http:
        http.post("/api/session", json={"token": study.coordinator})
        http.post("/api/coordinator/preview", json={})
        state = http.get("/preview/api/state").json()
    assert state["training"] | {"rounds": 1, "answered": 0} == state["training"]
    assert state["progress"]["practice"] == {"done": 0, "total": 2}


def test_no_method_is_named_to_the_coordinator(study: SmallStudy, browser: TestClient) -> None:
    Visitor(study, study.tokens["anna"]).answer_all(until="guess")
    withdraw_reader(open_study(study.folder), "ben", who="me", reason="moved away")
    browser.post("/api/coordinator/preview", json={})
    replies = [
        browser.get(path)
        for path in (
            "/coordinator", "/static/coordinator.js", "/api/coordinator/overview", "/api/coordinator/ratings.csv",
            "/preview/read", "/preview/api/study", "/preview/api/state", "/preview/enter", "/preview/nowhere",
        )
    ]  # fmt: skip
    for reply in replies:
        assert not any(method in reply.text for method in METHODS), reply.url.path
        if reply.url.path.startswith("/preview"):
            assert not TRACES.search(reply.text), reply.url.path
    # Pages of the preview keep the headers of all pages.
    assert all(reply.headers["cache-control"] == "no-store" for reply in replies)
    ratings = hashlib.sha256(replies[3].content).hexdigest()
    assert hashlib.sha256(browser.get("/api/coordinator/ratings.csv").content).hexdigest() == ratings
