"""The texts that readers see if a request is refused."""

from __future__ import annotations

from evaluation.serving.error_pages import Wording

__all__ = ["WORDING"]

_PROXY = "let the proxy pass on the browser's Host header (nginx: proxy_set_header Host $http_host)"
WORDING = Wording(
    titles={
        400: "This address does not lead to the study",
        401: "You are not signed in",
        404: "There is no such page",
        405: "There is no such page",
        422: "There is no such page",
        500: "The server made a mistake",
    },
    advice={
        401: "Open your personal link again. Every confirmed answer is stored.",
        404: "Nothing is lost: every confirmed answer is stored.",
        500: "Nothing is lost: every confirmed answer is stored. Please tell the coordinator.",
    },
    home="Go to the study",
    unknown_host=f"start serve with --public-host and the name in the browser's address, and {_PROXY}",
    other_origin="behind a proxy, start serve with --behind-proxy and --public-host and the name in the browser's address, "
    f"or {_PROXY}",
    style="app.css",
)
