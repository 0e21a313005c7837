"""Fit the weight of each view in the fusion of each class on labelled scans, and judge the weights on a scan kept out.

The weights are for the geometric mean, the default fusion. Those of a class are a softmax over views of the logarithms of the
default weights plus deviations. The deviations maximise a smooth version of the mean Dice minus a penalty on their squares.
Left and right of a region have the same deviations. The strength of the penalty, or no deviation at all, is chosen by leaving
out each subject of the fit in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.errors import ScanError
from darts_ensemble.fitting.fusion_sample import Sample
from darts_ensemble.fusion.fuse import DEFAULT_WEIGHTS, LEAST
from darts_ensemble.fusion.view_weights import FusionWeights, networks_of
from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, LEFT_CLASS, N_CLASSES, REGIONS, ids_to_classes
from darts_ensemble.networks.view_network import Ensemble
from darts_ensemble.results.overlap import dice_of_regions, joint_histogram
from darts_ensemble.scans.scan import read_label_map
from darts_ensemble.segment.segmenter import Segmenter
from darts_ensemble.training.subjects import LabelledSubject

__all__ = ["PENALTIES", "Fit", "choose_penalty", "dice_of_sample", "fit_weights", "judge", "segmented_dice"]

#: Penalties tried, from the weakest; the last one gives the default weights.
PENALTIES = (0.001, 0.003, 0.01, 0.03, float("inf"))
#: Exponent by which the most probable class gets nearly all of a voxel, so that the smooth Dice is close to the real one.
SHARPNESS = 6.0

_GROUP = torch.from_numpy(LEFT_CLASS)


@dataclass(frozen=True)
class Fit:
    """Fitted weights and how they were chosen.

    Attributes
    ----------
    weights : dict of str to (103,) float64
        View to weights; those of each class sum to 1.
    penalty : float
        One of :data:`PENALTIES`; infinite: the default weights.
    left_out : dict of float to float
        Penalty to mean Dice of the subjects left out in turn; empty if there is only one subject.
    """

    weights: dict[str, npt.NDArray[np.float64]]
    penalty: float
    left_out: dict[float, float]


def choose_penalty(samples: Sequence[Sample], report: Callable[[], None] = lambda: None) -> Fit:
    """Fit the weights with the penalty that is best for subjects left out in turn (0.01 if there is only one subject).

    Parameters
    ----------
    samples : sequence of Sample
        One per subject.
    report : callable
        Called after each penalty.
    """
    left_out: dict[float, float] = {}
    if len(samples) > 1:
        for penalty in PENALTIES:
            scores = [
                np.nanmean(dice_of_sample(one, fit_weights([other for other in samples if other is not one], penalty)))
                for one in samples
            ]
            left_out[penalty] = round(float(np.mean(scores)), 5)
            report()
    # If two are equally good, the stronger penalty, which is nearer to the default.
    best = max(reversed(left_out), key=lambda penalty: left_out[penalty]) if left_out else 0.01
    return Fit(fit_weights(samples, best), best, left_out)


def fit_weights(samples: Sequence[Sample], penalty: float) -> dict[str, npt.NDArray[np.float64]]:
    """Return the weights that maximise the mean smooth Dice over subjects and regions minus `penalty` times the mean square.

    Parameters
    ----------
    samples : sequence of Sample
        All with the same views.
    penalty : float
        Factor of the mean over classes of the squared deviations, summed over views; infinite: the default weights.

    Returns
    -------
    dict of str to (103,) float64
        View to weights; those of each class sum to 1.
    """
    views = samples[0].views
    default = torch.log(torch.tensor([DEFAULT_WEIGHTS[view] for view in views], dtype=torch.float32))
    deviations = torch.zeros((len(views), N_CLASSES), requires_grad=True)
    if np.isfinite(penalty):
        optimiser = torch.optim.LBFGS([deviations], max_iter=40, line_search_fn="strong_wolfe")
        groups = len(_GROUP.unique())

        def loss() -> Tensor:
            optimiser.zero_grad()
            weights = torch.softmax(default[:, None] + deviations[:, _GROUP], dim=0)
            dice = torch.stack([_smooth_dice(sample, weights) for sample in samples]).mean()
            value = penalty * deviations.square().sum() / groups - dice
            torch.autograd.backward(value)
            return value

        optimiser.step(loss)
    weights = torch.softmax(default[:, None] + deviations.detach()[:, _GROUP], dim=0).double().numpy()
    return dict(zip(views, weights, strict=True))


def _fused(sample: Sample, weights: Tensor) -> Tensor:
    """Logarithms of the geometric mean of the views, (n, k), before they are scaled to sum to 1."""
    return (weights[:, sample.classes].movedim(0, 1) * sample.probabilities.clamp(min=LEAST).log()).sum(dim=1)


def _smooth_dice(sample: Sample, weights: Tensor) -> Tensor:
    """Return the mean over the regions of the reference of a Dice of shares of voxels, (views, 103) weights -> scalar."""
    share = torch.softmax(SHARPNESS * _fused(sample, weights), dim=1)
    right = torch.where(sample.classes == sample.truth[:, None], share, 0.0)
    found, both, true = torch.zeros(N_CLASSES), torch.zeros(N_CLASSES), torch.zeros(N_CLASSES)
    found = found.index_add(0, sample.classes.flatten(), share.flatten())
    both = both.index_add(0, sample.classes.flatten(), right.flatten())
    true = true.index_add(0, sample.truth, torch.ones(len(sample.truth)))
    found, both, true = found + sample.settled.sum(dim=0), both + sample.settled.diagonal(), true + sample.settled.sum(dim=1)
    present = true[:BACKGROUND_CLASS] > 0
    return (2 * both / (found + true).clamp(min=1e-6))[:BACKGROUND_CLASS][present].mean()


def dice_of_sample(sample: Sample, weights: Mapping[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Return the Dice of each region, (102,), for the most probable classes of a sample; NaN for a region absent from both."""
    table = torch.from_numpy(np.stack([weights[view] for view in sample.views]).astype(np.float32))
    found = sample.classes.gather(1, _fused(sample, table).argmax(dim=1, keepdim=True))[:, 0].numpy()
    pairs = np.bincount(sample.truth.numpy() * N_CLASSES + found, minlength=N_CLASSES**2)
    return dice_of_regions(pairs.reshape(N_CLASSES, N_CLASSES) + sample.settled.numpy())


