"""The command darts-train: pre-train networks on FreeSurfer labels, fine-tune them on manual labels, one view or all three."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from darts_ensemble.commands.command_line import errors, one_line_errors, words
from darts_ensemble.commands.start import start
from darts_ensemble.cores import wait_without_spinning
from darts_ensemble.errors import CheckpointError, UsageError
from darts_ensemble.inference.heap import keep_freed_memory
from darts_ensemble.versions import package_versions

if TYPE_CHECKING:
    from darts_ensemble.networks.view_network import ViewNetwork
    from darts_ensemble.training.recipe import Recipe
    from darts_ensemble.training.subjects import LabelledSubject

__all__ = ["main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

Step = Literal["pretrain", "finetune"]
Data = Annotated[
    Path,
    typer.Option(
        help="A SUBJECTS_DIR, BIDS derivatives, Mindboggle-101 or a TSV (subject, scan, labels; mask, family).",
        show_default=False,
    ),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="Weights folder; the same command continues an interrupted run.", show_default=False)
]
Names = Annotated[str, typer.Option(help="Train on these subjects only, comma-separated. Default: all.", show_default=False)]
Held = Annotated[
    str, typer.Option(help="Validate on these subjects, comma-separated, and don't train on them.", show_default=False)
]
Share = Annotated[float, typer.Option(min=0, max=0.9, help="Or validate on this share of the families, drawn with the seed.")]
Labels = Annotated[
    str | None, typer.Option(help="Label map in a subject's mri/, or BIDS entities as seg-LABEL. Default: DKT, else Desikan.")
]
Views = Annotated[str, typer.Option(help="Train these views: some of coronal,axial,sagittal.")]
RecipeName = Annotated[str, typer.Option("--recipe", help="default, published, or a YAML file such as a run's recipe.yaml.")]
Architecture = Annotated[str | None, typer.Option("--arch", help="dense-unet or unet.", show_default=False)]
Filters = Annotated[int | None, typer.Option(min=1, help="Number of filters of a convolution.", show_default=False)]
Convolutions = Annotated[int | None, typer.Option(min=1, help="Number of convolutions in a dense block.", show_default=False)]
Thick = Annotated[
    int | None, typer.Option(help="Number of neighbouring slices as channels; 1: the slice alone.", show_default=False)
]
Positions = Annotated[
    bool | None,
    typer.Option("--positions/--no-positions", help="Position in the head as three more channels.", show_default=False),
]
Normalisation = Annotated[str | None, typer.Option(help="slice-minmax, volume-median or volume-otsu.", show_default=False)]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimiser steps per view.", show_default=False)]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Instead of --steps: how often each slice is drawn.", show_default=False)
]
Batch = Annotated[int | None, typer.Option(min=1, help="Slices per step and process.", show_default=False)]
Rate = Annotated[float | None, typer.Option(help="Highest learning rate.", show_default=False)]
Patience = Annotated[
    int | None, typer.Option(min=0, help="End after this many validations without a better Dice; 0: never.", show_default=False)
]
Every = Annotated[int | None, typer.Option(min=1, help="Number of steps between validations.", show_default=False)]
Precision = Annotated[
    str | None, typer.Option(help="fp32, bf16 or auto: bf16 where the hardware supports it.", show_default=False)
]
Seed = Annotated[int | None, typer.Option(help="Seed of initial weights, drawn slices and augmentation.", show_default=False)]
Device = Annotated[Literal["auto", "cuda", "mps", "cpu"], typer.Option(help="auto: CUDA, else Apple's GPU, else the CPU.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: all cores that this process may use.")]
Cache = Annotated[Path | None, typer.Option(help="Folder for the conformed subjects. Default: OUT/cache.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]

_PRETRAIN = """Examples:

  darts-train pretrain --data $SUBJECTS_DIR --validation sub-07 -o weights/

  darts-train pretrain --data subjects.tsv --recipe published --device cuda -o weights-published/

  torchrun --nproc-per-node 4 -m darts_ensemble.commands.train pretrain --data $SUBJECTS_DIR -o weights/
"""
_FINETUNE = """Example:

  darts-train finetune --init weights/ --data mindboggle/ --validation-share 0.1 -o weights-ft/
