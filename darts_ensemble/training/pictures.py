"""Figures of a training run: the learning curve, and labels next to predictions on a slice of each validation subject."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, REGIONS
from darts_ensemble.training.validate import Validation
from darts_ensemble.whole_files import written_whole

__all__ = ["save_curve", "save_validation"]

_COLOURS = np.zeros((256, 3), dtype=np.uint8)
_COLOURS[: len(REGIONS)] = [region.rgb for region in REGIONS]
_COLOURS[IGNORE_CLASS] = 90
#: Number of subjects that fit on a page.
_MOST_SUBJECTS = 4


def save_curve(log: pd.DataFrame, view: str, path: Path) -> None:
    """Draw loss and validation Dice over the steps of a log (columns step, loss, validation_dice)."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    losses = log.dropna(subset="loss")
    axes.plot(losses["step"], losses["loss"], color="0.45", linewidth=0.9)
    axes.set(xlabel="step", ylabel="loss", title=f"{view}: learning curve")
    axes.spines[["top", "right"]].set_visible(False)
    looks = log.dropna(subset="validation_dice")
    if len(looks):
        right = axes.twinx()
        right.plot(looks["step"], looks["validation_dice"], color="#0072B2", marker="o", markersize=3.5)
        right.set_ylim(0, 1)
        right.set_ylabel("validation Dice", color="#0072B2")
        right.spines["top"].set_visible(False)
    _save(figure, path)


def save_validation(result: Validation, view: str, path: Path) -> None:
    """Draw the reference and the predicted labels of one slice of each subject (the first four), side by side."""
    shown = result.slices[:_MOST_SUBJECTS]
    figure = Figure(figsize=(5.2, 2.7 * len(shown)), layout="constrained", facecolor="black")
    grid = figure.subplots(len(shown), 2, squeeze=False)
    for row, (subject, index, truth, predicted), dice in zip(grid, shown, result.dice, strict=False):
        for axes, labels, name in zip(
            row, (truth, predicted), ("reference", f"predicted, Dice {np.nanmean(dice):.3f}"), strict=True
        ):
            axes.imshow(_COLOURS[_upright(labels, view)], interpolation="nearest")
            axes.set_title(f"{subject} {view} {index}: {name}", color="white", fontsize=8)
            axes.set_axis_off()
    _save(figure, path)


def _upright(labels: npt.NDArray[np.uint8], view: str) -> npt.NDArray[np.uint8]:
    """Turn a slice for display: superior (axial: anterior) is up, and in the sagittal view anterior is left."""
    labels = np.where(labels == BACKGROUND_CLASS, np.uint8(254), labels)
    # Slices in LIA memory: coronal R-L x S-I, axial R-L x P-A, sagittal S-I x P-A.
    if view == "coronal":
        return labels.T
    return labels.T[::-1] if view == "axial" else labels[:, ::-1]


def _save(figure: Figure, path: Path) -> None:
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, facecolor=figure.get_facecolor())
