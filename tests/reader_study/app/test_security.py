"""Security of the rating server: links, sessions, origins, sizes, paths, headers.

The checks follow chapters of the OWASP Application Security Verification Standard 4.0 (named at the tests).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from darts_ensemble.errors import ServingError, UsageError
from evaluation.serving.listening import safe_address
from evaluation.serving.security import HEADERS, MOST_BODY, host_of, is_loopback
from evaluation.serving.viewer_library import _checked, read_viewer_library
from reader_study.app.server import create_app
from reader_study.errors import StudyError
from reader_study.study.links import link, renew_links, write_links
from reader_study.study.storage import open_study
from reader_study.study.tokens import GuessLimit, find_token, hash_token, new_token
from tests.phantoms.small_study import SmallStudy, small_study

BASE = "http://127.0.0.1:8000"
KEY = "a-key-of-a-test"


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return small_study(tmp_path / "study")


def browser(study: SmallStudy, token: str = "", **options: object) -> TestClient:
    http = TestClient(create_app(study.folder, **options), base_url=BASE)  # type: ignore[arg-type]
    if token:
        assert http.post("/api/session", json={"token": token}).status_code == 200
    return http


# ---- V2 links


def test_tokens_are_random_long_and_stored_only_as_hashes(study: SmallStudy) -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert min(map(len, tokens)) >= 43
    stored = b"".join(path.read_bytes() for path in study.folder.iterdir() if path.is_file())
    for token in (*study.tokens.values(), study.coordinator):
        assert token.encode() not in stored
    assert hash_token(study.tokens["anna"]) in stored


def test_a_token_is_compared_with_every_stored_hash_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: bytes, two: bytes) -> bool:
        compared.append(two)
        return one == two

    monkeypatch.setattr("reader_study.study.tokens.hmac.compare_digest", compare)
    known = [(number, hash_token(f"token {number}")) for number in range(5)]
    assert find_token("token 0", known) == 0
    assert find_token("no token", known) is None
    assert len(compared) == 10


def test_wrong_tokens_are_limited_by_address_and_in_all() -> None:
    time = 0.0
    limit = GuessLimit(per_address=3, in_all=5, window=60, clock=lambda: time)
    for _ in range(3):
        assert limit.seconds_to_wait("a") == 0
        limit.note_wrong("a")
    assert limit.seconds_to_wait("a") == 60
    assert limit.seconds_to_wait("b") == 0
    for number in range(2):
        limit.note_wrong(f"other {number}")
    assert limit.seconds_to_wait("b") == 60
    time = 61.0
    assert limit.seconds_to_wait("a") == limit.seconds_to_wait("b") == 0


def test_guessing_links_is_stopped_and_a_session_goes_on(study: SmallStudy) -> None:
    anna = browser(study, study.tokens["anna"])
    answers = [anna.post("/api/session", json={"token": f"guess {n}"}) for n in range(12)]
    assert [reply.status_code for reply in answers] == [401] * 10 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
    assert anna.post("/api/session", json={"token": study.tokens["anna"]}).status_code == 429
    assert anna.get("/api/state").status_code == 200
    assert "guess 3" not in answers[3].text


def test_new_links_end_the_old_ones_and_their_sessions(study: SmallStudy, tmp_path: Path) -> None:
    anna, ben = (browser(study, study.tokens[name]) for name in ("anna", "ben"))
    connection = open_study(study.folder)
    tokens = renew_links(connection, ["anna"])
    assert anna.get("/api/state").status_code == 401
    assert ben.get("/api/state").status_code == 200
    assert anna.post("/api/session", json={"token": study.tokens["anna"]}).status_code == 401
    assert anna.post("/api/session", json={"token": tokens["anna"]}).status_code == 200
    with pytest.raises(StudyError, match="no reader zoe; expected all, coordinator or of anna, ben"):
        renew_links(connection, ["zoe"])
    assert set(renew_links(connection, ["all"])) == {"anna", "ben", "coordinator"}
    write_links(tmp_path / "links.csv", tokens, BASE)
    assert (tmp_path / "links.csv").read_text() == f"who,link\nanna,{BASE}/enter#{tokens['anna']}\n"
    assert (tmp_path / "links.csv").stat().st_mode & 0o777 == 0o600
    assert link("https://x.org/", "t") == "https://x.org/enter#t"


# ---- V3 sessions


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(study: SmallStudy) -> None:
    plain = browser(study).post("/api/session", json={"token": study.tokens["anna"]}).headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(plain.split("; "))
    secure = browser(study, tls=True, hosts=["study.example.org"])
    secure.base_url = "https://study.example.org"
    cookie = secure.post("/api/session", json={"token": study.tokens["anna"]}).headers["set-cookie"]
    assert cookie.startswith("__Host-darts_") and "Secure" in cookie.split("; ") and "Domain" not in cookie
    assert secure.get("/enter").headers["strict-transport-security"]


def test_a_session_ends_on_the_server_when_the_reader_signs_out_and_when_its_time_is_over(study: SmallStudy) -> None:
    anna = browser(study, study.tokens["anna"])
    cookies = dict(anna.cookies)
    assert anna.post("/api/session/end", json={}).status_code == 200
    anna.cookies.update(cookies)
    assert anna.get("/api/state").status_code == 401
    again = browser(study, study.tokens["anna"])
    connection = open_study(study.folder)
    connection.execute("UPDATE session SET expires = '2020-01-01T00:00:00.000+00:00'")
    assert again.get("/api/state").status_code == 401
    assert not any(value.encode() in (study.folder / "study.sqlite").read_bytes() for value in again.cookies.values())


# ---- V4 access


def test_no_reader_reaches_anothers_items_and_nobody_reaches_any_without_a_session(study: SmallStudy) -> None:
    anna, ben, stranger = browser(study, study.tokens["anna"]), browser(study, study.tokens["ben"]), browser(study)
    own = anna.get("/api/state").json()["current"]["id"]
    places = [f"/api/items/{own}/scan", f"/api/items/{own}/masks/0"]
    posts = {
        f"/api/items/{own}/view": {"kind": "shown"},
        f"/api/items/{own}/comment": {"comment": "x"},
        f"/api/items/{own}/answer": {"rating": 3},
    }
    for other, status in ((ben, 404), (stranger, 401)):
        assert [other.get(place).status_code for place in places] == [status] * 2
        assert [other.post(place, json={"key": KEY, **body}).status_code for place, body in posts.items()] == [status] * 3
    for place in ("/api/coordinator/overview", "/api/coordinator/ratings.csv"):
        assert [one.get(place).status_code for one in (anna, stranger)] == [401, 401]
    coordinator = browser(study, study.coordinator)
    assert [coordinator.get(place).status_code for place in ("/api/state", *places)] == [401] * 3
    assert coordinator.get("/api/coordinator/ratings.csv").headers["content-disposition"].startswith("attachment")
    for page in ("/read", "/coordinator"):
        reply = stranger.get(page, follow_redirects=False)
        assert (reply.status_code, reply.headers["location"]) == (303, "/enter")


# ---- V5 input, V12 files


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py", "/static/..%2Fserver.py", "/static/%2e%2e/%2e%2e/study.sqlite", "/static//etc/passwd",
        "/static/app.css%00.js", "/api/items/../../key.json/scan", "/api/items/..%2F..%2Fkey.json/scan",
        "/api/items/00000000000000000000000000000000/masks/0", "/key.json", "/study.sqlite", "/images/", "/openapi.json",
        "/docs",
    ],
)  # fmt: skip
def test_no_path_of_an_address_reaches_the_file_system(study: SmallStudy, path: str) -> None:
    anna = browser(study, study.tokens["anna"])
    assert anna.get(path).status_code in (404, 422)


def test_bodies_are_small_and_json(study: SmallStudy) -> None:
    http = browser(study)
    json_type = {"content-type": "application/json"}
    assert http.post("/api/session", content=b"x" * (MOST_BODY + 1), headers=json_type).status_code == 413

    def endless():  # type: ignore[no-untyped-def]
        for _ in range(100):
            yield b"x" * 1024

    assert http.post("/api/session", content=endless(), headers=json_type).status_code == 413
    assert http.post("/api/session", content=b"{", headers=json_type).status_code == 422
    assert http.post("/api/session", data={"token": "x"}).status_code == 415
    assert http.post("/api/session", content=b'{"token": "x"}', headers={"content-type": "text/plain"}).status_code == 415


# ---- V13, V14 other sites, headers


def test_other_sites_and_foreign_names_of_this_machine_are_refused(study: SmallStudy) -> None:
    anna = browser(study, study.tokens["anna"])
    item = anna.get("/api/state").json()["current"]["id"]
    body = {"kind": "shown", "key": KEY}
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert anna.post(f"/api/items/{item}/view", json=body, headers=headers).status_code == 403
    assert anna.post(f"/api/items/{item}/view", json=body, headers={"origin": BASE}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example:8000", "127.0.0.1:x", ""):
        assert anna.get("/api/state", headers={"host": host}).status_code == 400
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert anna.get("/enter", headers={"host": host}).status_code == 200
    assert browser(study, hosts=["study.example.org"]).get("/enter", headers={"host": "Study.Example.Org"}).status_code == 200


def test_every_response_carries_the_headers_and_none_an_etag_or_a_servers_name(study: SmallStudy) -> None:
    anna = browser(study, study.tokens["anna"])
    item = anna.get("/api/state").json()["current"]["id"]
    for path in (
        "/enter",
        "/read",
        "/static/niivue.js",
        f"/api/items/{item}/scan",
        f"/api/items/{item}/masks/0",
        "/api/state",
        "/none",
    ):
        reply = anna.get(path)
        assert {name: reply.headers[name] for name in HEADERS} == HEADERS
        assert not {"etag", "last-modified", "server"} & set(reply.headers)
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy


def test_pages_ask_for_nothing_elsewhere_and_hold_no_inline_script(study: SmallStudy) -> None:
    import re

    anna, coordinator = browser(study, study.tokens["anna"]), browser(study, study.coordinator)
    for text in (anna.get("/read").text, anna.get("/enter").text, coordinator.get("/coordinator").text):
        assert all(address.startswith(("/", "#", "data:")) for address in re.findall(r'(?:src|href)="([^"]+)"', text))
        assert not re.findall(r"<script(?![^>]* src=)|\son\w+=|\sstyle=", text)


# ---- where it listens


def test_only_this_machine_is_served_unless_tls_is_vouched_for() -> None:
    def address(host: str, **given: object):  # type: ignore[no-untyped-def]
        return safe_address(host, 8000, **({"i_have_tls": False, "behind_proxy": False, "public_hosts": ()} | given))  # type: ignore[arg-type]

    assert address("127.0.0.1").base_url == "http://127.0.0.1:8000"
    assert address("::1").base_url == "http://[::1]:8000"
    for host in ("0.0.0.0", "192.168.1.4", "::", "study.example.org"):
        with pytest.raises(UsageError, match="--i-have-tls"):
            address(host)
    assert address("192.168.1.4", i_have_tls=True).tls
    with pytest.raises(UsageError, match="--public-host"):
        address("0.0.0.0", i_have_tls=True)
    proxied = address("127.0.0.1", behind_proxy=True, public_hosts=("study.example.org",))
    assert (proxied.base_url, proxied.tls, proxied.public_hosts) == ("https://study.example.org", True, ("study.example.org",))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("localhost.evil.org", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_what_looks_like_it(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    assert host_of("[::1]:80") == "::1"
    assert host_of("a.org:80") == "a.org"
    assert host_of("[::1]evil.org") == ""


# ---- the viewer


def test_niivue_is_read_from_nilearn_and_a_change_of_it_is_told(tmp_path: Path) -> None:
    found = read_viewer_library()
    assert (found.version, found.licence, found.source) == ("0.68.1", "BSD 2-Clause", "nilearn 0.14.1")
    with pytest.raises(
        ServingError, match=r"NiiVue is not there; expected it in nilearn 0\.14\.1: pip install nilearn==0.14.1"
    ):
        _checked(tmp_path / "niivue.umd.js", "nilearn 0.14.1", "pip install nilearn==0.14.1")
    (tmp_path / "niivue.umd.js").write_bytes(found.script + b" ")
    with pytest.raises(ServingError, match="SHA-256 differs"):
        _checked(tmp_path / "niivue.umd.js", "nilearn 0.14.1", "")


def test_another_nilearn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.serving.viewer_library.version", lambda name: "0.15.0")
    with pytest.raises(ServingError, match=r"nilearn 0\.15\.0 found; expected 0\.14\.1"):
        read_viewer_library()


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no study\.sqlite found"):
        create_app(tmp_path)
    (tmp_path / "study.sqlite").write_bytes(b"not a database, surely not one of SQLite's")
    with pytest.raises(StudyError, match="not a study"):
        create_app(tmp_path)
    (tmp_path / "study.sqlite").unlink()
    with sqlite3.connect(tmp_path / "study.sqlite") as other:
        other.execute("CREATE TABLE setting (name TEXT, value TEXT)")
        other.execute("INSERT INTO setting VALUES ('format', '99')")
    with pytest.raises(StudyError, match="format 99; expected 2"):
        create_app(tmp_path)
