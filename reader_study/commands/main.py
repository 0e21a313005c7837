"""The command darts-reader-study: plan a reader study and its size, run it, check and analyse its ratings."""

from __future__ import annotations

import os

import typer

from darts_ensemble.commands.command_line import one_line_errors
from darts_ensemble.commands.start import start
from reader_study.commands import analysis, conduct, exporting, planning, serving, size

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def reader_study() -> None:
    """Plan, run and analyse a study in which experts rate segmentations."""


for one in (planning, serving, conduct, exporting, analysis, size):
    one.register(app)


def main() -> None:
    """Run darts-reader-study; errors are one line, exit 1, or 2 for wrong usage."""
    # Before NumPy is loaded: matrices here are small, and threads that wait for each other double the time of a fit.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with one_line_errors("darts-reader-study"):
        start(app, "darts-reader-study")


if __name__ == "__main__":
    main()
