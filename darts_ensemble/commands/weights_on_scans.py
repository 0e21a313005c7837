"""The commands of darts-weights that try weights on labelled scans, and code that all its commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from darts_ensemble.commands.command_line import errors, one_line_errors, words
from darts_ensemble.errors import UsageError
from darts_ensemble.weights.registry import View, find_entry, folder_of, known_weights

if TYPE_CHECKING:
    import torch

    from darts_ensemble.fitting.fusion_sample import Sample
    from darts_ensemble.fitting.fusion_weights import Fit
    from darts_ensemble.networks.view_network import Ensemble
    from darts_ensemble.training.subjects import LabelledSubject

__all__ = [
    "AsJson",
    "Device",
    "Quiet",
    "Registry",
    "console",
    "fit_fusion",
    "load",
    "path_of",
    "verify_orientation_of",
]

console = Console(soft_wrap=True, markup=False, highlight=False)

Device = Literal["auto", "cuda", "mps", "cpu"]
Registry = Annotated[
    Path | None,
    typer.Option("--registry", help="A registry of your own; default: $DARTS_WEIGHTS_REGISTRY.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def path_of(weights: str, registry: Path | None) -> Path:
    """Return the path itself if it exists, else the path of the weights with this name."""
    if Path(weights).exists():
        return Path(weights)
    entry = find_entry(weights, known_weights(registry))
    manifest = folder_of(entry) / "weights.json"
    return manifest if entry.kind == "download" and manifest.is_file() else folder_of(entry)


def load(path: Path) -> Ensemble:
    from darts_ensemble.weights.checkpoints import load_ensemble

    return load_ensemble(path)


def verify_orientation_of(
    weights: Annotated[Path, typer.Argument(help="A weights file, or a folder with one for the view.")],
    scan: Annotated[Path, typer.Option(help="T1 of a labelled subject.")],
    labels: Annotated[Path, typer.Option(help="Its label map in FreeSurfer ids.")],
    view: Annotated[
        View | None,
        typer.Option(help="View: needed for a folder, or if neither the file nor its name gives it.", show_default=False),
    ] = None,
    slices: Annotated[int, typer.Option(min=1, help="Number of slices to label, spread over the brain.")] = 12,
    device: Annotated[Device, typer.Option(help="auto: CUDA, else Apple's GPU, else the CPU.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Try the eight layouts of a slice.

    On one labelled scan, the layout that a network was trained on gives a much higher Dice than the others. Exit code 0 if it
    is the layout of this package (no flip, no transpose). For a sagittal network, left and right of a region count as one,
    because they look alike in its slices.
    """
    with one_line_errors("darts-weights"):
        from darts_ensemble.device import choose_device
        from darts_ensemble.fitting.orientation import DECLARED, verify_orientation
        from darts_ensemble.labels import ids_to_classes
        from darts_ensemble.scans.conform import conform, conform_labels
        from darts_ensemble.scans.scan import read_label_map, read_scan
        from darts_ensemble.weights.checkpoints import load_view

        if weights.is_dir():
            networks = load(weights).networks
            if view not in networks:
                raise UsageError(f"{weights}: holds {', '.join(networks)}; expected --view with one of them")
            network = networks[view]
        else:
            network = load_view(weights, view)
        conformed = conform(read_scan(scan))
        classes = ids_to_classes(conform_labels(read_label_map(labels), conformed))
        results = verify_orientation(network, conformed.data, classes, slices=slices, device=choose_device(device))
    best, second = results[0], results[1]
    right = best.layout == DECLARED and best.dice > second.dice
    unclear = best.dice < 0.2
    if as_json:
        rows = [{"layout": one.layout.name, "dice": round(one.dice, 4)} for one in results]
        typer.echo(json.dumps({"view": network.view, "layouts": rows, "as_declared": right and not unclear}, indent=1))
    else:
        console.print(f"{network.view}: mean Dice on {slices} slices")
        for one in results:
            console.print(f"  {one.dice:.3f}  {one.layout.name}")
    if unclear:
        errors.print(
            f"darts-weights: {weights}: no layout fits (best mean Dice {best.dice:.3f}); expected 0.2 or more with weights for "
            f"this view: are they for {network.view}, and do the labels belong to the scan?"
        )
    elif not right:
        errors.print(
            f"darts-weights: {weights}: the layout of its slices is {best.layout.name} ({best.dice:.3f}); expected as declared "
            f"({next(one.dice for one in results if one.layout == DECLARED):.3f}): don't use it as {network.view} weights"
        )
    elif not as_json:
        console.print("layout: as declared")
    if unclear or not right:
        raise typer.Exit(1)


