"""The rating server: one study, served to its readers and its coordinator."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from reader_study.app import coordinator_api, pages, reader_api
from reader_study.app.access import Served
from reader_study.app.security import Guard
from reader_study.app.viewer_library import read_viewer_library
from reader_study.study.answers import ConflictError, NotOpenError
from reader_study.study.storage import open_study, setting
from reader_study.study.tokens import GuessLimit

__all__ = ["create_api", "create_app"]


def create_app(folder: Path, *, hosts: Collection[str] = (), tls: bool = False) -> Guard:
    """Return the ASGI application of a study: :func:`create_api` behind :class:`~reader_study.app.security.Guard`.

    Parameters
    ----------
    folder : Path
        Of the study.
    hosts : collection of str
        Host names, beside loopback ones, under which browsers may ask.
    tls : bool
        Whether browsers come by HTTPS; cookies are `Secure` then.

    Raises
    ------
    StudyError
        If the folder is no study, or NiiVue is not where it was.
    """
    return Guard(create_api(folder, tls=tls), hosts, tls=tls)


def create_api(folder: Path, *, tls: bool = False, limit: GuessLimit | None = None) -> FastAPI:
    """Return the application alone, without the checks on host, origin and body; it serves neither schema nor documentation."""
    connection = open_study(folder)
    name = f"darts_{setting(connection, 'study')}"
    connection.close()
    api = FastAPI(title="darts-reader-study", docs_url=None, redoc_url=None, openapi_url=None)
    cookie = f"__Host-{name}" if tls else name
    api.state.served = Served(folder, cookie, tls, read_viewer_library(), limit or GuessLimit())
    for part in (pages, reader_api, coordinator_api):
        api.include_router(part.router)
    api.add_exception_handler(NotOpenError, _not_open)
    api.add_exception_handler(ConflictError, _conflict)
    api.add_exception_handler(RequestValidationError, _invalid)
    return api


def _not_open(request: Request, error: Exception) -> JSONResponse:
    # One reply for what is another's, what is not open yet and what does not exist.
    return JSONResponse({"detail": "no such item, or not open now"}, 404)


def _conflict(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 409)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    # What was sent is not sent back: it may be a token.
    found = error.errors() if isinstance(error, RequestValidationError) else []
    problems = [{"loc": [str(part) for part in one["loc"]], "msg": one["msg"], "type": one["type"]} for one in found]
    return JSONResponse({"detail": problems}, 422)
