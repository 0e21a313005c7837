"""The quality page as HTML: the findings of every scan as data in the page, pictures in a folder beside it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from darts_ensemble.results.outputs import write_text

__all__ = ["write_page"]


def write_page(path: Path, title: str, scans: Sequence[dict[str, Any]], footer: str) -> Path:
    """Write the page; it loads only the pictures beside it.

    Parameters
    ----------
    path : Path
    title : str
    scans : sequence of dict
        In the order of the page: name, level, picture, findings, outliers, agreement, brain_cm3.
    footer : str
        Program that made the page.
    """
    environment = Environment(loader=PackageLoader("evaluation.quality"), autoescape=True, undefined=StrictUndefined)
    # The browser keeps decisions under a key of this cohort, so that those of another cohort are not used here.
    key = hashlib.sha256("\n".join(sorted(str(scan["name"]) for scan in scans)).encode()).hexdigest()[:16]
    data = json.dumps({"key": key, "scans": scans}, separators=(",", ":"), allow_nan=False)
    assets: dict[str, Any] = {"data": Markup(data.replace("<", "\\u003c").replace("&", "\\u0026"))}
    for kind, name in (("style", "quality.css"), ("script", "quality.js")):
        text = environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
        assets[kind] = Markup(text)
        assets[f"{kind}_hash"] = Markup(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii"))
    write_text(path, environment.get_template("quality.html").render(title=title, footer=footer, count=len(scans), **assets))
    return path
