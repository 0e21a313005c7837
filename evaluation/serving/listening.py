"""Where a server listens, what must be stated before other machines can reach it, and the call that runs it."""

from __future__ import annotations

import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from darts_ensemble.errors import ServingError, UsageError
from evaluation.serving.proxies import LOCAL_PROXIES, checked_path, checked_proxies
from evaluation.serving.security import is_loopback

__all__ = ["Address", "listen", "safe_address", "serve_until_interrupted"]


@dataclass(frozen=True)
class Address:
    """Where a server listens and how browsers reach it.

    Attributes
    ----------
    host : str
    port : int
        0: any free port.
    tls : bool
        Whether browsers use HTTPS.
    behind_proxy : bool
        Whether a proxy forwards the requests; then its X-Forwarded-For is trusted.
    public_hosts : tuple of str
        Names that browsers use, with the port unless it is the default one.
    path : str
        Path under which the pages are served: "" or, for example, `/study`.
    proxies : tuple of str
        Addresses and networks of the proxies.
    """

    host: str
    port: int
    tls: bool
    behind_proxy: bool
    public_hosts: tuple[str, ...]
    path: str = ""
    proxies: tuple[str, ...] = ()

    @property
    def base_url(self) -> str:
        """Beginning of the address in a browser, as far as the server knows it."""
        if self.public_hosts and (self.tls or self.behind_proxy):
            name = self.public_hosts[0]
            has_port = name.rpartition(":")[2].isdigit() and not name.endswith("]") and name.count(":") == 1
            return f"https://{name}{'' if self.behind_proxy or has_port else f':{self.port}'}{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"


def safe_address(
    host: str,
    port: int,
    *,
    i_have_tls: bool,
    behind_proxy: bool,
    public_hosts: Collection[str],
    path: str = "",
    proxies: Collection[str] = (),
) -> Address:
    """Return the address, after checking that the server does not become reachable from other machines by accident.

    Raises
    ------
    UsageError
        If other machines could reach the server and neither TLS nor a proxy is stated, or if the public name is missing.
    """
    behind_proxy = behind_proxy or bool(proxies)
    networks = checked_proxies(proxies or LOCAL_PROXIES) if behind_proxy else ()
    others = not is_loopback(host)
    if others and not (i_have_tls or behind_proxy):
        raise UsageError(
            f"--host {host}: other machines could reach the server, and tokens would cross the network in the clear; "
            "expected --i-have-tls (an encrypted tunnel, or TLS in front) or --behind-proxy (HTTPS ends there)"
        )
    unspecified = host in ("0.0.0.0", "::", "")
    if (unspecified or behind_proxy) and not public_hosts:
        raise UsageError("the name under which browsers ask is unknown; expected --public-host, such as study.example.org")
    hosts = tuple(public_hosts) if unspecified or not others else (*public_hosts, host)
    return Address(host, port, i_have_tls or behind_proxy, behind_proxy, hosts, checked_path(path), networks)


def listen(address: Address) -> socket.socket:
    """Open the listening socket.

    Raises
    ------
    ServingError
        If the port is in use, or the address does not belong to this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        opened = socket.socket(family)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address.host, address.port))
    except OSError as error:
        raise ServingError(f"{address.host}:{address.port}: {error.strerror}; expected a free port: try --port 8001") from None
    return opened


def serve_until_interrupted(app: Any, listening: socket.socket) -> None:
    """Serve an ASGI application on an open socket."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        # Addresses never contain a token, but addresses and times of visitors should not be logged either.
        access_log=False,
        server_header=False,
        date_header=True,
        # The application itself reads what proxies pass on, after it has checked who asks.
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=30,
        limit_concurrency=500,
        h11_max_incomplete_event_size=32_768,
    )
    uvicorn.Server(config).run(sockets=[listening])
