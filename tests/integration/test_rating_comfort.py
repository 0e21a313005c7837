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
    assert "The study begins when 1 of 2 ratings agree with the experts" in page.inner_text("#text-body")
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
    page.keyboard.press("Enter")
    page.wait_for_selector(".feedback")
    assert "The experts agreed on 5, excellent." in page.inner_text(".feedback")
    assert broken_rules(page) == []
    page.keyboard.press("g")
    assert "Misses most of the region." in page.inner_text("#guide-body")
    assert broken_rules(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('region').textContent === 'Blob'")
    page.wait_for_function(READY)
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
    page.tap(".level:has(kbd:text-is('5'))")
    page.tap("text=fairly sure")
    page.tap("text=front, left")
    page.tap(".further button:has-text('Yes')")
    set_status(open_study(study.folder), "paused", who="a test", note="Back on Monday")
    page.tap("text=Confirm")
    page.wait_for_selector("#screen-text:not([hidden])")
    assert page.inner_text("#text-title") == "The study is paused"
    assert "Back on Monday" in page.inner_text("#text-body")
    assert broken_rules(page) == []
    context.close()
    assert rating_table(open_study(study.folder), part="practice").empty
