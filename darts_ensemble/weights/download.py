"""Downloads that continue where they were cut, and stand under their name only when whole and right."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darts_ensemble.errors import CheckpointError

__all__ = ["Progress", "ResumingDownloader", "download"]

#: Called with the bytes there and the bytes in all (None where the server doesn't say).
Progress = Callable[[int, "int | None"], None]

_CHUNK = 1 << 14
#: Seconds without a byte after which a connection counts as cut.
_SILENCE = 30.0


@dataclass
class ResumingDownloader:
    """A downloader as pooch takes it: bytes go to `part`, which outlives a cut or killed run and is continued by the next.

    A server that knows HTTP ranges sends the rest only; from one that doesn't the file comes anew. What was pieced together is
    no better than its sha256, which the caller must check.

    Attributes
    ----------
    part : Path
        The partial file, on the disk of the target.
    progress : callable, optional
    attempts : int
        Connections in a row that may bring nothing new.
    pause : float
        Seconds between two connections.
    resumed : bool
        Whether bytes of an earlier connection are in the file.
    """

    part: Path
    progress: Progress | None = None
    attempts: int = 3
    pause: float = 1.0
    resumed: bool = field(default=False, init=False)

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Bring `url` to `output_file`, continuing `part`.

        Raises
        ------
        requests.RequestException
            If it can't be had; what came so far stays in `part`.
        """
        from requests import ConnectionError as Refused
        from requests import RequestException, Timeout
        from requests.exceptions import ChunkedEncodingError

        in_vain = 0
        while True:
            before = self._have()
            failure: RequestException = Refused("less than the whole file came")
            try:
                if self._receive(url):
                    break
            except (Refused, Timeout, ChunkedEncodingError) as error:
                failure = error
            in_vain = 0 if self._have() > before else in_vain + 1
            if in_vain >= self.attempts:
                raise failure
            time.sleep(self.pause)
        os.replace(self.part, output_file)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _receive(self, url: str) -> bool:
        """Receive what one connection brings; return whether the file is complete."""
        import requests

        have = self._have()
        # Compressed on the way, a file's ranges would be those of the compressed bytes.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=_SILENCE) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                if _last_number(response.headers.get("Content-Range", "")) == have:
                    return True
                self.part.unlink()
                return False
            response.raise_for_status()
            rest = response.status_code == requests.codes.partial_content
            if rest and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                self.part.unlink(missing_ok=True)
                return False
            start = have if rest else 0
            self.resumed = self.resumed or start > 0
            length = response.headers.get("Content-Length")
            total = start + int(length) if length else None
            with self.part.open("ab" if rest else "wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    if self.progress:
                        self.progress(file.tell(), total)
        return total is None or self._have() == total


def download(url: str, target: Path, sha256: str, *, progress: Progress | None = None, pause: float = 1.0) -> Path:
    """Bring a file into place through pooch, unless it is there with the right sha256 already.

    Parameters
    ----------
    url : str
        http or https.
    target : Path
        Until the file is whole and its sum right, its bytes are in `.<name>.part` beside it.
    sha256 : str
        Hexadecimal.
    progress : callable, optional
    pause : float
        Seconds before a cut connection is tried again.

    Raises
    ------
    CheckpointError
        If it can't be had or its sha256 is another; the message says where to put the file by hand.
    """
    import pooch
    from filelock import FileLock, Timeout
    from requests import RequestException

    pooch.get_logger().setLevel("WARNING")
    part = target.with_name(f".{target.name}.part")
    by_hand = f"or put the file at {target} by hand: its sha256 must be {sha256}"
    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=0)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            for last in (False, True):
                downloader = ResumingDownloader(part, progress, pause=pause)
                try:
                    pooch.retrieve(url, f"sha256:{sha256}", fname=target.name, path=target.parent, downloader=downloader)
                    break
                except ValueError as error:
                    # Pieces of two files don't fit together; the whole of one is worth another try.
                    if downloader.resumed and not last:
                        continue
                    found = re.search(rf"(?!{sha256})\b[0-9a-f]{{64}}\b", str(error))
                    raise CheckpointError(
                        f"{url}: sha256 {found[0] if found else 'unlike the one listed'}; expected {sha256}: the file there is "
                        f"another than the one registered; ask whoever registered it, {by_hand}"
                    ) from None
        return target
    except Timeout:
        raise CheckpointError(f"{target}: another download of it is under way; wait for it, then run this again") from None
    except RequestException as error:
        kept = f"; {part.stat().st_size} bytes are kept and continued" if part.is_file() else ""
        raise CheckpointError(f"{url}: {_reason(error)}{kept}; run this again where there is a network, {by_hand}") from None
    except OSError as error:
        raise CheckpointError(f"{target.parent}: {error.strerror}; expected a folder with room to write") from None
    finally:
        with suppress(OSError):
            if not lock.is_locked and target.is_file():
                Path(lock.lock_file).unlink(missing_ok=True)


def _reason(error: Any) -> str:
    """One line of what went wrong: a status the server gave, else that nothing or not all came."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answers {response.status_code} {response.reason}"
    return f"not reachable, or cut off ({type(error).__name__})"


def _last_number(text: str) -> int | None:
    found = re.search(r"/(\d+)$", text)
    return int(found[1]) if found else None
