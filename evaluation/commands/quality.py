"""The command darts-qc: a quality control page of the label maps of a folder, the doubtful ones first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from darts_ensemble.commands.command_line import errors, one_line_errors
from darts_ensemble.commands.start import start

__all__ = ["main", "quality", "run_quality"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

EXAMPLES = """Examples:

  darts-qc out/

  darts-qc $SUBJECTS_DIR --out quality/

  darts-qc bids/derivatives/darts --exclude qc.tsv
"""


@app.command(epilog=EXAMPLES)
def quality(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Output folder of darts-segment, in any format, or of darts-eval, or a SUBJECTS_DIR.", show_default=False
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the page. Default: FOLDER/quality.")] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="Decisions exported by the page: the tables of volumes leave out scans that failed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False,
) -> None:
    """Write a page with a picture of every scan, what needs a look, and its volumes compared with the cohort's.

    Exit code: 0 all done, 1 some label map could not be read, 2 wrong usage.
    """
    console = Console(quiet=quiet or as_json, markup=False, highlight=False, soft_wrap=True)
    with one_line_errors("darts-qc"):
        failed = run_quality(console, folder, out, exclude, as_json=as_json)
    if failed:
        raise typer.Exit(1)


def run_quality(console: Console, folder: Path, out: Path | None, exclude: Path | None, *, as_json: bool = False) -> bool:
    """Write the page and say what was found; return whether a label map could not be read."""
    from evaluation.quality.cohort_volumes import excluded_names, same_name
    from evaluation.quality.label_maps import find_label_maps
    from evaluation.quality.write import write_quality

    failed_by_hand = excluded_names(exclude) if exclude else set()
    count = len(find_label_maps(folder))
    with Progress(console=console, transient=True, disable=not console.is_terminal or console.quiet) as bar:
        task = bar.add_task("measuring", total=count)
        run = write_quality(folder, out, exclude=failed_by_hand, report=lambda _: bar.advance(task))
    for failure in run.failures:
        errors.print(f"darts-qc: {failure}")
    if run.without_scan:
        console.print(f"without their scan, regions alone are drawn: {len(run.without_scan)} of {count}")
    levels = {level: [name for name, one in run.findings.items() if one.level == level] for level in ("serious", "look")}
    for level, names in levels.items():
        for name in names[:5]:
            console.print(f"{level}: {name}: {run.findings[name].findings[0].text}")
        if len(names) > 5:
            console.print(f"{level}: and {len(names) - 5} more")
    found_names = {same_name(name) for name in run.findings}
    if absent := sorted(failed_by_hand - found_names):
        more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
        errors.print(f"warning: {exclude}: failed there, but not in {folder}: {', '.join(absent[:5])}{more}")
    if failed_by_hand >= found_names:
        errors.print(f"warning: {exclude}: every scan failed: no tables of volumes")
    scans = "1 scan" if count == 1 else f"{count} scans"
    console.print(f"{run.page}: {scans}, {len(levels['serious'])} serious, {len(levels['look'])} to look at")
    if as_json:
        found = [
            {"name": name, "level": one.level, "findings": [f.text for f in one.findings]} for name, one in run.findings.items()
        ]
        typer.echo(json.dumps({"page": str(run.page), "scans": found, "failures": run.failures}, indent=1))
    return bool(run.failures)


def main() -> None:
    """Run darts-qc."""
    start(app, "darts-qc")


if __name__ == "__main__":
    main()
