"""The architecture page is right about the code: the files of "Where is ...?" define the names in the table."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
TABLE = PAGE.split("## Where is ...?")[1].split("\n## ")[0]
WHERE = re.findall(r"^\| (.+?) \| `([\w/]+\.py)` \| `(\w+)` \|$", TABLE, re.MULTILINE)


def names_defined_in(source: str) -> set[str]:
    """Names of functions, classes and constants at the top level of a file."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_the_table_of_places_has_all_its_rows() -> None:
    assert len(WHERE) == TABLE.count("\n| ") - 2 >= 10


@pytest.mark.parametrize(("what", "file", "name"), WHERE, ids=[name for _, _, name in WHERE])
def test_each_place_of_the_table_exists_and_holds_what_is_said(what: str, file: str, name: str) -> None:
    assert name in names_defined_in((ROOT / file).read_text(encoding="utf-8")), what
