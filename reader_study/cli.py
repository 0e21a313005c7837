"""The command darts-reader-study: plan a reader study and its size, run it, check and analyse its ratings."""

from __future__ import annotations

import os
import sys

import typer
from rich.console import Console

from darts_ensemble.errors import DartsError, UsageError
from reader_study import cli_analysis, cli_planning
from reader_study.app import commands as app_commands

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, pretty_exceptions_enable=False)
_errors = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)


@app.callback()
def reader_study() -> None:
    """Plan, run and analyse a study in which experts rate segmentations."""


for one in (app_commands, cli_analysis, cli_planning):
    one.register(app)


def main() -> None:
    """Run darts-reader-study; errors are one line, exit 1, or 2 for wrong usage."""
    # Before NumPy is loaded: matrices here are small, and threads that wait for each other double the time of a fit.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        app()
    except UsageError as error:
        _errors.print(f"darts-reader-study: {error}")
        sys.exit(2)
    except DartsError as error:
        _errors.print(f"darts-reader-study: {error}")
        sys.exit(1)
    except OSError as error:
        _errors.print(f"darts-reader-study: {error.filename}: {error.strerror}; expected a place that can be read and written")
        sys.exit(1)


if __name__ == "__main__":
    main()
