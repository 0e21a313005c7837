"""`darts-eval overlay` and `darts-eval figures`: pictures and tables of a results folder, without scoring again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import errors, one_line_errors, words

__all__ = ["FIGURES_EPILOG", "OVERLAY_EPILOG", "Style", "figures", "overlay"]

View = Literal["axial", "coronal", "sagittal"]
Style = Literal["default", "published"]

OVERLAY_EPILOG = """Examples:

  darts-eval overlay results/

  darts-eval overlay results/ --regions "thalamus,Left-Hippocampus,cingulate gyrus" --methods freesurfer,ensemble --fill

  darts-eval overlay results/ --subjects sub-07 --view coronal -o pictures/

Axial and coronal pictures have the patient's right on the left (radiological convention); the sides are marked.
"""

FIGURES_EPILOG = """Examples:

  darts-eval figures results/

  darts-eval figures results/ --style published

  darts-eval figures results/ --metric hd95_larger_voxel_mm
"""


def overlay(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="Folder that darts-eval wrote.")],
    regions: Annotated[
        str,
        typer.Option(
            help="Names, ids or groups of the run, comma-separated. Default: putamen, caudate, hippocampus, insula, pallidum."
        ),
    ] = "",
    methods: Annotated[str, typer.Option(help="Methods, in this order, comma-separated. Default: all of the run.")] = "",
    subjects: Annotated[
        list[str] | None,
        typer.Option(help="Subjects, comma-separated; may be repeated. Default: the best, the median and the worst."),
    ] = None,
    rank_by: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD", help="Method by whose mean Dice subjects are ranked. Default: the ensemble, else the best method."
        ),
    ] = None,
    view: Annotated[View, typer.Option(help="View of the slices.")] = "axial",
    fill: Annotated[bool, typer.Option("--fill", help="Fill regions instead of drawing outlines.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the pictures. Default: RESULTS/overlays.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False,
) -> None:
    """Draw regions in the slice where they are largest, the reference and each method side by side, with Dice."""
    from evaluation.overlays.save import save_overlays  # matplotlib takes longer to load than --help may

    console = Console(quiet=quiet, markup=False, highlight=False, soft_wrap=True)
    with one_line_errors("darts-eval overlay"):
        saved = save_overlays(
            results, regions=words(regions), methods=words(methods), subjects=words(*(subjects or [])), rank_by=rank_by,
            view=view, fill=fill, out=out, report=console.print,
        )  # fmt: skip
        if out is None:
            _write_report_again(results, console)
    for warning in saved.warnings:
        errors.print(f"warning: {warning}")
    for failure in saved.failures:
        errors.print(f"darts-eval overlay: {failure}")
    if saved.failures or not saved.files:
        raise typer.Exit(1)


def figures(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="Folder that darts-eval wrote.")],
    style: Annotated[
        Style, typer.Option(help="Style of the box plots: with subjects and tests, or as in the DARTS paper.")
    ] = "default",
    metric: Annotated[str, typer.Option(help="A metric's column of scores.csv.")] = "dice",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Draw the figures and write the tables of a results folder again."""
    from evaluation.figures.draw import save_figures  # matplotlib takes longer to load than --help may
    from evaluation.tables.paper import save_tables

    console = Console(quiet=quiet, markup=False, highlight=False, soft_wrap=True)
    with one_line_errors("darts-eval figures"):
        drawn = save_figures(results, style=style, metric=metric)
        tables = save_tables(results)
        _write_report_again(results, console)
    for folder, paths in (("figures", drawn), ("tables", tables)):
        names = ", ".join(dict.fromkeys(path.name.removesuffix(path.suffix) for path in paths))
        console.print(f"{results / folder}: {names}")


def _write_report_again(results: Path, console: Console) -> None:
    """Put new pictures into the report, if the run has one."""
    if (results / "report.html").is_file():
        from evaluation.report.assemble import write_report

        console.print(f"{write_report(results)}: written again")
