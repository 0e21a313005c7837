"""Parts of HTML reports: format of numbers, escaped texts, images, missing columns."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from darts_ensemble.errors import DartsError, ScanError
from evaluation.report.embedded_images import LARGEST_SVG, WIDEST, embed_image, lighter_of
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
    render_report,
    write_report,
)
from evaluation.results.number_format import format_interval, format_number, format_p, format_value

EVIL = "<script>alert('x')</script>\"&"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 100"><rect width="300" height="100"/></svg>'


class Elements(HTMLParser):
    """Counts elements and collects attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "wide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 3840, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("value", "kind", "digits", "text"),
    [
        (0.7584, "number", 3, "0.758"),
        (-0.0004, "number", 3, "0.000"),
        (-0.5, "number", 1, "−0.5"),
        (0.0123, "signed", 3, "+0.012"),
        (-0.00001, "signed", 3, "0.000"),
        (1234, "integer", 3, "1234"),
        (1234567, "integer", 3, "1\u202f234\u202f567"),
        (-12345.678, "number", 1, "−12\u202f345.7"),
        (np.nan, "number", 3, "–"),
        (None, "integer", 3, "–"),
        (np.inf, "number", 2, "∞"),
        (-np.inf, "number", 2, "−∞"),
        (0.1234, "percent", 1, "12.3\u202f%"),
        ("", "text", 3, "–"),
        (np.nan, "text", 3, "–"),
        ("x", "text", 3, "x"),
        ("x", "number", 3, "–"),
    ],
)
def test_a_number_is_written_with_fixed_decimals_and_a_true_minus(value: object, kind: str, digits: int, text: str) -> None:
    assert format_value(value, kind, digits) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0, "<0.001"), (0.000999, "<0.001"), (0.001, "0.001"), (0.0496, "0.050"), (0.999, "0.999"), (0.9996, ">0.999"),
        (1.0, "1.000"), (np.nan, "–"),
    ],
)  # fmt: skip
def test_a_p_value_is_never_written_as_zero_nor_as_one_that_it_is_not(p: float, text: str) -> None:
    assert format_p(p) == text


def test_an_interval_that_does_not_exist_is_not_written() -> None:
    assert format_interval(np.nan, np.nan, "number") == ""
    assert format_interval(-0.1, np.nan, "signed", 2) == "[−0.10, –]"
    assert format_number(0.0625, 3) == f"{0.0625:.3f}"


def test_whatever_a_name_holds_stays_text() -> None:
    frame = pd.DataFrame({"name": [EVIL], "dice": [0.5]})
    columns = [Column("name", EVIL, EVIL), Column("dice", "Dice", kind="number")]
    blocks = [
        Prose(EVIL), Heading(EVIL), Notice(EVIL, [EVIL] * 9), Facts([(EVIL, EVIL)]), Quotation([EVIL], [EVIL]),
        Table(frame, columns, EVIL, source=EVIL),
    ]  # fmt: skip
    page = render_report(Report(EVIL, EVIL, [EVIL], [Section(EVIL, blocks)], EVIL))
    assert "alert('x')" not in page
    elements = Elements(page)
    assert elements.tags.count("script") == 1
    assert not [name for name, _ in elements.attributes if name.startswith("on") or name == "style"]


def test_a_page_lets_its_own_style_and_script_run_and_nothing_else() -> None:
    page = render_report(Report("t", "s", [], []))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert body is not None
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]


def test_every_value_of_a_table_is_in_the_page_with_its_spread_and_interval() -> None:
    frame = pd.DataFrame({"r": ["a", "b"], "m": [0.5, np.nan], "s": [0.25, np.nan], "d": [-1.5, 2], "l": [-2, 1], "h": [-1, 3]})
    columns = [
        Column("r", "Region"),
        Column("m", "Dice", kind="number", spread="s"),
        Column("d", "Difference", kind="signed", digits=1, low="l", high="h"),
    ]
    first, second = Table(frame, columns, "c").rows()
    assert [f"{cell.text} {cell.extra}".strip() for cell in first] == ["a", "0.500 ± 0.250", "−1.5 [−2.0, −1.0]"]
    assert [f"{cell.text} {cell.extra}".strip() for cell in second] == ["b", "–", "+2.0 [+1.0, +3.0]"]
    assert [cell.sort for cell in second] == [None, "", "2"]


def test_a_column_that_the_table_lacks_is_named() -> None:
    with pytest.raises(ValueError, match="no column hd95 in the table; found dice"):
        Table(pd.DataFrame({"dice": [1.0]}), [Column("hd95", "HD95")], "c")


def test_a_wide_picture_is_made_as_wide_as_a_page_needs_and_a_drawing_is_taken_as_it_is(png: Path, tmp_path: Path) -> None:
    picture = embed_image(png)
    assert (picture.width, picture.height, picture.vector) == (WIDEST, 150, False)
    assert picture.uri.startswith("data:image/webp;base64,")
    assert embed_image(png, photograph=True).n_bytes < picture.n_bytes
    (tmp_path / "f.svg").write_text(SVG)
    drawing = embed_image(tmp_path / "f.svg")
    assert (drawing.width, drawing.height, drawing.vector) == (300, 100, True)
    assert base64.b64decode(drawing.uri.partition(",")[2]).decode() == SVG


def test_a_drawing_heavier_than_a_picture_gives_way_to_it(png: Path) -> None:
    drawing = png.with_suffix(".svg")
    assert lighter_of(drawing) == png
    drawing.write_text(SVG)
    assert lighter_of(png) == drawing
    drawing.write_text(SVG + " " * LARGEST_SVG)
    assert lighter_of(png) == png
    png.unlink()
    assert lighter_of(png) == drawing


@pytest.mark.parametrize(("name", "content"), [("a.png", b"no image"), ("a.svg", b"<svg/>"), ("a.png", None)])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DartsError, match=re.escape(str(tmp_path / name))):
        Figure(tmp_path / name, "caption", "alt")


def test_a_long_notice_folds_what_is_beyond_six_items() -> None:
    assert (len(Notice("t", ["x"] * 7).shown), len(Notice("t", ["x"] * 7).folded)) == (7, 0)
    assert (len(Notice("t", ["x"] * 20).shown), len(Notice("t", ["x"] * 20).folded)) == (6, 14)


def test_the_same_report_is_the_same_file_and_one_that_can_not_be_written_is_named(png: Path, tmp_path: Path) -> None:
    report = Report("t", "s", ["lead"], [Section("Figures", [Figure(png, "c", "a")])])
    one, two = write_report(report, tmp_path / "one.html"), write_report(report, tmp_path / "two.html")
    assert one.read_bytes() == two.read_bytes()
    with pytest.raises(ScanError, match="expected a folder with room"):
        write_report(report, png / "report.html")
