"""The reference of a command, written from the command's own options: `{{ help of darts-segment }}` on a page."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).resolve().parents[2]
PLACE = re.compile(r"^\{\{ help of ([a-z-]+) \}\}$", re.MULTILINE)


def command_named(name: str) -> Any:
    """Return the command of a script of pyproject.toml, with its options and sub-commands."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module = importlib.import_module(scripts[name].partition(":")[0])
    return typer.main.get_command(module.app)


def escaped(text: str) -> str:
    """Return plain text as Markdown that reads the same."""
    return re.sub(r"([\\`*_\[\]<>|$#{}])", r"\\\1", text)


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of a help text as Markdown; lines that begin with a command become a block of code."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.replace("\b", "").strip()):
        line = " ".join(paragraph.split())
        if re.match(r"(darts-|torchrun )", line):
            lines.append(line)
            continue
        if lines:
            yield "```bash\n" + "\n".join(lines) + "\n```"
            lines = []
        yield escaped(line)
    if lines:
        yield "```bash\n" + "\n".join(lines) + "\n```"


def records(command: Any, context: Any, kind: str) -> Iterator[str]:
    """Arguments or options of a command, each with what its help says, as items of a definition list."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if parameter.param_type_name == kind and record is not None:
            yield f"`{record[0]}`\n: {escaped(' '.join(record[1].split())) or '(no description)'}"


def help_of(command: Any, name: str, level: int = 2, parent: Any = None) -> Iterator[str]:
    """Parts of the reference of a command and its sub-commands, in Markdown."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    if parent is not None:
        yield f"{'#' * level} {context.command_path}"
    yield "```text\n" + " ".join([context.command_path, *command.collect_usage_pieces(context)]) + "\n```"
    yield from paragraphs(command.help or "")
    for kind, title in (("argument", "Arguments"), ("option", "Options")):
        items = list(records(command, context, kind))
        if items:
            yield f"**{title}**"
            yield "\n\n".join(items)
    yield from paragraphs(command.epilog or "")
    for sub in command.list_commands(context) if hasattr(command, "list_commands") else []:
        yield from help_of(command.get_command(context, sub), sub, level, context)


def fill_page(app: Any, name: str, content: list[str]) -> None:
    """Write the reference of a command where a page has a place for it."""
    content[0] = PLACE.sub(lambda match: "\n\n".join(help_of(command_named(match[1]), match[1])), content[0])


def setup(app: Any) -> dict[str, Any]:
    """Join this to Sphinx."""
    app.connect("source-read", fill_page)
    return {"version": "1", "parallel_read_safe": True}
