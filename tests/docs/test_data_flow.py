"""The picture of the architecture page shows every room and every command, and no arrow crosses a text."""

from __future__ import annotations

import itertools
import runpy
import tomllib
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.test_import_rules import ROOMS

SCRIPT = ROOT / "docs/pictures/data_flow.py"
DRAWING: dict[str, Any] = runpy.run_path(str(SCRIPT))


def band_of(top: float) -> str:
    return next(band[3] for band in DRAWING["BANDS"] if band[0] <= top < band[0] + band[1])


def rooms_shown(package: str) -> list[str]:
    """Names of the boxes that are not files; "+ tables, overlays" below a name are rooms of the same box."""
    names = ["commands"]
    for kind, _, _, top, _, name, lines in DRAWING["BOXES"]:
        if kind != "file" and band_of(top) == package:
            names.append(name)
            first = lines.split("|")[0]
            if first.startswith("+ "):
                names += first[2:].removesuffix(" of the results").split(", ")
    return sorted(names)


@pytest.mark.parametrize("package", ROOMS)
def test_every_room_of_a_package_is_in_the_picture_once(package: str) -> None:
    assert rooms_shown(package) == sorted(ROOMS[package]), "mend BOXES and ARROWS in docs/pictures/data_flow.py"


def test_every_command_is_in_the_picture() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    shown = [command for band in DRAWING["BANDS"] for command in band[5].split(", ")]
    assert sorted(shown) == sorted(scripts)


def test_the_committed_picture_is_what_the_script_draws() -> None:
    assert SCRIPT.with_suffix(".svg").read_text(encoding="utf-8") == DRAWING["picture"](), "run docs/pictures/data_flow.py"


def test_no_arrow_crosses_the_heading_of_a_package_or_a_box_that_it_does_not_begin_or_end_at() -> None:
    columns, widths = DRAWING["COLUMNS"], DRAWING["WIDTHS"]
    # Left, top, right, bottom of each box, name, question (8.5 pixels a letter are more than needed) and box of commands.
    taken = [
        (columns[column], top, columns[column + n - 1] + widths[column + n - 1], top + height)
        for _, column, n, top, height, _, _ in DRAWING["BOXES"]
    ]
    for top, _, _, name, question, _ in DRAWING["BANDS"]:
        taken += [(28, top + 8, 28 + 11 * len(name), top + 30), (250, top + 8, 250 + 8.5 * len(question), top + 30)]
        taken.append((650, top + 7, 1152, top + 31))
    for corners in DRAWING["ARROWS"]:
        numbers = [float(number) for number in corners.split()]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            for left, top, right, bottom in taken:
                beside = max(x1, x2) <= left or min(x1, x2) >= right or max(y1, y2) <= top or min(y1, y2) >= bottom
                assert beside, f"arrow {corners} crosses the box at {left}, {top}"
