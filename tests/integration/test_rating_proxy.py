"""The rating server behind a real nginx: the Host that nginx sends by default, a path, a proxy at another address."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.rating_pages import READY, WAIT, wait_past
from tests.phantoms.small_study import SmallStudy, small_study

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(
    not (NGINX and shutil.which("openssl")), reason="no nginx and openssl found: apt-get install nginx-light openssl"
)
CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
  upstream rating_app {{ server {app_host}:{app_port}; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    {location}
  }}
}}
"""
LOCATIONS = {
    "address, default Host": ("", "location / {{ proxy_pass http://{app_host}:{app_port}; }}"),
    "upstream's name, default Host": ("", "location / {{ proxy_pass http://rating_app; }}"),
    "the browser's Host": ("", "location / {{ proxy_pass http://rating_app; proxy_set_header Host $http_host; }}"),
    "path taken away": ("/study", "location /study/ {{ proxy_pass http://rating_app/; }}"),
    "path left in": ("/study", "location /study {{ proxy_pass http://rating_app; }}"),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_address() -> str:
    """An address of this machine other than loopback; "" if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def proxied(tmp_path: Path, certificate: Path) -> Iterator[Callable[..., tuple[SmallStudy, str]]]:
    """A function that serves a study behind nginx and returns it with its public address."""
    import uvicorn

    from evaluation.serving.listening import listen, safe_address
    from evaluation.serving.proxies import Proxies
    from reader_study.app.server import create_app

    stop: list[Callable[[], Any]] = []

    def start(
        location: str, *, path: str = "", host: str = "127.0.0.1", proxies: tuple[str, ...] = ()
    ) -> tuple[SmallStudy, str]:
        study = small_study(tmp_path / "study")
        port = free_port()
        address = safe_address(
            host, 0, i_have_tls=False, behind_proxy=True, public_hosts=(f"localhost:{port}",), path=path, proxies=proxies
        )
        listening = listen(address)
        app = create_app(study.folder, hosts=address.public_hosts, tls=True, path=path, proxies=Proxies(address.proxies))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", proxy_headers=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        stop.append(lambda: (setattr(server, "should_exit", True), thread.join(timeout=30)))
        folder = tmp_path / "nginx"
        folder.mkdir()
        for name in ("cert.pem", "key.pem"):
            shutil.copy(certificate / name, folder)
        places = {"folder": folder, "port": port, "app_host": host, "app_port": listening.getsockname()[1]}
        (folder / "nginx.conf").write_text(CONFIGURATION.format(location=location.format(**places), **places))
        nginx = subprocess.Popen([str(NGINX), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
        stop.append(lambda: (nginx.terminate(), nginx.wait(timeout=30)))
        base = f"https://localhost:{port}"
        for _ in range(200):
            try:
                httpx.get(base, verify=False)
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        assert address.base_url == f"{base}{path}"
        return study, address.base_url

    yield start
    for end in reversed(stop):
        end()


def rate_one(study: SmallStudy, base: str) -> None:
    """Sign in and rate as a browser does, with its Origin."""
    root = base[: base.index("/", len("https://"))] if "/" in base[len("https://") :] else base
    with httpx.Client(verify=False, follow_redirects=True, headers={"origin": root, "sec-fetch-site": "same-origin"}) as http:
        page = http.get(f"{base}/")
        assert page.status_code == 200 and page.url == f"{base}/enter"
        reply = http.post(f"{base}/api/session", json={"token": study.tokens["anna"]})
        assert reply.status_code == 200, reply.text
        assert reply.json() == {"go": f"{base[len(root) :]}/read"}
        item = http.get(f"{base}/api/state").json()["current"]["id"]
        assert http.get(f"{base}/api/items/{item}/masks/0").headers["content-type"] == "application/octet-stream"
        assert http.post(f"{base}/api/items/{item}/view", json={"kind": "shown", "key": "key-12345"}).status_code == 200
        assert http.post(f"{base}/api/items/{item}/answer", json={"rating": 4, "key": "key-23456"}).status_code == 200
        # Another site is still another site.
        evil = http.post(f"{base}/api/session/end", json={}, headers={"origin": "https://evil.example"})
        assert evil.status_code == 403
        assert "evil.example" in evil.json()["detail"] and "--public-host" in evil.json()["detail"]


@pytest.mark.parametrize("name", LOCATIONS)
def test_a_reader_rates_through_nginx(proxied: Any, name: str) -> None:
    path, location = LOCATIONS[name]
    study, base = proxied(location, path=path)
    rate_one(study, base)


def test_a_proxy_at_another_address_is_believed_where_it_is_named(proxied: Any) -> None:
    host = own_address()
    if not host or host.startswith("127."):
        pytest.skip("this machine has no address but loopback ones")
    study, base = proxied(LOCATIONS["upstream's name, default Host"][1], host=host, proxies=(f"{host}/32",))
    rate_one(study, base)


@pytest.mark.timeout(600)
def test_a_browser_rates_below_a_path(browser: Any, proxied: Any) -> None:
    study, base = proxied(LOCATIONS["path taken away"][1], path="/study")
    context = browser.new_context(viewport={"width": 1024, "height": 768}, ignore_https_errors=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    wrong: list[str] = []
    page.on("response", lambda reply: wrong.append(f"{reply.status} {reply.url}") if reply.status >= 400 else None)
    page.goto(f"{base}/enter#{study.tokens['anna']}")
    page.wait_for_selector("#text-actions button")
    assert page.url == f"{base}/read"
    page.wait_for_function(READY)
    while page.is_visible("#screen-text"):
        page.keyboard.press("Enter")
        page.wait_for_function(READY)
        page.wait_for_timeout(50)
    before = page.inner_text("#progress-text")
    page.keyboard.press("4")
    wait_past(page, before)
    page.click("#leave")
    page.wait_for_url(f"{base}/enter")
    context.close()
    assert wrong == []
