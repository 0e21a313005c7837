"""A report in a real browser: it loads alone, sorts, filters, fits, can be read in the dark, prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evaluation.report.assemble import write_report as write_evaluation
from evaluation.report.html_page import (
    Column,
    Facts,
    Figure,
    Heading,
    Notice,
    Prose,
    Quotation,
    Report,
    Section,
    Table,
    write_report,
)
from tests.evaluation.report.test_assemble import whole_run
from tests.phantoms.results_folder import random_scores

Open = Callable[..., Any]
DICE = [0.9, np.nan, 0.1234, np.inf, 0.5, -0.2, 10.0, 9.0]
NAMES = ["ctx-lh-insula", "Left-Putamen", "Right-Putamen", "<script>", "r10", "r9", "x y", "–"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report with every kind of block, wider and longer than any screen if possible."""
    folder = tmp_path_factory.mktemp("report")
    Image.fromarray(np.zeros((100, 2400, 3), np.uint8)).save(folder / "wide.png")
    frame = pd.DataFrame({"name": NAMES, "dice": DICE} | {f"c{i}": [0.123] * 8 for i in range(20)})
    columns = [Column("name", "Region", "Its name."), Column("dice", "Dice", "Overlap.", kind="number")]
    columns += [Column(f"c{i}", f"Column {i}", kind="number", spread=f"c{i}") for i in range(20)]
    rows = pd.DataFrame({"n": range(300)})
    blocks = [
        Prose("word " * 50 + "/a/very/long/path" * 20),
        Heading("Heading"),
        Notice("Warnings", ["item " * 20 + "x" * 200] * 9),
        Notice("Failed", ["item"], "failure"),
        Notice("Why a part is not here.", level="note"),
        Facts([("Name", "value" * 60)]),
        Figure(folder / "wide.png", "Caption", "black"),
        Table(frame, columns, "A wide table", source="wide.csv"),
        Table(rows, [Column("n", "n", kind="integer")], "A long table", source="long.csv", printed=False),
        Quotation(["First paragraph.", "Second paragraph."], ["A reference."]),
    ]
    page = Report("Title " * 20, "Subtitle", ["Lead"], [Section("One", blocks), Section("Two", [Prose("end")])], "Footer")
    return write_report(page, folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the report of an evaluation, long names and many methods in it."""
    methods = ["ensemble", "coronal", "a method with a long name, " * 4, "<b>bold</b>"]
    run = whole_run(
        tmp_path_factory.mktemp("evaluation") / "run", random_scores(4, methods, (12, 51, 17)), warnings=["warning " * 40] * 9
    )
    return write_evaluation(run).as_uri()


def column(page: Any, number: int) -> list[str]:
    """Texts of a column of the first table, of the rows that are shown."""
    return page.evaluate(
        "(i) => [...document.querySelector('table').tBodies[0].rows].filter(r => r.getClientRects().length)"
        ".map(r => r.cells[i].textContent)",
        number,
    )


def test_it_loads_without_an_error_and_asks_for_nothing(visit: Open, report: str) -> None:
    seen = visit(report, offline=True)
    seen.page.wait_for_timeout(200)
    assert seen.errors == []
    assert seen.requests == [report]
    assert seen.page.locator("tbody th", has_text="<script>").count() == 1
    seen.page.locator("figure img").first.scroll_into_view_if_needed()
    seen.page.wait_for_function("document.images[0].naturalWidth == 1920")
    assert seen.requests == [report]


def test_a_figure_that_was_not_scrolled_to_is_printed(visit: Open, report: str, tmp_path: Path) -> None:
    text = Path(report.removeprefix("file://")).read_text(encoding="utf-8")
    long = tmp_path / "long.html"
    long.write_text(
        text.replace('<main id="content">', '<main id="content">' + "<p>One more paragraph.</p>" * 1000), encoding="utf-8"
    )
    page = visit(long.as_uri()).page
    page.wait_for_timeout(500)
    assert page.evaluate("document.images[0].naturalWidth") == 0
    assert b"/Subtype /Image" in page.pdf()


def test_columns_sort_as_numbers_both_ways_with_what_is_missing_last(visit: Open, report: str) -> None:
    page = visit(report).page
    heading = page.locator("thead th", has_text="Dice").first
    button = heading.locator("button")
    button.focus()
    page.keyboard.press("Enter")
    assert column(page, 1) == ["−0.200", "0.123", "0.500", "0.900", "9.000", "10.000", "∞", "–"]
    assert heading.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert column(page, 1) == ["∞", "10.000", "9.000", "0.900", "0.500", "0.123", "−0.200", "–"]
    assert heading.get_attribute("aria-sort") == "descending"
    page.locator("thead th button", has_text="Region").first.click()
    names = column(page, 0)
    assert names.index("r9") < names.index("r10")
    assert names[-1] == "–"
    assert heading.get_attribute("aria-sort") == "none"


def test_the_filter_keeps_the_rows_that_hold_every_word(visit: Open, report: str) -> None:
    page = visit(report).page
    box = page.get_by_label("Filter rows").first
    box.fill("putamen LEFT")
    assert column(page, 0) == ["Left-Putamen"]
    assert page.locator(".count").first.text_content() == "1 of 8 rows"
    box.fill("")
    assert len(column(page, 0)) == 8
    assert page.locator(".count").first.text_content() == "8 rows"


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_the_report_of_an_evaluation_loads_alone_and_fits(visit: Open, evaluation: str, width: int, dark: bool) -> None:
    seen = visit(evaluation, width=width, dark=dark, offline=True)
    assert (seen.errors, seen.requests) == ([], [evaluation])
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width
    assert seen.page.locator("b", has_text="bold").count() == 0
    titles = seen.page.locator("nav a").all_text_contents()
    assert titles == ["What was compared", "Summary", "Figures", "All regions", "Worst cases", "Paired tests", "Methods"]
    for link in seen.page.locator("nav a").all():
        assert seen.page.locator(f"h2{link.get_attribute('href')}").count() == 1


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_no_wider_than_the_screen(visit: Open, report: str, width: int) -> None:
    page = visit(report, width=width).page
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # The table is wider, and scrolls in its own box with headings and names in place.
    box = page.locator(".scroll").first
    assert box.evaluate("b => b.scrollWidth > b.clientWidth")
    box.evaluate("b => b.scrollTo(500, 0)")
    name, edge = page.locator("tbody th").first.bounding_box(), box.bounding_box()
    assert name["x"] == pytest.approx(edge["x"], abs=1)
    long = page.locator(".scroll").nth(1)
    long.evaluate("b => b.scrollTo(0, 900)")
    assert long.locator("thead th").bounding_box()["y"] == pytest.approx(long.bounding_box()["y"], abs=2)


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2 of an `rgb()` colour."""
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_the_contrast_of_wcag_aa(visit: Open, report: str, dark: bool) -> None:
    page = visit(report, dark=dark).page
    pairs = page.evaluate(
        """() => {
          const behind = (e) => {
            for (; e; e = e.parentElement) {
              const c = getComputedStyle(e).backgroundColor;
              if (!c.startsWith("rgba(0, 0, 0, 0")) return c;
            }
            return "none";
          };
          const found = new Set();
          const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walk.nextNode()) {
            const e = walk.currentNode.parentElement;
            if (e.tagName === "SCRIPT" || !walk.currentNode.data.trim()) continue;
            found.add([getComputedStyle(e).color, behind(e), e.tagName + "." + e.className].join("|"));
          }
          return [...found];
        }"""
    )
    assert len(pairs) > 15
    low = []
    for pair in pairs:
        ink, paper, where = pair.split("|")
        one, two = sorted([luminance(ink), luminance(paper)])
        if (two + 0.05) / (one + 0.05) < 4.5:
            low.append((where, ink, paper))
        assert (luminance(paper) < 0.2) == dark or where.startswith("BUTTON"), where
    assert low == []


def test_paper_shows_no_controls_and_folds_nothing(visit: Open, report: str) -> None:
    page = visit(report, dark=True).page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for control in ("nav", ".controls", "button.copy", "thead button", ".scroll >> nth=1"):
        assert not page.locator(control).first.is_visible(), control
    assert page.locator("details li").first.is_visible()
    assert page.get_by_text("Not printed: 300 rows, in long.csv.").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    # A page of a long table begins with its headings, which Chromium does not do for buttons.
    heading = page.locator("thead th").first
    assert heading.evaluate("h => getComputedStyle(h, '::before').content") == '"Region"'
    assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.locator("details li").first.is_visible()


def test_the_button_copies_the_text_with_its_references(visit: Open, report: str) -> None:
    page = visit(report, permissions=["clipboard-read", "clipboard-write"]).page
    page.get_by_role("button", name="Copy text").click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == ["First", "paragraph.", "Second", "paragraph.", "A", "reference."]


def test_without_scripts_everything_is_there_but_the_controls(visit: Open, report: str) -> None:
    page = visit(report, java_script_enabled=False).page
    assert page.locator("tbody tr").count() == 308
    assert not page.get_by_label("Filter rows").first.is_visible()
