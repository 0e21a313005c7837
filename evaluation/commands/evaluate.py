"""The command darts-eval: score label maps against references, and segment first where no label maps are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import one_line_errors
from darts_ensemble.commands.start import start
from darts_ensemble.cores import multiply_in_one_thread, wait_without_spinning
from darts_ensemble.errors import UsageError
from evaluation.commands.overlay import FIGURES_EPILOG, OVERLAY_EPILOG, Style, figures, overlay

__all__ = ["main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

OutsideWord = Literal["mask", "background"]
MetricsWord = Literal["all", "overlap"]
SurfaceWord = Literal["voxel", "dual-grid", "both"]
MissesWord = Literal["exclude", "worst", "inf"]

_EPILOG = """Examples:

  darts-eval --gt mindboggle/ -o results/

  darts-eval --gt SUBJECTS_DIR --pred freesurfer=OTHER_SUBJECTS_DIR -o results/

  darts-eval --gt SUBJECTS_DIR --pred a=derivatives:seg-a --pred b=maps/ --jobs 8 -o results/

  darts-eval --gt SUBJECTS_DIR:aparc+aseg.mgz --pred other=manifest.tsv --protocol dk --metrics overlap -o results/

PATH is a Mindboggle-101 tree, group or subject, a SUBJECTS_DIR (FreeSurfer, FastSurfer), BIDS derivatives, a folder of
label maps named by subject, or a manifest TSV (columns subject, reference or prediction). PATH:FILE takes that file of
each subject, PATH:seg-LABEL or PATH:desc-LABEL that segmentation of BIDS derivatives. A PATH that is one label map is
scored alone: --gt FILE --pred NAME=FILE.

Exit code: 0 all done, 1 something failed or is suspected (the rest is done), 2 wrong usage.
"""


@app.callback(invoke_without_command=True, epilog=_EPILOG)
def evaluate(
    context: typer.Context,
    gt: Annotated[Path | None, typer.Option(metavar="PATH", help="References: see below.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for tables, figures and label maps.")] = None,
    pred: Annotated[
        list[str] | None, typer.Option(metavar="NAME=PATH", help="Label maps of a method; may be repeated.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Segment every scan with these: bundled, a folder or a file. Default without --pred: bundled."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="What is scored: darts102, dkt31 (cortex), dk (cortex), aseg, oasis-cma, or a TSV of your own.")
    ] = "darts102",
    outside_protocol: Annotated[
        OutsideWord, typer.Option(help="Reference voxels with ids outside the protocol: not scored, or background.")
    ] = "mask",
    regions: Annotated[str, typer.Option(help="Score only these regions: names, ids or groups, comma-separated.")] = "",
    subjects: Annotated[
        list[str] | None, typer.Option(help="Score only these subjects, comma-separated; may be repeated.")
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(metavar="TSV", help="Leave out subjects that failed in decisions exported from a page of darts-qc."),
    ] = None,
    metrics: Annotated[
        MetricsWord, typer.Option(help="overlap: Dice and similar ones, volumes. all: also HD95, ASSD, surface Dice.")
    ] = "all",
    surface_definition: Annotated[
        SurfaceWord, typer.Option(help="Surfaces of centres of voxels (as MONAI, medpy), of the dual grid (surface-distance).")
    ] = "voxel",
    tolerance: Annotated[
        list[float] | None, typer.Option(help="Tolerance of the surface Dice in mm; may be repeated. Default: 1.")
    ] = None,
    misses: Annotated[
        MissesWord, typer.Option(help="Distance of a region that only one map has: none, the image's diagonal, infinite.")
    ] = "exclude",
    jobs: Annotated[int, typer.Option(min=1, help="Number of subjects scored at the same time, each in its own process.")] = 1,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Score on a Dask cluster: its address, scheduler file, or local:4.")
    ] = None,
    device: Annotated[str, typer.Option(help="Device for segmentation: auto, cuda, mps or cpu.")] = "auto",
    include_seen: Annotated[bool, typer.Option("--include-seen", help="Include subjects seen in training in means.")] = False,
    include_suspects: Annotated[
        bool, typer.Option("--include-suspects", help="Keep label maps that seem misplaced or exchanged in the tables.")
    ] = False,
    style: Annotated[Style, typer.Option(help="Style of the figures.")] = "default",
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Draw nothing.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Compute again what an earlier run has finished.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account of the run (run.json) and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every file, and tracebacks.")] = False,
) -> None:
    """Score label maps of brain regions against references: overlap and distances, tables, tests, figures and a report.

    Without --pred the three views and their ensemble are run on every scan under --gt, and each is scored.
    """
    if context.invoked_subcommand is not None:
        return
    console = Console(quiet=quiet or as_json, markup=False, highlight=False, soft_wrap=True)
    with one_line_errors("darts-eval"):
        if gt is None or out is None:
            raise UsageError("expected --gt and --out; darts-eval --help shows examples")
        from evaluation.commands.steps import find_segment_score_write  # takes longer to load than --help may

        account, done = find_segment_score_write(console, out, context.params)
    if as_json:
        typer.echo(json.dumps(account, indent=1))
    if not done:
        raise typer.Exit(1)


app.command("overlay", epilog=OVERLAY_EPILOG)(overlay)
app.command("figures", epilog=FIGURES_EPILOG)(figures)


def main() -> None:
    """Run darts-eval."""
    wait_without_spinning()
    multiply_in_one_thread()
    start(app, "darts-eval")


if __name__ == "__main__":
    main()
