"""Fuse the probabilities of the views to one probability map, in bounded memory; agreement of the views."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.fusion.sagittal_sides import SagittalPooling, pool_homologues, share_between_sides
from darts_ensemble.inference.class_scores import SliceScores, most_probable
from darts_ensemble.inference.pieces import in_pieces
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES
from darts_ensemble.slices.views import take_slices

__all__ = ["DEFAULT_FUSION", "DEFAULT_WEIGHTS", "FUSIONS", "LEAST", "Fused", "ViewWeights", "fuse_views", "mean_in_brain"]

#: Chosen on labelled scans together with the geometric mean (benchmarks/README.md, "Fusion of the views").
DEFAULT_WEIGHTS = {"coronal": 0.3, "axial": 0.3, "sagittal": 0.4}
FUSIONS = ("mean", "geometric", "vote")
DEFAULT_FUSION = "geometric"
#: Smallest probability in a geometric mean, so that one view alone can't exclude a class of which the others are certain.
LEAST = 1e-4

Predictions = Iterable[tuple[slice, Tensor | SliceScores]]
#: View to weight, or to the weights of the 103 classes.
ViewWeights = Mapping[str, float] | Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Fused:
    """Fused predictions of the views, in a box of the conformed volume.

    Attributes
    ----------
    volume : (a, b, c, 103) float16, ndarray or Tensor
        Probabilities, on the device where they were fused; each voxel sums to 1, to the precision of float16.
    classes : (a, b, c) uint8
        The most probable class.
    view_classes : dict of str to (a, b, c) uint8
        The most probable class of each view. For a sagittal view it is the most probable pair, whose side is not known yet
        (:func:`darts_ensemble.fusion.sagittal_sides.sides_from_plane`), unless pooling is "none".
    """

    volume: npt.NDArray[np.float16] | Tensor
    classes: npt.NDArray[np.uint8]
    view_classes: dict[str, npt.NDArray[np.uint8]]

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float16]:
        """The probabilities in main memory, copied there at the first use."""
        return self.volume.cpu().numpy() if isinstance(self.volume, Tensor) else self.volume

    def agreement(self) -> npt.NDArray[np.float32]:
        """Return the share of pairs of views with the same class, (a, b, c) float32, 0 to 1; 1 for a single view."""
        maps = list(self.view_classes.values())
        pairs = [(one, two) for i, one in enumerate(maps) for two in maps[i + 1 :]]
        if not pairs:
            return np.ones(maps[0].shape, dtype=np.float32)
        return np.mean([one == two for one, two in pairs], axis=0, dtype=np.float32)


def fuse_views(
    predictions: Mapping[str, Predictions],
    shape: tuple[int, int, int],
    *,
    fusion: str = DEFAULT_FUSION,
    weights: ViewWeights | None = None,
    pooling: SagittalPooling = "split",
    device: torch.device | str = "cpu",
    logits: bool = False,
) -> Fused:
    """Fuse the views one after the other into a single float16 volume; the sagittal view comes last.

    The class axis is the last, so that slices of every view consist of contiguous pieces of memory.

    Parameters
    ----------
    predictions : mapping
        View to the predictions of :func:`darts_ensemble.inference.predict.predict_view`, or with `logits` to those of
        :func:`darts_ensemble.inference.predict.predict_scores`.
    shape : (a, b, c)
        Shape of the box.
    fusion : {"mean", "geometric", "vote"}
        Weighted mean of probabilities, of their logarithms (a probability below :data:`LEAST` counts as that), or of each
        view's most probable class. In the geometric mean, a view that is uncertain has less influence, and one that confuses
        two similar classes is outvoted more often.
    weights : mapping, optional
        View to weight, or to weights (103,) of its classes; scaled to sum to 1 over the views present, for each class.
    pooling : {"split", "duplicate", "none"}
        See :func:`darts_ensemble.fusion.sagittal_sides.share_between_sides`.
    device : torch.device or str
        Device of the volume (206 bytes per voxel); predictions on another device are copied to it.
    logits : bool
        Whether the predictions are logits: then their softmax is computed here, while they are in the processor's cache.

    Raises
    ------
    ValueError
        If `fusion` is not one of the three.
    """
    if fusion not in FUSIONS:
        raise ValueError(f"fusion {fusion!r}; expected one of {', '.join(FUSIONS)}")
    given = {view: torch.as_tensor(weight, dtype=torch.float64) for view, weight in (weights or DEFAULT_WEIGHTS).items()}
    order = [view for view in ("coronal", "axial", "sagittal") if view in predictions]
    total_weight = torch.stack([given[view] for view in order]).sum(dim=0)
    # Weighted means of probabilities that sum to 1 also sum to 1; others have to be scaled.
    sums_to_one = fusion != "geometric" and all(weight.ndim == 0 for weight in given.values())
    fused = torch.empty((*shape, N_CLASSES), dtype=torch.float16, device=device)
    best = torch.full(shape, BACKGROUND_CLASS, dtype=torch.uint8, device=device)
    looked = torch.ones(shape, dtype=torch.bool)  # whether all views do: what one of them leaves out is background
    view_classes: dict[str, npt.NDArray[np.uint8]] = {}
    weight_so_far = torch.zeros_like(total_weight)
    for view in order:
        turn = _Turn(
            fusion,
            (given[view] / total_weight).float().to(device),
            weight_so_far.float().to(device).clamp(min=1e-6) if view != order[0] else None,
            pooling if view == "sagittal" else "none",
            last=view == order[-1],
            scaled=view == order[-1] and not sums_to_one,
            logits=logits,
        )
        weight_so_far = weight_so_far + given[view] / total_weight
        classes = torch.full(shape, BACKGROUND_CLASS, dtype=torch.uint8, device=device)
        for where, scores in predictions[view]:
            places = [take_slices(volume, view, where) for volume in (fused, classes, best)]
            if isinstance(scores, SliceScores) and scores.inside is not None:
                rows, columns = scores.inside
                places = [place[:, rows, columns] for place in places]
                inside = torch.zeros_like(there := take_slices(looked, view, where))
                inside[:, rows, columns] = True
                there &= inside
            in_pieces(partial(_add, turn), scores.to(device) if isinstance(scores, Tensor) else scores, *places)
        view_classes[view] = classes.cpu().numpy()
    if not looked.all():
        in_pieces(partial(_fill, _certain(fusion)), ~looked, fused, best)
    return Fused(fused, best.cpu().numpy(), view_classes)


@dataclass(frozen=True)
class _Turn:
    """The turn of one view: how its predictions are added to those of the views before it.

    Attributes
    ----------
    fusion : str
    weight : () or (103,) Tensor
        Its share of all weights.
    before : () or (103,) Tensor, optional
        The share of the views before it; None for the first.
    pooling : SagittalPooling
        "none" for a view that shows the sides.
    last : bool
    scaled : bool
        Whether the sum of all views has to be scaled to probabilities, after the last.
    logits : bool
        Whether the predictions are logits.
    """

    fusion: str
    weight: Tensor
    before: Tensor | None
    pooling: SagittalPooling
    last: bool
    scaled: bool
    logits: bool


def _certain(fusion: str) -> Tensor:
    """Fused probabilities of a voxel for which every view is certain that it is background, (103,) float16."""
    values = torch.zeros(N_CLASSES)
    values[BACKGROUND_CLASS] = 1
    if fusion == "geometric":
        values = values.clamp(min=LEAST)
    return (values / values.sum()).half()


def _fill(values: Tensor, outside: Tensor, so_far: Tensor, best: Tensor) -> None:
    """Write the probabilities of background (103,) where a view did not look, `outside` (...)."""
    so_far[outside] = values
    best[outside] = BACKGROUND_CLASS


def _add(turn: _Turn, scores: Tensor, so_far: Tensor, classes: Tensor, best: Tensor) -> None:
    """Add the predictions (..., 103) for some voxels to `so_far` (..., 103); write the view's and the fused classes (...)."""
    added = None if turn.before is None else so_far.float()
    if turn.pooling != "none":
        pooled = pool_homologues(torch.softmax(scores, dim=-1) if turn.logits else scores)
        winner = most_probable(pooled)
        others = torch.zeros_like(pooled) if added is None else _linear(added, turn.before, turn.fusion)
        values = share_between_sides(pooled, others, turn.pooling)
    else:
        winner, values = most_probable(scores), scores
    classes.copy_(winner)
    if turn.fusion == "vote":
        values = torch.zeros_like(values).scatter_(-1, most_probable(values)[..., None].long(), 1.0)
    elif turn.logits and values is scores:
        values = torch.log_softmax(scores, dim=-1) if turn.fusion == "geometric" else torch.softmax(scores, dim=-1)
        values = values.clamp_(min=math.log(LEAST)) if turn.fusion == "geometric" else values
    elif turn.fusion == "geometric":
        values = values.clamp(min=LEAST).log_()
    added = values * turn.weight if added is None else added.addcmul_(values, turn.weight)
    if turn.scaled and turn.fusion == "geometric":
        added = torch.softmax(added, dim=-1)  # of logarithms: their exponentials, scaled to sum to 1
    elif turn.scaled:
        added = added.clamp_(min=0)
        added /= added.sum(dim=-1, keepdim=True)
    if turn.last:
        best.copy_(most_probable(added))
    so_far.copy_(added)


def _linear(accumulated: Tensor, weight: Tensor | None, fusion: str) -> Tensor:
    """The accumulated views on a scale of probabilities; `weight` is what those of a geometric mean weigh together."""
    return accumulated if fusion != "geometric" or weight is None else (accumulated / weight).exp_()


def mean_in_brain(agreement: npt.NDArray[np.float32], classes: npt.NDArray[np.uint8]) -> float:
    """Mean agreement of the views over the voxels labelled as brain; 0 where there is none."""
    brain = classes != BACKGROUND_CLASS
    return round(float(agreement[brain].mean()), 4) if brain.any() else 0.0
