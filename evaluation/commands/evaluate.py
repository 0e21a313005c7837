"""The command darts-eval: score label maps against references, and segment first where no label maps are given."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import errors, one_line_errors, words
from darts_ensemble.cores import wait_without_spinning
from darts_ensemble.errors import CohortError, UsageError
from evaluation.commands.overlay import FIGURES_EPILOG, OVERLAY_EPILOG, Style, figures, overlay

if TYPE_CHECKING:  # what they import takes longer to load than --help may
    from evaluation.metrics.pair_scores import Scoring
    from evaluation.metrics.surface import Definition
    from evaluation.protocols.protocol import Protocol, ProtocolRegion

__all__ = ["choose_regions", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)

OutsideWord = Literal["mask", "background"]
MetricsWord = Literal["all", "overlap"]
SurfaceWord = Literal["voxel", "dual-grid", "both"]
MissesWord = Literal["exclude", "worst", "inf"]

_WRONG_HEADER = "orientation in the header known to be wrong (Mindboggle issue 186): "

_EPILOG = """Examples:

  darts-eval --gt mindboggle/ -o results/

  darts-eval --gt SUBJECTS_DIR --pred freesurfer=OTHER_SUBJECTS_DIR -o results/

  darts-eval --gt SUBJECTS_DIR --pred a=derivatives:seg-a --pred b=maps/ --jobs 8 -o results/

  darts-eval --gt SUBJECTS_DIR:aparc+aseg.mgz --pred other=manifest.tsv --protocol dk --metrics overlap -o results/

PATH is a Mindboggle-101 tree, group or subject, a SUBJECTS_DIR (FreeSurfer, FastSurfer), BIDS derivatives, a folder of
label maps named by subject, or a manifest TSV (columns subject, reference or prediction). PATH:FILE takes that file of
each subject, PATH:seg-LABEL that segmentation of BIDS derivatives.

