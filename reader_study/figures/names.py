"""Names in figures: long ones wrapped, very long ones shortened, all different, and only with letters that a font has."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

__all__ = ["shown_name", "shown_names", "unshown"]

#: Most letters per line, and most lines per name.
WIDTH, LINES = 20, 2


def shown_names(
    names: Sequence[str], width: int = WIDTH, lines: int = LINES, kind: str = "name", *, among: Sequence[str] = ()
) -> list[str]:
    """Return names for a figure, each different from the others.

    A name longer than `width` letters is wrapped at spaces, hyphens and underscores; if this gives more than `lines` lines, its
    middle is left out. A name with letters that no font has is shown as its number, ``name 3``, its place in `among` (by
    default in `names`); :func:`unshown` lists these names for the caption.
    """
    places = {name: place for place, name in enumerate(among or names, start=1)}
    shown = [shown_name(name, width, lines) if has_letters(name) else f"{kind} {places[name]}" for name in names]
    alike = {name for name in shown if shown.count(name) > 1}
    for name in alike:
        same = [place for place, one in enumerate(shown) if one == name]
        cut = _where_they_differ([names[place] for place in same], width)
        for number, place in enumerate(same):
            shown[place] = cut[number] if len(set(cut)) == len(cut) else f"{name} ({place + 1})"
    return shown


def unshown(names: Sequence[str], kind: str = "name") -> str:
    """Return which numbers mean which names, as ``name 3: 山田``, or "" if every name can be drawn."""
    return "; ".join(f"{kind} {place}: {name}" for place, name in enumerate(names, start=1) if not has_letters(name))


def shown_name(name: str, width: int = WIDTH, lines: int = LINES) -> str:
    """Return a name wrapped to lines of a width; if it needs more lines, its middle is left out."""
    wrapped = _wrapped(name, width)
    if len(wrapped) <= lines:
        return "\n".join(wrapped)
    room = width * lines - 2
    return "\n".join(_wrapped(f"{name[: room * 2 // 3]}…{name[-(room - room * 2 // 3) :]}", width, anywhere=True)[:lines])


def has_letters(name: str) -> bool:
    """Whether the fonts of the figures have every letter of a name."""
    return all(ord(letter) in _letters() or letter.isspace() for letter in name)


def _where_they_differ(names: Sequence[str], width: int) -> list[str]:
    """Return the part of each name around the first letter in which they differ."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    start = max(sum(1 for _ in alike) - width // 2, 0)
    return [
        ("…" if start else "") + name[start : start + width - 2] + ("…" if len(name) > start + width - 2 else "")
        for name in names
    ]


@cache
def _letters() -> frozenset[int]:
    font = FT2Font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())


def _wrapped(name: str, width: int, *, anywhere: bool = False) -> list[str]:
    """Return lines that break after a space, a hyphen or an underscore, or anywhere if there is none in the line."""
    if anywhere:
        return [name[start : start + width] for start in range(0, len(name), width)]
    lines, line = [], ""
    for part in re.findall(r"[^ _-]*[ _-]?", name):
        if line and len(line) + len(part.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += part
    whole = [*lines, line.rstrip()]
    return [piece for one in whole for piece in (_wrapped(one, width, anywhere=True) if len(one) > width else [one])]
