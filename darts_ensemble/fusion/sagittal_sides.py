"""Left and right of a sagittal view, whose slices do not show the side: by the other views, or by the mid-sagittal plane."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darts_ensemble.labels import HOMOLOGUE_CLASS, N_CLASSES, REGIONS

__all__ = [
    "LEFT_OF",
    "SagittalPooling",
    "left_of_plane",
    "move_to_sides",
    "pool_homologues",
    "share_between_sides",
    "sides_from_plane",
]

SagittalPooling = Literal["split", "duplicate", "none"]

_PAIRED = torch.from_numpy(HOMOLOGUE_CLASS) != torch.arange(N_CLASSES)
_SMALL = torch.where(_PAIRED, 0.5e-4, 1e-4)


def _runs(of: npt.NDArray[np.int64]) -> list[tuple[slice, slice]]:
    """Runs of neighbouring paired classes whose homologues are neighbours, too, with the homologues.

    torch adds a few runs several times as fast as it picks the 103 values one by one.
    """
    paired = np.flatnonzero(of != np.arange(len(of)))
    starts = np.flatnonzero(np.diff(paired, prepend=-2) + np.diff(of[paired], prepend=-2) != 2)
    runs = np.split(paired, starts[1:])
    return [(slice(int(run[0]), int(run[-1]) + 1), slice(int(of[run[0]]), int(of[run[-1]]) + 1)) for run in runs]


_SIDES = _runs(HOMOLOGUE_CLASS)

_LEFT = np.array([region.class_index for region in REGIONS if region.hemisphere == "left"])
#: One class for both regions of a pair: that of the left; (256,) uint8, other classes map to themselves.
LEFT_OF = np.arange(256, dtype=np.uint8)
LEFT_OF[HOMOLOGUE_CLASS[_LEFT]] = _LEFT


def pool_homologues(probabilities: Tensor) -> Tensor:
    """Replace the probabilities of a homologous pair by their sum, (..., 103) -> (..., 103); midline classes stay.

    The result counts each pair twice: :func:`share_between_sides` divides it between the sides.
    """
    pooled = probabilities.clone()
    for one, other in _SIDES:
        pooled[..., one] += probabilities[..., other]
    return pooled


def share_between_sides(pooled: Tensor, others: Tensor, pooling: SagittalPooling = "split") -> Tensor:
    """Divide the probabilities of a sagittal network between left and right, which can't be seen in a sagittal slice.

    Parameters
    ----------
    pooled : Tensor, (..., 103)
        Probabilities of the sagittal network after :func:`pool_homologues`.
    others : Tensor, (..., 103)
        Probabilities of the other views for the same voxels, on any common scale.
    pooling : {"split", "duplicate"}
        "split": the sum of a pair is divided in proportion to `others`, equally where both are near 0 (well below 1e-4);
        every voxel still sums to 1. "duplicate": both sides get the sum (FastSurfer), then the voxel is scaled to sum to 1.

    Returns
    -------
    Tensor, (..., 103)
    """
    if pooling == "duplicate":
        return pooled / pooled.sum(dim=-1, keepdim=True)
    # (l + e/2) / (l + r + e): 1/2 where both are 0, and shares always sum to 1; a midline class is paired with itself.
    share = others + _SMALL.to(others.device)
    share /= pool_homologues(others).add_(1e-4)
    return share.mul_(pooled)


def left_of_plane(shape: tuple[int, int, int], plane: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which voxels of a box are on the left: in LIA, the first index increases towards the left."""
    _, j, k = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return np.arange(shape[0])[:, None, None] > plane[0] + plane[1] * j + plane[2] * k


def sides_from_plane(classes: npt.NDArray[np.uint8], plane: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Give every paired class (a, b, c) the side of its voxel."""
    right_of = np.arange(256, dtype=np.uint8)
    right_of[_LEFT] = HOMOLOGUE_CLASS[_LEFT]
    return np.where(left_of_plane(classes.shape, plane), LEFT_OF[classes], right_of[classes])


def move_to_sides(probabilities: npt.NDArray[np.float16], plane: npt.NDArray[np.float64]) -> None:
    """Give the summed probability of each pair (a, b, c, 103) to the side of the voxel, in place."""
    a, b, c, _ = probabilities.shape
    left = left_of_plane((a, b, c), plane)
    for one in _LEFT:
        other = HOMOLOGUE_CLASS[one]
        both = probabilities[..., one] + probabilities[..., other]
        probabilities[..., one] = np.where(left, both, 0)
        probabilities[..., other] = np.where(left, 0, both)
