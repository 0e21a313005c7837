"""The form of the code: a function fits a screen, a file has one subject, is not too long, and says what it is for."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = ("darts_ensemble", "evaluation", "reader_study", "benchmarks", "tests", "notebooks", ".ci", "docs")
MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_FILE = 350

FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def long_functions(source: str) -> dict[str, int]:
    """Functions with more lines than fit a screen.

    Docstrings do not count. Signatures do, except those that declare the options of a command: there each parameter carries
    its help.
    """
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
            if not declares_options(node):
                lines += node.body[0].lineno - node.lineno
            if lines > MOST_LINES_OF_A_FUNCTION:
                found[node.name] = lines
    return found


def declares_options(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is a command of typer: a parameter is annotated with an option or an argument."""
    arguments = [*node.args.args, *node.args.kwonlyargs]
    return any("typer." in ast.unparse(argument.annotation) for argument in arguments if argument.annotation)


def first_line(path: Path) -> str:
    """First line of the docstring of a file, or of the comment at its top in a notebook's text."""
    source = path.read_text(encoding="utf-8")
    if path.parent.name == "notebooks":
        return next((line for line in source.splitlines() if line.startswith("# # ")), "").removeprefix("# # ")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def test_every_function_fits_a_screen() -> None:
    too_long = {
        f"{path.relative_to(ROOT)}: {name}": lines
        for path in FILES
        for name, lines in long_functions(path.read_text(encoding="utf-8")).items()
    }
    assert too_long == {}


def test_no_file_is_too_long_to_have_one_subject() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path: count for path, count in lines.items() if count > MOST_LINES_OF_A_FILE} == {}


def test_every_file_and_room_says_in_its_first_line_what_it_is_for() -> None:
    silent = [str(path.relative_to(ROOT)) for path in FILES if len(first_line(path)) < 10]
    assert silent == []


@pytest.mark.parametrize(
    ("signature", "statements", "expected"),
    [
        ("def f():", 60, {"f": 61}),
        ("def f():", 59, {}),
        ("async def f(\n    a,\n    b,\n):", 57, {"f": 61}),
        ("def f(\n    a: typer.Context,\n    b: int,\n):", 60, {}),
        ("def f(\n    a: Annotated[int, typer.Option()],\n):", 61, {"f": 61}),
    ],
)
def test_lines_are_counted_without_docstring_and_options(signature: str, statements: int, expected: dict[str, int]) -> None:
    source = signature + '\n    """Do it."""\n' + "    pass\n" * statements
    assert long_functions(source) == expected
