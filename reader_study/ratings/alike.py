"""Names that people take for one: they differ only in capital letters, or in how the same letters are written."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

__all__ = ["alike_names", "folded_name"]


def folded_name(name: str) -> str:
    """Return what a name and all that look like it have in common."""
    return unicodedata.normalize("NFKC", name).casefold().replace("’", "'")


def alike_names(names: Iterable[str]) -> list[list[str]]:
    """Return each group of different names that look alike, in the order in which the names come."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(folded_name(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
