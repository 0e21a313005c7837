"""Personal links: random tokens, stored only as hashes and compared in constant time; the number of wrong tokens is limited."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

__all__ = ["GuessLimit", "find_token", "hash_token", "new_token"]

#: 256 bits can't be guessed, so that a plain SHA-256 is safe; no slow hash is needed.
_TOKEN_BYTES = 32


def new_token() -> str:
    """Return a random token of 43 characters that are allowed in a URL."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return the 32 bytes under which a token is stored."""
    return hashlib.sha256(token.encode("utf-8", errors="replace")).digest()


def find_token(token: str, known: Iterable[tuple[int, bytes]]) -> int | None:
    """Return the number under which a token's hash is stored; all stored hashes are compared, even after a match."""
    given = hash_token(token)
    found = None
    for number, stored in known:
        if hmac.compare_digest(given, stored):
            found = number
    return found


class GuessLimit:
    """Refuses further tokens after too many wrong ones, from one address or from all together.

    Parameters
    ----------
    per_address, in_all : int
        Wrong tokens allowed within the window.
    window : float
        Seconds.
    clock : callable
        Seconds, monotonic.
    """

    #: Number of addresses remembered; the oldest is forgotten, so that many addresses do not fill the memory (`in_all` still
    #: applies).
    MOST_ADDRESSES = 4096

    def __init__(
        self, per_address: int = 10, in_all: int = 200, window: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_address, self._in_all, self._window, self._clock = per_address, in_all, window, clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque()
        self._lock = threading.Lock()

    def seconds_to_wait(self, address: str) -> float:
        """Return 0 if a token may be tried, else the seconds until then."""
        with self._lock:
            now = self._clock()
            own = self._wrong.get(address, deque())
            waits = [self._wait(own, self._per_address, now), self._wait(self._all, self._in_all, now)]
            return max(waits)

    def note_wrong(self, address: str) -> None:
        """Count a wrong token."""
        with self._lock:
            now = self._clock()
            own = self._wrong.setdefault(address, deque())
            self._wrong.move_to_end(address)
            own.append(now)
            self._all.append(now)
            while len(own) > self._per_address:
                own.popleft()
            while len(self._all) > self._in_all:
                self._all.popleft()
            while len(self._wrong) > self.MOST_ADDRESSES:
                self._wrong.popitem(last=False)

    def _wait(self, times: deque[float], allowed: int, now: float) -> float:
        """`times` has at most the `allowed` latest ones; if it is full, the first one must be older than the window."""
        return max(0.0, times[0] + self._window - now) if len(times) >= allowed else 0.0
