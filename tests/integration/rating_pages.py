"""What tests of the rating pages share: how long to wait, and for what."""

from __future__ import annotations

from typing import Any

#: Milliseconds: software draws the images, on a machine that may be busy with other tests.
WAIT = 180_000
READY = """() => document.getElementById("screen-text")?.hidden === false
  || (document.getElementById("viewers")?.classList.contains("loading") === false
    && document.getElementById("answers").children.length > 0)"""


def wait_past(page: Any, before: str) -> None:
    """Wait until the progress told is another one than `before`, or a screen of text is shown."""
    page.wait_for_function(
        "before => !document.getElementById('screen-text').hidden "
        "|| document.getElementById('progress-text').textContent !== before",
        arg=before,
    )
    page.wait_for_function(READY)


def pass_screen(page: Any) -> None:
    """Go on from a screen of text, by Enter."""
    title = page.inner_text("#text-title")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "title => document.getElementById('text-title').textContent !== title || document.getElementById('screen-text').hidden",
        arg=title,
    )
    page.wait_for_function(READY)
