"""Fails the build when a page of the site would load a script, a style, a font or a picture from another server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.errors import SphinxError

LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"'](?:https?:)?//"
    r"|<link\b(?![^>]*\brel=[\"'](?:canonical|search|index|next|prev)[\"'])[^>]*\bhref=[\"'](?:https?:)?//"
    r"|url\([\"']?(?:https?:)?//|@import\s+[\"'](?:https?:)?//",
    re.IGNORECASE,
)


def external_requests(folder: Path) -> list[str]:
    """Return one line for each place of a built site that loads from another server."""
    return [
        f"{path.relative_to(folder)}: {match.group(0)}"
        for path in sorted([*folder.rglob("*.html"), *folder.rglob("*.css")])
        for match in LOADED.finditer(path.read_text(encoding="utf-8"))
    ]


def check(app: Any, error: Exception | None) -> None:
    """Look through the built site."""
    if error is None and app.builder.format == "html" and (found := external_requests(Path(app.outdir))):
        raise SphinxError("pages load from other servers:\n" + "\n".join(found))


def setup(app: Any) -> dict[str, Any]:
    """Join this to Sphinx."""
    app.connect("build-finished", check)
    return {"version": "1", "parallel_read_safe": True}