"""


@app.callback()
def _commands() -> None:
    """Train Dense U-Nets and U-Nets for darts-segment --weights."""


@app.command(epilog=_PRETRAIN)
def pretrain(
    data: Data, out: Out, subjects: Names = "", validation: Held = "", validation_share: Share = 0.0, labels: Labels = None,
    views: Views = "coronal,axial,sagittal", recipe: RecipeName = "default", arch: Architecture = None, filters: Filters = None,
    convolutions: Convolutions = None, thick_slices: Thick = None, positions: Positions = None,
    normalisation: Normalisation = None, steps: Steps = None, epochs: Epochs = None, batch: Batch = None, rate: Rate = None,
    patience: Patience = None, validate_every: Every = None, precision: Precision = None, seed: Seed = None,
    device: Device = "auto", threads: Threads = 0, cache: Cache = None, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Train from random weights, on labels in FreeSurfer ids."""
    changes = {
        "architecture": arch, "filters": filters, "convolutions": convolutions, "thick_slices": thick_slices,
        "positions": positions, "normalisation": normalisation, "steps": steps, "epochs": epochs, "batch": batch, "rate": rate,
        "patience": patience, "validate_every": validate_every, "precision": precision, "seed": seed,
    }  # fmt: skip
    with one_line_errors("darts-train"):
        _train(
            "pretrain", data, out, None, names=subjects, held=validation, share=validation_share, labels=labels, views=views,
            recipe_name=recipe, changes=changes, device=device, threads=threads, cache=cache, quiet=quiet,
        )  # fmt: skip


