"""The rating server: one study, served to its readers and its coordinator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from evaluation.serving.error_pages import error_body, wants_page
from evaluation.serving.proxies import Proxies
from evaluation.serving.security import Guard
from evaluation.serving.viewer_library import read_viewer_library
from reader_study.app import coordinator_api, pages, reader_api
from reader_study.app.access import Served, served
from reader_study.app.preview_room import PREVIEW, PreviewRoom
from reader_study.app.wording import WORDING
from reader_study.study.items import NotOpenError
from reader_study.study.storage import open_study, setting
from reader_study.study.tokens import GuessLimit
from reader_study.study.write_ratings import ConflictError

__all__ = ["create_api", "create_app"]


def create_app(
    folder: Path, *, hosts: Collection[str] = (), tls: bool = False, path: str = "", proxies: Proxies | None = None
) -> Guard:
    """Return the ASGI application of a study: :func:`create_api` behind :class:`~evaluation.serving.security.Guard`.

    Parameters
    ----------
    folder : Path
        Folder of the study.
    hosts : collection of str
        Host names that browsers may use, besides loopback ones.
    tls : bool
        Whether browsers use HTTPS; then cookies are `Secure`.
    path : str
        Path under which the study is served: "" or, for example, `/study`.
    proxies : Proxies, optional
        Proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted.

    Raises
    ------
    StudyError
        If the folder is not a study.
    ServingError
        If NiiVue is missing or has changed.
    """
    app: Any = create_api(folder, tls=tls, path=path)
    if proxies and proxies.networks:
        app = ProxyHeadersMiddleware(app, trusted_hosts=list(proxies.networks))
    return Guard(app, WORDING, hosts, tls=tls, path=path, proxies=proxies)


def create_api(
    folder: Path, *, tls: bool = False, path: str = "", limit: GuessLimit | None = None, is_preview: bool = False
) -> FastAPI:
    """Return the application alone, without the checks on host, origin and body; it serves neither schema nor documentation."""
    connection = open_study(folder)
    name = f"darts_{setting(connection, 'study')}{'_preview' if is_preview else ''}"
    connection.close()
    limit = limit or GuessLimit()

    def serve_copy(copy: Path) -> FastAPI:
        return create_api(copy, tls=tls, path=path + PREVIEW, limit=limit, is_preview=True)

    preview = None if is_preview else PreviewRoom(folder, serve_copy)

    @asynccontextmanager
    async def until_the_end(api: FastAPI) -> AsyncIterator[None]:
        yield
        if preview:
            preview.close()

    api = FastAPI(title="darts-reader-study", docs_url=None, redoc_url=None, openapi_url=None, lifespan=until_the_end)
    cookie = f"__Host-{name}" if tls else name
    api.state.served = Served(folder, cookie, tls, read_viewer_library(), limit, path, preview)
    for part in (pages, reader_api, coordinator_api):
        api.include_router(part.router)
    if preview:
        api.mount(PREVIEW, preview)
    api.add_exception_handler(NotOpenError, _not_open)
    api.add_exception_handler(ConflictError, _conflict)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _refused)
    api.add_exception_handler(Exception, _broken)
    return api


def _not_open(request: Request, error: Exception) -> Response:
    # The same reply for items of other readers, items that are not open yet and items that do not exist.
    return _reply(request, 404, "no such item, or not open now")


def _conflict(request: Request, error: Exception) -> Response:
    return _reply(request, 409, str(error))


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reply = _reply(request, error.status_code, error.detail)
    reply.headers.update(error.headers or {})
    return reply


def _broken(request: Request, error: Exception) -> Response:
    return _reply(request, 500, "the server made a mistake")


def _invalid(request: Request, error: Exception) -> Response:
    if wants_page(request.method, request.headers):
        return _reply(request, 422, "no such page")
    # The content of the request is not sent back: it may be a token.
    found = error.errors() if isinstance(error, RequestValidationError) else []
    problems = [{"loc": [str(part) for part in one["loc"]], "msg": one["msg"], "type": one["type"]} for one in found]
    return JSONResponse({"detail": problems}, 422)


def _reply(request: Request, status: int, detail: str) -> Response:
    page = wants_page(request.method, request.headers)
    body, media_type = error_body(status, detail, served(request).base, WORDING, page=page)
    return Response(body, status, media_type=media_type)
