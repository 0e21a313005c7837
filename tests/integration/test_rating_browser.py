"""A whole study rated in a real Chromium, by keyboard only; the region is drawn in the right place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reader_study.ratings.table import read_ratings
from reader_study.study.export import export_study
from reader_study.study.storage import open_study
from reader_study.study.tables import event_table
from tests.integration.rating_pages import READY, WAIT, pass_screen, wait_past


def yellow_box(page: Any) -> tuple[float, float, float, float] | None:
    """Box of the pixels in the region's colour on its canvas, as shares of the canvas."""
    return page.evaluate(
        """() => {
          const canvas = document.querySelector("canvas.region");
          const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let box = null;
          for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
            const at = 4 * (y * width + x);
            if (data[at] > 200 && data[at + 1] > 150 && data[at + 2] < 120 && data[at + 3] > 200) {
              box = box ?? [x, y, x, y];
              box = [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y)];
            }
          }
          return box && [box[0] / width, box[1] / height, box[2] / width, box[3] / height];
        }"""
    )


def look_around(page: Any) -> None:
    """Hide and show the region of the first item, go through slices, views and windows, and return to the beginning."""
    box = yellow_box(page)
    assert box and box[2] - box[0] > 0.02
    # In the radiological convention a right region lies on the left of the screen; the seed makes it the first.
    assert page.inner_text("#where") == "right side"
    assert page.get_attribute("#planes [aria-pressed=true]", "data-plane") == "axial"
    assert box[2] < 0.5
    page.keyboard.press("Space")
    assert yellow_box(page) is None
    page.keyboard.press("Space")
    assert yellow_box(page) == box
    slice_text = page.inner_text("#slice-text")
    for key in ("ArrowUp", "ArrowUp", "v", "v", "+", "f", "]", "}"):
        page.keyboard.press(key)
    page.keyboard.press("r")
    page.keyboard.press("f")
    assert page.inner_text("#slice-text") == slice_text


def comment_and_pause(page: Any) -> None:
    """Write a comment with digits that must not rate, pause, and continue."""
    page.keyboard.press("n")
    page.keyboard.type("1 2 3: digits of a comment rate nothing")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    page.wait_for_selector("#screen-text:not([hidden])")
    assert page.inner_text("#text-title") == "Paused"
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.getElementById('screen-text').hidden")
    page.wait_for_function(READY)


def change_last_rating(page: Any, level: str) -> None:
    """Go back to the last item and rate it again."""
    page.keyboard.press("u")
    page.wait_for_selector("#changing:not([hidden])")
    page.wait_for_function(READY)
    page.wait_for_function("() => document.querySelector('.level[aria-pressed=true]')")
    page.keyboard.press(level)
    page.wait_for_selector("#changing", state="hidden")
    page.wait_for_function(READY)


@pytest.mark.timeout(1800)
def test_a_whole_study_is_rated_by_keyboard(browser: Any, served: Any, tmp_path: Path) -> None:
    study, base = served
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(WAIT)
    errors: list[str] = []
    asked: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{base}/enter#{study.tokens['anna']}")
    page.wait_for_selector("#text-actions button")
    assert page.url == f"{base}/read"  # the token is gone from the address
    assert "Images by NiiVue 0.68.1 (BSD 2-Clause), from nilearn 0.14.1" in page.inner_text("#about")
    titles: list[str] = []
    given: list[int] = []
    checked = changed = False
    for step in range(80):
        page.wait_for_function(READY)
        if page.is_visible("#screen-text"):
            titles.append(page.inner_text("#text-title"))
            if titles[-1] == "Thank you":
                break
            pass_screen(page)
            continue
        part, before = page.inner_text("#part"), page.inner_text("#progress-text")
        if part == "Rating" and not checked:
            checked = True
            look_around(page)
            comment_and_pause(page)
            page.screenshot(path=tmp_path / "item.png")
        if part.startswith("Practice") or part == "Rating":
            if part == "Rating" and len(given) == 3 and not changed:
                changed = True
                change_last_rating(page, "5")
                given[-1] = 5
            rating = 1 + step % 5
            if part == "Rating":
                given.append(rating)
            page.keyboard.press(str(rating))
        elif part == "Side by side":
            for key in ("2", "1", "3", "Enter"):
                page.keyboard.press(key)
        else:
            page.keyboard.press("1")
        wait_past(page, before)
    assert titles == ["Before you begin", "Practice", "Practice is over", "Side by side", "One last question", "Thank you"]
    # This test reads the canvas back, which Chromium remarks on.
    assert [error for error in errors if "getImageData" not in error] == []
    assert all(url.startswith((f"{base}/", "data:", "blob:")) for url in asked)
    assert study.tokens["anna"] not in " ".join(asked[1:])
    page.close()
    check_export(study.folder, tmp_path / "out", given)


def check_export(study: Path, out: Path, given: list[int]) -> None:
    """The ratings given are those exported, and every event is stored."""
    export_study(study, out, unblind=True)
    ratings = read_ratings(out / "ratings.csv")
    assert ratings["rating"].astype(int).tolist() == given
    assert ratings.loc[ratings["comment"] != "", "comment"].tolist() == ["1 2 3: digits of a comment rate nothing"]
    assert ratings["seconds"].notna().all()
    kinds = event_table(open_study(study))["kind"].value_counts()
    assert (kinds["rated"], kinds["changed"], kinds["ranked"], kinds["guessed"], kinds["comment"]) == (19, 1, 2, 3, 1)


@pytest.mark.timeout(600)
def test_the_coordinators_page_and_a_wrong_link(browser: Any, served: Any) -> None:
    study, base = served
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{base}/enter#not-a-token")
    page.wait_for_selector("#message.bad")
    assert page.inner_text("#message") == "This link is not valid; ask the coordinator for a new one."
    page.goto(f"{base}/")
    page.goto(f"{base}/enter#{study.coordinator}")
    page.wait_for_selector("#readers tr")
    assert page.url == f"{base}/coordinator"
    assert re.findall(r"^(anna|ben)\b", page.inner_text("#readers"), flags=re.MULTILINE) == ["anna", "ben"]
    context.close()


def test_an_item_looked_at_too_often_to_be_noted_can_still_be_rated(
    browser: Any, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, base = served
    monkeypatch.setattr("reader_study.study.write_ratings._MOST_EVENTS", 1)
    page = browser.new_page(viewport={"width": 800, "height": 600})
    page.set_default_timeout(WAIT)
    page.goto(f"{base}/enter#{study.tokens['anna']}")
    for look in range(3):
        page.wait_for_function(READY)
        while page.is_visible("#screen-text"):
            page.click("#text-actions button")
            page.wait_for_function(READY)
        if look < 2:
            page.reload()
    before = page.inner_text("#progress-text")
    page.keyboard.press("4")
    wait_past(page, before)
    rated = event_table(open_study(study.folder))
    page.close()
    assert rated["rating"].dropna().tolist() == [4]
    assert (rated["kind"] == "shown").sum() <= 2  # of this item and the next: the later looks are not stored
