"""Probabilities of the views to one probability map, in bounded memory; how far the views agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import N_CLASSES
from darts_ensemble.views import SagittalPooling, place_slices, pool_homologues, share_between_sides, take_slices

__all__ = ["DEFAULT_WEIGHTS", "FUSIONS", "Fused", "fuse_views"]

#: FastSurfer's: a sagittal slice tells less.
DEFAULT_WEIGHTS = {"coronal": 0.4, "axial": 0.4, "sagittal": 0.2}
FUSIONS = ("mean", "geometric", "vote")

Predictions = Iterable[tuple[slice, npt.NDArray[np.float32]]]


@dataclass(frozen=True)
class Fused:
    """What the views say together, in a box of the conformed volume.

    Attributes
    ----------
    probabilities : (103, a, b, c) float16
        Each voxel sums to 1, to the precision of float16.
    view_classes : dict of str to (a, b, c) uint8
        The most probable class of each view. That of a sagittal one is the most probable pair, whose side is still to be
        told (:func:`darts_ensemble.midsagittal.sides_from_plane`), unless pooling is "none".
    """

    probabilities: npt.NDArray[np.float16]
    view_classes: dict[str, npt.NDArray[np.uint8]]

    def agreement(self) -> npt.NDArray[np.float32]:
        """Share of pairs of views that name the same class, (a, b, c) float32, 0 to 1; 1 for a single view."""
        maps = list(self.view_classes.values())
        pairs = [(one, two) for i, one in enumerate(maps) for two in maps[i + 1 :]]
        if not pairs:
            return np.ones(maps[0].shape, dtype=np.float32)
        return np.mean([one == two for one, two in pairs], axis=0, dtype=np.float32)


def fuse_views(
    predictions: Mapping[str, Predictions],
    shape: tuple[int, int, int],
    *,
    fusion: str = "mean",
    weights: Mapping[str, float] | None = None,
    pooling: SagittalPooling = "split",
) -> Fused:
    """Fuse the views, one after the other into a single float16 volume; the sagittal comes last.

    Parameters
    ----------
    predictions : mapping
        From view to what :func:`darts_ensemble.inference.predict_view` yields.
    shape : (a, b, c)
        Of the box.
    fusion : {"mean", "geometric", "vote"}
        Weighted mean of probabilities, of their logarithms, or of each view's most probable class.
    weights : mapping, optional
        Weight a view; scaled to sum to 1 over the views present.
    pooling : {"split", "duplicate", "none"}
        See :func:`darts_ensemble.views.share_between_sides`.
    """
    given = dict(DEFAULT_WEIGHTS if weights is None else weights)
    order = [view for view in ("coronal", "axial", "sagittal") if view in predictions]
    total_weight = sum(given[view] for view in order)
    fused = np.zeros((N_CLASSES, *shape), dtype=np.float16)
    view_classes: dict[str, npt.NDArray[np.uint8]] = {}
    for view in order:
        weight = np.float32(given[view] / total_weight)
        classes = np.zeros(shape, dtype=np.uint8)
        for where, probabilities in predictions[view]:
            so_far = np.moveaxis(take_slices(fused, view, where), 0, 1)
            if view == "sagittal" and pooling != "none":
                winner = pool_homologues(probabilities).argmax(axis=0).astype(np.uint8)
                probabilities = share_between_sides(probabilities, _linear(so_far, fusion), pooling)
            else:
                winner = probabilities.argmax(axis=0).astype(np.uint8)
            place_slices(classes, view, where, winner)
            added = so_far.astype(np.float32) + weight * _contribution(probabilities, fusion)
            if view == order[-1]:
                added = np.clip(_linear(added, fusion), 0, None)
                added /= added.sum(axis=0, keepdims=True)
            place_slices(fused, view, where, np.moveaxis(added, 0, 1))
        view_classes[view] = classes
    return Fused(fused, view_classes)


def _contribution(probabilities: npt.NDArray[Any], fusion: str) -> npt.NDArray[Any]:
    if fusion == "mean":
        return probabilities
    if fusion == "geometric":
        return np.log(np.maximum(probabilities, 1e-6))
    if fusion == "vote":
        votes = np.zeros_like(probabilities)
        np.put_along_axis(votes, probabilities.argmax(axis=0)[None], 1, axis=0)
        return votes
    raise ValueError(f"fusion {fusion!r}; expected one of {', '.join(FUSIONS)}")


def _linear(accumulated: npt.NDArray[Any], fusion: str) -> npt.NDArray[np.float32]:
    """The accumulated views on a scale of probabilities."""
    values = accumulated.astype(np.float32)
    return np.exp(values) if fusion == "geometric" else values
