"""Instructions and anchors of a study: Markdown turned into safe HTML, pictures stored in the study's file without metadata."""

from __future__ import annotations

import io
import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from PIL import Image, UnidentifiedImageError

from reader_study.errors import StudyError
from reader_study.planning.design import Design
from reader_study.study.storage import setting

__all__ = ["anchors_html", "check_documents", "instructions_html", "picture_of", "write_documents"]

_LARGEST_PIXELS = 1600
#: Shorter names are too often ordinary words.
_SHORTEST_NAME = 3


def write_documents(connection: sqlite3.Connection, design: Design) -> list[str]:
    """Render the instructions and anchors of a design, and store them in the study's file.

    Returns
    -------
    list of str
        Names of methods that a text for readers mentions: they would know what is compared.

    Raises
    ------
    StudyError
        If a picture can't be read, lies outside the design's folder, or has no description.
    """

    def keep(picture: bytes) -> str:
        name = secrets.token_hex(16)
        connection.execute("INSERT INTO document (name, media_type, content) VALUES (?, 'image/png', ?)", (name, picture))
        return name

    anchors = {str(level): _html(text, design.folder, keep) for level, text in design.anchors.items()}
    for name, value in (
        ("instructions", _html(design.instructions, design.folder, keep)),
        ("anchors", json.dumps(anchors, ensure_ascii=False)),
    ):
        connection.execute("INSERT INTO setting (name, value) VALUES (?, ?)", (name, value))
    words = " ".join(_shown_texts(design)).casefold()
    return [
        method
        for method in design.methods
        if len(method) >= _SHORTEST_NAME and re.search(rf"(?<!\w){re.escape(method.casefold())}(?!\w)", words)
    ]


def check_documents(design: Design) -> None:
    """Read the pictures of instructions and anchors, and keep none: a missing one should not wait for the images.

    Raises
    ------
    StudyError
        As :func:`write_documents`.
    """
    for text in (design.instructions, *design.anchors.values()):
        _html(text, design.folder, lambda picture: "")


def _shown_texts(design: Design) -> Iterator[str]:
    """All that the design lets readers read before they guess."""
    yield from (design.title, design.instructions, *design.anchors.values(), *design.scale.words)
    for question in design.questions:
        yield from (question.text, *question.words, *question.choices)
    yield from (lesson.why for lesson in design.training.lessons)
    yield from (region.name for region in design.regions)


def instructions_html(connection: sqlite3.Connection) -> str:
    """Return the instructions as HTML; "" if the study has none."""
    return setting(connection, "instructions")


def anchors_html(connection: sqlite3.Connection) -> dict[int, str]:
    """Return the anchor of each level that has one, as HTML."""
    return {int(level): text for level, text in json.loads(setting(connection, "anchors") or "{}").items()}


def picture_of(connection: sqlite3.Connection, name: str) -> tuple[bytes, str] | None:
    """Return a picture and its media type; None if there is no picture of this name."""
    row = connection.execute("SELECT content, media_type FROM document WHERE name = ?", (name,)).fetchone()
    return (row["content"], row["media_type"]) if row else None


def _html(text: str, folder: Path, keep: Callable[[bytes], str]) -> str:
    # HTML in the Markdown is not used: what looks like a tag is shown as text.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in _pictures(tokens):
        source = str(token.attrs.get("src", ""))
        if not token.content.strip():
            raise StudyError(f"picture {source}: no description; expected ![what it shows]({source})")
        token.attrs["src"] = f"api/pictures/{keep(_picture(source, folder))}"
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _pictures(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        if token.type == "image":
            yield token
        yield from _pictures(token.children or [])


def _picture(source: str, folder: Path) -> bytes:
    path = (folder / source).resolve()
    if "://" in source or not path.is_relative_to(folder.resolve()):
        raise StudyError(f"picture {source}: expected a file in {folder}")
    try:
        with Image.open(path) as opened:
            opened.thumbnail((_LARGEST_PIXELS, _LARGEST_PIXELS))
            # Encoded again, so that metadata written by a camera or a program are lost.
            picture = opened.convert("RGB")
    except (OSError, UnidentifiedImageError):
        raise StudyError(f"picture {path}: not readable; expected a PNG or JPEG file") from None
    packed = io.BytesIO()
    picture.save(packed, "PNG", optimize=True)
    return packed.getvalue()
