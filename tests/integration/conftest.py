"""A real browser for tests of pages: what a page logs, requests and shows; a served rating study."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.rating_pages import WAIT, serving
from tests.phantoms.small_study import SmallStudy, small_study

#: WebGL by software, for machines without a graphics card.
GRAPHICS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@dataclass(frozen=True)
class Visit:
    """An open page.

    Attributes
    ----------
    page : playwright.sync_api.Page
    errors : list of str
        What went to the console as an error or warning, and what no script caught, so far.
    requests : list of str
        Addresses asked for so far, the page's own first; data within the page is no request.
    """

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


# One a module: while it is open, its event loop is in the way of other tests that run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium without a window; tests that need it are skipped if there is none."""
    path = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium found: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *GRAPHICS])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """A function that opens an address: `visit(url, width=1280, height=900, dark=False, **context_options)`."""
    contexts = []

    def open_page(url: str, *, width: int = 1280, height: int = 900, dark: bool = False, **options: Any) -> Visit:
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        context.set_default_timeout(WAIT)
        contexts.append(context)
        seen = Visit(context.new_page())
        seen.page.on("console", lambda said: seen.errors.append(said.text) if said.type in ("error", "warning") else None)
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.on("request", lambda asked: None if asked.url.startswith("data:") else seen.requests.append(asked.url))
        seen.page.goto(url)
        return seen

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[SmallStudy, str]]:
    """A small rating study, and the address at which it is served by this process."""
    study = small_study(tmp_path / "study")
    with serving(study.folder) as address:
        yield study, address
