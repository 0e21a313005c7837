"""The command darts-segment: scans in, label maps in FreeSurfer ids out."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from darts_ensemble.commands.command_line import errors, one_line_errors
from darts_ensemble.commands.scan_lines import tell
from darts_ensemble.commands.start import start
from darts_ensemble.cores import wait_without_spinning
from darts_ensemble.versions import package_version

if TYPE_CHECKING:
    from darts_ensemble.segment.scan_queue import Job
    from darts_ensemble.segment.segmenter import Segmenter
    from darts_ensemble.segment.settings import Settings

__all__ = ["segment_main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

Crop = Literal["brain", "head", "none"]
Form = Literal["nifti", "mgz", "bids", "freesurfer"]
Fusion = Literal["mean", "geometric", "vote"]
Pooling = Literal["split", "duplicate", "none"]
Tta = Literal["none", "mirror"]
Device = Literal["auto", "cuda", "mps", "cpu"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
ProbabilityType = Literal["float32", "uint8", "uint16"]

EXAMPLES = """Examples:

  darts-segment T1.mgz -o out/

  darts-segment $SUBJECTS_DIR -o $SUBJECTS_DIR --format freesurfer

  darts-segment bids/ -o derivatives/darts --format bids --save-agreement

  darts-segment dicom/sub-01 -o out/ --dicom-seg

  darts-segment T1.nii.gz -o out/ --weights my-weights/ --views coronal,axial

  darts-segment T1.nii.gz -o out/ --coronal dense_unet_back2front_finetuned.pth

  darts-segment scans.tsv 'other/*/T1.mgz' -o out/ --part 3/10

  darts-segment $SUBJECTS_DIR -o out/ --dask local:4

  darts-segment scans/ -o out/ --report

  darts-segment study/ -o out/ --dry-run

  darts-segment T1.nii.gz -o out/ --save-probabilities Left-Hippocampus,53 --probability-type uint8
