"""darts-view in a real Chromium: sides, names, volumes, differences, agreement, jumps; by mouse, keys and touch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.viewer.images import read_viewed
from evaluation.viewer.shown import Shown
from tests.conftest import SOAK
from tests.integration.rating_pages import WAIT
from tests.integration.test_rating_access import broken_rules
from tests.phantoms.brain import ids_at
from tests.phantoms.viewed_case import PALLIDUM, PUTAMEN, ViewedCase, write_case

pytestmark = pytest.mark.timeout(1800)

TOKEN = "the-token-of-a-test-that-nobody-guesses"
#: Notes each text that is drawn on a canvas, with its place: the letters at the edges of a slice.
RECORD = """
  globalThis.drawnTexts = new Map();
  const draw = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    globalThis.drawnTexts.set(text, [x / this.canvas.width, y / this.canvas.height]);
    return draw.call(this, text, x, y);
  };
"""
#: Centre of the pixels of a colour on the canvas of a column, as shares of it; null where there is none.
CENTRE = """([column, [r, g, b]]) => {
  const canvas = document.querySelectorAll("canvas.region")[column];
  // Of a copy: Chromium warns of a canvas that is read again and again.
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data, width, height } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let [x, y, n] = [0, 0, 0];
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 100 || [r, g, b].some((value, channel) => Math.abs(data[at + channel] - value) > 6)) continue;
    x += (at / 4) % width;
    y += Math.floor(at / 4 / width);
    n += 1;
  }
  return n ? [x / n / width, y / n / height, n] : null;
}"""


@contextmanager
def serving(
    case: ViewedCase, *, labels: int = 2, agreement: bool = True, region: str = "", names: tuple[str, str] = ("one", "two")
) -> Iterator[str]:
    import uvicorn

    from evaluation.serving.listening import listen, safe_address
    from evaluation.serving.viewer_library import read_viewer_library
    from evaluation.viewer.server import create_app

    viewed = read_viewed(
        case.scan, [case.first, case.second][:labels], case.agreement if agreement else None, list(names)[:labels]
    )
    listening = listen(safe_address("127.0.0.1", 0, i_have_tls=False, behind_proxy=False, public_hosts=()))
    app = create_app(Shown(viewed, region), TOKEN, read_viewer_library())
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/#{TOKEN}"
    server.should_exit = True
    thread.join(timeout=30)


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that serves a case and opens it: `opened(codes="LIA", width=1280, height=800, touch=False, **served)`."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def open_page(codes: str = "LIA", width: int = 1280, height: int = 800, *, touch: bool = False, **served: Any) -> Any:
            address = stack.enter_context(serving(write_case(tmp_path / codes, codes), **served))
            context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch)
            stack.callback(context.close)
            context.add_init_script(RECORD)
            page = context.new_page()
            page.set_default_timeout(WAIT)
            page.problems, page.asked = [], []
            page.on("console", lambda said: page.problems.append(said.text) if said.type in ("error", "warning") else None)
            page.on("pageerror", lambda error: page.problems.append(str(error)))
            page.on("request", lambda request: page.asked.append(request.url))
            page.goto(address)
            page.wait_for_function("() => document.body.dataset.ready === 'true' && document.body.dataset.drawn")
            return page

        yield open_page


def settled(page: Any) -> None:
    """Wait until what was asked for is drawn."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))"
    )


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    settled(page)


def opaque(page: Any) -> None:
    """Draw colours as they are, so that they can be looked for."""
    press(page, *"ooooooo")


def choose(page: Any, name: str) -> None:
    page.click(f"#legend button.region:has-text('{name}')")
    settled(page)


def readout(page: Any) -> dict[str, str]:
    return dict(
        page.eval_on_selector_all(
            "#readout > div", "rows => rows.map((row) => [...row.children].map((one) => one.textContent))"
        )
    )


def millimetres(text: str) -> np.ndarray:
    """`-12.0`, `3.0`, ... of "12.0 L, 3.0 A, 7.0 S mm · voxel ..."."""
    parts = text.split(" mm")[0].split(", ")
    return np.array([float(part.split()[0]) * (-1 if part.split()[1] in "LPI" else 1) for part in parts])


