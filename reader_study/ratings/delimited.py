"""CSV and TSV files of any country's spreadsheets: encoding and separator are found from the file itself."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from reader_study.ratings.workbooks import kind_of_workbook

__all__ = ["decoded", "read_delimited", "separator_of"]

_SEPARATORS = (",", ";", "\t", "|")
#: Byte order marks at the beginning of files; a mark that begins with another one comes before it.
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
        If empty, found from the file; see :func:`decoded` and :func:`separator_of`.
    report : callable, optional
        Called with a sentence if something had to be guessed.

    Returns
    -------
    list of list of str
        One list per record, blank lines included, so that the position of a record is its row in a spreadsheet. A first line
        like ``sep=;``, which Excel writes and hides, is left out.

    Raises
    ------
    ValueError
        If the bytes are those of a workbook or not text in the encoding, or a quoted cell does not end.
    LookupError
        If Python knows no such encoding.
    """
    data = path.read_bytes()
    workbook = kind_of_workbook(data[:8])
    if workbook:
        raise ValueError("it is a workbook; give it a name that ends in .xlsx" if workbook == "xlsx" else workbook)
    text, guessed = decoded(data, encoding)
    if guessed and report is not None:
        report(f"{path}: not UTF-8; read as {guessed}, so check names with accents (or give --encoding)")
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        separator, text = separator or first.strip()[4], rest
    kept = separator or separator_of(text, default="," if path.suffix.lower() == ".csv" else "\t")
    csv.field_size_limit(1 << 24)
    try:
        # Equal cells are one string: a table of a million rows has few different ones.
        seen: dict[str, str] = {}
        records = csv.reader(io.StringIO(text, newline=""), delimiter=kept, strict=True)
        return [[seen.setdefault(cell, cell) for cell in record] for record in records]
    except csv.Error as error:
        raise ValueError(f"{error}; a quotation mark may be missing") from None


def decoded(data: bytes, encoding: str = "") -> tuple[str, str]:
    """Return the text of bytes, and the name of the encoding if it had to be guessed ("" if the bytes determine it).

    A byte order mark decides; then zeros in every second byte (UTF-16 without a mark); then UTF-8. Any other bytes are
    taken for Windows-1252, which includes the letters of Latin-1.

    Raises
    ------
    ValueError
        If the bytes are not text in the encoding that was named, or contain zeros like a binary file.
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
            raise ValueError("it holds zero bytes, like a file that is not text") from None
        try:
            return data.decode("cp1252"), "Windows-1252"
        except UnicodeDecodeError:
            return data.decode("latin-1"), "Latin-1"


def separator_of(text: str, default: str = ",") -> str:
    """Return the separator that divides the first line into most cells; the default if several do, or none does."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    counts = {one: len(next(csv.reader([header], delimiter=one))) for one in _SEPARATORS}
    most = max(counts.values())
    return default if counts[default] == most else next(one for one in _SEPARATORS if counts[one] == most)
