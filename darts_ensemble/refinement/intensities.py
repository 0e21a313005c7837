"""Intensities relative to the white matter and the cortex around each voxel, as the views have labelled them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from darts_ensemble.networks.structures import structure_sums

__all__ = ["relative_intensities"]

#: Standard deviation of the neighbourhood, in voxels of 1 mm: a field of the scanner changes little within it.
NEIGHBOURHOOD = 12.0
#: Smallest probability of a voxel that is taken for pure.
WHITE, GREY = 0.9, 0.8
#: A difference between white and grey smaller than this share of that of the whole brain is taken for an error.
SMALLEST = 0.1
LARGEST = 4.0
#: Weight of the whole brain's median, where no pure voxel is near.
_EVERYWHERE = 1e-3

Volume = npt.NDArray[np.float32]


def relative_intensities(intensities: Volume, probabilities: torch.Tensor) -> Volume | None:
    """Return intensities on a scale on which the cortex nearby is 0 and the white matter nearby is 1.

    Parameters
    ----------
    intensities : (a, b, c) float32
        Of a box of the conformed volume.
    probabilities : (a, b, c, 103) Tensor
        Of the classes in it.

    Returns
    -------
    (a, b, c) float32 or None
        -4 to 4; None if the views found no white matter or no cortex.
    """
    # Every second voxel is enough for what changes over centimetres.
    half = intensities[::2, ::2, ::2]
    structures = structure_sums(probabilities[::2, ::2, ::2].cpu()).numpy()
    white = ndimage.binary_erosion(structures[..., 0] > WHITE)
    grey = structures[..., 1] > GREY
    if not white.any() or not grey.any():
        return None
    contrast = float(np.median(half[white])) - float(np.median(half[grey]))
    nearby_grey = _mean_nearby(half, grey)
    difference = _mean_nearby(half, white) - nearby_grey
    if contrast == 0:
        return None
    difference = np.where(difference / contrast < SMALLEST, contrast, difference)
    zero, one = (_enlarged(field.astype(np.float32), intensities.shape) for field in (nearby_grey, difference))
    return np.clip((intensities - zero) / one, -LARGEST, LARGEST).astype(np.float32)


def _mean_nearby(intensities: Volume, where: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the mean of the marked voxels near each voxel, weighted by a Gaussian."""
    sigma = NEIGHBOURHOOD / 2
    total = ndimage.gaussian_filter(np.where(where, intensities, 0).astype(np.float64), sigma, truncate=3)
    weight = ndimage.gaussian_filter(where.astype(np.float64), sigma, truncate=3)
    return (total + _EVERYWHERE * float(np.median(intensities[where]))) / (weight + _EVERYWHERE)


def _enlarged(field: Volume, shape: tuple[int, ...]) -> Volume:
    enlarged = functional.interpolate(torch.from_numpy(field)[None, None], size=shape, mode="trilinear", align_corners=False)
    return enlarged[0, 0].numpy()
