"""Pages, scripts and styles of the rating application, and the exchange of a personal link for a session."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field

from evaluation.serving.shared_scripts import SHARED_SCRIPTS, shared_script
from reader_study.app.access import COORDINATOR, Connection, Session, begin, end, served
from reader_study.study.documents import anchors_html, instructions_html
from reader_study.study.export import rating_scale
from reader_study.study.storage import setting
from reader_study.study.tokens import find_token

__all__ = ["router"]

router = APIRouter()

#: All that is served besides NiiVue and the shared scripts; a name that is not here is no file, whatever it spells.
_STATIC = {
    "app.css": "text/css",
    **dict.fromkeys(
        (
            "answers.js", "coordinator.js", "display.js", "enter.js", "keys.js", "panels.js", "questions.js", "reader.js",
            "screens.js", "telling.js",
        ),
        "text/javascript",
    ),
}  # fmt: skip


class TokenBody(BaseModel):
    """A personal token."""

    model_config = ConfigDict(extra="forbid", strict=True)

    token: Annotated[str, Field(min_length=1, max_length=100)]


@router.get("/", include_in_schema=False)
def home(who: Session, request: Request) -> RedirectResponse:
    """Send everybody to their page."""
    return _to("/enter" if who is None else "/coordinator" if who == COORDINATOR else "/read", request)


@router.get("/enter", include_in_schema=False)
def enter(request: Request, connection: Connection) -> HTMLResponse:
    """Show the page that a personal link opens."""
    return _page("enter.html", request, connection)


@router.get("/read", include_in_schema=False)
def read(request: Request, who: Session, connection: Connection) -> Response:
    """Show the reader's page."""
    if who is None or who == COORDINATOR:
        return _to("/enter", request)
    scale, anchors = rating_scale(connection), anchors_html(connection)
    known = {
        "instructions": instructions_html(connection),
        "scale": [(level, word, anchors.get(level, "")) for level, word in zip(scale.levels, scale.words, strict=True)],
        "preview": bool(setting(connection, "preview")),
    }
    return _page("reader.html", request, connection, **known)


@router.get("/coordinator", include_in_schema=False)
def coordinate(request: Request, who: Session, connection: Connection) -> Response:
    """Show the coordinator's page."""
    if who != COORDINATOR:
        return _to("/enter", request)
    return _page("coordinator.html", request, connection)


@router.get("/static/{name}", include_in_schema=False)
def static(name: str, request: Request) -> Response:
    """Return a script or the style sheet."""
    if name == "niivue.js":
        return Response(served(request).viewer.script, media_type="text/javascript")
    if name in SHARED_SCRIPTS:
        return Response(shared_script(name), media_type="text/javascript")
    if name not in _STATIC:
        raise HTTPException(404, "no such file")
    return Response(_static(name), media_type=_STATIC[name])


@router.post("/api/session", responses={401: {}, 429: {}})
def begin_session(body: TokenBody, request: Request, response: Response, connection: Connection) -> dict[str, str]:
    """Exchange a personal token for a session cookie."""
    what = served(request)
    address = request.client.host if request.client else "unknown"
    wait = what.limit.seconds_to_wait(address)
    if wait:
        raise HTTPException(429, "too many wrong links; wait a minute", {"Retry-After": str(int(wait) + 1)})
    known = [(row["id"], row["token_hash"]) for row in connection.execute("SELECT id, token_hash FROM reader")]
    known.append((COORDINATOR, bytes.fromhex(setting(connection, "coordinator_hash"))))
    who = find_token(body.token, known)
    if who is None:
        what.limit.note_wrong(address)
        raise HTTPException(401, "this link is not valid; ask the coordinator for a new one")
    begin(connection, what, who, response)
    return {"go": what.base + ("/coordinator" if who == COORDINATOR else "/read")}


@router.post("/api/session/end")
def end_session(request: Request, response: Response, connection: Connection) -> dict[str, str]:
    """End the session."""
    end(connection, served(request), request, response)
    return {"go": f"{served(request).base}/enter"}


def _to(page: str, request: Request) -> RedirectResponse:
    return RedirectResponse(served(request).base + page, 303)


@lru_cache
def _static(name: str) -> bytes:
    return files("reader_study.app").joinpath("static", name).read_bytes()


@lru_cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("reader_study.app"), autoescape=True, undefined=StrictUndefined)


def _page(name: str, request: Request, connection: Connection, **more: object) -> HTMLResponse:
    viewer = served(request).viewer
    about = f"Images by NiiVue {viewer.version} ({viewer.licence}), from {viewer.source}"
    known = {"title": setting(connection, "title"), "about": about, "base": served(request).base}
    return HTMLResponse(_templates().get_template(name).render(known | more))
