"""What tests of a study behind a proxy share: a certificate, a study served for a proxy in front of it, a reader who rates."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.phantoms.small_study import SmallStudy, small_study

#: Starts a proxy in a folder that holds cert.pem and key.pem: takes the folder, its port, and host and port of the study.
StartProxy = Callable[[Path, int, str, int], "subprocess.Popen[bytes]"]


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_address() -> str:
    """An address of this machine that is not a loopback one; "" where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        found = str(probe.getsockname()[0])
    return "" if found.startswith("127.") else found


def make_certificate(folder: Path) -> None:
    """Write cert.pem and key.pem for localhost."""
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", *words, *names, *files], check=True, capture_output=True)


@contextmanager
def behind(
    folder: Path,
    certificate: Path,
    start: StartProxy,
    *,
    path: str = "",
    host: str = "127.0.0.1",
    proxies: tuple[str, ...] = (),
) -> Iterator[tuple[SmallStudy, str]]:
    """Serve a study by this process and start a proxy in front of it; yields the study and its public address."""
    import uvicorn

    from evaluation.serving.listening import listen, safe_address
    from evaluation.serving.proxies import Proxies
    from reader_study.app.server import create_app

    study = small_study(folder / "study")
    port = free_port()
    address = safe_address(
        host, 0, i_have_tls=False, behind_proxy=True, public_hosts=(f"localhost:{port}",), path=path, proxies=proxies
    )
    listening = listen(address)
    app = create_app(study.folder, hosts=address.public_hosts, tls=True, path=path, proxies=Proxies(address.proxies))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", proxy_headers=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    own = folder / "proxy"
    own.mkdir()
    for name in ("cert.pem", "key.pem"):
        shutil.copy(certificate / name, own)
    proxy = start(own, port, host, listening.getsockname()[1])
    try:
        base = f"https://localhost:{port}"
        for _ in range(400):
            try:
                httpx.get(base, verify=False)
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        assert address.base_url == f"{base}{path}"
        yield study, address.base_url
    finally:
        proxy.terminate()
        proxy.wait(timeout=30)
        server.should_exit = True
        thread.join(timeout=30)


def rate_one(study: SmallStudy, base: str) -> None:
    """Sign in and rate as a browser does, with its Origin."""
    root = base[: base.index("/", len("https://"))] if "/" in base[len("https://") :] else base
    with httpx.Client(
        verify=False, timeout=60, follow_redirects=True, headers={"origin": root, "sec-fetch-site": "same-origin"}
    ) as http:
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
