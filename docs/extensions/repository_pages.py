"""Pages of the site whose text lies elsewhere in the repository, and links that work on a code host and on the site alike.

Markdown files link to each other by relative paths, as a code host shows them. A page of `PAGES` holds a link to its file only;
the site shows the file itself there. Links to such a file lead to its page.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent

#: Name of the page below docs/ (without .md), and the file that it shows.
PAGES = {
    "project/contributing": "CONTRIBUTING.md",
    "project/changelog": "CHANGELOG.md",
    "reference/model_card": "darts_ensemble/weights/bundled/MODEL_CARD.md",
    "reference/benchmarks": "benchmarks/README.md",
}
NOTEBOOKS = ("predicting_segmentation", "compare_with_freesurfer", "paper_figures", "reader_study")
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")


def site_target(target: Path) -> Path:
    """Where the site has a file of the repository: the page that shows it, or the file itself."""
    shown = {ROOT / file: DOCS / f"{page}.md" for page, file in PAGES.items()}
    if target.parent == ROOT / "notebooks" and target.suffix == ".ipynb":
        return DOCS / "notebooks" / target.name
    if target == ROOT / "README.md":
        return DOCS / "index.md"
    return shown.get(target, target)


def links_for_the_site(text: str, written_in: Path, shown_in: Path) -> str:
    """Return the text with its relative links as they are from the page that shows it.

    Parameters
    ----------
    text
        Markdown.
    written_in, shown_in
        The folder that the links are relative to, and the folder of the page.
    """

    def rewritten(match: re.Match[str]) -> str:
        before, link, after = match.groups()
        if "://" in link or link.startswith(("mailto:", "/")):
            return match.group(0)
        target = site_target(Path(os.path.normpath(written_in / link)))
        return f"{before}{os.path.relpath(target, shown_in)}{after}"

    return LINK.sub(rewritten, text)


def read_page(app: Any, name: str, content: list[str]) -> None:
    """Put the file of a page in place of the page's own text, and fit the links of every page."""
    path = Path(app.env.doc2path(name))
    if path.suffix != ".md":
        return
    source = ROOT / PAGES[name] if name in PAGES else path
    if name in PAGES:
        app.env.note_dependency(str(source))
        content[0] = source.read_text(encoding="utf-8")
    content[0] = links_for_the_site(content[0], source.parent, path.parent)


def copy_notebooks(app: Any) -> None:
    """Copy the notebooks to where Sphinx finds them; git ignores the copies."""
    folder = DOCS / "notebooks"
    folder.mkdir(exist_ok=True)
    for name in NOTEBOOKS:
        source, copy = ROOT / "notebooks" / f"{name}.ipynb", folder / f"{name}.ipynb"
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            shutil.copyfile(source, copy)


def setup(app: Any) -> dict[str, Any]:
    """Join this to Sphinx."""
    app.connect("builder-inited", copy_notebooks)
    app.connect("source-read", read_page)
    return {"version": "1", "parallel_read_safe": True}
