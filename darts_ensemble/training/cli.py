"""The command darts-train: fit one view or all three on a SUBJECTS_DIR and write a weights folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from darts_ensemble.errors import DartsError

__all__ = ["main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_errors = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="SUBJECTS_DIR: <subject>/mri/ with a T1 and a FreeSurfer label map.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Weights folder; run again to go on where it was interrupted.")],
    subjects: Annotated[list[str] | None, typer.Option(help="Train on this subject only (repeat); default all.")] = None,
    views: Annotated[str, typer.Option(help="Comma-separated: coronal,axial,sagittal.")] = "coronal,axial,sagittal",
    filters: Annotated[int, typer.Option(min=1, help="Filters of every convolution.")] = 32,
    convolutions: Annotated[int, typer.Option(min=1, help="Convolutions in a dense block.")] = 4,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps a view.")] = 7800,
    minutes: Annotated[
        float,
        typer.Option(min=0, help="End each view after this time, schedule included (not exactly repeatable); 0: no limit."),
    ] = 0.0,
    batch: Annotated[int, typer.Option(min=1, help="Slices a step.")] = 4,
    rate: Annotated[float, typer.Option(min=1e-8, help="Highest learning rate.")] = 1.5e-3,
    seed: Annotated[int, typer.Option(help="Seed of weights and augmentation.")] = 1,
    normalisation: Annotated[str, typer.Option(help="One of slice-minmax, volume-median.")] = "volume-median",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: all.")] = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder of the conformed subjects; default OUT/cache.")] = None,
) -> None:
    """Train Dense U-Nets on FreeSurfer labels.

    Example: darts-train --data $SUBJECTS_DIR --views coronal --out weights/
    """
    from darts_ensemble.views import NORMALISATIONS, VIEWS  # imports torch, which --help does without

    wanted = [view.strip() for view in views.split(",") if view.strip()]
    unknown = [view for view in wanted if view not in VIEWS]
    if unknown or not wanted:
        raise typer.BadParameter(
            f"{', '.join(unknown) or 'nothing'}; expected some of {', '.join(VIEWS)}", param_hint="--views"
        )
    if normalisation not in NORMALISATIONS:
        raise typer.BadParameter(f"{normalisation}; expected one of {', '.join(NORMALISATIONS)}", param_hint="--normalisation")
    import torch

    from darts_ensemble.training.dataset import cache_subjects, find_subjects
    from darts_ensemble.training.fit import Settings, fit_view

    if threads:
        torch.set_num_threads(threads)
    try:
        cached = cache_subjects(find_subjects(data, subjects or ()), cache or out / "cache")
        typer.echo(f"{len(cached)} subjects: {', '.join(subject.id for subject in cached)}")
        for view in wanted:
            settings = Settings(
                view=view, filters=filters, convolutions=convolutions, steps=steps, minutes=minutes, batch=batch,
                rate=rate, seed=seed, normalisation=normalisation,
            )  # fmt: skip
            path = fit_view(
                settings,
                cached,
                out,
                lambda step, progress, loss, view=view: typer.echo(  # type: ignore[misc]
                    f"{view} step {step} ({100 * progress:.1f} %) loss {loss:.3f}"
                ),
            )
            typer.echo(f"{view}: {path}")
    except DartsError as error:
        _errors.print(f"darts-train: {error}")
        raise typer.Exit(1) from None
    except OSError as error:
        _errors.print(f"darts-train: {error.filename}: {error.strerror}; expected a folder that can be read and written")
        raise typer.Exit(1) from None


def main() -> None:
    """Run darts-train."""
    app()


if __name__ == "__main__":
    main()