@app.command(epilog=_FINETUNE)
def finetune(
    init: Annotated[str, typer.Option(help="Weights to start from: bundled, a folder or a file.", show_default=False)],
    data: Data, out: Out, subjects: Names = "", validation: Held = "", validation_share: Share = 0.0, labels: Labels = None,
    views: Views = "coronal,axial,sagittal", recipe: RecipeName = "default", filters: Filters = None,
    thick_slices: Thick = None, positions: Positions = None, normalisation: Normalisation = None, steps: Steps = None,
    epochs: Epochs = None, batch: Batch = None, rate: Rate = None, patience: Patience = None, validate_every: Every = None,
    precision: Precision = None, seed: Seed = None, device: Device = "auto", threads: Threads = 0,
    cache: Cache = None, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Continue from trained weights, on manual labels such as Mindboggle's or on other scans.

    Architecture and size are those of the weights; normalisation and channels as well, unless options change them. More
    filters, neighbouring slices or positions may be added: training starts with the same predictions as the weights.
    """
    changes = {
        "filters": filters, "thick_slices": thick_slices, "positions": positions, "normalisation": normalisation,
        "steps": steps, "epochs": epochs, "batch": batch, "rate": rate, "patience": patience,
        "validate_every": validate_every, "precision": precision, "seed": seed,
    }  # fmt: skip
    with one_line_errors("darts-train"):
        _train(
            "finetune", data, out, init, names=subjects, held=validation, share=validation_share, labels=labels, views=views,
            recipe_name=recipe, changes=changes, device=device, threads=threads, cache=cache, quiet=quiet,
        )  # fmt: skip


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="<view>.checkpoint.pt of a run.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Weights folder.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write the network of an unfinished run as compact float16 safetensors."""
    with one_line_errors("darts-train"):
        from darts_ensemble.weights.export import export_weights

        typer.echo(str(export_weights(checkpoint, out, overwrite=overwrite).path))


def _train(
    step: Step, data: Path, out: Path, init: str | None, *, names: str, held: str, share: float, labels: str | None,
    views: str, recipe_name: str, changes: dict[str, Any], device: str, threads: int, cache: Path | None, quiet: bool,
) -> None:  # fmt: skip
    # All of these import torch or pandas, which --help does not need.
    from darts_ensemble.device import choose_device, use_threads
    from darts_ensemble.results.outputs import write_json
    from darts_ensemble.training.dataset import cache_subjects, equal_scans
    from darts_ensemble.training.fit import fit_view, resolve_precision
    from darts_ensemble.training.recipe import write_recipe
    from darts_ensemble.training.subjects import find_labelled, split_by_family
    from darts_ensemble.weights.checkpoints import load_ensemble

    first = os.environ.get("RANK", "0") == "0"
    console = Console(quiet=quiet or not first, soft_wrap=True, markup=False, highlight=False)
    use_threads(threads)
    keep_freed_memory()
    chosen_device = choose_device(device)
    wanted = _views(views)
    given = {name: value for name, value in changes.items() if value is not None}
    start = load_ensemble(init).networks if init else {}
    lacking = [view for view in wanted if init and view not in start]
    if lacking:
        raise CheckpointError(f"{init}: no {', '.join(lacking)} network to start from; expected one for each view of --views")
    recipes = {
        view: resolve_precision(_recipe(recipe_name, step, given, start.get(view)), chosen_device) for view in wanted
    }  # fmt: skip
    named = words(names)
    seed = next(iter(recipes.values())).seed

    def complain(line: str) -> None:
        if first:
            errors.print(f"darts-train: {line}")

    found = find_labelled(data, labels_name=labels, named=[*named, *words(held)], left_out=complain)
    training, validation = split_by_family(found, training=named, validation=words(held), share=share, seed=seed)
    console.print(f"{len(training)} subjects to train on: {', '.join(one.id for one in training)}")
    console.print(
        f"{len(validation)} to validate on: {', '.join(one.id for one in validation)}" if validation else "no validation"
    )
    if first:
        # Before the long work, so that a folder that can't be written to is reported now.
        for view, recipe in recipes.items():
            write_recipe(out / ("recipe.yaml" if len(set(recipes.values())) == 1 else f"{view}.recipe.yaml"), recipe)
        write_json(out / "run.json", _account(step, init, training, validation))
    folder = cache or out / "cache"
    with _progress(console) as bar:
        task = bar.add_task("conforming", total=len(training) + len(validation))
        cached = {one.id: one for one in cache_subjects([*training, *validation], folder, lambda name: bar.advance(task))}
    for line in equal_scans([cached[one.id] for one in training], [cached[one.id] for one in validation]):
        complain(f"warning: {line}")
    for view, recipe in recipes.items():
        with _progress(console) as bar:
            path = fit_view(
                recipe, view, [cached[one.id] for one in training], [cached[one.id] for one in validation], out,
                init=start.get(view), device=chosen_device, report=_reporter(console, bar, view),
            )  # fmt: skip
        console.print(f"{view}: {path}")
        if validation:
            _show_regions(console, out / f"{view}_regions.csv")


def _recipe(name: str, step: Step, given: dict[str, Any], init: ViewNetwork | None) -> Recipe:
    from darts_ensemble.training.recipe import make_recipe, read_recipe

    if init is not None:
        blocks = [key for key in init.network.state_dict() if key.startswith("d1.conv_list.") and key.endswith(".weight")]
        own = {
            "architecture": init.architecture, "filters": init.filters, "normalisation": init.normalisation,
            "thick_slices": init.channels.thick_slices, "positions": init.channels.positions,
        }  # fmt: skip
        given = own | ({"convolutions": len(blocks)} if blocks else {}) | given
    if name.endswith((".yaml", ".yml")):
        return read_recipe(Path(name), **given)
    return make_recipe(name, step=step, **given)


def _views(text: str) -> list[str]:
    from darts_ensemble.slices.views import VIEWS

    wanted = words(text)
    unknown = [view for view in wanted if view not in VIEWS]
    if unknown or not wanted:
        raise UsageError(f"--views {text}: {', '.join(unknown) or 'nothing'} found; expected some of {', '.join(VIEWS)}")
    return wanted


def _account(
    step: Step, init: str | None, training: list[LabelledSubject], validation: list[LabelledSubject]
) -> dict[str, Any]:
    rows = [(one, "training") for one in training] + [(one, "validation") for one in validation]
    return {
        "command": shlex.join(["darts-train", *sys.argv[1:]]),
        "step": step,
        "init": init,
        "subjects": [{"use": use, **{key: str(value) for key, value in asdict(one).items()}} for one, use in rows],
        "versions": {"python": platform.python_version()}
        | package_versions(("darts-ensemble", "torch", "monai", "numpy", "nibabel")),
    }


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal or console.quiet)


def _reporter(console: Console, bar: Progress, view: str) -> Callable[[int, int, float], None]:
    """Return a function that advances a bar on a terminal, and prints lines elsewhere."""
    task = bar.add_task(view, total=None)

    def report(step: int, steps: int, loss: float) -> None:
        if bar.disable:
            console.print(f"{view} step {step} of {steps}, loss {loss:.3f}")
        else:
            bar.update(task, completed=step, total=steps, description=f"{view} loss {loss:.3f}")

    return report


def _show_regions(console: Console, table: Path) -> None:
    """Return the mean Dice of the last validation, and the regions with the lowest."""
    import pandas as pd

    dice = pd.read_csv(table).dropna()
    worst = dice.nsmallest(5, "dice")
    lag = ", ".join(f"{row.region_name} {row.dice:.2f}" for row in worst.itertuples())
    console.print(f"validation Dice {dice['dice'].mean():.3f} over {len(dice)} regions; lowest: {lag}; all in {table}")


def main() -> None:
    """Run darts-train."""
    wait_without_spinning()
    start(app, "darts-train")


if __name__ == "__main__":
    main()