def segmented_dice(ensemble: Ensemble, subject: LabelledSubject, weights: Any, *, device: str) -> npt.NDArray[np.float64]:
    """Segment a scan with view weights (None: the default) and return the Dice of each region, (102,), on the scan's grid.

    Voxels with a reference id that is neither 0 nor one of the 102 are masked out.
    """
    result = Segmenter(ensemble, device=device, weights=weights).segment(subject.scan)
    labels = read_label_map(subject.labels)
    if labels.data.shape != result.ids.shape or not np.allclose(labels.affine, result.scan.affine, atol=1e-3):
        raise ScanError(f"{subject.labels}: on another grid than {subject.scan}; expected one grid")
    reference, found = ids_to_classes(labels.data), ids_to_classes(result.ids)
    seen = reference != IGNORE_CLASS
    return dice_of_regions(joint_histogram(reference[seen], found[seen]))


def judge(
    ensemble: Ensemble, fit: Fit, samples: Sequence[Sample], accept_on: LabelledSubject | None, *, device: str
) -> FusionWeights:
    """Compare fitted weights with the default, on the voxels of the fit and on a subject kept out of it.

    Weights are accepted if their mean Dice over the regions of the whole segmented scan is higher than that of the default.

    Returns
    -------
    FusionWeights
        `figures`: `subjects`, `penalty` (None: the default was best), `left_out` (penalty to mean Dice of subjects left out in
        turn), `fit_before`, `fit_after` (mean Dice on the voxels of the fit); for a subject kept out, `accept_on`,
        `accept_before`, `accept_after`, `gained`, `lost` (regions that changed by 0.01 or more, name to difference).
    """
    default = {view: np.full(N_CLASSES, DEFAULT_WEIGHTS[view]) for view in fit.weights}
    figures: dict[str, Any] = {
        "subjects": [sample.subject for sample in samples],
        "penalty": fit.penalty if np.isfinite(fit.penalty) else None,
        "left_out": {str(penalty): dice for penalty, dice in fit.left_out.items()},
        "fit_before": _mean([dice_of_sample(sample, default) for sample in samples]),
        "fit_after": _mean([dice_of_sample(sample, fit.weights) for sample in samples]),
    }
    accepted = None
    if accept_on is not None:
        before = segmented_dice(ensemble, accept_on, None, device=device)
        after = segmented_dice(ensemble, accept_on, fit.weights, device=device)
        change = {region.name: round(float(d), 4) for region, d in zip(REGIONS, after - before, strict=True)}
        figures |= {
            "accept_on": accept_on.id,
            "accept_before": _mean([before]),
            "accept_after": _mean([after]),
            "gained": {name: d for name, d in change.items() if d >= 0.01},
            "lost": {name: d for name, d in change.items() if d <= -0.01},
        }
        accepted = bool(np.nanmean(after) > np.nanmean(before))
    return FusionWeights(fit.weights, networks_of(ensemble), accepted, figures)


def _mean(scores: Sequence[npt.NDArray[np.float64]]) -> float:
    return round(float(np.mean([np.nanmean(one) for one in scores])), 5)
