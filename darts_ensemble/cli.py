"""The command darts-segment: scans in, label maps in FreeSurfer ids out."""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from darts_ensemble.errors import DartsError, ScanError, UsageError
from darts_ensemble.inputs import NamedScan, find_scans, name_scans
from darts_ensemble.outputs import FORMATS, Targets, target_paths, write_bids_description, write_colour_tables

if TYPE_CHECKING:
    from darts_ensemble.checkpoints import Ensemble
    from darts_ensemble.fusion import ViewWeights
    from darts_ensemble.segmenter import Segmenter

__all__ = ["segment_main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
_errors = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)

Form = Literal["nifti", "mgz", "bids", "freesurfer"]
Fusion = Literal["mean", "geometric", "vote"]
Pooling = Literal["split", "duplicate", "none"]
Device = Literal["auto", "cuda", "mps", "cpu"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
ProbabilityType = Literal["float32", "uint8", "uint16"]

EXAMPLES = """Examples:

  darts-segment T1.mgz -o out/

  darts-segment $SUBJECTS_DIR -o $SUBJECTS_DIR --format freesurfer

  darts-segment bids/ -o derivatives/darts --format bids --save-agreement

  darts-segment T1.nii.gz -o out/ --weights my-weights/ --views coronal,axial

  darts-segment T1.nii.gz -o out/ --coronal dense_unet_back2front_finetuned.pth

  darts-segment T1.nii.gz -o out/ --save-probabilities Left-Hippocampus,53 --probability-type uint8
"""


@app.command(epilog=EXAMPLES)
def segment(
    scans: Annotated[
        list[Path], typer.Argument(help="Scans, folders of scans, BIDS data sets, SUBJECTS_DIRs.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.", show_default=False)],
    weights: Annotated[
        str, typer.Option(help="bundled, a folder with a file a view, a file, or a JSON of view: file.")
    ] = "bundled",
    coronal: Annotated[Path | None, typer.Option(help="Weights of this view, in place of --weights.")] = None,
    axial: Annotated[Path | None, typer.Option(help="Weights of this view, in place of --weights.")] = None,
    sagittal: Annotated[Path | None, typer.Option(help="Weights of this view, in place of --weights.")] = None,
    views: Annotated[str | None, typer.Option(help="Use only these, as in coronal,axial. Default: all there are.")] = None,
    fusion: Annotated[Fusion, typer.Option(help="Weighted mean of probabilities, of their logarithms, or of votes.")] = "mean",
    view_weights: Annotated[str | None, typer.Option(help="As in coronal=0.4,axial=0.4,sagittal=0.2, the default.")] = None,
    fusion_weights: Annotated[
        Path | None, typer.Option(help="Weights of views a region: a fusion.json of darts-weights fit-fusion.")
    ] = None,
    sagittal_pooling: Annotated[
        Pooling, typer.Option(help="A sagittal slice doesn't tell its side: split a pair's probability, or double it.")
    ] = "split",
    device: Annotated[Device, typer.Option(help="auto: CUDA, else Apple's GPU, else the CPU.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="auto: bf16 on CUDA, else fp32.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Slices at once.")] = 4,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all.")] = 0,
    form: Annotated[Form, typer.Option("--format", help="How the results are named and stored.")] = "nifti",
    save_agreement: Annotated[bool, typer.Option("--save-agreement", help="Also how far the views agree.")] = False,
    save_probabilities: Annotated[
        str | None, typer.Option(help="Also probabilities: ids or names, all, or top3 (of each voxel).", show_default=False)
    ] = None,
    probability_type: Annotated[ProbabilityType, typer.Option(help="Their type on disk.")] = "float32",
    clean: Annotated[bool, typer.Option("--clean", help="Remove small islands of a region.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Segment again what is done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print an account of the run as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of unexpected errors.")] = False,
) -> None:
    """Label 102 regions on T1 scans, on each scan's own grid, in FreeSurfer ids.

    Exit code: 0 all done, 1 some failed (the others are done), 2 wrong usage.
    """
    console = Console(quiet=quiet or as_json, soft_wrap=True, markup=False, highlight=False)
    say = console.print
    try:
        found, failed = _find(scans)
        named = name_scans(found)
        targets = _targets(named, out, form)
        if threads:
            import torch

            torch.set_num_threads(threads)
        given = {"coronal": coronal, "axial": axial, "sagittal": sagittal}
        files = {view: path for view, path in given.items() if path is not None}
        if save_probabilities:
            from darts_ensemble.probabilities import parse_wanted

            parse_wanted(save_probabilities)
        from darts_ensemble.checkpoints import load_ensemble
        from darts_ensemble.segmenter import Segmenter

        ensemble = load_ensemble(files or weights)
        segmenter = Segmenter(
            ensemble, device=device, precision=precision, fusion=fusion,
            weights=_weights(view_weights, fusion_weights, ensemble), sagittal_pooling=sagittal_pooling, views=_views(views),
            batch_size=batch_size,
        )  # fmt: skip
        if save_agreement and len(segmenter.views) < 2:
            raise UsageError("--save-agreement: one view has nothing to agree with; expected two or three views")
        say(f"weights {segmenter.ensemble.name}: {', '.join(segmenter.views)} on {segmenter.device}, {segmenter.precision}")
        write_colour_tables(out)
        if form == "bids":
            write_bids_description(out, _version())
    except DartsError as error:
        _errors.print(f"darts-segment: {error}")
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None
    saving: dict[str, Any] = {
        "form": form, "agreement": save_agreement, "probabilities": save_probabilities, "probability_type": probability_type,
    }  # fmt: skip
    account: list[dict[str, Any]] = []
    for row in failed:
        account.append(row)
        _errors.print(f"darts-segment: {row['error']}")
    drawn = console.is_terminal and not console.quiet
    bar = Progress(console=console, transient=True, disable=not drawn)
    # On one terminal an error must pass through the bar's own console, else the two share a line.
    errors = console if drawn and _errors.is_terminal else _errors
    with bar:
        task = bar.add_task("", total=len(named))
        for number, (scan, target) in enumerate(zip(named, targets, strict=True), start=1):
            bar.update(task, description=scan.name)
            row = _segment_one(segmenter, scan, target, out, saving, clean=clean, overwrite=overwrite, verbose=verbose)
            account.append(row)
            bar.advance(task)
            if row["status"] == "failed":
                errors.print(f"darts-segment: {row['error']}")
            else:
                notes = "".join(f"; {flag}" for flag in row.get("flags", []))
                took = f" ({row['seconds']:.0f} s)" if "seconds" in row else ""
                say(f"[{number}/{len(named)}] {scan.name}: {row['status']} {row['label_map']}{took}{notes}")
    if as_json:
        typer.echo(json.dumps({"weights": segmenter.ensemble.name, "views": segmenter.views, "scans": account}, indent=1))
    if any(row["status"] == "failed" for row in account):
        raise typer.Exit(1)


def _find(given: list[Path]) -> tuple[list[Path], list[dict[str, Any]]]:
    """Find the scans of every argument; a folder without one is a failure of its own."""
    good, failed = [], []
    for path in given:
        try:
            find_scans([path])
            good.append(path)
        except ScanError as error:
            failed.append({"scan": str(path), "status": "failed", "error": str(error)})
    return find_scans(good), failed


def _segment_one(
    segmenter: Segmenter, scan: NamedScan, target: Targets, out: Path, saving: dict[str, Any],
    *, clean: bool, overwrite: bool, verbose: bool,
) -> dict[str, Any]:  # fmt: skip
    """Segment and save one scan; whatever goes wrong is its own affair and ends in the account."""
    row: dict[str, Any] = {"scan": str(scan.path), "name": scan.name, "label_map": str(target.label_map)}
    if target.label_map.is_file() and not overwrite:
        other = _scan_of(target)
        if other in (None, str(scan.path.resolve())):
            return {**row, "status": "done before"}
        error = f"{target.label_map}: holds the regions of {other}; expected another --out for {scan.path}, or --overwrite"
        return {**row, "status": "failed", "error": error}
    started = time.monotonic()
    try:
        result = segmenter.segment(scan.path, keep_probabilities=saving["probabilities"] is not None)
        if clean:
            result = result.cleaned()
        result.save(out, scan.name, **saving)
    except DartsError as error:
        return {**row, "status": "failed", "error": str(error)}
    except Exception as error:  # one scan that meets a bug or fills the memory must not cost the user the others
        if verbose:
            traceback.print_exc(file=sys.stderr)
        return {
            **row,
            "status": "failed",
            "error": f"{scan.path}: {type(error).__name__}: {' '.join(str(error).split())[:300]}",
        }
    return {
        **row,
        "status": "wrote",
        "seconds": round(time.monotonic() - started, 2),
        "flags": result.flags,
        "mean_view_agreement": result.mean_agreement,
        "seen_in_training": result.seen_in_training,
    }


def _scan_of(target: Targets) -> str | None:
    """The scan that an earlier result was made from, where its account tells."""
    try:
        scan: str | None = json.loads(target.quality.read_text(encoding="utf-8")).get("scan")
    except (OSError, ValueError):
        return None
    return scan


def _targets(named: list[NamedScan], out: Path, form: str) -> list[Targets]:
    assert form in FORMATS
    targets = [target_paths(out, scan.name, form) for scan in named]
    taken: dict[str, Path] = {}
    for scan, target in zip(named, targets, strict=True):
        key = str(target.label_map).lower()
        if key in taken:
            raise UsageError(f"{scan.path} and {taken[key]}: both would be {target.label_map}; expected different names")
        taken[key] = scan.path
    return targets


def _views(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    from darts_ensemble.views import VIEWS

    wanted = tuple(part.strip() for part in text.split(","))
    unknown = [view for view in wanted if view not in VIEWS]
    if unknown:
        raise UsageError(f"--views {text}: {unknown[0] or 'nothing'} found; expected some of {', '.join(VIEWS)}")
    return wanted


def _weights(text: str | None, file: Path | None, ensemble: Ensemble) -> ViewWeights | None:
    """What --view-weights says, or --fusion-weights, which must have been fitted for these networks."""
    if file is None:
        return _view_weights(text)
    if text is not None:
        raise UsageError("--view-weights and --fusion-weights; expected one of them")
    from darts_ensemble.checksums import sha256_of
    from darts_ensemble.fusion_weights import read_fusion_weights

    networks = {view: sha256_of(network.path) for view, network in ensemble.networks.items() if network.path is not None}
    return read_fusion_weights(file, networks).weights


def _view_weights(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    from darts_ensemble.fusion import DEFAULT_WEIGHTS

    weights = dict(DEFAULT_WEIGHTS)
    try:
        for part in text.split(","):
            view, value = part.split("=")
            weights[view.strip()] = float(value)
    except ValueError:
        raise UsageError(f"--view-weights {text}: expected such as coronal=0.4,axial=0.4,sagittal=0.2") from None
    if (
        set(weights) != set(DEFAULT_WEIGHTS)
        or not all(0 <= weight < math.inf for weight in weights.values())
        or sum(weights.values()) == 0
    ):
        raise UsageError(f"--view-weights {text}: expected weights of coronal, axial, sagittal, none below 0, one above")
    return weights


def _version() -> str:
    from importlib.metadata import version

    return version("darts-ensemble")


def segment_main() -> None:
    """Run darts-segment."""
    app()


if __name__ == "__main__":
    segment_main()
