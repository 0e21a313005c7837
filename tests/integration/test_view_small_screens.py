"""darts-view in a real Chromium where there is little room: by finger on a phone, and long names on a laptop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.test_view_browser import opened, press, readout, settled

__all__ = ["opened"]

pytestmark = pytest.mark.timeout(1800)


def test_a_finger_points_and_scrolls_on_a_phone_and_nothing_overflows(opened: Callable[..., Any]) -> None:
    page = opened(width=390, height=844, touch=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    press(page, "v")
    box = page.locator("canvas.region").first.bounding_box()
    before = readout(page)["Position"]
    page.touchscreen.tap(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    settled(page)
    assert readout(page)["Position"] != before
    small = page.eval_on_selector_all(
        "button, select, input[type=search]",
        "all => all.filter((one) => one.offsetParent && one.getBoundingClientRect().height < 24).length",
    )
    assert small == 0
    page.click("#modes [data-mode=side]")
    settled(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_a_page_that_opens_at_a_region_stands_at_its_top_with_the_region_in_the_list(opened: Callable[..., Any]) -> None:
    for width, height, touch in ((390, 844, True), (820, 1180, True), (1280, 800, False)):
        page = opened(width=width, height=height, touch=touch, region="left hippocampus")
        settled(page)
        assert page.evaluate("scrollY") == 0
        row, shown = page.locator("#legend tr.chosen").bounding_box(), page.locator("#legend-scroll").bounding_box()
        assert shown["y"] <= row["y"] and row["y"] + row["height"] <= shown["y"] + shown["height"]


def test_on_a_phone_the_list_that_is_searched_and_the_place_stand_in_sight(opened: Callable[..., Any]) -> None:
    page = opened(width=390, height=844, touch=True)
    page.tap("#search")
    page.keyboard.type("putam")
    settled(page)
    pictures = page.locator("#pictures").bounding_box()
    for found in (page.locator("#search"), page.locator("#legend tr:visible").last):
        box = found.bounding_box()
        assert pictures["y"] + pictures["height"] <= box["y"] + 1 and box["y"] + box["height"] <= 844
    page.tap("#legend button.region:visible >> nth=0")
    settled(page)
    place = page.locator("#readout div").first
    assert place.locator("dd").bounding_box()["height"] < 25, "one line"
    assert place.locator("dt").inner_text() == "Position"
    page.evaluate("() => scrollTo(0, 0)")
    page.tap("#open-help")
    settled(page)
    heading, touch = page.locator("#help-title").bounding_box(), page.locator("#help p").first
    assert heading["y"] >= 0 and "tap" in touch.inner_text() and touch.bounding_box()["y"] < 300


def test_names_of_two_maps_stand_whole_below_the_pictures(opened: Callable[..., Any]) -> None:
    page = opened(region="left cerebral white matter", names=("DARTS ensemble", "manual labels"))
    cut = page.eval_on_selector_all(
        "#readout dd", "all => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
    )
    assert cut == []
