"""The command darts-weights fit-refinement: a second look fitted to labelled scans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from darts_ensemble.commands.command_line import errors, one_line_errors, words
from darts_ensemble.commands.weights_on_scans import AsJson, Device, Quiet, Registry, path_of

__all__ = ["fit_refinement_of"]

#: Steps between two lines of the report.
_EVERY = 100


def fit_refinement_of(
    data: Annotated[
        Path, typer.Option(help="A SUBJECTS_DIR, BIDS derivatives, Mindboggle-101 or a TSV (subject, scan, labels).")
    ],
    weights: Annotated[str, typer.Option(help="A name or a folder, with the networks of two or three views.")] = "bundled",
    subjects: Annotated[
        str | None, typer.Option(help="Fit on these subjects, comma-separated. Default: all.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Default: refinement.safetensors beside the networks.", show_default=False),
    ] = None,
    filters: Annotated[int, typer.Option(min=1, help="Number of filters of a convolution.")] = 16,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 1500,
    rate: Annotated[float, typer.Option(min=0, help="Highest learning rate.")] = 3e-3,
    seed: Annotated[int, typer.Option(help="Seed of initial weights and drawn blocks.")] = 1,
    device: Annotated[Device, typer.Option(help="Where the views run. auto: CUDA, else Apple's GPU, else the CPU.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all cores that this process may use.")] = 0,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder for what the views say. Default: refinement-cache beside OUT.", show_default=False),
    ] = None,
    registry: Registry = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Fit a second look at the borders of deep structures.

    A small 3-D network is trained on what the views say of labelled scans; these may be the scans that the views were trained
    on. On a CPU, the views take a minute or two per subject, the fit ten minutes. darts-segment uses the result if it lies in
    the weights folder.
    """
    with one_line_errors("darts-weights"):
        from darts_ensemble.device import use_threads
        from darts_ensemble.fitting.refinement import FitSettings, fit_refinement, sample_of
        from darts_ensemble.fusion.view_weights import networks_of
        from darts_ensemble.inference.heap import keep_freed_memory
        from darts_ensemble.segment.segmenter import Segmenter
        from darts_ensemble.training.subjects import choose_subjects, find_labelled
        from darts_ensemble.weights.checksums import REFINEMENT_NAME
        from darts_ensemble.weights.refinement_file import save_refinement

        use_threads(threads)
        keep_freed_memory()
        path = path_of(weights, registry)
        target = out or (path if path.is_dir() else path.parent) / REFINEMENT_NAME
        segmenter = Segmenter(path, device=device, refine=False)
        names = words(subjects or "")
        found = find_labelled(data, named=names, left_out=lambda line: errors.print(f"darts-weights: {line}"))
        chosen = choose_subjects(found, names) if names else found
        settings = FitSettings(filters=filters, steps=steps, rate=rate, seed=seed)
        say = Console(soft_wrap=True, markup=False, highlight=False, quiet=quiet or as_json).print
        with Progress(console=errors, transient=True, disable=quiet or not errors.is_terminal) as bar:
            task = bar.add_task("", total=len(chosen) + steps)
            samples = []
            for number, one in enumerate(chosen, start=1):
                bar.update(task, description=one.id)
                samples.append(sample_of(segmenter, one, cache or target.parent / "refinement-cache"))
                say(f"[{number}/{len(chosen)}] {one.id}")
                bar.advance(task)
            losses: list[tuple[float, float]] = []
            said: list[dict[str, float]] = []

            def report(step: int, before: float, after: float) -> None:
                losses.append((before, after))
                bar.update(task, completed=len(chosen) + step, description=f"loss {after:.3f}")
                if step % _EVERY == 0 or step == steps:
                    views, second = (sum(column) / len(losses) for column in zip(*losses, strict=True))
                    say(f"step {step} of {steps}: loss of the views {views:.3f}, with the second look {second:.3f}")
                    said.append({"step": step, "views": round(views, 4), "with second look": round(second, 4)})
                    losses.clear()

            network = fit_refinement(samples, settings, report)
        save_refinement(
            target, network, views=networks_of(segmenter.ensemble),
            training_subjects=[{"id": one.subject, "sha256": one.checksum} for one in samples],
            extra={f"setting_{name}": str(value) for name, value in vars(settings).items()},
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"file": str(target), "subjects": [one.subject for one in samples], "losses": said}, indent=1))
    say(f"wrote {target}")
