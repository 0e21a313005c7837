"""The commands that README and documentation show: found in their blocks, and parsed by the options of the commands."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer

from tests.conftest import ROOT

RUN_MARK = "<!-- run -->"
BLOCK = re.compile(r"^(?P<mark><!-- run -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@dataclass(frozen=True)
class Shown:
    """A command line of a page.

    Attributes
    ----------
    page
        Relative to the repository.
    words
        Without prompt and comment.
    is_run
        Whether its block is marked to be run.
    """

    page: Path
    words: tuple[str, ...]
    is_run: bool

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.words)}"


def pages() -> list[Path]:
    """Return the pages that users read, without those written when the site is built."""
    written = {ROOT / "docs/notebooks", ROOT / "docs/reference/python"}
    found = [path for path in sorted((ROOT / "docs").rglob("*.md")) if not written & set(path.parents)]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks/README.md", *found]


def command_lines(text: str) -> list[str]:
    """Return the lines of a block with a command of this project, joined where a backslash continues them."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = (re.sub(r"^\s*\$ ", "", line).strip() for line in joined.splitlines())
    return [
        line
        for line in lines
        if re.match(r"(\.venv/bin/)?(darts[- ][a-z]|make\b|torchrun |python -m (darts|evaluation))", line)
    ]


def shown_on(path: Path) -> list[Shown]:
    """Return the commands that a page shows in its blocks."""
    return [
        Shown(path.relative_to(ROOT), tuple(shlex.split(line, comments=True)), block["mark"] is not None)
        for block in BLOCK.finditer(path.read_text(encoding="utf-8"))
        if block["language"] in ("", "bash", "console", "text")
        for line in command_lines(block["text"])
    ]


@cache
def typer_app(script: str) -> Any:
    """The application behind a script of pyproject.toml."""
    return importlib.import_module(PROJECT["scripts"][script].partition(":")[0]).app


def epilogues(script: str) -> list[str]:
    """The end of the help of a command and of its sub-commands, which has the examples."""
    command = typer.main.get_command(typer_app(script))
    return [one.epilog for one in (command, *getattr(command, "commands", {}).values()) if one.epilog]


def usage_error(script: str, arguments: list[str]) -> str:
    """The error that the command's own parser finds in arguments, except missing files; empty if there is none."""
    command = typer.main.get_command(typer_app(script))
    context = None
    name = script
    while True:
        try:
            context = command.make_context(name, list(arguments), parent=context)
            rest = [*context._protected_args, *context.args]
            if not hasattr(command, "resolve_command") or not rest:
                return ""
            name, command, arguments = command.resolve_command(context, rest)
        except SystemExit:  # --help and its like
            return ""
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            text = error.format_message()
            return "" if "does not exist" in text else text


def wrong_with(words: tuple[str, ...]) -> str:
    """The error in a command line that a page shows; empty if there is none."""
    first, *rest = words
    script = first.removeprefix(".venv/bin/")
    if script == "darts":
        script, rest = f"darts-{rest[0]}", rest[1:]
    if script in PROJECT["scripts"]:
        return usage_error(script, rest)
    if first == "make":
        unknown = [word for word in rest if "=" not in word and word not in TARGETS]
        return f"no such target: {unknown}" if unknown else ""
    if "-m" not in words:
        return "no such command"
    module, arguments = words[words.index("-m") + 1], list(words[words.index("-m") + 2 :])
    if importlib.util.find_spec(module) is None:
        return f"no module {module}"
    scripts = {target.partition(":")[0]: name for name, target in PROJECT["scripts"].items()}
    return usage_error(scripts[module], arguments) if module in scripts else ""