Exit code: 0 all done, 1 something failed or is suspected (the rest is done), 2 wrong usage.
"""


@app.callback(invoke_without_command=True, epilog=_EPILOG)
def evaluate(
    context: typer.Context,
    gt: Annotated[Path | None, typer.Option(metavar="PATH", help="References: see below.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for tables, figures and label maps.")] = None,
    pred: Annotated[list[str] | None, typer.Option(metavar="NAME=PATH", help="Label maps of a method (repeat).")] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Segment every scan with these: bundled, a folder or a file. Default without --pred: bundled."),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="What is scored: darts102, dkt31 (cortex), dk (cortex), aseg, or a TSV of your own.")
    ] = "darts102",
    outside_protocol: Annotated[
        OutsideWord, typer.Option(help="Reference voxels whose id the protocol doesn't name: not scored, or background.")
    ] = "mask",
    regions: Annotated[str, typer.Option(help="Score these only: names, ids or groups, comma-separated.")] = "",
    subjects: Annotated[list[str] | None, typer.Option(help="Score these only, comma-separated (or repeat).")] = None,
    metrics: Annotated[
        MetricsWord, typer.Option(help="overlap: Dice and its kin, volumes. all: also HD95, ASSD, surface Dice.")
    ] = "all",
    surface_definition: Annotated[
        SurfaceWord, typer.Option(help="Surfaces of centres of voxels (as MONAI, medpy), of the dual grid (surface-distance).")
    ] = "voxel",
    tolerance: Annotated[list[float] | None, typer.Option(help="mm, of the surface Dice (repeat). Default 1.")] = None,
    misses: Annotated[
        MissesWord, typer.Option(help="Distance of a region only one map has: none, the image's diagonal, infinite.")
    ] = "exclude",
    jobs: Annotated[int, typer.Option(min=1, help="Subjects scored at a time, in processes of their own.")] = 1,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Score on a Dask cluster: its address, scheduler file, or local:4.")
    ] = None,
    device: Annotated[str, typer.Option(help="To segment on: auto, cuda, mps or cpu.")] = "auto",
    include_seen: Annotated[bool, typer.Option("--include-seen", help="Keep subjects seen in training in means.")] = False,
    include_suspects: Annotated[
        bool, typer.Option("--include-suspects", help="Keep label maps that seem misplaced or exchanged in the tables.")
    ] = False,
    style: Annotated[Style, typer.Option(help="Of the figures.")] = "default",
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Draw nothing.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.html.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what an earlier run has finished.")] = False,
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
        account, done = _evaluate(console, out, context.params)
    if as_json:
        typer.echo(json.dumps(account, indent=1))
    if not done:
        raise typer.Exit(1)


def _evaluate(console: Console, out: Path, given: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Find, segment where asked for, score, write; return the account and whether all was done."""
    from evaluation.cohort.find import choose_subjects, find_cohort, find_predictions, parse_location
    from evaluation.commands.screen import progress, show_found, show_outside, show_summary
    from evaluation.results.summaries import summarise
    from evaluation.run.account import run_account
    from evaluation.run.evaluate import Failure, Method, score_cohort
    from evaluation.run.protocol_warnings import named
    from evaluation.run.write_results import write_results, writing_steps

    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    scoring = _scoring(given)
    locations = {name: parse_location(path) for name, path in _named(given["pred"] or []).items()}
    weights = given["weights"] or (None if locations else "bundled")
    if weights:
        _refuse_view_names(locations)
    where = parse_location(str(given["gt"]))
    cohort = choose_subjects(find_cohort(where), words(*(given["subjects"] or [])))
    found = {name: find_predictions(location, cohort.subjects, name=name) for name, location in locations.items()}
    methods = [Method(name, one.paths) for name, one in found.items()]
    show_found(console, where, cohort, found, verbose=given["verbose"])
    if weights is None and not any(method.paths for method in methods):
        paths = ", ".join(str(location.path) for location in locations.values())
        raise CohortError(f"{paths}: no label map of any subject under {where.path}; name files by subject")
    warnings = [_WRONG_HEADER + named(wrong)] if (wrong := [one.id for one in cohort.subjects if one.wrong_header]) else []
    failures: list[Failure] = []
    files: dict[str, str] = {}
    if weights is not None:
        from darts_ensemble.inference.heap import keep_freed_memory
        from evaluation.run.segmentations import segment_cohort

        keep_freed_memory()
        with progress(console, len(cohort.subjects), "segmenting") as report:
            segmented = segment_cohort(
                cohort.subjects, weights, out / "segmentations", device=given["device"], overwrite=given["overwrite"],
                report=report,
            )  # fmt: skip
        methods += segmented.methods
        failures, files = segmented.failures, segmented.weights
        warnings += segmented.warnings
    if seen := sorted({subject for method in methods for subject in method.seen}):
        kept = "kept in" if given["include_seen"] else "kept out of"
        warnings.append(f"seen in training, {kept} all means: {', '.join(seen)}")
    matched = {subject for method in methods for subject in method.paths}
    with progress(console, len(matched), "scoring") as report:
        scores = score_cohort(
            cohort.subjects, methods, scoring, finished=out / "subjects", overwrite=given["overwrite"],
            include_suspects=given["include_suspects"], jobs=given["jobs"], cluster=given["dask"], report=report,
        )  # fmt: skip
    warnings += scores.warnings
    failures = failures + scores.failures
    for warning in warnings:
        errors.print(f"warning: {warning}")
    for suspect in scores.suspects:
        kept = "kept in the tables" if suspect.counted else "left out of all tables"
        errors.print(f"suspected: {suspect.subject} ({suspect.method}): {suspect.kind}: {suspect.detail}; {kept}")
    for failure in failures:
        errors.print(f"darts-eval: {failure.subject}{f' ({failure.method})' if failure.method else ''}: {failure.reason}")
    account = run_account(
        arguments={name: str(value) if isinstance(value, Path) else value for name, value in given.items()}, cohort=cohort,
        found=found, methods=methods, scoring=scoring, scores=scores, failures=failures, warnings=warnings, weights=files,
        started=started, seconds=time.monotonic() - clock,
    )  # fmt: skip
    steps = writing_steps(style=given["style"], figures=not given["no_figures"], report=not given["no_report"])
    with progress(console, len(steps), "writing") as report:
        unwritten = write_results(out, scores, account, steps, report)
    for failure in unwritten:
        errors.print(f"darts-eval: {failure.method}: {failure.reason}")
    failures = failures + unwritten
    if not scores.table.empty:
        show_outside(console, scores, methods, scoring)
        show_summary(console, summarise(scores.table, include_seen=given["include_seen"]))
        console.print(f"{out}: {_shown(account['files'])}")
    left_out = any(not suspect.counted for suspect in scores.suspects)
    return account, not (failures or left_out or scores.table.empty)


