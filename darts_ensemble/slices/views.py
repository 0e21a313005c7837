"""Coronal, axial, sagittal: from a conformed volume to slices and back, and the scale of their intensities."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = [
    "NORMALISATIONS",
    "SLICE_AXIS",
    "VIEWS",
    "normalise_slices",
    "place_slices",
    "take_slices",
    "volume_scale",
]

VIEWS = ("coronal", "axial", "sagittal")
#: Axis of the LIA volume along which a view's slices are stacked. No flip and no transpose: the weights expect the
#: slice as it lies in memory (coronal R-L x S-I, axial R-L x P-A, sagittal S-I x P-A).
SLICE_AXIS = {"coronal": 2, "axial": 1, "sagittal": 0}
#: "slice-minmax": the released weights; "volume-otsu": weights trained here; "volume-median": the first weights trained here.
NORMALISATIONS = ("slice-minmax", "volume-median", "volume-otsu")
#: The histogram of a volume is computed from every second plane, row and column.
_HISTOGRAM_STEP = 2
_HISTOGRAM_BINS = 256


def take_slices(volume: Any, view: str, indices: Any) -> Any:
    """Return slices of a view.

    Parameters
    ----------
    volume : ndarray or Tensor, (X, Y, Z, ...)
        LIA volume, or several of them along trailing axes.
    view : {"coronal", "axial", "sagittal"}
    indices : slice or (k,) ints
        Which slices.

    Returns
    -------
    (k, rows, columns, ...)
        If `indices` is a slice, a NumPy or torch view of `volume`.
    """
    axis = SLICE_AXIS[view]
    order = [axis, *(other for other in range(volume.ndim) if other != axis)]
    turned = volume.permute(order) if isinstance(volume, Tensor) else volume.transpose(order)
    return turned[indices]


def place_slices(volume: Any, view: str, indices: slice, slices: Any) -> None:
    """Write slices (k, rows, columns, ...) of a view into `volume` (X, Y, Z, ...), in place."""
    take_slices(volume, view, indices)[:] = slices


def volume_scale(volume: npt.NDArray[Any], normalisation: str = "volume-otsu") -> float:
    """Return a robust measure of the brightness of tissue in a volume, by which "volume-median" and "volume-otsu" divide.

    Parameters
    ----------
    volume : ndarray, (n, n, n)
        Conformed volume; values below 0 count as 0.
    normalisation : str
        "volume-otsu": the median of the voxels above Otsu's threshold between air and tissue. Noise in the air, a removed
        skull and a bias field hardly change it: white matter is then at 1.2 to 1.3. "volume-median": the median of the voxels
        brighter than the mean of the positive ones; noise around a skull-stripped brain makes it too small. Others need no
        scale: 1.

    Returns
    -------
    float
        Above 0; 1 where the volume has no positive voxel.

    References
    ----------
    Otsu N, A threshold selection method from gray-level histograms, IEEE Transactions on Systems, Man, and Cybernetics 9
    (1979).
    """
    if normalisation == "volume-median":
        positive = volume[volume > 0]
        if positive.size == 0:
            return 1.0
        bright = positive[positive > positive.mean(dtype=np.float64)]
        return float(np.median(bright if bright.size else positive))
    if normalisation != "volume-otsu":
        return 1.0
    values = np.clip(volume[(slice(None, None, _HISTOGRAM_STEP),) * volume.ndim].astype(np.float32).ravel(), 0, None)
    if not values.any():
        return 1.0
    tissue = values[values > _otsu_threshold(values)]
    return float(np.median(tissue))


def _otsu_threshold(values: npt.NDArray[np.float32]) -> float:
    """Return the threshold with the largest between-class variance, for values of at least 0 that are not all 0."""
    # A few very bright voxels (vessels, fat, a spike) would otherwise leave only a few bins for all tissue.
    top = float(np.percentile(values[values > 0], 99.5))
    counts, edges = np.histogram(np.minimum(values, top), bins=_HISTOGRAM_BINS, range=(0, top))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    sums = np.cumsum(counts * centres)
    above = below[-1] + counts[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    # A single value can't be split into two classes: then everything positive is tissue.
    return float(edges[1:-1][np.nanargmax(between)]) if np.isfinite(between).any() and np.nanmax(between) > 0 else 0.0


def normalise_slices(slices: Any, method: str, scale: float = 1.0) -> Any:
    """Scale intensities to the range that a network was trained on.

    Parameters
    ----------
    slices : ndarray or Tensor, (k, rows, columns)
        Whole slices: "slice-minmax" is computed on each before any crop.
    method : {"slice-minmax", "volume-median", "volume-otsu"}
        `(x - min) / (max - min + 1e-4)` per slice, after NaN -> 0 and clipping below at 0 (the released weights), or
        `x / scale` with the scale of :func:`volume_scale` (about 0 to 2).
    scale : float
        Used by the two methods that look at the whole volume.

    Returns
    -------
    ndarray or Tensor of float32, same shape
    """
    if method not in NORMALISATIONS:
        raise ValueError(f"normalisation {method!r}; expected one of {', '.join(NORMALISATIONS)}")
    if isinstance(slices, Tensor):
        return _normalised(torch.nan_to_num(slices.float()).clamp_(min=0), method, scale)
    x = torch.from_numpy(np.nan_to_num(np.asarray(slices, dtype=np.float32))).clamp_(min=0)
    return _normalised(x, method, scale).numpy()


def _normalised(x: Tensor, method: str, scale: float) -> Tensor:
    """Scale slices that have no NaN and no negative values, and that may be overwritten."""
    if method != "slice-minmax":
        return x.div_(scale)
    low, high = x.amin(dim=(-2, -1), keepdim=True), x.amax(dim=(-2, -1), keepdim=True)
    return x.sub_(low).div_(high - low + 1e-4)
