"""The command darts: `darts segment`, `darts eval` and so on, each the command of that name with a hyphen."""

from __future__ import annotations

import importlib
import os
import re
import sys
from difflib import get_close_matches
from typing import Annotated

import typer

from darts_ensemble.commands.start import SHELLS, completion_script, completion_variable, start
from darts_ensemble.versions import package_version

__all__ = ["COMMANDS", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

#: Module and function of each command, and what it is for. The reader study lies in a package above this one: it is imported
#: by name when it is needed.
COMMANDS = {
    "segment": ("darts_ensemble.commands.segment", "segment_main", "label 102 regions on T1 scans"),
    "eval": ("evaluation.commands.evaluate", "main", "score label maps against references"),
    "qc": ("evaluation.commands.quality", "main", "make a quality control page of a folder of label maps"),
    "view": ("evaluation.commands.view", "main", "show a scan with its label maps in the browser"),
    "bids": ("evaluation.commands.bids_app", "main", "a BIDS App: segment participants, tabulate the group"),
    "train": ("darts_ensemble.commands.train", "main", "train or fine-tune a view's network"),
    "weights": ("darts_ensemble.commands.weights", "main", "list, fetch, check and convert weights"),
    "reader-study": ("reader_study.commands.main", "main", "plan, run and analyse a study with expert readers"),
}


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    rows = "\n".join(f"  {name:<{width}}{what}" for name, (_, _, what) in COMMANDS.items())
    return (
        "Usage: darts COMMAND [OPTIONS]\n\n"
        f"Commands (each also exists with a hyphen, such as darts-segment):\n\n{rows}\n\n"
        "  darts COMMAND --help     options and examples of a command\n"
        "  darts --version          the version of darts-ensemble; each command says it too\n"
        f"  darts completion SHELL   lines that teach a shell to complete all commands; SHELL: {', '.join(SHELLS)}\n"
    )


EXAMPLES = """Examples (`darts segment` and `darts qc` run these commands):

  darts-segment T1.mgz -o out/

  darts-qc out/
"""


def _first_words(incomplete: str) -> list[tuple[str, str]]:
    """Return the possible first words and their descriptions; the command that it names completes the words after it."""
    known = {name: what for name, (_, _, what) in COMMANDS.items()} | {"completion": "complete words in the shell"}
    return [(name, what) for name, what in known.items() if name.startswith(incomplete)]


@app.command(epilog=EXAMPLES, context_settings={"ignore_unknown_options": True, "help_option_names": []})
def run(
    words: Annotated[
        list[str] | None, typer.Argument(help="A command's name, then its own words.", autocompletion=_first_words)
    ] = None,
) -> None:
    """Run the command that the first word names with the words after it."""
    name, *rest = words or [""]
    if name in ("", "-h", "--help"):
        sys.stdout.write(_help())
        raise SystemExit(0 if name else 2)
    if name in ("-V", "--version"):
        sys.stdout.write(f"darts {package_version('darts-ensemble')}\n")
        return
    if name == "completion":
        _print_completion(rest)
        return
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        sys.stderr.write(f"darts: no command {name}{meant}; expected one of {', '.join(COMMANDS)}\n")
        raise SystemExit(2)
    sys.argv = [f"darts-{name}", *rest]
    _start_command(name)


def _start_command(name: str) -> None:
    module, function, _ = COMMANDS[name]
    getattr(importlib.import_module(module), function)()


def _print_completion(shells: list[str]) -> None:
    if len(shells) != 1 or shells[0] not in SHELLS:
        sys.stderr.write(f"darts completion: {' '.join(shells) or 'no shell'}; expected one of {', '.join(SHELLS)}\n")
        raise SystemExit(2)
    for name in ("darts", *(f"darts-{name}" for name in COMMANDS)):
        sys.stdout.write(completion_script(name, shells[0]) + "\n")


def _complete_for(name: str) -> None:
    """Let the command darts-NAME complete the words of `darts NAME ...`."""
    os.environ[completion_variable(f"darts-{name}")] = os.environ.pop(completion_variable("darts"))
    for variable in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):
        if variable in os.environ:
            os.environ[variable] = re.sub(rf"^\s*\S+\s+{name}(?=\s)", f"darts-{name}", os.environ[variable])
    if "COMP_CWORD" in os.environ:
        os.environ["COMP_CWORD"] = str(int(os.environ["COMP_CWORD"]) - 1)
    _start_command(name)


def main() -> None:
    """Run darts."""
    if completion_variable("darts") in os.environ:
        typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
        if (command := re.match(r"\s*\S+\s+(\S+)\s", typed)) and command[1] in COMMANDS:
            return _complete_for(command[1])
    return start(app, "darts")


if __name__ == "__main__":
    main()
