"""Files that get their name only when they are complete: they are written under a temporary name beside it, then renamed."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from darts_ensemble.errors import DartsError, ScanError

__all__ = ["temporary_beside", "written_whole"]

#: Bytes of a file's name that its temporary name begins with.
_LONGEST_START = 200


def temporary_beside(path: Path, extension: str = "") -> Path:
    """Return a temporary name beside a file, different in every process and at every call."""
    # A name may have 255 bytes: the temporary one of a long name keeps its beginning, of characters that this system can write.
    start = os.fsencode(path.name)[:_LONGEST_START].decode(sys.getfilesystemencoding(), "ignore")
    return path.with_name(f".{start}.{os.getpid()}-{secrets.token_hex(4)}.tmp{extension}")


@contextmanager
def written_whole(
    path: Path, *, extension: str = "", error: type[DartsError] = ScanError, expected: str = "a folder with room to write"
) -> Iterator[Path]:
    """Yield a temporary path to write to; when the block ends without an error, the file gets its name.

    Parameters
    ----------
    path : Path
        Its folder is created if missing.
    extension : str
        Of the temporary name, for programs that choose the format by it.
    error : type of DartsError
        Raised instead of an OSError.
    expected : str
        What the message of the error says after "expected".

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with written_whole(path) as temporary:
    ...     _ = temporary.write_text("1 2 3")
    ...     path.exists()
    False
    >>> path.read_text()
    '1 2 3'
    """
    temporary = temporary_beside(path, extension)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as failure:
        raise error(f"{path}: {failure.strerror or failure}; expected {expected}") from None
    finally:
        with suppress(OSError):  # there is nothing to remove if the folder could not be created
            temporary.unlink()