def _scoring(given: dict[str, Any]) -> Scoring:
    from evaluation.metrics.pair_scores import Scoring
    from evaluation.protocols.protocol import load_protocol

    protocol = load_protocol(given["protocol"])
    tolerances = tuple(sorted(set(given["tolerance"] or [1.0])))
    if not all(0 <= tolerance < math.inf for tolerance in tolerances):
        raise UsageError(f"--tolerance {', '.join(map(str, tolerances))}: expected distances in mm, none below 0")
    surfaces = {"voxel": ("voxel",), "dual-grid": ("dual_grid",), "both": ("voxel", "dual_grid")}[given["surface_definition"]]
    return Scoring(
        protocol,
        tuple(protocol.regions.index(region) for region in choose_regions(given["regions"], protocol)),
        given["outside_protocol"],
        cast("tuple[Definition, ...]", surfaces) if given["metrics"] == "all" else (),
        tolerances,
        given["misses"],
    )


def choose_regions(text: str, protocol: Protocol) -> list[ProtocolRegion]:
    """Return the regions that a comma-separated list of names, ids or groups names, in the protocol's order; all for none.

    Raises
    ------
    UsageError
        If a word is none of them.
    """
    chosen: set[int] = set()
    unknown = []
    for word in words(text):
        wanted = word.lower()
        # FreeSurfer 7 dropped the suffix of its thalamus.
        names = {one.id: {one.name.lower(), one.name.lower().removesuffix("-proper"), str(one.id)} for one in protocol.regions}
        found = {one.id for one in protocol.regions if wanted in names[one.id] or wanted == one.group.lower()}
        chosen |= found
        if not found:
            unknown.append(word)
    if unknown:
        groups = ", ".join(dict.fromkeys(region.group for region in protocol.regions))
        raise UsageError(
            f"unknown region {', '.join(unknown)}; expected names or ids of protocol {protocol.name}, or its groups: {groups}"
        )
    return [region for region in protocol.regions if region.id in chosen] if chosen else list(protocol.regions)


def _shown(files: Sequence[str]) -> str:
    """Files of the folder itself, and how many there are in folders below it."""
    below = Counter(name.split("/")[0] for name in files if "/" in name)
    return ", ".join([name for name in files if "/" not in name] + [f"{folder}/ ({n} files)" for folder, n in below.items()])


def _named(texts: Sequence[str]) -> dict[str, str]:
    paths: dict[str, str] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path) or "/" in name:
            raise UsageError(f"--pred {text}; expected NAME=PATH, such as freesurfer=SUBJECTS_DIR")
        # Files are named by methods, and some file systems don't tell capitals.
        if name.casefold() in map(str.casefold, paths):
            raise UsageError(f"--pred {name}: given twice, capitals aside; expected one path a name")
        paths[name] = path
    return paths


def _refuse_view_names(names: Iterable[str]) -> None:
    from darts_ensemble.slices.views import VIEWS  # imports torch, which scoring alone does without

    clash = [name for name in names if name.casefold() in (*VIEWS, "ensemble")]
    if clash:
        raise UsageError(f"--pred {', '.join(clash)}: a name that --weights takes; expected another")


app.command("overlay", epilog=OVERLAY_EPILOG)(overlay)
app.command("figures", epilog=FIGURES_EPILOG)(figures)


def main() -> None:
    """Run darts-eval."""
    wait_without_spinning()
    app()


if __name__ == "__main__":
    main()
