"""Extensions of the documentation: links of a code host work on the site, and nothing is loaded from another server."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.shown_commands import PROJECT
from tests.test_import_rules import ROOMS

pytest.importorskip("sphinx", reason="needs the extra `docs`")
sys.path.append(str(ROOT / "docs/extensions"))

from command_help import command_named, help_of
from no_external_request import external_requests
from repository_pages import PAGES, links_for_the_site


@pytest.mark.parametrize(
    ("link", "on_the_site"),
    [
        ("[m](../../benchmarks/README.md#metrics)", "[m](../reference/benchmarks.md#metrics)"),
        ("[n](../../notebooks/reader_study.ipynb)", "[n](../notebooks/reader_study.ipynb)"),
        ("[c](../../CONTRIBUTING.md)", "[c](../project/contributing.md)"),
        ("[r](../reference/weights.md#export)", "[r](../reference/weights.md#export)"),
        ("[here](#below)", "[here](#below)"),
        ("[far](https://example.org/a.md)", "[far](https://example.org/a.md)"),
    ],
)
def test_a_link_of_a_page_leads_to_what_the_site_shows_of_that_file(link: str, on_the_site: str) -> None:
    folder = ROOT / "docs/how-to"
    assert links_for_the_site(link, folder, folder) == on_the_site


def test_links_of_a_file_shown_elsewhere_are_read_from_where_it_lies() -> None:
    shown = links_for_the_site("[a](docs/architecture.md)", ROOT, ROOT / "docs/project")
    assert shown == "[a](../architecture.md)"


def test_the_architecture_names_every_room_in_its_order() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for package, rooms in ROOMS.items():
        section = text.split(f"### {package}:", 1)[1].split("\n#", 1)[0]
        assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == rooms, package
        begin = re.findall(r"^\| `(\w+)` \|.*\| `([\w.]+)` \|$", section, re.MULTILINE)
        assert [name for room, name in begin if not (ROOT / package / room / name).exists()] == []


def test_every_command_has_its_page() -> None:
    assert {path.stem for path in (ROOT / "docs/reference/commands").glob("*.md")} == set(PROJECT["scripts"])


def test_pages_that_show_a_file_and_their_files_exist() -> None:
    missing = [
        page for page, file in PAGES.items() if not (ROOT / "docs" / f"{page}.md").exists() or not (ROOT / file).exists()
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("html", "n"),
    [
        ('<script src="https://example.org/a.js"></script>', 1),
        ('<link rel="stylesheet" href="//example.org/a.css">', 1),
        ("<style>@font-face { src: url(https://example.org/a.woff2) }</style>", 1),
        ('<img src="../pictures/a.png"><a href="https://example.org">a link is no request</a>', 0),
        ('<link rel="canonical" href="https://example.org/page.html">', 0),
    ],
)
def test_what_a_page_would_load_from_another_server_is_found(tmp_path: Path, html: str, n: int) -> None:
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    assert len(external_requests(tmp_path)) == n


def test_the_reference_of_a_command_has_its_options_examples_and_commands() -> None:
    text = "\n\n".join(help_of(command_named("darts-eval"), "darts-eval"))
    assert "`--gt PATH`\n: " in text
    assert "## darts-eval overlay" in text
    assert "```bash\ndarts-eval --gt mindboggle/ -o results/\n" in text
