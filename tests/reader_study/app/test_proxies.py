"""Behind a proxy, tested on the application alone: origins, hosts, paths, addresses; a wrong address gives a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from darts_ensemble.errors import UsageError
from evaluation.serving.listening import safe_address
from evaluation.serving.proxies import Proxies, checked_path, checked_proxies
from reader_study.app.server import create_app
from tests.phantoms.small_study import SmallStudy, small_study

PUBLIC = "https://study.example.org"


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return small_study(tmp_path / "study")


def behind_proxy(study: SmallStudy, peer: str = "127.0.0.1", **given: Any) -> TestClient:
    options: dict[str, Any] = {
        "hosts": ["study.example.org"],
        "tls": True,
        "proxies": Proxies(("127.0.0.1/32", "172.18.0.0/16")),
    }
    return TestClient(create_app(study.folder, **(options | given)), base_url="http://127.0.0.1:8732", client=(peer, 5000))


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8732", "localhost:8732", "rating_app", "app:8000", "172.18.0.3:8000", "study.example.org"]
)
def test_the_public_origin_is_the_studys_own_whatever_host_the_proxy_sends(study: SmallStudy, host: str) -> None:
    http = behind_proxy(study)
    headers = {"host": host, "origin": PUBLIC, "sec-fetch-site": "same-origin"}
    assert http.post("/api/session", json={"token": study.tokens["anna"]}, headers=headers).status_code == 200
    for origin in ("https://evil.example", "http://study.example.org.evil.example", "null", "https://study.example.org:8443"):
        assert http.post("/api/session", json={"token": "x"}, headers=headers | {"origin": origin}).status_code == 403


def test_names_that_a_foreign_site_can_have_are_refused_and_the_message_names_the_header(study: SmallStudy) -> None:
    told = behind_proxy(study).get("/enter", headers={"host": "evil.example"})
    assert told.status_code == 400
    assert "the Host header says evil.example" in told.json()["detail"] and "--public-host" in told.json()["detail"]
    # From elsewhere than the proxy, a name without a dot is no name of the study either.
    assert behind_proxy(study, peer="10.1.1.1").get("/enter", headers={"host": "app:8000"}).status_code == 400
    assert behind_proxy(study, peer="172.18.4.4").get("/enter", headers={"host": "app:8000"}).status_code == 200
    odd = behind_proxy(study).get("/enter", headers={"host": "<script>.example", "accept": "text/html"})
    assert odd.status_code == 400 and "<script" not in odd.text


def test_only_the_proxy_speaks_for_a_browser(study: SmallStudy) -> None:
    """Wrong links are counted for the address that the proxy names; other senders can't name an address."""
    headers = {"host": "study.example.org", "origin": PUBLIC}

    def guess(http: TestClient, address: str) -> int:
        reply = http.post("/api/session", json={"token": "x"}, headers=headers | {"x-forwarded-for": address})
        return reply.status_code

    proxy = behind_proxy(study, peer="172.18.0.2")
    assert [guess(proxy, "203.0.113.7") for _ in range(11)] == [401] * 10 + [429]
    assert guess(proxy, "203.0.113.8") == 401
    stranger = behind_proxy(study, peer="10.9.9.9")
    assert [guess(stranger, f"203.0.113.{n}") for n in range(11)] == [401] * 10 + [429]


def test_below_a_path_every_address_begins_with_it(study: SmallStudy) -> None:
    http = behind_proxy(study, path="/study")
    for asked in ("/study/", "/"):
        assert http.get(asked, follow_redirects=False).headers["location"] == "/study/enter"
    for asked in ("/study/enter", "/enter"):
        text = http.get(asked).text
        assert 'src="/study/static/enter.js"' in text and 'href="/study/static/app.css"' in text
    assert http.get("/study/static/app.css").status_code == 200
    assert http.get("/studyenter").status_code == 404
    assert "strict-transport-security" not in http.get("/study/enter").headers


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/a/b/c",
        "/static/none.js",
        "/api/items/zzz/scan",
        "/api/state",
        "/api/coordinator/ratings.csv",
        "/api/session",
    ],
)
def test_a_wrong_address_is_a_page_in_a_browser_and_json_for_a_script(study: SmallStudy, path: str) -> None:
    http = behind_proxy(study, path="/study")
    page = http.get(path, headers={"accept": "text/html,application/xhtml+xml", "sec-fetch-dest": "document"})
    assert page.status_code >= 400
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<a class="button primary" href="/study/">Go to the study</a>' in page.text
    assert "<h1>" in page.text and "{" not in page.text
    script = http.get(path, headers={"accept": "*/*", "sec-fetch-dest": "empty"})
    assert script.status_code == page.status_code
    assert script.headers["content-type"] == "application/json" and script.json()["detail"]


def test_what_is_no_path_and_no_address_is_refused() -> None:
    assert [checked_path(path) for path in ("", "/", "study", "/study/", "/a/b-c")] == ["", "", "/study", "/study", "/a/b-c"]
    for path in ("/a b", "/../x", "https://x", "/a?b", "/a//b"):
        with pytest.raises(UsageError, match="--path"):
            checked_path(path)
    assert checked_proxies(["172.18.0.5", "fd00::/8"]) == ("172.18.0.5/32", "fd00::/8")
    with pytest.raises(UsageError, match="--proxy"):
        checked_proxies(["caddy"])
    address = safe_address(
        "0.0.0.0", 8000, i_have_tls=False, behind_proxy=False, public_hosts=["x.org"], proxies=["172.18.0.0/16"]
    )
    assert (address.base_url, address.behind_proxy, address.tls) == ("https://x.org", True, True)
