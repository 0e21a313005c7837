"""Refused requests: a page for people in a browser, JSON for scripts."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

__all__ = ["Wording", "as_page", "error_body", "wants_page"]


@dataclass(frozen=True)
class Wording:
    """The texts of the error pages of an application.

    Attributes
    ----------
    titles : mapping of int to str
        Headings by status code; other codes have their standard phrase.
    advice : mapping of int to str
        What to do, by status code; pages of other codes say what was wrong.
    home : str
        Label of the link to the first page.
    unknown_host, other_origin : str
        What to do if the Host header is not a name of the server, or if the requesting page has another origin.
    style : str
        Style sheet in the folder `static`.
    """

    titles: Mapping[int, str]
    advice: Mapping[int, str]
    home: str
    unknown_host: str
    other_origin: str
    style: str


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{base}/static/{style}">
</head>
<body>
<main class="card" id="main">
<h1>{title}</h1>
<p>{text}</p>
<p><a class="button primary" href="{base}/">{home}</a></p>
</main>
</body>
</html>
"""


def wants_page(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a person typed or followed an address; scripts do not request HTML."""
    document = headers.get("sec-fetch-dest", "document") in ("document", "iframe")
    return method in ("GET", "HEAD") and document and "text/html" in headers.get("accept", "")


def as_page(status: int, detail: str, base: str, wording: Wording) -> str:
    """Return the page for a status.

    Parameters
    ----------
    status : int
    detail : str
        What was wrong, for pages without fixed advice.
    base : str
        Path under which the pages are served.
    wording : Wording
    """
    title = wording.titles.get(status, HTTPStatus(status).phrase)
    text = wording.advice.get(404 if status in (405, 422) else status, f"{detail[:1].upper()}{detail[1:]}.")
    words = {"title": title, "text": text, "home": wording.home, "style": wording.style}
    return _PAGE.format(base=base, **{name: html.escape(word) for name, word in words.items()})


def error_body(status: int, detail: str, base: str, wording: Wording, *, page: bool) -> tuple[bytes, str]:
    """Return the body of a refusal, and its media type."""
    if page:
        return as_page(status, detail, base, wording).encode(), "text/html; charset=utf-8"
    return json.dumps({"detail": detail}).encode(), "application/json"
