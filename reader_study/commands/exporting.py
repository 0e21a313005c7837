"""The command export: ratings of a study as tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import errors

__all__ = ["register"]

_EXPORT = """Examples:

  darts-reader-study export study/ -o blinded/

  darts-reader-study export study/ -o results/ --unblind --reason "all readers are done"
"""


def register(app: typer.Typer) -> None:
    """Add the command to the application of darts-reader-study."""
    app.command("export", epilog=_EXPORT)(export)


def export(
    study: Annotated[Path, typer.Argument(help="Folder made by plan.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the tables.", show_default=False)],
    unblind: Annotated[bool, typer.Option("--unblind", help="Name the methods; written into the audit trail.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    key: Annotated[Path | None, typer.Option(help="key.json, if it is not in the study's folder.", show_default=False)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    excel: Annotated[bool, typer.Option("--excel", help="Also write ratings.xlsx, with one sheet per table.")] = False,
    with_withdrawn: Annotated[
        bool, typer.Option("--with-withdrawn", help="Keep all ratings of withdrawn readers, marked in a column.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON and nothing else.")] = False,
) -> None:
    """Export the ratings as darts-reader-study analyse reads them: blinded, or with the methods named."""
    console = Console(quiet=as_json, markup=False, highlight=False, soft_wrap=True)
    from dataclasses import replace

    from reader_study.exchange.archive import write_companions
    from reader_study.study.export import export_study

    done = export_study(study, out, unblind=unblind, key=key, reason=reason, overwrite=overwrite, with_withdrawn=with_withdrawn)
    more = write_companions(study, out, done.files, key=key, unblinded=unblind, excel=excel)
    done = replace(done, files=(*done.files, *more))
    if as_json:
        files = [str(path) for path in done.files]
        typer.echo(json.dumps({"files": files, "answers": done.n_ratings, "planned": done.n_planned, "unblinded": unblind}))
    console.print(
        f"{done.n_ratings} of {done.n_planned} answers, {'methods named' if unblind else 'blinded: arms, not methods'}"
    )
    if unblind and done.n_ratings < done.n_planned:
        errors.print("warning: unblinded before the study was complete; the audit trail says so")
    for path in done.files:
        console.print(f"  {path}")
