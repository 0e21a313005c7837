"""Downloads that continue after an interruption, and get their final name only when complete and with the right checksum."""

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

#: Called with the number of bytes received and in all (None if the server doesn't give it).
Progress = Callable[[int, "int | None"], None]

_CHUNK = 1 << 14
#: After this many seconds without a byte, a connection counts as interrupted.
_SILENCE = 30.0


@dataclass
class ResumingDownloader:
    """A downloader for pooch: bytes go to `part`, which stays after an interrupted or killed run and is continued by the next.

    A server that supports HTTP ranges sends only the rest; others send the whole file again. The caller must check the sha256
    of a file put together in this way.

    Attributes
    ----------
    part : Path
        The partial file, on the disk of the target.
    progress : callable, optional
    attempts : int
        Number of consecutive connections that may bring nothing new.
    pause : float
        Seconds between two connections.
    resumed : bool
        Whether the file holds bytes of an earlier connection.
    """

    part: Path
    progress: Progress | None = None
    attempts: int = 3
    pause: float = 1.0
    resumed: bool = field(default=False, init=False)

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Download `url` to `output_file`, continuing `part`.

        Raises
        ------
        requests.RequestException
            If the download fails; the bytes received so far stay in `part`.
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
        """Receive the bytes of one connection; return whether the file is complete."""
        import requests

        have = self._have()
        # If a file is compressed for the transfer, ranges count compressed bytes.
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
    """Download a file with pooch, unless it is there already with the right sha256.

    Parameters
    ----------
    url : str
        http or https.
    target : Path
        Until the file is complete and its sum right, its bytes are in `.<name>.part` in the same folder.
    sha256 : str
        Hexadecimal.
    progress : callable, optional
    pause : float
        Seconds before another connection after an interrupted one.

    Raises
    ------
    CheckpointError
        If the download fails or has another sha256; the message says where to put the file by hand.
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
                    # The server's file may have changed between two parts: download the whole file once more.
                    if downloader.resumed and not last:
                        continue
                    found = re.search(rf"(?!{sha256})\b[0-9a-f]{{64}}\b", str(error))
                    raise CheckpointError(
                        f"{url}: sha256 {found[0] if found else 'unlike the one listed'}; expected {sha256}: the server "
                        f"has another file than the registered one; ask the person who registered it, {by_hand}"
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
    """Return the cause in one line: the server's status, else that it can't be reached or that the connection was cut off."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answers {response.status_code} {response.reason}"
    return f"not reachable, or cut off ({type(error).__name__})"


def _last_number(text: str) -> int | None:
    found = re.search(r"/(\d+)$", text)
    return int(found[1]) if found else None
