"""The quality page in a real browser: a thousand scans, keys, decisions that stay and are exported."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evaluation.quality.cohort_volumes import excluded_names
from evaluation.quality.page import write_page
from tests.integration.conftest import Visit

COUNT = 1000


def scan(number: int) -> dict[str, Any]:
    outlier = {"name": "Left-Hippocampus", "volume": 4000.0, "median": 3500.0, "volume_z": -5.1, "place_z": 1.0}
    level = "serious" if number < 3 else "ok"
    text = f"left and right are exchanged <b>{number}</b>"
    return {
        "name": f"sub-{number:04d}", "level": level, "score": 1.0, "picture": "pictures/one.webp", "agreement": 0.9,
        "brain_cm3": 1200.0, "label_map": "x", "findings": [{"level": "serious", "text": text}] if number < 3 else [],
        "outliers": [outlier] * 10,
    }  # fmt: skip


def page_of(count: int, folder: Path) -> Path:
    (folder / "pictures").mkdir()
    Image.new("RGB", (1020, 900), (40, 40, 40)).save(folder / "pictures/one.webp")
    return write_page(folder / "quality.html", "cohort", [scan(number) for number in range(count)], "made by a test")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return page_of(COUNT, tmp_path)


def test_a_thousand_scans_are_gone_through_by_keys_and_decisions_stay(
    page: Path, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    seen = visit(page.as_uri())
    at = seen.page
    assert at.locator("#list .row").count() == COUNT
    assert at.locator("#name").text_content() == "sub-0000"
    assert at.locator("#findings").text_content() == "serious: left and right are exchanged <b>0</b>"
    for key in ("f", "j", "p", "j", "u", "n"):
        at.keyboard.press(key)
    at.keyboard.type("tilted\thead")
    at.keyboard.press("Enter")
    assert at.locator("#summary").text_content() == "1000 scans: 3 serious, 0 look; 3 decided"
    at.reload()
    assert at.locator("#list .verdict").nth(0).text_content() == "fail"
    with at.expect_download() as download:
        at.get_by_role("button", name="Export decisions (TSV)").click()
    download.value.save_as(tmp_path / "qc.tsv")
    with (tmp_path / "qc.tsv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert len(rows) == COUNT
    assert [rows[f"sub-000{number}"]["decision"] for number in range(4)] == ["fail", "pass", "unsure", ""]
    assert rows["sub-0002"]["note"].startswith("tilted")
    assert excluded_names(tmp_path / "qc.tsv") == {"sub-0000"}
    assert seen.errors == []
    assert all(address.startswith((page.parent.as_uri(), "blob:")) for address in seen.requests)


def test_filters_leave_what_fits_and_keys_stay_within_it(page: Path, visit: Callable[..., Visit]) -> None:
    at = visit(page.as_uri()).page
    at.keyboard.press("/")
    at.keyboard.type("sub-09")
    at.keyboard.press("Enter")
    assert at.locator("#list .row:visible").count() == 100
    assert at.locator("#name").text_content() == "sub-0900"
    at.keyboard.press("k")
    assert at.locator("#name").text_content() == "sub-0900"
    at.select_option("#level", "serious")
    assert at.locator("#list .row:visible").count() == 0


def test_the_list_knows_its_length_and_a_filter_reaches_every_row(page: Path, visit: Callable[..., Visit]) -> None:
    at = visit(page.as_uri()).page
    height = at.locator("#list .row").first.bounding_box()["height"]
    long = at.evaluate("document.getElementById('list').scrollHeight")
    assert abs(long - COUNT * height) < 0.02 * COUNT * height
    at.fill("#search", "sub-0017")
    assert at.locator("#list .row:visible").all_inner_texts()[0].split()[1] == "sub-0017"
    assert at.evaluate("(list => list.scrollHeight <= list.clientHeight)(document.getElementById('list'))")
    at.fill("#search", "")
    assert abs(at.evaluate("document.getElementById('list').scrollHeight") - long) < 0.02 * long


def test_a_finger_goes_through_the_scans_on_a_phone_and_is_shown_no_keys(page: Path, visit: Callable[..., Visit]) -> None:
    at = visit(page.as_uri(), width=390, height=844, has_touch=True, is_mobile=True).page
    assert at.is_hidden(".keys")
    at.get_by_role("button", name="Fail").tap()
    at.get_by_role("button", name="Next").tap()
    assert at.locator("#name").text_content() == "sub-0001"
    at.get_by_role("button", name="Previous").tap()
    assert at.get_attribute("[data-decision=fail]", "aria-pressed") == "true"
    assert at.evaluate("document.documentElement.scrollWidth") <= 390
    assert at.evaluate("(box => box.scrollWidth <= box.clientWidth)(document.querySelector('.scroll'))"), "whole table in sight"


def test_findings_stand_in_sight_beside_the_picture(page: Path, visit: Callable[..., Visit]) -> None:
    at = visit(page.as_uri(), width=1280, height=800).page
    at.wait_for_function("document.getElementById('mosaic').complete")
    picture, findings = at.locator("#mosaic").bounding_box(), at.locator("#findings").bounding_box()
    assert findings["x"] >= picture["x"] + picture["width"]
    assert findings["y"] + findings["height"] < 800 and picture["y"] + picture["height"] < 800


def test_decisions_exported_before_can_be_imported(page: Path, visit: Callable[..., Visit], tmp_path: Path) -> None:
    (tmp_path / "qc.tsv").write_text("name\tdecision\tnote\nsub-0005\tfail\tmoved\nelsewhere\tfail\t\nsub-0006\tbad\t\n")
    at = visit(page.as_uri()).page
    at.set_input_files("#import", tmp_path / "qc.tsv")
    at.wait_for_function("document.querySelector('#summary').textContent.includes('1 decided')")
    assert at.inner_text("#told") == "qc.tsv: 1 read, 1 of scans that are not on this page"


def test_a_table_that_holds_no_decisions_is_told_and_changes_nothing(
    page: Path, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    (tmp_path / "other.tsv").write_text("name,decision\nsub-0005,fail\n")
    at = visit(page.as_uri()).page
    at.set_input_files("#import", tmp_path / "other.tsv")
    at.wait_for_function("document.querySelector('#told').textContent.includes('not read')")
    assert "0 decided" in at.inner_text("#summary")


def test_the_page_passes_the_accessibility_rules(tmp_path: Path, visit: Callable[..., Visit]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = page_of(20, tmp_path)  # the rules look at every element: a thousand rows of one kind take minutes
    for dark in (False, True):
        found = axe.Axe().run(visit(page.as_uri(), dark=dark).page)
        assert found.violations_count == 0, found.generate_report()
