"""What a person reads where a request is refused: a page in a browser, JSON for scripts."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from http import HTTPStatus

__all__ = ["as_page", "error_body", "wants_page"]

_TITLES = {
    400: "This address does not lead to the study",
    401: "You are not signed in",
    404: "There is no such page",
    405: "There is no such page",
    422: "There is no such page",
    500: "The server made a mistake",
}
_ADVICE = {
    401: "Open your personal link again. Every confirmed answer is stored.",
    404: "Nothing is lost: every confirmed answer is stored.",
    500: "Nothing is lost: every confirmed answer is stored. Please tell the coordinator.",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{base}/static/app.css">
</head>
<body>
<main class="card" id="main">
<h1>{title}</h1>
<p>{text}</p>
<p><a class="button primary" href="{base}/">Go to the study</a></p>
</main>
</body>
</html>
"""


def wants_page(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a person typed or followed an address: scripts do not ask for HTML."""
    document = headers.get("sec-fetch-dest", "document") in ("document", "iframe")
    return method in ("GET", "HEAD") and document and "text/html" in headers.get("accept", "")


def as_page(status: int, detail: str, base: str) -> str:
    """Return the page for a status.

    Parameters
    ----------
    status : int
    detail : str
        What was wrong, for pages that have no standing advice.
    base : str
        Path below which the study is served.
    """
    title = _TITLES.get(status, HTTPStatus(status).phrase)
    text = _ADVICE.get(404 if status in (405, 422) else status, f"{detail[:1].upper()}{detail[1:]}.")
    return _PAGE.format(title=html.escape(title), text=html.escape(text), base=base)


def error_body(status: int, detail: str, base: str, *, page: bool) -> tuple[bytes, str]:
    """Return the body of a refusal, and its media type."""
    if page:
        return as_page(status, detail, base).encode(), "text/html; charset=utf-8"
    return json.dumps({"detail": detail}).encode(), "application/json"
