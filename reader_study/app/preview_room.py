"""The coordinator's preview: the study as a reader sees it, on a copy that is deleted afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException

from reader_study.conduct.preview import preview_copy

__all__ = ["PREVIEW", "PreviewRoom"]

#: Path of the preview under that of the study.
PREVIEW = "/preview"


class PreviewRoom:
    """ASGI application that serves the open preview; one at a time, and 404 while there is none.

    Parameters
    ----------
    folder : Path
        Folder of the study; it is only read.
    serve : callable
        Makes an ASGI application of a study's folder.
    """

    def __init__(self, folder: Path, serve: Callable[[Path], Any]) -> None:
        self._folder, self._serve = folder, serve
        self._open = ExitStack()
        self._app: Any = None
        self._lock = threading.Lock()

    def begin(self, reader: str = "") -> tuple[Any, str]:
        """Open a new preview instead of the earlier one; return its application and the token that opens it.

        Parameters
        ----------
        reader : str
            The reader whose order is shown; by default the first.

        Raises
        ------
        StudyError
            If there is no such reader.
        """
        with self._lock, ExitStack() as opening:
            copy, token = opening.enter_context(preview_copy(self._folder, reader))
            app = self._serve(copy)
            self._close()
            self._app, self._open = app, opening.pop_all()
        return app, token

    def close(self) -> None:
        """Delete the open preview."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._app = None
        self._open.close()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass one request on to the preview."""
        app = self._app
        if app is None:
            raise HTTPException(404, "no preview is open; the coordinator's page opens one")
        await app(scope, receive, send)