"""


@app.command(epilog=EXAMPLES)
def segment(
    scans: Annotated[
        list[Path],
        typer.Argument(
            help="Scans, folders of scans or of DICOM files, patterns, BIDS data sets, SUBJECTS_DIRs, .tsv lists (columns "
            "scan, name).",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.", show_default=False)],
    weights: Annotated[
        str, typer.Option(help="bundled, a folder with one file per view, a file, or a JSON of view: file.")
    ] = "bundled",
    coronal: Annotated[Path | None, typer.Option(help="Weights of this view, in place of --weights.")] = None,
    axial: Annotated[Path | None, typer.Option(help="Weights of this view, in place of --weights.")] = None,
    sagittal: Annotated[Path | None, typer.Option(help="Weights of this view, in place of --weights.")] = None,
    views: Annotated[
        str | None, typer.Option(help="Use only these views, as in coronal,axial. Default: all in the weights.")
    ] = None,
    fusion: Annotated[
        Fusion, typer.Option(help="Weighted mean of probabilities, of their logarithms, or of votes.")
    ] = "geometric",
    view_weights: Annotated[
        str | None, typer.Option(help="Weight of each view. Default: coronal=0.3,axial=0.3,sagittal=0.4.")
    ] = None,
    fusion_weights: Annotated[
        Path | None, typer.Option(help="Weights of views for each region: a fusion.json of darts-weights fit-fusion.")
    ] = None,
    sagittal_pooling: Annotated[
        Pooling, typer.Option(help="Left and right look alike in a sagittal slice: split a pair's probability, or double it.")
    ] = "split",
    device: Annotated[Device, typer.Option(help="auto: CUDA, else Apple's GPU, else the CPU.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="auto: bf16 where the hardware is faster in it, else fp32.")] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Number of slices at once. Default: as many as the memory allows.", show_default=False),
    ] = None,
    crop: Annotated[Crop, typer.Option(help="Where the networks look: around the brain, the head, or everywhere.")] = "brain",
    tta: Annotated[
        Tta, typer.Option(help="mirror: also predict the mirrored head, and take the mean; twice the time in the networks.")
    ] = "none",
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="Second look at borders of deep structures, if the weights have one.")
    ] = True,
    low_memory: Annotated[bool, typer.Option("--low-memory", help="Small batches, and one scan in memory at a time.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all cores that this process may use.")] = 0,
    part: Annotated[
        str | None, typer.Option(help="Segment only this part of the scans, such as 3/10 in a job array.", show_default=False)
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            help="DICOM: number, UID or part of the description of the series. Default: the T1 by its headers.",
            show_default=False,
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Spread scans over a Dask cluster: local:4, tcp://HOST:8786 or a scheduler file.", show_default=False
        ),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How the results are named and stored.")] = "nifti",
    save_agreement: Annotated[
        bool, typer.Option("--save-agreement", help="Also write a map of how far the views agree.")
    ] = False,
    save_probabilities: Annotated[
        str | None,
        typer.Option(
            help="Also write probabilities: ids or names of regions, all, or top3 (of each voxel).", show_default=False
        ),
    ] = None,
    probability_type: Annotated[ProbabilityType, typer.Option(help="Type of the probabilities on disk.")] = "float32",
    dicom_seg: Annotated[
        bool, typer.Option("--dicom-seg", help="DICOM: also write the label map as a segmentation (SEG) on the series.")
    ] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Remove small islands of a region.")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Also write a page of quality control, OUT/quality/quality.html: see darts-qc.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 also if a scan is probably not an upright T1 of a whole head.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Segment scans again that are already done.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be done with each scan, and how much memory it needs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print an account of the run as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print the time of each stage, and tracebacks of unexpected errors.")
    ] = False,
) -> None:
    """Label 102 regions on T1 scans, on the grid of each scan, in FreeSurfer ids.

    Exit code: 0 all done, 1 some failed (the others are done), 2 wrong usage.
    """
    console = Console(quiet=quiet or as_json, soft_wrap=True, markup=False, highlight=False)
    # These take longer to import than --help may take.
    from darts_ensemble.segment.settings import Settings

    given = {"coronal": coronal, "axial": axial, "sagittal": sagittal}
    files = tuple((view, str(path)) for view, path in given.items() if path is not None)
    settings = Settings(
        weights=files or weights, device=device, precision=precision, fusion=fusion, views=views, view_weights=view_weights,
        fusion_weights=None if fusion_weights is None else str(fusion_weights), sagittal_pooling=sagittal_pooling,
        batch_size=batch_size, crop=crop, low_memory=low_memory, tta=tta, refine=refine, threads=threads, form=form,
        agreement=save_agreement, probabilities=save_probabilities, probability_type=probability_type, dicom_seg=dicom_seg,
        clean=clean, overwrite=overwrite, verbose=verbose, strict=strict,
    )  # fmt: skip
    with one_line_errors("darts-segment"):
        account = _run(scans, out, part, series, dask, settings, console, dry=dry_run)
    if as_json:
        typer.echo(json.dumps(account, indent=1))
    paged = not report or dry_run or _write_quality_page(out, quiet=console.quiet)
    if not paged or any(row["status"] == "failed" or (strict and row.get("suspicion")) for row in account["scans"]):
        raise typer.Exit(1)


def _write_quality_page(out: Path, *, quiet: bool) -> bool:
    """Run darts-qc on the results: it belongs to the package evaluation, which is not imported here."""
    command = [sys.executable, "-m", "evaluation.commands.quality", str(out), *(["--quiet"] if quiet else [])]
    return subprocess.run(command, check=False).returncode == 0


def _run(
    scans: list[Path],
    out: Path,
    part: str | None,
    series: str | None,
    dask: str | None,
    settings: Settings,
    console: Console,
    *,
    dry: bool,
) -> dict[str, Any]:
    """Find, segment and report the scans; return the account of the run, with a row per scan in the order found."""
    from darts_ensemble.commands.scans_to_segment import jobs_of
    from darts_ensemble.segment.dry_run import foretell
    from darts_ensemble.segment.scan_queue import segment_here, segment_on_cluster
    from darts_ensemble.segment.settings import describe_run, make_segmenter

    jobs, failed = jobs_of(scans, out, settings, part=part, series=series, say=console.print)
    # With a cluster, the networks are loaded here too: wrong weights or options are reported before any worker starts.
    segmenter = make_segmenter(settings)
    name, views = segmenter.ensemble.name, segmenter.views
    console.print(f"weights {name}: {', '.join(views)} on {segmenter.device}, {segmenter.precision}")
    if not dry:
        _describe_folder(out, settings.form, segmenter, jobs)
    for row in failed:
        errors.print(f"darts-segment: {row['error']}")
    rows = list(failed)
    drawn = console.is_terminal and not console.quiet
    # On a terminal, errors must go through the console of the bar, else both are printed on one line.
    complaints = console if drawn and errors.is_terminal else errors
    with Progress(console=console, transient=True, disable=not drawn) as bar, warnings.catch_warnings():
        task = bar.add_task("", total=len(jobs))
        warnings.showwarning = lambda message, *_, **__: complaints.print(f"darts-segment: {message}")

        def report(row: dict[str, Any]) -> None:
            rows.append(row)
            bar.update(task, advance=1, description=row["name"])
            tell(row, len(rows) - len(failed), len(jobs), console.print, complaints.print, stages=settings.verbose)
            for warning in () if console.quiet else row.get("warnings", ()):
                complaints.print(f"darts-segment: warning: {warning}")

        if dry:
            foretell(segmenter, jobs, settings, report)
        elif dask is None:
            segment_here(segmenter, jobs, settings, report)
        else:
            segment_on_cluster(segmenter, jobs, settings, report, address=dask)
    order = {str(job.scan.path): number for number, job in enumerate(jobs)}
    rows.sort(key=lambda row: order.get(row["scan"], -1))
    return {"weights": name, "views": views, "made_with": describe_run(segmenter, settings), "scans": rows}


def _describe_folder(out: Path, form: str, segmenter: Segmenter, jobs: list[Job]) -> None:
    """Write what describes all results of a folder: the colours of the regions, and in BIDS the data set."""
    from darts_ensemble.results.outputs import write_colour_tables

    if form == "bids":
        from darts_ensemble.fusion.view_weights import networks_of
        from darts_ensemble.results.bids_dataset import describe_dataset

        weights_of = networks_of(segmenter.ensemble)
        sources = [job.scan.path for job in jobs]
        describe_dataset(out, sources, version=package_version("darts-ensemble"), weights=weights_of)
    write_colour_tables(out / "docs" if form == "bids" else out)


def segment_main() -> None:
    """Run darts-segment."""
    wait_without_spinning()
    start(app, "darts-segment")


if __name__ == "__main__":
    segment_main()
