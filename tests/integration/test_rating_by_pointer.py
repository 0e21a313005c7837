"""A whole study with questions, training and a list to look again, by the mouse alone and by touch alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reader_study.study.storage import open_study
from reader_study.study.tables import rating_table
from tests.conftest import SOAK
from tests.integration.rating_pages import READY, WAIT, serving, wait_past
from tests.phantoms.rich_study import rich_study

#: Every item has been answered when this is the title of the screen of text.
END = "Thank you"


def answer(page: Any, press: Callable[[str], None]) -> None:
    """Answer what is on the screen, whatever it asks, and go on to the next item or screen of text."""
    before = page.inner_text("#progress-text")
    if page.is_visible(".rank"):
        for column in range(3):
            press(f".rank >> nth={column} >> button >> nth={column}")
        press("#answers .store button")
    elif page.is_visible(".further"):
        press(".level:has(kbd:text-is('4'))")
        press(".further button:has-text('fairly sure')")
        press(".further button:has-text('back')")
        press(".further button:text-matches('No$')")  # `has-text` would also find "none"
        press("#answers .store button")
    else:  # a guess
        press(".level >> nth=-1")
    page.wait_for_function(
        "before => document.querySelector('.feedback') || !document.getElementById('screen-text').hidden "
        "|| document.getElementById('progress-text').textContent !== before",
        arg=before,
    )
    if page.is_visible(".feedback"):
        press("#answers .store button")
        wait_past(page, before)


def leave_text(page: Any, press: Callable[[str], None]) -> None:
    """Press the button of a screen of text."""
    title = page.inner_text("#text-title")
    press("#text-actions button >> nth=0")
    page.wait_for_function(
        "title => document.getElementById('text-title').textContent !== title || document.getElementById('screen-text').hidden",
        arg=title,
    )
    page.wait_for_function(READY)


MOUSE, TOUCH = (1024, 768, False), (768, 1024, True)


@pytest.mark.skipif(not SOAK, reason="two readers rate a whole study; DARTS_SOAK=1 runs it")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("width", "height", "touch"), [TOUCH, MOUSE])
def test_a_study_with_questions_is_rated_to_its_end(browser: Any, tmp_path: Path, width: int, height: int, touch: bool) -> None:
    study = rich_study(tmp_path / "study")
    with serving(study.folder) as base:
        context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        press = page.tap if touch else page.click
        page.goto(f"{base}/enter#{study.tokens['anna']}")
        page.wait_for_selector("#text-actions button")
        titles: list[str] = []
        marked = False
        while True:
            page.wait_for_function(READY)
            # Nothing is wider than the screen, and the picture of an item is in sight.
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if page.is_visible("#screen-text"):
                titles.append(page.inner_text("#text-title"))
                if titles[-1] == END:
                    break
                leave_text(page, press)
                continue
            assert page.locator("#viewers canvas").first.bounding_box()["height"] > 250
            if not marked and page.is_enabled("#again"):
                press("#again")
                page.wait_for_function("() => document.getElementById('again').getAttribute('aria-pressed') === 'true'")
                marked = True
            answer(page, press)
        context.close()
    assert errors == []
    assert titles[-4:] == ["Look again", "Side by side", "One last question", END]
    for part in ("practice", "rating"):
        given = rating_table(open_study(study.folder), part=part)
        assert len(given) and (given[["rating", "certainty", "worst", "motion"]] == [4, "2", "back", "no"]).all(axis=None)