def fit_fusion(
    data: Annotated[Path, typer.Option(help="SUBJECTS_DIR: <subject>/mri/ with a T1 and a FreeSurfer label map.")],
    weights: Annotated[str, typer.Option(help="A name, a folder or a JSON of view: file.")] = "bundled",
    subjects: Annotated[
        str | None,
        typer.Option(help="Fit on these subjects, comma-separated. Default: all but --accept-on.", show_default=False),
    ] = None,
    accept_on: Annotated[
        str | None, typer.Option(help="Judge the weights on this subject, which is not used in the fit.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Default: fusion.json in the weights folder.", show_default=False)
    ] = None,
    device: Annotated[Device, typer.Option(help="auto: CUDA, else Apple's GPU, else the CPU.")] = "auto",
    registry: Registry = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fit the weight of each view in each region.

    The weights are fitted on labelled scans and may be judged on a scan kept out. On a CPU, three views take a minute or two
    per subject. darts-segment uses the result with --fusion-weights FILE.
    """
    with one_line_errors("darts-weights"):
        path = path_of(weights, registry)
        from darts_ensemble.device import choose_device
        from darts_ensemble.fitting.fusion_weights import judge
        from darts_ensemble.fusion.view_weights import write_fusion_weights

        where = choose_device(device)
        chosen, kept_out = _fitted_and_kept_out(data, words(subjects or ""), accept_on)
        target = out or (path if path.is_dir() else path.parent) / "fusion.json"
        ensemble = load(path)
        say = Console(soft_wrap=True, markup=False, highlight=False, quiet=quiet or as_json).print
        with Progress(console=errors, transient=True, disable=quiet or not errors.is_terminal) as bar:
            task = bar.add_task("")
            samples, fit = _fit_on(ensemble, chosen, where, bar, task, say)
            bar.update(task, description="judging")
            fitted = judge(ensemble, fit, samples, kept_out, device=device)
        write_fusion_weights(fitted, target)
    if as_json:
        typer.echo(json.dumps({"file": str(target), "accepted": fitted.accepted, **fitted.figures}, indent=1))
        return
    for line in _outcome(fitted.figures, fitted.accepted):
        say(line)
    say(f"wrote {target}")


def _fitted_and_kept_out(
    data: Path, names: Sequence[str], accept_on: str | None
) -> tuple[list[LabelledSubject], LabelledSubject | None]:
    """Find the labelled subjects of the fit, and the one on which it is judged."""
    from darts_ensemble.training.subjects import choose_subjects, find_labelled

    wanted = [*names, *([accept_on] if accept_on else [])]
    found = find_labelled(data, named=wanted, left_out=lambda line: errors.print(f"darts-weights: {line}"))
    kept_out = choose_subjects(found, [accept_on])[0] if accept_on else None
    chosen = choose_subjects(found, names) if names else [one for one in found if one.id != accept_on]
    if not chosen or accept_on in names:
        raise UsageError(f"--accept-on {accept_on}: is one of the subjects of the fit; expected another subject")
    return chosen, kept_out


def _fit_on(
    ensemble: Ensemble, subjects: Sequence[LabelledSubject], device: torch.device, bar: Progress, task: TaskID,
    say: Callable[[str], None],
) -> tuple[list[Sample], Fit]:  # fmt: skip
    """Run the networks on every subject and fit the weights of views to their predictions."""
    from darts_ensemble.fitting.fusion_sample import sample_views
    from darts_ensemble.fitting.fusion_weights import PENALTIES, choose_penalty

    bar.update(task, total=len(subjects) + len(PENALTIES))
    samples = []
    for number, one in enumerate(subjects, start=1):
        bar.update(task, description=one.id)
        samples.append(sample_views(ensemble, one, device=device))
        say(f"[{number}/{len(subjects)}] {one.id}: views disagree on {len(samples[-1].truth)} voxels")
        bar.advance(task)
    return samples, choose_penalty(samples, lambda: bar.advance(task))


def _outcome(figures: dict[str, Any], accepted: bool | None) -> Iterator[str]:
    for penalty, dice in figures["left_out"].items():
        name = "default weights" if penalty == "inf" else f"penalty {penalty}"
        yield f"  subjects left out in turn, {name}: mean Dice {dice:.4f}"
    if figures["penalty"] is None:
        yield "no fitted weights are better than the default, which is kept"
    yield f"voxels of the fit: mean Dice {figures['fit_before']:.4f}, fitted {figures['fit_after']:.4f}"
    if accepted is None:
        yield "not judged on another subject: give --accept-on"
        return
    word = "accepted" if accepted else "not accepted"
    yield f"{figures['accept_on']}: mean Dice {figures['accept_before']:.4f}, fitted {figures['accept_after']:.4f}: {word}"
    for which in ("gained", "lost"):
        if figures[which]:
            yield f"  {which} 0.01 or more: " + ", ".join(f"{name} {d:+.3f}" for name, d in figures[which].items())
