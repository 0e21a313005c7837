"""Questions, training, instructions and the list to look again in a real browser, by keyboard and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reader_study.study.storage import open_study
from reader_study.study.tables import rating_table
from tests.integration.rating_pages import READY, WAIT, pass_screen, serving
from tests.integration.test_rating_access import broken_rules
from tests.phantoms.rich_study import rich_study
from tests.phantoms.small_study import SmallStudy


@pytest.fixture
def rich(tmp_path: Path) -> Iterator[tuple[SmallStudy, str]]:
    study = rich_study(tmp_path / "study")
    with serving(study.folder) as address:
        yield study, address


def pressed(page: Any) -> list[str]:
    """What is chosen of the answers to the item on the screen."""
    texts = page.evaluate(
        "[...document.querySelectorAll('#answers [aria-pressed=true]')].map(one => one.innerText.replace(/[■□]/g, ' '))"
    )
    return [" ".join(text.split()) for text in texts]


def keys_of_help_work(page: Any) -> None:
    """The keys of help and instructions are named on every screen, and work there."""
    for key, dialog in (("h", "#help"), ("g", "#guide")):
        page.keyboard.press(key)
        assert page.is_visible(f"{dialog}[open]")
        page.keyboard.press("Escape")
        assert not page.is_visible(dialog)


def bar_has_room(page: Any) -> None:
    """At every width the bar has room for a long title, in two lines, and a long text of progress."""
    page.evaluate(
        """([title, progress]) => {
          document.querySelector('.study').textContent = title;
          document.getElementById('progress-text').textContent = progress;
          document.getElementById('pause').hidden = false;
        }""",
        ["Seven regions and three methods, " * 2, "Side by side: item 112 of 140 · about 120 min left"],
    )
    for width, tallest in ((390, 125), (768, 70), (1024, 70), (1280, 70)):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("header").bounding_box()["height"] < tallest
    assert page.evaluate("document.querySelector('.study').scrollHeight <= document.querySelector('.study').clientHeight")


@pytest.mark.timeout(900)
def test_a_reader_is_taught_answers_questions_and_keeps_what_they_set(browser: Any, rich: Any) -> None:
    study, base = rich
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(WAIT)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{base}/enter#{study.tokens['anna']}")
    page.wait_for_selector("#text-actions button")
    assert page.inner_text("#text-body h2") == "What to look at"
    assert page.evaluate("document.querySelector('#text-body img').complete")
    pass_screen(page)
    assert "A rating counts as right when it is at most 1 step of the scale from theirs." in page.inner_text("#text-body")
    assert "The study begins when 1 of 2 ratings is right" in page.inner_text("#text-body")
    keys_of_help_work(page)
    bar_has_room(page)
    pass_screen(page)
    # The item begins at its region, which fills the view.
    assert page.get_attribute("#start", "aria-pressed") == "true"
    assert float(page.input_value("#zoom")) > 2
    assert page.inner_text("#width-text") != "Window"
    assert broken_rules(page) == []
    page.keyboard.press("Enter")  # nothing is answered yet
    for key in ("2", "3", "1", "q", "2"):
        page.keyboard.press(key)
    page.keyboard.press("{")
    width = page.inner_text("#width-text")
    # A pause keeps what is half given.
    page.keyboard.press("p")
    page.wait_for_selector("#screen-text:not([hidden])")
    assert "What you began to answer is kept only while this page is open." in page.inner_text("#text-body")
    pass_screen(page)
    assert pressed(page) == ["2 fair", "3 sure", "1 none", "2 No"]
    page.keyboard.press("Enter")
    page.wait_for_selector(".feedback")
    assert "The experts rated differently" in page.inner_text(".feedback")
    assert "The experts agreed on 5, excellent." in page.inner_text(".feedback")
    assert "Rated" not in (page.text_content("#toast") or "")  # the panel says it, and nothing lies over its button
    for button in ("#undo", "#again", "#open-comment", "#pause"):
        assert page.is_disabled(button)
    assert broken_rules(page) == []
    page.keyboard.press("g")
    assert "Misses most of the region." in page.inner_text("#guide-body")
    assert broken_rules(page) == []
    page.keyboard.press("Escape")
    page.evaluate("document.getElementById('panel').scrollTop = 10_000")
    assert page.evaluate("document.getElementById('panel').scrollTop") > 0
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('region').textContent === 'Blob'")
    page.wait_for_function(READY)
    # However far the panel was scrolled, the next item begins with its scale in sight.
    assert page.evaluate("document.getElementById('panel').scrollTop") == 0
    assert page.locator(".level").first.bounding_box()["y"] > page.locator("header").bounding_box()["height"]
    assert page.inner_text("#width-text") == width  # kept from item to item
    page.keyboard.press("r")
    assert page.inner_text("#width-text") != width
    page.close()
    assert errors == []
    given = rating_table(open_study(study.folder), part="practice")
    assert given[["rating", "certainty", "worst", "motion"]].to_numpy().tolist() == [[2, "3", "none", "no"]]


@pytest.mark.timeout(900)
def test_a_paused_study_and_a_phone_with_questions(browser: Any, rich: Any) -> None:
    from reader_study.conduct.status import set_status

    study, base = rich
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{base}/enter#{study.tokens['ben']}")
    page.wait_for_selector("#text-actions button")
    for _ in range(2):
        title = page.inner_text("#text-title")
        page.tap("#text-actions button")
        page.wait_for_function("title => document.getElementById('text-title').textContent !== title "
                               "|| document.getElementById('screen-text').hidden", arg=title)  # fmt: skip
        page.wait_for_function(READY)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # The picture and the button that stores the answer are in sight wherever the page is scrolled to.
    for down in (0, 400, 100_000):
        page.evaluate("down => { document.getElementById('main').scrollTop = down }", down)
        header, picture = page.locator("header").bounding_box(), page.locator("canvas.region").bounding_box()
        assert picture["y"] >= header["y"] + header["height"] - 1 and picture["height"] > 250
        if down < 1000:
            assert page.locator("#answers .store button").bounding_box()["y"] + 44 <= 844
    assert page.is_disabled("#answers .store button")
    page.tap(".level:has(kbd:text-is('5'))")
    page.tap("text=fairly sure")
    page.tap("text=front, left")
    page.tap(".further button:has-text('Yes')")
    set_status(open_study(study.folder), "paused", who="a test", note="Back on Monday")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"] and not page.is_closed()
    page.tap("#answers .store button")
    page.wait_for_selector("#screen-text:not([hidden])")
    assert page.inner_text("#text-title") == "The study is paused"
    assert "Back on Monday" in page.inner_text("#text-body")
    assert broken_rules(page) == []
    context.close()
    assert rating_table(open_study(study.folder), part="practice").empty
