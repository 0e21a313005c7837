"""Text for terminals that know ASCII or a code page of their own only: nothing that a command prints can fail there."""

from __future__ import annotations

import codecs
import io
import sys

__all__ = ["in_ascii", "print_plainly"]

_NAME = "darts-plain"
#: What commands print beside ASCII, as ASCII shows it; all else, such as letters in names of files, becomes an escape.
_PLAIN = {
    "±": "+/-", "−": "-", "–": "-", "—": "-", "×": "x", "²": "2", "³": "3", "χ": "chi", "µ": "u", "°": " deg", "≥": ">=",
    "≤": "<=", "…": "...", "“": '"', "”": '"', "‘": "'", "’": "'", "·": "-", "•": "*", "→": "->", "\u00a0": " ", "\u202f": " ",
    "─": "-", "━": "-", "╸": "-", "╺": "-", "│": "|", "┃": "|",
}  # fmt: skip


def in_ascii(text: str) -> str:
    """Return text in ASCII: signs as they are typed, letters as escapes.

    Examples
    --------
    >>> in_ascii("0.84 ± 0.02 of José")
    '0.84 +/- 0.02 of Jos\\\\xe9'
    """
    return "".join(_PLAIN.get(sign, sign) for sign in text).encode("ascii", "backslashreplace").decode("ascii")


def print_plainly() -> None:
    """Let standard output and error print what their encoding does not have as ASCII, where Python would end with an error."""
    codecs.register_error(_NAME, _replaced)
    for stream in (sys.stdout, sys.stderr):
        # UTF-8 lacks only the halves of file names that are not UTF-8 themselves.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_ascii(error.object[error.start : error.end]), error.end
