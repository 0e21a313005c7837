"""CSV and TSV as spreadsheets of the world write them: encoding and separator found in the file itself, not assumed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

__all__ = ["decoded", "read_delimited", "separator_of"]

_SEPARATORS = (",", ";", "\t", "|")
#: The byte order marks that editors and spreadsheets put first, the longer ones before those they begin with.
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)  # fmt: skip


def read_delimited(
    path: Path, *, encoding: str = "", separator: str = "", report: Callable[[str], None] | None = None
) -> list[list[str]]:
    """Read the records of a delimited text file, cells as they are written.

    Parameters
    ----------
    path : Path
    encoding, separator : str
        Found in the file where they are empty; see :func:`decoded` and :func:`separator_of`.
    report : callable, optional
        Called with a sentence where something had to be guessed.

    Returns
    -------
    list of list of str
        One list per record, blank lines included, so that a record's place is its row in a spreadsheet. A first line like
        ``sep=;``, which Excel writes and hides, is left out.

    Raises
    ------
    ValueError
        If the bytes are no text in the encoding, or a quoted cell never ends.
    LookupError
        If Python knows no such encoding.
    """
    text, guessed = decoded(path.read_bytes(), encoding)
    if guessed and report is not None:
        report(f"{path}: not UTF-8; read as {guessed}, so check names with accents (or give --encoding)")
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        separator, text = separator or first.strip()[4], rest
    kept = separator or separator_of(text, default="," if path.suffix.lower() == ".csv" else "\t")
    csv.field_size_limit(1 << 24)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=kept, strict=True))
    except csv.Error as error:
        raise ValueError(f"{error}; a quotation mark may be missing") from None


def decoded(data: bytes, encoding: str = "") -> tuple[str, str]:
    """Return the text of bytes, and the name of the encoding where it had to be guessed ("" where the bytes say it).

    A byte order mark decides; then zeros in every second byte (UTF-16 without a mark); then UTF-8. What is none of these is
    taken for Windows-1252, which holds Latin-1's letters.

    Raises
    ------
    ValueError
        If the bytes are no text in the encoding that was named, or hold zeros like a binary file.
    LookupError
        If Python knows no such encoding.
    """
    if encoding:
        return data.decode(encoding), ""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name), ""
    head = data[:400]
    if head.count(0) > len(head) / 4:
        name = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        return data.decode(name), ""
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        if 0 in data:
            raise ValueError("it holds zero bytes, like a file that is no text") from None
        try:
            return data.decode("cp1252"), "Windows-1252"
        except UnicodeDecodeError:
            return data.decode("latin-1"), "Latin-1"


def separator_of(text: str, default: str = ",") -> str:
    """Return the separator that cuts the first line into most cells; the default where several do, or none does."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    counts = {one: len(next(csv.reader([header], delimiter=one))) for one in _SEPARATORS}
    most = max(counts.values())
    return default if counts[default] == most else next(one for one in _SEPARATORS if counts[one] == most)
