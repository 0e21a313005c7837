"""The page on odd inputs names a test for every row, and the test is there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs/reference/inputs.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`([a-z_/]+\.py)`: \*([^*]+)\*")
#: Folders to which the page's files are relative.
PLACES = ("tests/darts_ensemble", "tests/evaluation", "tests")
KINDS = 10


def rows() -> list[str]:
    """Rows of the tables, without their heads and lines."""
    return [line for line in PAGE.splitlines() if line.startswith("| ") and not re.match(r"\| (input |---)", line)]


def functions_in(file: str) -> set[str]:
    found = [path for place in PLACES if (path := ROOT / place / file).is_file()]
    assert len(found) == 1, f"{file}: {len(found)} files of this name; expected one below {', '.join(PLACES)}"
    tree = ast.parse(found[0].read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip())
def test_the_test_that_a_row_names_is_there(row: str) -> None:
    _, _, happens, test, _ = row.split("|")
    assert happens.strip()
    named = NAMED.findall(test)
    assert named, "expected `room/test_file.py`: *what the test says*"
    for file, says in named:
        assert "test_" + says.replace(" ", "_") in functions_in(file), f"{file} has no test of this name"


def test_the_page_has_a_table_for_each_kind() -> None:
    assert len(re.findall(r"^## \d+\. ", PAGE, re.MULTILINE)) == KINDS
    assert len(rows()) > 60
