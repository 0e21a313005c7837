"""Fuse the probabilities of the views to one probability map, in bounded memory; agreement of the views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.fusion.sagittal_sides import SagittalPooling, pool_homologues, share_between_sides
from darts_ensemble.inference.predict import most_probable
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES
from darts_ensemble.slices.views import place_slices, take_slices

__all__ = ["DEFAULT_FUSION", "DEFAULT_WEIGHTS", "FUSIONS", "LEAST", "Fused", "ViewWeights", "fuse_views", "mean_in_brain"]

#: Chosen on labelled scans together with the geometric mean (benchmarks/README.md, "Fusion of the views").
DEFAULT_WEIGHTS = {"coronal": 0.3, "axial": 0.3, "sagittal": 0.4}
FUSIONS = ("mean", "geometric", "vote")
DEFAULT_FUSION = "geometric"
#: Smallest probability in a geometric mean, so that one view alone can't exclude a class of which the others are certain.
LEAST = 1e-4

Predictions = Iterable[tuple[slice, Tensor]]
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
) -> Fused:
    """Fuse the views one after the other into a single float16 volume; the sagittal view comes last.

    The class axis is the last, so that slices of every view consist of contiguous pieces of memory.

    Parameters
    ----------
    predictions : mapping
        View to the predictions of :func:`darts_ensemble.inference.predict.predict_view`.
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
    best = torch.zeros(shape, dtype=torch.uint8, device=device)
    view_classes: dict[str, npt.NDArray[np.uint8]] = {}
    weight_so_far = torch.zeros_like(total_weight)
    for view in order:
        weight = (given[view] / total_weight).float().to(device)
        before = weight_so_far.float().to(device).clamp(min=1e-6)
        weight_so_far = weight_so_far + given[view] / total_weight
        classes = torch.zeros(shape, dtype=torch.uint8, device=device)
        for where, given_here in predictions[view]:
            probabilities = given_here.to(device)
            so_far = take_slices(fused, view, where)
            added = None if view == order[0] else so_far.float()
            if view == "sagittal" and pooling != "none":
                pooled = pool_homologues(probabilities)
                winner = most_probable(pooled)
                others = torch.zeros_like(pooled) if added is None else _linear(added, before, fusion)
                probabilities = share_between_sides(pooled, others, pooling)
            else:
                winner = most_probable(probabilities)
            place_slices(classes, view, where, winner)
            if fusion == "vote":
                probabilities = torch.zeros_like(probabilities).scatter_(
                    -1, most_probable(probabilities)[..., None].long(), 1.0
                )
            elif fusion == "geometric":
                probabilities = probabilities.clamp(min=LEAST).log_()
            added = probabilities * weight if added is None else added.addcmul_(probabilities, weight)
            if view == order[-1]:
                if not sums_to_one:
                    added = _linear(added, None, fusion).clamp_(min=0)
                    added /= added.sum(dim=-1, keepdim=True)
                place_slices(best, view, where, most_probable(added))
            so_far.copy_(added)
        view_classes[view] = classes.cpu().numpy()
    return Fused(fused, best.cpu().numpy(), view_classes)


def _linear(accumulated: Tensor, weight: Tensor | None, fusion: str) -> Tensor:
    """The accumulated views on a scale of probabilities; `weight` is what those of a geometric mean weigh, where not 1."""
    if fusion != "geometric":
        return accumulated
    return accumulated.exp() if weight is None else (accumulated / weight).exp_()


def mean_in_brain(agreement: npt.NDArray[np.float32], classes: npt.NDArray[np.uint8]) -> float:
    """Mean agreement of the views over the voxels labelled as brain; 0 where there is none."""
    brain = classes != BACKGROUND_CLASS
    return round(float(agreement[brain].mean()), 4) if brain.any() else 0.0
