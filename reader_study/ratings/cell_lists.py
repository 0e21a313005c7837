"""Several names in one cell: with semicolons between, and in double quotes where a name has a semicolon or quotes itself."""

from __future__ import annotations

import csv
from collections.abc import Iterable

__all__ = ["joined_names", "split_names"]


def joined_names(names: Iterable[str], separator: str = ";") -> str:
    """Join names, each of which :func:`split_names` gives back.

    Parameters
    ----------
    names : iterable of str
    separator : str
        A semicolon, with or without a space after it.
    """
    return separator.join(f'"{name.replace(chr(34), chr(34) * 2)}"' if ";" in name or '"' in name else name for name in names)


def split_names(cell: str) -> list[str]:
    """Return the names that :func:`joined_names` joined; none for an empty cell."""
    return next(csv.reader([cell], delimiter=";", skipinitialspace=True), [])
