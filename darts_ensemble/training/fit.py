"""Fit one view's Dense U-Net: optimiser, schedule, moving average of weights, checkpoints that resume."""

from __future__ import annotations

import copy
import csv
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from darts_ensemble.checkpoints import save_view
from darts_ensemble.errors import CheckpointError
from darts_ensemble.labels import KEPT_CHANNELS
from darts_ensemble.networks import DenseUNet
from darts_ensemble.training.augment import augment_slice
from darts_ensemble.training.dataset import CachedSubject, SlicePool
from darts_ensemble.training.losses import segmentation_loss

__all__ = ["CROPS", "Settings", "fit_view", "progress_of", "rate_at"]

#: Rows and columns of a training crop, covering most of a brain in each view.
CROPS = {"coronal": (144, 128), "axial": (128, 160), "sagittal": (128, 160)}
CHECKPOINT_EVERY = 100
LOG_EVERY = 20


@dataclass(frozen=True)
class Settings:
    """What a run depends on; written beside its weights.

    Attributes
    ----------
    view : {"coronal", "axial", "sagittal"}
    filters, convolutions : int
        Of the Dense U-Net.
    steps : int
        Optimiser steps.
    minutes : float
        Training time after which the schedule has run out, whatever the steps; 0 for no limit. A run ended by the clock
        can't be repeated exactly.
    batch : int
        Slices a step.
    rate : float
        Highest learning rate of AdamW.
    seed : int
    normalisation : str
        See :func:`darts_ensemble.views.normalise_slices`.
    """

    view: str
    filters: int = 32
    convolutions: int = 4
    steps: int = 7800
    minutes: float = 0.0
    batch: int = 4
    rate: float = 1.5e-3
    seed: int = 1
    normalisation: str = "volume-median"


def progress_of(settings: Settings, step: int, elapsed: float) -> float:
    """Return how far a run has come, 0 to 1: by steps, or by the clock where that is further; `elapsed` in seconds."""
    by_clock = elapsed / (60 * settings.minutes) if settings.minutes > 0 else 0.0
    return min(1.0, max(step / settings.steps, by_clock))


def rate_at(progress: float, highest: float, warm_up: float = 0.03) -> float:
    """Return the learning rate: linear warm-up over the first share of the run, then cosine to 1 % of `highest`."""
    if progress < warm_up:
        return highest * max(progress / warm_up, 0.01)
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))))


def fit_view(
    settings: Settings,
    subjects: Sequence[CachedSubject],
    out: Path,
    report: Callable[[int, float, float], None] = lambda step, progress, loss: None,
) -> Path:
    """Train, or go on training, the network of one view.

    `out` receives `<view>.checkpoint.pt` (resumed from if it is there and was made with the same settings),
    `<view>.csv` (step, progress, rate, loss) and at the end `<view>.safetensors`.

    Parameters
    ----------
    settings : Settings
    subjects : sequence of CachedSubject
    out : Path
    report : callable
        Called with step, progress and the mean loss since the last call.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    CheckpointError
        If the checkpoint found was made with other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    network: nn.Module = DenseUNet(filters=settings.filters, convolutions=settings.convolutions).train()
    average = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=1e-2)
    checkpoint = out / f"{settings.view}.checkpoint.pt"
    step, before = 0, 0.0
    if checkpoint.is_file():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        if state["settings"] != asdict(settings):
            raise CheckpointError(
                f"{checkpoint}: made with {state['settings']}; expected {asdict(settings)}: use those settings or another --out"
            )
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, before = state["step"], state["elapsed"]
    pool = SlicePool(subjects, settings.view, CROPS[settings.view], settings.normalisation)
    kept = torch.from_numpy(KEPT_CHANNELS)
    started = time.monotonic()
    losses: list[float] = []
    while (progress := progress_of(settings, step, before + time.monotonic() - started)) < 1:
        rate = rate_at(progress, settings.rate)
        for group in optimiser.param_groups:
            group["lr"] = rate
        # Each step has a generator of its own: a resumed run draws what an uninterrupted one would have drawn.
        rng = np.random.default_rng([settings.seed, step])
        drawn = [pool.draw(rng, augment_slice) for _ in range(settings.batch)]
        images = torch.from_numpy(np.stack([image for image, _ in drawn]))[:, None]
        labels = torch.from_numpy(np.stack([label for _, label in drawn]).astype(np.int64))
        loss = segmentation_loss(network(images)[:, kept], labels, pool_sides=settings.view == "sagittal")
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        step += 1
        _follow(average, network, decay=min(0.998, step / (step + 10)))
        losses.append(float(loss.detach()))
        if step % LOG_EVERY == 0:
            _log(out / f"{settings.view}.csv", step, progress, rate, float(np.mean(losses)))
            report(step, progress, float(np.mean(losses)))
            losses.clear()
        if step % CHECKPOINT_EVERY == 0:
            _save_checkpoint(
                checkpoint,
                {
                    "settings": asdict(settings),
                    "network": network.state_dict(),
                    "average": average.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "elapsed": before + time.monotonic() - started,
                },
            )
    target = out / f"{settings.view}.safetensors"
    save_view(
        target,
        average.eval(),
        view=settings.view,
        normalisation=settings.normalisation,
        training_subjects=[{"id": subject.id, "sha256": subject.checksum} for subject in subjects],
        extra={"steps": str(step), **{f"setting_{key}": str(value) for key, value in asdict(settings).items()}},
    )
    return target


def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the averaged weights and BatchNorm statistics towards the network's, in place."""
    current = network.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def _save_checkpoint(path: Path, state: dict[str, object]) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def _log(path: Path, step: int, progress: float, rate: float, loss: float) -> None:
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "progress", "rate", "loss"])
        writer.writerow([step, f"{progress:.5f}", f"{rate:.3e}", f"{loss:.5f}"])