@pytest.mark.parametrize("codes", ["LIA", "RAS", "PSR", "AIL"])
def test_left_is_at_the_l_whatever_the_order_of_the_file(opened: Callable[..., Any], codes: str) -> None:
    page = opened(codes, labels=1)
    choose(page, "left putamen")
    press(page, "s", "v")
    opaque(page)
    colour = page.evaluate(
        "() => getComputedStyle(document.querySelector('#legend tr.chosen .swatch')).backgroundColor.match(/\\d+/g).map(Number)"
    )
    for plane, (low, high) in {"axial": ("L", "R"), "coronal": ("L", "R")}.items():
        page.click(f"#planes [data-plane={plane}]")
        for convention, left_is_right in (("radiological", True), ("neurological", False)):
            settled(page)
            texts = dict(page.evaluate("() => [...globalThis.drawnTexts]"))
            x, _, _ = page.evaluate(CENTRE, [0, colour])
            assert (texts[low][0] > texts[high][0]) is left_is_right, (plane, convention)
            assert abs(x - texts[low][0]) < abs(x - texts[high][0]), (plane, convention)
            press(page, "x")
    # In front is where A stands, above is where S stands: at the cross and one step further.
    page.click("#planes [data-plane=sagittal]")
    settled(page)
    texts = dict(page.evaluate("() => [...globalThis.drawnTexts]"))
    assert texts["S"][1] < texts["I"][1] and texts["A"][0] < texts["P"][0]
    before = millimetres(readout(page)["Position"])
    press(page, "Shift+ArrowLeft", "Shift+ArrowUp")
    assert (millimetres(readout(page)["Position"]) - before).tolist() == [0, 4, 4]
    assert page.problems == []


def test_the_name_under_the_pointer_is_that_of_the_place_in_millimetres(opened: Callable[..., Any]) -> None:
    page = opened("PSR")
    box = page.locator("canvas.region").first.bounding_box()
    named = 0
    for across in (0.15, 0.25, 0.3, 0.65, 0.75, 0.85):
        for down in (0.2, 0.3, 0.7, 0.8):
            page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
            settled(page)
            if page.get_attribute("#readout", "data-at") != "pointer":
                continue
            told = readout(page)
            expected = int(ids_at(millimetres(told["Position"])))
            assert told["one"] == "–" if expected == 0 else told["one"].endswith(f"({expected})"), told
            named += expected != 0
    assert named > 4
    page.mouse.move(5, 5)
    settled(page)
    assert page.get_attribute("#readout", "data-at") == "cross"


def test_volumes_stand_in_the_legend_and_are_sorted_and_filtered(opened: Callable[..., Any]) -> None:
    page = opened()
    rows = page.locator("#legend tr")
    assert rows.count() == 102
    from tests.phantoms.brain import brain

    volume = int((brain() == PUTAMEN).sum()) * 64
    row = page.locator("#legend tr", has_text="left putamen")
    assert row.locator("td").all_inner_texts() == [f"{volume:,}".replace(",", "\u202f")]
    page.click("#modes [data-mode=side]")
    settled(page)
    assert page.locator("#legend-head th").all_inner_texts() == ["Region", "1 mm³", "2 mm³", "±%"]
    assert row.locator("td").all_inner_texts()[1:] == ["–", "–"]
    page.click("#legend-head th:nth-child(4) button")
    assert page.locator("#legend tr").first.locator("th").inner_text() == "left pallidum"
    assert page.get_attribute("#legend-head th:nth-child(4)", "aria-sort") == "descending"
    page.keyboard.press("/")
    page.keyboard.type("putam")
    assert page.locator("#legend tr:visible").count() == 2
    assert page.inner_text("#count") == "2 of 102 regions"
    page.keyboard.type(" left")
    page.keyboard.press("Enter")
    settled(page)
    assert "left putamen (12)" in readout(page)["one"]


def test_the_worst_disagreement_is_jumped_to_and_drawn_as_a_difference(opened: Callable[..., Any]) -> None:
    page = opened("RAS")
    page.click("#modes [data-mode=difference]")
    page.wait_for_function("() => !document.getElementById('place-worst').disabled")
    press(page, "w")
    told = readout(page)
    assert told["one"].endswith(f"({PUTAMEN})") and told["two"].endswith(f"({PALLIDUM})")
    assert "1 of" in page.inner_text("#place") and "one: left putamen; two: left pallidum" in page.inner_text("#place")
    opaque(page)
    # Both have a region there, and not the same one: the third colour; with the putamen chosen, it is in the first alone.
    assert page.evaluate(CENTRE, [0, [240, 110, 200]]) is not None
    choose(page, "left putamen")
    page.wait_for_function("() => document.getElementById('places-legend').textContent.endsWith('left putamen')")
    assert page.evaluate(CENTRE, [0, [86, 180, 233]]) is not None
    assert page.evaluate(CENTRE, [0, [240, 110, 200]]) is None
    choose(page, "left hippocampus")
    page.wait_for_function("() => document.getElementById('places-total').textContent === 'They agree everywhere.'")
    assert page.is_disabled("#place-worst")


