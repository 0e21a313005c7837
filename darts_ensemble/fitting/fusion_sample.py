"""Predictions of the views for a sample of voxels of a labelled scan, on which fusion weights are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from darts_ensemble.errors import ScanError, UsageError
from darts_ensemble.fusion.fuse import DEFAULT_WEIGHTS, LEAST
from darts_ensemble.fusion.sagittal_sides import pool_homologues, share_between_sides
from darts_ensemble.inference.predict import predict_view
from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, N_CLASSES, ids_to_classes
from darts_ensemble.networks.view_network import Ensemble
from darts_ensemble.scans.conform import conform, conform_labels
from darts_ensemble.scans.scan import read_label_map, read_scan
from darts_ensemble.slices.boxes import head_box
from darts_ensemble.slices.views import SLICE_AXIS, VIEWS, place_slices
from darts_ensemble.training.subjects import LabelledSubject

__all__ = ["Sample", "sample_views"]

#: Number of classes kept for each voxel: the most probable ones with the default weights.
CANDIDATES = 8
#: Margin around the regions, in mm, in which a view may label voxels by mistake.
SURROUNDINGS = 3


@dataclass(frozen=True)
class Sample:
    """Predictions of the views for a sample of voxels of one subject: each voxel where they disagree, counts where they agree.

    Attributes
    ----------
    subject : str
    views : tuple of str
    classes : (n, k) int64
        Candidate classes of each voxel.
    probabilities : (n, views, k) float32
    truth : (n,) int64
        Class of the reference.
    settled : (103, 103) int64
        Number of voxels for which all views give the same class: row = class of the reference, column = class of the views.
    """

    subject: str
    views: tuple[str, ...]
    classes: Tensor
    probabilities: Tensor
    truth: Tensor
    settled: Tensor


def sample_views(
    ensemble: Ensemble, subject: LabelledSubject, *, device: torch.device, precision: str = "fp32", every: int = 2
) -> Sample:
    """Run the networks of an ensemble on a scan and keep their predictions for a lattice of voxels in and around the regions.

    Every second slice of each view is predicted: one voxel in eight, in half the time. The probabilities of a sagittal network
    are divided between left and right as in the default fusion.

    Raises
    ------
    ScanError
        If a file can't be read, or the label map has no region within the scan.
    UsageError
        If the ensemble has only one view.
    """
    views = tuple(view for view in VIEWS if view in ensemble.networks)
    if len(views) < 2:
        raise UsageError(f"weights {ensemble.name}: {', '.join(views)} alone; expected two or three views to fuse")
    conformed = conform(read_scan(subject.scan))
    labels = ids_to_classes(conform_labels(read_label_map(subject.labels), conformed))
    if not (labels < BACKGROUND_CLASS).any():
        raise ScanError(
            f"{subject.labels}: none of the 102 regions where {subject.scan} lies; expected the labels of this scan"
        )
    box = head_box((labels < BACKGROUND_CLASS).astype(np.float32), margin=12)
    lattice = (slice(None, None, every),) * 3
    inside = labels[box]
    near = ndimage.binary_dilation(inside < BACKGROUND_CLASS, iterations=SURROUNDINGS) & (inside != IGNORE_CLASS)
    near, truth = near[lattice], inside[lattice]
    said = {}
    for view in views:
        side = box[SLICE_AXIS[view]]
        rows = torch.empty((*near.shape, N_CLASSES), dtype=torch.float16)
        predicted = predict_view(
            ensemble.networks[view], conformed.data, box=box, device=device, precision=precision,
            slices=range(side.start, side.stop, every),
        )  # fmt: skip
        for where, probabilities in predicted:
            place_slices(rows, view, where, probabilities[:, ::every, ::every].half().cpu())
        said[view] = rows[torch.from_numpy(near)].float()
    if "sagittal" in said:
        others = _geometric_mean({view: said[view] for view in views if view != "sagittal"})
        said["sagittal"] = share_between_sides(pool_homologues(said["sagittal"]), others)
    names = torch.stack([said[view].argmax(dim=1) for view in views])
    agreed = (names == names[0]).all(dim=0)
    classes_there = torch.from_numpy(truth[near].astype(np.int64))
    settled = torch.bincount(classes_there[agreed] * N_CLASSES + names[0, agreed], minlength=N_CLASSES**2)
    contested = {view: said[view][~agreed] for view in views}
    classes = _geometric_mean(contested).topk(CANDIDATES, dim=1).indices
    probabilities = torch.stack([contested[view].gather(1, classes) for view in views], dim=1)
    return Sample(subject.id, views, classes, probabilities, classes_there[~agreed], settled.reshape(N_CLASSES, N_CLASSES))


def _geometric_mean(said: dict[str, Tensor]) -> Tensor:
    """Of some views, with the default weights, not scaled to sum to 1."""
    total = sum(DEFAULT_WEIGHTS[view] for view in said)
    logarithms = [DEFAULT_WEIGHTS[view] / total * one.clamp(min=LEAST).log() for view, one in said.items()]
    return torch.stack(logarithms).sum(dim=0).exp()
