"""Rules for every request and response of the server: known hosts, same origin, small bodies, strict headers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from evaluation.serving.error_pages import Wording, error_body, wants_page
from evaluation.serving.proxies import Proxies

__all__ = ["HEADERS", "MOST_BODY", "Guard", "host_of", "is_loopback"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: Largest size of a request in bytes; a comment of 2000 characters takes 8000 at most.
MOST_BODY = 16_384
_UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
#: NiiVue contains its font and a texture as data: images. Everything else comes from this server, and no script is inline.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str:
    """Return the name or address of a Host header, without its port, in lower case; "" if it is malformed."""
    name = header.strip().lower()
    if name.startswith("["):
        inside, bracket, port = name[1:].partition("]")
        ok = bracket and (not port or (port[0] == ":" and port[1:].isdigit()))
        return inside if ok else ""
    host, colon, port = name.partition(":")
    return host if not colon or port.isdigit() else ""


class Guard:
    """ASGI middleware around the whole application.

    Refuses a Host that is not the server's (400: a foreign name that was pointed at this machine can't use a cookie of it),
    an unsafe request from another origin (403) or without JSON (415), and a body larger than :data:`MOST_BODY` (413), whether
    or not its length is stated. Sets :data:`HEADERS` on every response, errors included.

    A proxy may use an address or a name without a dot as Host (nginx sends the name of its upstream by default): no foreign
    site has such a name. Then the Origin decides, which browsers set and no page can change.

    Parameters
    ----------
    app : ASGI application
    wording : Wording
        Texts of the refusals.
    hosts : collection of str
        Names and addresses that browsers use besides loopback addresses, with the port unless it is the default one.
    tls : bool
        Whether browsers use HTTPS; then Strict-Transport-Security is sent.
    path : str
        Path under which the pages are served, such as `/study`; requests may come with it or without.
    proxies : Proxies
    """

    def __init__(
        self,
        app: Any,
        wording: Wording,
        hosts: Collection[str] = (),
        *,
        tls: bool = False,
        path: str = "",
        proxies: Proxies | None = None,
    ) -> None:
        self._app = app
        self._wording = wording
        self._hosts = {host_of(host) for host in hosts}
        self._origins = {f"{'https' if tls else 'http'}://{host.lower()}" for host in hosts}
        self._path = path
        self._proxies = proxies or Proxies()
        # Under a path, other services share the host, and the promise of HTTPS would apply to them, too.
        extra = {"Strict-Transport-Security": "max-age=31536000"} if tls and not path else {}
        self._headers = [(name.lower().encode(), value.encode()) for name, value in {**HEADERS, **extra}.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no web sockets here

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in self._headers} | {b"etag", b"last-modified", b"server"}
                kept = [(name, value) for name, value in message["headers"] if name.lower() not in own]
                message["headers"] = [*kept, *self._headers]
            await send(message)

        refusal = self._refusal(scope)
        body = b""
        if refusal is None and scope["method"] in _UNSAFE:
            read = await _read_body(receive)
            refusal, body = (413, "too large") if read is None else None, read or b""
        if refusal is not None:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            page = wants_page(scope["method"], headers)
            await _respond(send_guarded, refusal[0], *error_body(*refusal, self._path, self._wording, page=page))
            return
        sent = False

        async def receive_read() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(self._below(scope), receive_read if scope["method"] in _UNSAFE else receive, send_guarded)

    def _below(self, scope: Scope) -> Scope:
        """Return the request as the application knows it: without the path under which it is served."""
        asked = scope["path"]
        if not self._path or not (asked == self._path or asked.startswith(f"{self._path}/")):
            return scope
        raw = scope.get("raw_path") or b""
        return {**scope, "path": asked[len(self._path) :] or "/", "raw_path": raw[len(self._path) :] or b"/"}

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        header = headers.get(b"host", b"").decode("latin-1")
        if not self._known(host_of(header), scope):
            return 400, (
                f"the Host header says {_quoted(header)}, which is not a name of this server; {self._wording.unknown_host}"
            )
        if scope["method"] not in _UNSAFE:
            return None
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if b"origin" in headers and origin not in self._origins and origin.partition("://")[2] != header.lower():
            return 403, (
                f"another origin: the page is from {_quoted(origin)}, the Host header says {_quoted(header)}; "
                f"{self._wording.other_origin}"
            )
        if headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
            return 403, "another site"
        # A form of another site can't send this type without asking first, and is refused then.
        if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
            return 415, "expected application/json"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MOST_BODY:
            return 413, "too large"
        return None

    def _known(self, host: str, scope: Scope) -> bool:
        if is_loopback(host) or (host and host in self._hosts):
            return True
        client = scope.get("client")
        return client is not None and self._proxies.include(client[0]) and _never_foreign(host)


def _never_foreign(host: str) -> bool:
    """Whether no website can have this name: an IP address, or a name without a dot such as `app`."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(re.fullmatch(r"[a-z0-9_-]+", host))
    return True


def _quoted(header: str) -> str:
    """Return a header for use in a message; text that does not look like a host or an origin is replaced."""
    return header if re.fullmatch(r"[A-Za-z0-9.:/_\[\]-]{1,120}", header) else "something else"


async def _read_body(receive: Receive) -> bytes | None:
    """Read a whole body; None if it is too large or the client has disconnected."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BODY:
            return None
        if not message.get("more_body", False):
            return body


async def _respond(send: Send, status: int, body: bytes, media_type: str) -> None:
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
