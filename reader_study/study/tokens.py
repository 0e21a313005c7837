"""Personal links: random tokens, kept only as hashes, compared in constant time, and guesses at them limited."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

__all__ = ["GuessLimit", "find_token", "hash_token", "new_token"]

#: 256 bits: can't be guessed, so a plain SHA-256 keeps it; no slow hash is needed.
_TOKEN_BYTES = 32


def new_token() -> str:
    """Return a random token of 43 characters that a URL can hold."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return the 32 bytes under which a token is stored."""
    return hashlib.sha256(token.encode("utf-8", errors="replace")).digest()


def find_token(token: str, known: Iterable[tuple[int, bytes]]) -> int | None:
    """Return the number that a token's hash is stored under; every stored hash is compared, whichever matches."""
    given = hash_token(token)
    found = None
    for number, stored in known:
        if hmac.compare_digest(given, stored):
            found = number
    return found


class GuessLimit:
    """Refuses more wrong tokens than a person types, from one address and from all together.

    Parameters
    ----------
    per_address, in_all : int
        Wrong tokens allowed within the window.
    window : float
        Seconds.
    clock : callable
        Seconds, monotonic.
    """

    #: Addresses remembered; the oldest is forgotten, so that a flood of addresses fills no memory (`in_all` still holds).
    MOST_ADDRESSES = 4096

    def __init__(
        self, per_address: int = 10, in_all: int = 200, window: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_address, self._in_all, self._window, self._clock = per_address, in_all, window, clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque()
        self._lock = threading.Lock()

    def seconds_to_wait(self, address: str) -> float:
        """Return 0 where a token may be tried, else for how long not."""
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
        """`times` holds at most `allowed` of the latest: where it is full, the first must leave the window."""
        return max(0.0, times[0] + self._window - now) if len(times) >= allowed else 0.0
