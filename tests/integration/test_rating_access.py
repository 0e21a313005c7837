"""Accessibility of the rating pages: axe's rules of WCAG 2.1 AA on each screen, contrast of lines, touch on a tablet."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from reader_study.study.storage import open_study
from reader_study.study.tables import event_table
from tests.conftest import SOAK
from tests.integration.rating_pages import READY, WAIT, pass_screen, wait_past
from tests.integration.test_rating_browser import yellow_box

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


def broken_rules(page: Any) -> list[tuple[str, str]]:
    """Each rule that an element breaks, with axe's explanation."""
    page.wait_for_function("() => document.getAnimations().length === 0")  # what fades has no colour of its own yet
    found = Axe().run(page, options=RULES).response
    # That contrast was looked at, and not given up on. Newer versions of axe pass over the rules of whole pages.
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    assert page.title()
    assert page.locator("html").get_attribute("lang")
    return [
        (rule["id"], " ".join(f"{element['html'][:120]}: {element['failureSummary']}".split()))
        for rule in found["violations"]
        for element in rule["nodes"]
    ]


@pytest.mark.timeout(1800)
def test_no_screen_breaks_a_rule_of_wcag_2_1_aa(browser: Any, served: Any) -> None:
    study, base = served
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(WAIT)
    broken: dict[str, list[tuple[str, str]]] = {}
    page.goto(f"{base}/enter#not-a-token")
    page.wait_for_selector("#message.bad")
    broken["wrong link"] = broken_rules(page)
    page.goto(f"{base}/")
    page.goto(f"{base}/enter#{study.tokens['anna']}")
    page.wait_for_selector("#text-actions button")
    for _ in range(80):
        page.wait_for_function(READY)
        if page.is_visible("#screen-text"):
            title = page.inner_text("#text-title")
            broken[title] = broken_rules(page)
            if title == "Thank you":
                break
            pass_screen(page)
            continue
        part, before = page.inner_text("#part"), page.inner_text("#progress-text")
        if f"item: {part}" not in broken:
            broken[f"item: {part}"] = broken_rules(page)
            if part == "Rating":
                page.keyboard.press("n")
                broken["comment"] = broken_rules(page)
                page.keyboard.press("Escape")
                page.keyboard.press("h")
                page.wait_for_selector("#help[open]")
                broken["help"] = broken_rules(page)
                page.keyboard.press("Escape")
                page.keyboard.press("v")
                page.keyboard.press("f")
                broken["another plane, filled"] = broken_rules(page)
        for key in ("2", "1", "3", "Enter") if part == "Side by side" else ("3",):
            page.keyboard.press(key)
        wait_past(page, before)
        if part == "Rating" and "changing" not in broken:
            broken["answer stored"] = broken_rules(page)
            page.keyboard.press("u")
            page.wait_for_selector("#changing:not([hidden])")
            page.wait_for_function(READY)
            broken["changing"] = broken_rules(page)
            page.keyboard.press("Escape")
            page.wait_for_selector("#changing", state="hidden")
            page.wait_for_function(READY)
    coordinator = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    coordinator.set_default_timeout(WAIT)
    coordinator.goto(f"{base}/enter#{study.coordinator}")
    coordinator.wait_for_selector("#readers tr")
    broken["coordinator"] = broken_rules(coordinator)
    coordinator.context.close()
    page.close()
    assert {"Before you begin", "item: Rating", "item: Side by side", "item: Guess the method", "Thank you"} <= set(broken)
    assert {screen: rules for screen, rules in broken.items() if rules} == {}


