"""The server of darts-view: the page needs no permission, images are given only to requests with the token."""

from __future__ import annotations

import hmac
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from evaluation.serving.error_pages import Wording, error_body, wants_page
from evaluation.serving.security import Guard
from evaluation.serving.shared_scripts import SHARED_SCRIPTS, shared_script
from evaluation.serving.viewer_library import ViewerLibrary
from evaluation.viewer.shown import Shown

__all__ = ["TOKEN_HEADER", "create_app"]

TOKEN_HEADER = "x-darts-token"
#: All files that are served besides NiiVue and the shared scripts. Other names are refused, so no path can lead elsewhere.
_STATIC = {
    "view.css": "text/css",
    **dict.fromkeys(
        (
            "colours.js", "fetching.js", "keys.js", "legend.js", "look.js", "painting.js", "places.js", "readout.js",
            "view.js",
        ),
        "text/javascript",
    ),
}  # fmt: skip
_WORDING = Wording(
    titles={400: "This address does not lead to darts-view", 404: "There is no such page", 405: "There is no such page"},
    advice={404: "darts-view has one page."},
    home="Go to the scan",
    unknown_host="open the address that darts-view printed",
    other_origin="open the address that darts-view printed",
    style="view.css",
)


def create_app(shown: Shown, token: str, library: ViewerLibrary) -> Guard:
    """Return the ASGI application.

    Parameters
    ----------
    shown : Shown
    token : str
        Requests for images must have it in the header :data:`TOKEN_HEADER`, because other users of this machine can
        reach its loopback address.
    library : ViewerLibrary
    """

    def page(request: Request) -> Response:
        return Response(_static("view.html"), media_type="text/html; charset=utf-8")

    def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name == "niivue.js":
            return Response(library.script, media_type="text/javascript")
        if name in SHARED_SCRIPTS:
            return Response(shared_script(name), media_type="text/javascript")
        if name not in _STATIC:
            raise HTTPException(404, "no such file")
        return Response(_static(name), media_type=_STATIC[name])

    def about(request: Request) -> Response:
        images = f"Images by NiiVue {library.version} ({library.licence}), from {library.source}"
        return JSONResponse({**shown.about(), "library": images})

    def scan(request: Request) -> Response:
        return _octets(shown.scan_file())

    def labels(request: Request) -> Response:
        return _octets(_bytes(shown.places_of(_number(request, "map", len(shown.viewed.maps)))))

    def agreement(request: Request) -> Response:
        if shown.viewed.agreement is None:
            raise HTTPException(404, "no agreement was given")
        return _octets(_bytes(shown.viewed.agreement))

    def difference(request: Request) -> Response:
        first, second = (_number(request, name, len(shown.viewed.maps)) for name in ("first", "second"))
        return JSONResponse(shown.difference(first, second, _region(request, shown)))

    def disagreement(request: Request) -> Response:
        if shown.viewed.agreement is None:
            raise HTTPException(404, "no agreement was given")
        return JSONResponse(shown.disagreement(_region(request, shown)))

    private = {
        "/api/about": about,
        "/api/scan": scan,
        "/api/maps/{map:int}": labels,
        "/api/agreement": agreement,
        "/api/places/{first:int}/{second:int}": difference,
        "/api/places/agreement": disagreement,
    }
    routes = [Route("/", page), Route("/static/{name}", static)]
    routes += [Route(path, _for_token(token, answer)) for path, answer in private.items()]
    return Guard(Starlette(routes=routes, exception_handlers={HTTPException: _refused, Exception: _broken}), _WORDING)


def _for_token(token: str, answer: Any) -> Any:
    """Return an endpoint that answers requests with the token. It is not a coroutine, so Starlette runs it in a thread."""

    def endpoint(request: Request) -> Response:
        given = request.headers.get(TOKEN_HEADER, "")
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise HTTPException(401, "open the address that darts-view printed")
        response: Response = answer(request)
        return response

    return endpoint


def _number(request: Request, name: str, count: int) -> int:
    number = int(request.path_params[name])
    if number >= count:
        raise HTTPException(404, f"no label map {number}")
    return number


def _region(request: Request, shown: Shown) -> int | None:
    text = request.query_params.get("region", "")
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= len(shown.legend):
        raise HTTPException(404, "no such region")
    return int(text)


def _octets(body: bytes) -> Response:
    return Response(body, media_type="application/octet-stream")


def _bytes(volume: np.ndarray[Any, Any]) -> bytes:
    """Voxels in the order of NIfTI files, the first axis fastest, little-endian."""
    return volume.astype(volume.dtype.newbyteorder("<"), copy=False).tobytes(order="F")


@lru_cache
def _static(name: str) -> bytes:
    return files("evaluation.viewer").joinpath("static", name).read_bytes()


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _reply(request, error.status_code, error.detail)


def _broken(request: Request, error: Exception) -> Response:
    return _reply(request, 500, "the server made a mistake")


def _reply(request: Request, status: int, detail: str) -> Response:
    page = wants_page(request.method, request.headers)
    body, media_type = error_body(status, detail, "", _WORDING, page=page)
    return Response(body, status, media_type=media_type)
