"""The rating server behind a real Caddy: its default headers, the upstream's Host, a path, a proxy at another address."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.rating_proxies import StartProxy, behind, make_certificate, own_address, rate_one

CADDY = shutil.which("caddy")
pytestmark = pytest.mark.skipif(
    not (CADDY and shutil.which("openssl")), reason="no caddy and openssl found: apt-get install caddy openssl"
)
#: No port 80 and no administration; what Caddy keeps for itself lies in the folder of the test.
CONFIGURATION = """
{{
  admin off
  auto_https disable_redirects
}}
https://localhost:{port} {{
  bind 127.0.0.1
  tls {folder}/cert.pem {folder}/key.pem
  {site}
}}
"""
SITES = {
    "default headers": ("", "reverse_proxy {app_host}:{app_port}"),
    "the upstream's Host": ("", "reverse_proxy {app_host}:{app_port} {{\n    header_up Host {{upstream_hostport}}\n  }}"),
    "path taken away": ("/study", "handle_path /study/* {{\n    reverse_proxy {app_host}:{app_port}\n  }}"),
    "path left in": ("/study", "handle /study/* {{\n    reverse_proxy {app_host}:{app_port}\n  }}"),
}


def caddy(site: str) -> StartProxy:
    """A function that starts Caddy with this site."""

    def start(folder: Path, port: int, app_host: str, app_port: int) -> subprocess.Popen[bytes]:
        places = {"folder": folder, "port": port, "app_host": app_host, "app_port": app_port}
        (folder / "Caddyfile").write_text(CONFIGURATION.format(site=site.format(**places), **places))
        own = {"XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")}
        words = [str(CADDY), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        with (folder / "caddy.log").open("wb") as log:
            return subprocess.Popen(words, env={**os.environ, **own}, stderr=log, stdout=log)

    return start


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder)
    return folder


@pytest.mark.parametrize("name", SITES)
def test_a_reader_rates_through_caddy(tmp_path: Path, certificate: Path, name: str) -> None:
    path, site = SITES[name]
    with behind(tmp_path, certificate, caddy(site), path=path) as (study, base):
        rate_one(study, base)


def test_a_caddy_at_another_address_is_believed_where_it_is_named(tmp_path: Path, certificate: Path) -> None:
    host = own_address()
    if not host:
        pytest.skip("this machine has no address but loopback ones")
    with behind(tmp_path, certificate, caddy(SITES["default headers"][1]), host=host, proxies=(f"{host}/32",)) as found:
        rate_one(*found)