def contrast(one: str, other: str) -> float:
    """Contrast of two #rrggbb colours, 1 to 21, after the definitions of relative luminance and contrast ratio in WCAG 2.1."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_lines_that_show_a_field_a_button_or_the_focus_stand_out(browser: Any, served: Any) -> None:
    """WCAG 2.1, 1.4.11, which axe does not check: 3 to 1 for what shows a control, its state or the focus."""
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the well-known grey that just fails
    page = browser.new_page()
    page.goto(f"{served[1]}/enter")
    names = ("ground", "panel", "raised", "line", "accent", "focus", "warn")
    colours = page.evaluate(
        "names => names.map(name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim())", names
    )
    page.close()
    of = dict(zip(names, colours, strict=True))
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    for line in ("line", "accent", "focus", "warn"):
        for behind in ("ground", "panel", "raised"):
            assert contrast(of[line], of[behind]) >= 3, (line, behind)


class Fingers:
    """Touches as a tablet sends them, by the browser's own protocol."""

    def __init__(self, page: Any) -> None:
        self.session = page.context.new_cdp_session(page)

    def send(self, kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def drag(self, *paths: tuple[tuple[float, float], tuple[float, float]], steps: int = 12) -> None:
        """Move one or more fingers at once, each from a place to another."""
        self.send("touchStart", *(start for start, _ in paths))
        for step in range(1, steps + 1):
            share = step / steps
            self.send("touchMove", *((x0 + share * (x1 - x0), y0 + share * (y1 - y0)) for (x0, y0), (x1, y1) in paths))
        self.send("touchEnd")


@pytest.mark.parametrize(("width", "height"), [(820, 1180), (1180, 820)] if SOAK else [(820, 1180)])
def test_fingers_on_a_tablet_scroll_zoom_and_rate(browser: Any, served: Any, width: int, height: int, tmp_path: Path) -> None:
    study, base = served
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{base}/enter#{study.tokens['ben']}")
    page.wait_for_selector("#text-actions button")
    while page.is_visible("#screen-text"):
        title = page.inner_text("#text-title")
        page.tap("#text-actions button")
        page.wait_for_function("title => document.getElementById('text-title').textContent !== title "
                               "|| document.getElementById('screen-text').hidden", arg=title)  # fmt: skip
        page.wait_for_function(READY)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("canvas.region").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = Fingers(page)

    def shown() -> tuple[int, float]:
        slice_number = re.search(r"\d+", page.inner_text("#slice-text"))
        assert slice_number
        return int(slice_number[0]), float(page.input_value("#zoom"))

    first, zoom = shown()
    assert zoom == 1
    fingers.drag(((x, y + 60), (x, y - 60)))
    second, zoom = shown()
    assert abs(second - first) == 10 and zoom == 1  # a slice for every 12 pixels of 120
    fingers.drag(((x, y - 60), (x, y + 60)))
    assert shown() == (first, 1)
    fingers.drag(((x - 40, y), (x - 100, y)), ((x + 40, y), (x + 100, y)))
    number, zoom = shown()
    assert number == first
    assert zoom == pytest.approx(200 / 80, abs=0.25)  # the fingers' distance after and before, in steps of the slider
    # Every button is large enough for a finger (WCAG 2.1, 2.5.5: 44 pixels), and a level rates.
    sizes = page.evaluate(
        "[...document.querySelectorAll('.panel button')].filter(b => b.offsetParent).map(b => b.getBoundingClientRect().height)"
    )
    assert len(sizes) > 5 and min(sizes) >= 44
    page.screenshot(path=tmp_path / "tablet.png")
    before = page.inner_text("#progress-text")
    page.tap(".level:has(kbd:text-is('4'))")
    wait_past(page, before)
    context.close()
    given = event_table(open_study(study.folder))
    assert given["rating"].dropna().tolist() == [4]


def slices(page: Any) -> list[int]:
    """Numbers of the slices of the planes in sight, by the cross in three planes: axial, coronal, sagittal."""
    found = []
    for plane in ("axial", "coronal", "sagittal"):
        page.evaluate("plane => document.querySelector(`[data-plane=${plane}]`).click()", plane)
        number = re.search(r"\d+", page.inner_text("#slice-text"))
        assert number
        found.append(int(number[0]))
    page.evaluate("document.querySelector('[data-plane=planes]').click()")
    return found


def test_keys_and_a_tap_move_the_cross_and_keys_move_a_zoomed_slice(browser: Any, served: Any) -> None:
    study, base = served
    context = browser.new_context(viewport={"width": 1180, "height": 820}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{base}/enter#{study.tokens['anna']}")
    page.wait_for_selector("#text-actions button")
    for _ in range(2):
        pass_screen(page)
    before = slices(page)
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    # The item is shown sagittally, the nose to the left: up is superior, the screen's right is posterior.
    assert page.inner_text("#region") == "Cingulate Gyrus"
    assert slices(page) == [before[0] + 1, before[1] - 2, before[2]]
    box = page.locator("canvas.region").bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    page.touchscreen.tap(x, y)
    tapped = slices(page)
    assert sum(one != other for one, other in zip(tapped, before, strict=True)) >= 2
    page.keyboard.press("r")
    assert yellow_box(page) is not None
    for _ in range(5):
        page.keyboard.press("+")
    here = yellow_box(page)
    page.keyboard.press("Shift+ArrowUp")
    there = yellow_box(page)
    # Looking further up, the region lies further down.
    assert here and there and there[1] > here[1] + 0.02
    context.close()


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 1}


@pytest.mark.timeout(600)
def test_on_a_phone_the_picture_of_every_item_lies_below_the_header(browser: Any, served: Any) -> None:
    study, base = served
    context = browser.new_context(**PHONE)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{base}/enter#{study.tokens['ben']}")
    page.wait_for_selector("#text-actions button")
    shown = 0
    while shown < 3:
        page.wait_for_function(READY)
        if page.is_visible("#screen-text"):
            # The beginning of a text is read first; its button is reached by scrolling.
            assert page.locator("#text-title").bounding_box()["y"] >= page.locator("header").bounding_box()["height"]
            title = page.inner_text("#text-title")
            page.tap("#text-actions button")
            page.wait_for_function("title => document.getElementById('text-title').textContent !== title "
                                   "|| document.getElementById('screen-text').hidden", arg=title)  # fmt: skip
            continue
        shown += 1
        header, picture = page.locator("header").bounding_box(), page.locator("canvas.region").bounding_box()
        assert picture["y"] >= header["y"] + header["height"] - 1
        assert picture["height"] > 300 and picture["y"] + picture["height"] <= 844
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        before = page.inner_text("#progress-text")
        page.tap(".level:has(kbd:text-is('2'))")  # which scrolls the page to the button
        wait_past(page, before)
        # What is said of the answer covers neither the scale nor the bar; where it fades it keeps its place.
        if page.is_visible("canvas.region"):
            said = page.locator("#toast").bounding_box()
            assert said["y"] >= header["y"] + header["height"]
            assert said["y"] + said["height"] <= picture["y"] + picture["height"]
    context.close()


def test_an_answer_that_is_not_stored_yet_warns_before_the_page_closes(browser: Any, served: Any) -> None:
    study, base = served
    context = browser.new_context(viewport={"width": 1024, "height": 768})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    # From the start, as a request may slip through just after the network is cut.
    page.route("**/answer", lambda route: route.abort())
    page.goto(f"{base}/enter#{study.tokens['ben']}")
    page.wait_for_selector("#text-actions button")
    for _ in range(2):
        page.wait_for_function(READY)
        pass_screen(page)
    page.wait_for_function(READY)
    for _ in range(20):  # on a busy machine the page may not take keys yet where the item is just drawn
        page.keyboard.press("3")
        with suppress(PlaywrightTimeoutError):
            page.wait_for_selector("body.offline", timeout=WAIT)
            break
    said, picture = page.locator("#toast").bounding_box(), page.locator("canvas.region").bounding_box()
    assert picture["x"] <= said["x"] and said["x"] + said["width"] <= picture["x"] + picture["width"]
    page.close(run_before_unload=True)
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"] and not page.is_closed()
    before = page.inner_text("#progress-text")
    page.unroute("**/answer")
    wait_past(page, before)
    page.close(run_before_unload=True)
    context.close()
    assert asked == ["beforeunload"]
    assert event_table(open_study(study.folder))["rating"].dropna().tolist() == [3]


def test_a_wrong_address_is_a_page_without_broken_rules(browser: Any, served: Any) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{served[1]}/a/wrong/address")
    assert page.inner_text("h1") == "There is no such page"
    assert broken_rules(page) == []
    page.click("text=Go to the study")
    page.wait_for_url(f"{served[1]}/enter")
    page.close()
