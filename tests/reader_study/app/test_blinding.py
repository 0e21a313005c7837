"""Before the guesses, nothing that reaches a reader's browser reveals the method: names, headers, lengths, times of files."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from reader_study.app import coordinator_api, pages, reader_api
from tests.phantoms.rich_study import rich_study
from tests.phantoms.small_study import CASE, METHODS, PRACTICE, SmallStudy, small_study
from tests.reader_study.study.test_write_ratings import Visitor

#: What would give a method, a case or a file away, wherever it stood; arms are letters in the study's file alone.
TRACES = re.compile(
    "|".join([*METHODS, CASE, PRACTICE, "Kowalski", "Rehearsal", "maps", "scans/", r"nii\.gz", "arm"]), re.IGNORECASE
)


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return small_study(tmp_path / "study")


class Eavesdropper(Visitor):
    """A visitor that keeps every response."""

    def __init__(self, study: SmallStudy, token: str) -> None:
        super().__init__(study, token)
        self.heard: list[Any] = []
        self.http.event_hooks["response"].append(lambda reply: (reply.read(), self.heard.append(reply)))


def whole_session(study: SmallStudy, until: str = "guess") -> Eavesdropper:
    """Everything that a browser loads until the guesses."""
    anna = Eavesdropper(study, study.tokens["anna"])
    for page in ("/", "/enter", "/read", "/api/study", *(f"/static/{name}" for name in ("app.css", "reader.js", "display.js"))):
        anna.http.get(page)
    while (state := anna.state())["current"]["part"] != until:
        item = state["current"]
        for one in filter(None, (item, state["next"])):
            anna.http.get(f"/api/items/{one['id']}/scan")
            for column in range(one["columns"]):
                anna.http.get(f"/api/items/{one['id']}/masks/{column}")
        anna.show(item["id"])
        given = {"ranks": [2, 1, 3]} if item["part"] == "ranking" else {"rating": 2}
        anna.post(item["id"], "answer", **given)
    return anna


def truth(study: SmallStudy) -> dict[tuple[str, int], sqlite3.Row]:
    """By item and column: the picture behind it."""
    connection = sqlite3.connect(study.folder / "study.sqlite")
    connection.row_factory = sqlite3.Row
    rows = connection.execute("SELECT item_id, column_number, picture.* FROM panel JOIN picture ON picture.id = picture_id")
    return {(row["item_id"], row["column_number"]): row for row in rows}


def images(session: Eavesdropper, what: str) -> Iterator[tuple[str, int, Any]]:
    for reply in session.heard:
        found = re.fullmatch(rf"/api/items/([0-9a-f]{{32}})/{what}(?:/(\d))?", reply.url.path)
        if found and reply.status_code == 200:
            yield found[1], int(found[2] or 0), reply


def test_no_response_of_a_whole_session_names_a_method_a_case_or_a_file(study: SmallStudy) -> None:
    session = whole_session(study)
    assert len(session.heard) > 100
    for reply in session.heard:
        head = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
        body = reply.content
        readable = body if body[:4] != b"\x5c\x01\x00\x00" else body[:352]  # of an image, its header
        for text in (str(reply.url), head, readable.decode("utf-8", "replace")):
            if reply.url.path.startswith("/static/"):
                continue
            assert not (found := TRACES.search(text)), (reply.url.path, found)


def test_the_methods_are_named_only_while_they_are_guessed(study: SmallStudy) -> None:
    session = whole_session(study)
    assert not any(method.encode() in reply.content for reply in session.heard for method in METHODS)
    told = session.show(session.state()["current"]["id"])
    assert told["choices"] == [*sorted(METHODS), "don't know"]
    assert not TRACES.search(json.dumps({name: value for name, value in told.items() if name != "choices"}))


def test_images_of_one_place_are_alike_in_all_but_their_voxels_whichever_method_drew_them(study: SmallStudy) -> None:
    behind = truth(study)
    alike: dict[tuple[Any, ...], dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for item, column, reply in images(whole_session(study), "masks"):
        picture = behind[item, column]
        place = (picture["case_id"], picture["roi"], picture["hemisphere"])
        # The header of the file, the header of the reply without its date, and the length.
        sent = tuple(sorted((name, value) for name, value in reply.headers.items() if name != "date"))
        assert reply.headers["content-length"] == str(len(reply.content))
        assert "content-encoding" not in reply.headers and "etag" not in reply.headers
        assert reply.headers["cache-control"] == "no-store"
        alike[place][picture["arm"]].add((sent, reply.content[:352], len(reply.content)))
        assert set(reply.content[352:]) <= {0, 1}
    assert len(alike) >= 5
    for arms in alike.values():
        assert len(set().union(*arms.values())) == 1
    assert sum(len(arms) == 3 for arms in alike.values()) >= 5


def test_what_is_told_of_an_item_does_not_depend_on_the_method(study: SmallStudy) -> None:
    behind = truth(study)
    told: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for reply in whole_session(study).heard:
        if reply.url.path == "/api/state":
            item = reply.json()["current"]
            picture = behind[item["id"], 0]
            same = {name: item[name] for name in ("region", "side", "view", "scan", "offset", "centre", "window")}
            told[picture["case_id"], picture["roi"], picture["hemisphere"]].add(json.dumps(same))
    assert {len(texts) for texts in told.values()} == {1}


def test_a_repeat_comes_under_another_address_and_scans_are_the_same_for_all_methods(study: SmallStudy) -> None:
    session = whole_session(study)
    behind = truth(study)
    by_picture = defaultdict(set)
    for item, column, _ in images(session, "masks"):
        by_picture[behind[item, column]["id"]].add(item)
    assert max(map(len, by_picture.values())) >= 2
    scans = defaultdict(set)
    for item, _, reply in images(session, "scan"):
        scans[behind[item, 0]["case_id"]].add(hashlib.sha256(reply.content).hexdigest())
    assert {len(sums) for sums in scans.values()} == {1}


def test_the_studys_file_pairs_no_item_with_a_method_and_image_files_tell_none(study: SmallStudy) -> None:
    text = "\n".join(sqlite3.connect(study.folder / "study.sqlite").iterdump())
    lines = [line for line in text.splitlines() if any(method in line for method in METHODS)]
    assert len(lines) == 1 and "methods_to_guess" in lines[0]
    assert str(sorted(METHODS)).replace("'", '"') in lines[0]
    names = [path.name for path in (study.folder / "images").iterdir()]
    assert all(re.fullmatch(r"[0-9a-f]{32}\.nii\.gz", name) for name in names)
    for path in (study.folder / "images").iterdir():
        packed = path.read_bytes()
        assert packed[3] & 0x18 == 0 and packed[4:8] == bytes(4)  # gzip: no file name, no comment, no time
        header = gzip.decompress(packed)[:352]
        assert not header[148:252].strip(b"\0") and not header[14:32].strip(b"\0")  # descrip, aux_file; db_name


def test_arms_are_not_dealt_in_the_order_of_the_design(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reader_study.study.folder import _shuffled_secretly

    orders = {tuple(_shuffled_secretly(dict.fromkeys(METHODS, tmp_path))) for _ in range(200)}
    assert len(orders) == 6


def readable(reply: Any) -> tuple[str, str, str]:
    """Address, headers and body of a response as text; of an image its header alone."""
    head = "\n".join(f"{name}: {value}" for name, value in reply.headers.items())
    is_image = reply.headers.get("content-type") == "application/octet-stream"
    body = reply.content[:352] if is_image else reply.content
    return str(reply.url), head, body.decode("utf-8", "replace")


def test_every_address_that_a_reader_can_ask_names_no_method(tmp_path: Path) -> None:
    study = rich_study(tmp_path / "study")
    anna = Eavesdropper(study, study.tokens["anna"])
    page = whole_way(anna)
    for address in ("/", "/enter", "/api/study", "/static/app.css", "/coordinator", "/nowhere", "/preview/read"):
        anna.http.get(address, headers={"accept": "text/html"})
    for name in re.findall(r"api/pictures/([0-9a-f]{32})", page):
        anna.http.get(f"/api/pictures/{name}")
    anna.http.get("/api/coordinator/overview")
    anna.http.post("/api/session/end", json={})
    anna.http.post("/api/session", json={"token": study.tokens["anna"]})
    assert any(b"follows the border" in reply.content for reply in anna.heard)
    for reply in anna.heard:
        if not reply.url.path.startswith("/static/"):
            for text in readable(reply):
                assert not (found := TRACES.search(text)), (reply.url.path, found)
    # A new address is not served before it is heard here.
    parts = (pages, reader_api, coordinator_api)
    served = [route for part in parts for route in part.router.routes if isinstance(route, APIRoute)]
    asked = [(reply.request.method, reply.url.path) for reply in anna.heard]
    unheard = [
        (method, route.path)
        for route in served
        for method in route.methods
        if not any(method == how and route.path_regex.fullmatch(path) for how, path in asked)
    ]
    assert sorted(unheard) == [("GET", "/api/coordinator/ratings.csv"), ("POST", "/api/coordinator/preview")]
    for method, path in unheard:
        # Hers is a reader's session.
        assert anna.http.request(method, path, json={} if method == "POST" else None).status_code == 401


def whole_way(anna: Eavesdropper) -> str:
    """Everything that a browser sends and fetches on a reader's way to the guesses; return the reader's page."""
    page = anna.http.get("/read").text
    more = {"certainty": 1, "worst": ["back"], "motion": "yes"}
    while (state := anna.state())["current"]["part"] != "guess":
        item = state["current"]
        anna.http.get(f"/api/items/{item['id']}/scan")
        for column in range(item["columns"]):
            anna.http.get(f"/api/items/{item['id']}/masks/{column}")
        anna.show(item["id"])
        anna.post(item["id"], "mark", marked=True)
        anna.post(item["id"], "comment", comment="a word")
        given = {"ranks": [2, 1, 3]} if item["part"] == "ranking" else {"rating": 5, "more": more}
        assert anna.post(item["id"], "answer", **given).status_code == 200
        # What is refused is answered too.
        anna.post(item["id"], "answer", rating=77)
        anna.post(item["id"], "view", kind="nothing")
    return page
