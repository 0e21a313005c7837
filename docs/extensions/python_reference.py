"""The Python reference: for each room of the packages one page, written from the docstrings of what its files offer."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
PAGES = DOCS / "reference" / "python"
PACKAGES = ("darts_ensemble", "evaluation", "reader_study")


def offers_names(path: Path) -> bool:
    """Whether a file says in `__all__` which names it offers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def rooms() -> dict[str, list[str]]:
    """Modules to document, by room; files beside the rooms stand under the name of their package."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py" and offers_names(path):
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found.setdefault(module.rpartition(".")[0], []).append(module)
    return found


def page(room: str, modules: list[str]) -> str:
    """Return the page of a room: its files in order, each with its first line and what it offers."""
    parts = [f"# {room}"]
    for module in modules:
        parts.append(f"## {module.rpartition('.')[2]}\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```")
    return "\n\n".join(parts) + "\n"


def write_pages(app: Any) -> None:
    """Write the pages to docs/reference/python; git ignores them. A page that has not changed is left alone."""
    PAGES.mkdir(exist_ok=True)
    pages = {PAGES / f"{room}.md": page(room, modules) for room, modules in rooms().items()}
    for old in set(PAGES.glob("*.md")) - set(pages):
        old.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, Any]:
    """Join this to Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"version": "1", "parallel_read_safe": True}
