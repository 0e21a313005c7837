"""The rating server behind a real nginx: the Host that nginx sends by default, a path, a proxy at another address."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.rating_pages import READY, WAIT, wait_past
from tests.integration.rating_proxies import StartProxy, behind, make_certificate, own_address, rate_one

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


def nginx(location: str) -> StartProxy:
    """A function that starts nginx with this location."""

    def start(folder: Path, port: int, app_host: str, app_port: int) -> subprocess.Popen[bytes]:
        places = {"folder": folder, "port": port, "app_host": app_host, "app_port": app_port}
        (folder / "nginx.conf").write_text(CONFIGURATION.format(location=location.format(**places), **places))
        return subprocess.Popen([str(NGINX), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])

    return start


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder)
    return folder


@pytest.mark.parametrize("name", LOCATIONS)
def test_a_reader_rates_through_nginx(tmp_path: Path, certificate: Path, name: str) -> None:
    path, location = LOCATIONS[name]
    with behind(tmp_path, certificate, nginx(location), path=path) as (study, base):
        rate_one(study, base)


def test_a_proxy_at_another_address_is_believed_where_it_is_named(tmp_path: Path, certificate: Path) -> None:
    host = own_address()
    if not host:
        pytest.skip("this machine has no address but loopback ones")
    location = LOCATIONS["upstream's name, default Host"][1]
    with behind(tmp_path, certificate, nginx(location), host=host, proxies=(f"{host}/32",)) as (study, base):
        rate_one(study, base)


@pytest.mark.timeout(600)
def test_a_browser_rates_below_a_path(browser: Any, tmp_path: Path, certificate: Path) -> None:
    with behind(tmp_path, certificate, nginx(LOCATIONS["path taken away"][1]), path="/study") as (study, base):
        wrong = rate_in_a_browser(browser, base, study.tokens["anna"])
    assert wrong == []


def rate_in_a_browser(browser: Any, base: str, token: str) -> list[str]:
    """Rate one item and sign out; return the responses that were refused."""
    context = browser.new_context(viewport={"width": 1024, "height": 768}, ignore_https_errors=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    wrong: list[str] = []
    page.on("response", lambda reply: wrong.append(f"{reply.status} {reply.url}") if reply.status >= 400 else None)
    page.goto(f"{base}/enter#{token}")
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
    return wrong