def test_worst_that_is_pressed_while_places_are_looked_for_is_gone_to_when_they_are_here(opened: Callable[..., Any]) -> None:
    page = opened("RAS")
    held: list[Any] = []
    page.route("**/api/places/**", lambda route: held.append(route))
    choose(page, "left putamen")
    press(page, "w")
    page.wait_for_function("() => document.getElementById('places-total').textContent.startsWith('Looking')")
    assert held and page.inner_text("#place") == ""
    for route in held:
        route.continue_()
    page.wait_for_function("() => document.getElementById('place').textContent.startsWith('1 of')")


def test_side_by_side_shows_each_map_at_the_same_place(opened: Callable[..., Any]) -> None:
    page = opened(region="left putamen")
    assert page.get_attribute("#modes [aria-pressed=true]", "data-mode") == "side"
    assert page.locator("figcaption:visible").all_inner_texts() == ["one", "two"]
    assert "left putamen (12)" in readout(page)["one"] and "left pallidum (13)" in readout(page)["two"]
    page.click("#only")
    opaque(page)
    colour = page.evaluate(
        "() => getComputedStyle(document.querySelector('#legend tr.chosen .swatch')).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert page.evaluate(CENTRE, [0, colour]) is not None
    assert page.evaluate(CENTRE, [1, colour]) is None
    slices = page.text_content("#slice-text")
    press(page, "ArrowUp")
    assert page.text_content("#slice-text") != slices


def test_the_agreement_of_views_is_a_heat_map_with_its_places(opened: Callable[..., Any]) -> None:
    page = opened(labels=1)
    assert page.is_hidden("#modes [data-mode=side]")
    page.click("#modes [data-mode=agreement]")
    page.wait_for_function("() => !document.getElementById('place-worst').disabled")
    press(page, "w")
    assert readout(page)["Agreement"] in ("0 % of pairs of views", "33 % of pairs of views")
    assert "of pairs of views agree" in page.inner_text("#colours")
    opaque(page)
    assert page.evaluate(CENTRE, [0, [252, 255, 164]]) or page.evaluate(CENTRE, [0, [249, 142, 9]])


def test_all_of_it_goes_by_keyboard(opened: Callable[..., Any]) -> None:
    page = opened()
    modes = []
    for _ in range(8):  # twice, as a viewer that was hidden has no size at first
        modes.append(page.get_attribute("#modes [aria-pressed=true]", "data-mode"))
        press(page, "m")
    assert modes == ["labels", "side", "difference", "agreement"] * 2
    press(page, "j")
    first = page.inner_text("#legend tr.chosen th")
    press(page, "j")
    assert page.inner_text("#legend tr.chosen th") != first
    press(page, "k")
    assert page.inner_text("#legend tr.chosen th") == first
    press(page, "Escape")
    assert page.locator("#legend tr.chosen").count() == 0
    press(page, "c", " ")
    assert page.get_attribute("#contour", "aria-pressed") == "true" and page.inner_text("#visible").startswith("Hidden")
    press(page, "+", "+", "r")
    assert page.text_content("#zoom-text") == "Zoom 1.0×" and page.inner_text("#visible").startswith("Shown")
    press(page, "h")
    assert page.is_visible("#help")
    press(page, "Escape")
    page.evaluate("() => document.getElementById('keys-on').click()")
    press(page, "m")
    assert page.get_attribute("#modes [aria-pressed=true]", "data-mode") == "labels"
    assert page.problems == [] and all(address.startswith((page.url, "data:")) for address in page.asked)


def test_a_wrong_address_says_what_to_do_and_a_reload_keeps_the_token(opened: Callable[..., Any]) -> None:
    page = opened()
    assert "#" not in page.url
    page.reload()
    page.wait_for_function("() => document.body.dataset.ready === 'true'")
    page.evaluate("() => sessionStorage.clear()")
    page.reload()
    page.wait_for_selector("#message.bad")
    assert "Open the address that darts-view printed" in page.inner_text("#message")


def test_a_scan_alone_is_shown_without_what_needs_label_maps(opened: Callable[..., Any]) -> None:
    page = opened(labels=0, agreement=False)
    for hidden in ("#show-field", "#places-field", "#regions"):
        assert page.is_hidden(hidden)
    assert set(readout(page)) == {"Position"}
    assert page.problems == []


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)] if SOAK else [(1280, 800)])
def test_no_state_breaks_a_rule_of_wcag_2_1_aa(opened: Callable[..., Any], size: tuple[int, int]) -> None:
    page = opened(width=size[0], height=size[1])
    choose(page, "left putamen")
    page.evaluate("() => (document.getElementById('more').open = true)")
    broken = {}
    for mode in ("labels", "side", "difference", "agreement"):
        page.click(f"#modes [data-mode={mode}]")
        settled(page)
        broken[mode] = broken_rules(page)
    page.click("#open-help")
    broken["help"] = broken_rules(page)
    assert {state: found for state, found in broken.items() if found} == {}
