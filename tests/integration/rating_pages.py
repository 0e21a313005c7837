"""Shared by tests of the rating pages: a served study, and functions that wait for the page."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Milliseconds: software draws the images, on a machine that may be busy with other tests.
WAIT = 180_000
READY = """() => document.getElementById("screen-text")?.hidden === false
  || (document.getElementById("viewers")?.classList.contains("loading") === false
    && document.getElementById("answers").children.length > 0)"""


def wait_past(page: Any, before: str) -> None:
    """Wait until the progress shown differs from `before`, or a screen of text is shown."""
    page.wait_for_function(
        "before => !document.getElementById('screen-text').hidden "
        "|| document.getElementById('progress-text').textContent !== before",
        arg=before,
    )
    page.wait_for_function(READY)


def pass_screen(page: Any) -> None:
    """Continue after a screen of text, by Enter."""
    title = page.inner_text("#text-title")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "title => document.getElementById('text-title').textContent !== title || document.getElementById('screen-text').hidden",
        arg=title,
    )
    page.wait_for_function(READY)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a planned study by this process; yields the address."""
    import uvicorn

    from evaluation.serving.listening import listen, safe_address
    from reader_study.app.server import create_app

    listening = listen(safe_address("127.0.0.1", 0, i_have_tls=False, behind_proxy=False, public_hosts=()))
    server = uvicorn.Server(uvicorn.Config(create_app(folder), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=30)
