"""How every command starts: `--version`, completion of words in the shell, and then its own options."""

from __future__ import annotations

import os
import sys

import typer
from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]

from darts_ensemble.commands.plain_text import print_plainly
from darts_ensemble.versions import package_version

__all__ = ["SHELLS", "completion_script", "completion_variable", "start"]

#: Shells for which words can be completed.
SHELLS = ("bash", "zsh", "fish")


def completion_variable(name: str) -> str:
    """Return the environment variable by which a shell asks a command for words: "_DARTS_QC_COMPLETE" of darts-qc."""
    return f"_{name.replace('-', '_').upper()}_COMPLETE"


def completion_script(name: str, shell: str) -> str:
    """Return the lines that teach a shell (one of SHELLS) to complete the words of a command."""
    return get_completion_script(prog_name=name, complete_var=completion_variable(name), shell=shell)


def start(app: typer.Typer, name: str) -> None:
    """Run a command with the words after its name; `--version` alone prints its version.

    Parameters
    ----------
    app : typer.Typer
    name : str
        "darts-qc".
    """
    print_plainly()
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"{name} {package_version('darts-ensemble')}\n")
        return
    if completion_variable(name) in os.environ:
        completion_init()
    app(prog_name=name)
