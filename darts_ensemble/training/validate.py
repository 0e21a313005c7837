"""Dice of one view's network on validation subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from darts_ensemble.inference.predict import predict_view
from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, LEFT_CLASS
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.results.overlap import dice_of_regions, joint_histogram, merge_labels
from darts_ensemble.slices.boxes import head_box
from darts_ensemble.slices.views import SLICE_AXIS
from darts_ensemble.training.dataset import CachedSubject

__all__ = ["Validation", "validate_view"]

#: Margin around the labelled brain that is predicted as well, in voxels.
MARGIN = 16


@dataclass(frozen=True)
class Validation:
    """Scores of a network on validation subjects.

    Attributes
    ----------
    dice : (subjects, 102) float64
        Dice of each subject and region in class order; NaN for a region that neither map has. For a sagittal view, a pair of
        homologous regions has one value, under its left class.
    mean : float
        Mean over regions within a subject, then over subjects.
    slices : list of (subject, index, labels, predicted)
        The middle slice of each subject, for a picture: class indices, (rows, columns) uint8.
    """

    dice: npt.NDArray[np.float64]
    mean: float
    slices: list[tuple[str, int, npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]


def validate_view(
    network: ViewNetwork, subjects: Sequence[CachedSubject], device: torch.device, *, precision: str = "fp32", batch: int = 8
) -> Validation:
    """Predict all slices of a view through the brain of each subject, and score them.

    Voxels with a reference id outside the 102 are left out. For a sagittal network, homologous regions are scored as one.
    """
    axis = SLICE_AXIS[network.view]
    rows, slices = [], []
    for subject in subjects:
        volume = np.asarray(subject.image, dtype=np.float32)
        labels = np.asarray(subject.labels)
        box = head_box((labels < BACKGROUND_CLASS).astype(np.float32), margin=MARGIN)
        predicted = np.concatenate(
            [
                probabilities.argmax(dim=-1).to(torch.uint8).cpu().numpy()
                for _, probabilities in predict_view(
                    network, volume, box=box, device=device, precision=precision, batch_size=batch
                )
            ]
        )
        truth = np.moveaxis(labels[box], axis, 0)
        known = truth != IGNORE_CLASS
        joint = joint_histogram(truth[known], predicted[known])
        if network.view == "sagittal":
            joint = merge_labels(joint, LEFT_CLASS[:BACKGROUND_CLASS])
        rows.append(dice_of_regions(joint))
        middle = len(predicted) // 2
        slices.append((subject.id, box[axis].start + middle, truth[middle], predicted[middle]))
    dice = np.stack(rows)
    return Validation(dice, float(np.nanmean(dice, axis=1).mean()), slices)
