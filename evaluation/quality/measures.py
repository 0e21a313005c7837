"""Measures of one label map: volumes, the position of each region in the brain, and whether left is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.labels import REGIONS
from darts_ensemble.results.volumetry import quality_flags, region_volumes, unusual_volumes

__all__ = ["PAIRS", "Measures", "measure"]

_MOST_ID = 3000
_IDS = np.array([region.id for region in REGIONS])
_PLACE = {int(one): place for place, one in enumerate(_IDS)}
#: Places, in the order of the regions, of the left and right region of each pair.
PAIRS = np.array([(_PLACE[r.id], _PLACE[r.homologue]) for r in REGIONS if r.hemisphere == "left" and r.homologue is not None])


@dataclass(frozen=True)
class Measures:
    """Measures of a label map.

    Attributes
    ----------
    volumes : DataFrame
        Of :func:`darts_ensemble.results.volumetry.region_volumes`.
    centres : (102, 3) float64
        Centre of each region in RAS, as a share of the brain's extent from its middle (-0.5 to 0.5); NaN where it is missing.
    wrong_sides : int
        Pairs of regions whose left one lies to the right of the right one.
    pairs : int
        Pairs with both regions present.
    flags : tuple of str
        See :func:`darts_ensemble.results.volumetry.quality_flags`.
    """

    volumes: pd.DataFrame
    centres: npt.NDArray[np.float64]
    wrong_sides: int
    pairs: int
    flags: tuple[str, ...]


def measure(ids: npt.NDArray[Any], affine: npt.NDArray[np.float64], agreement: float | None = None) -> Measures:
    """Measure a label map.

    Parameters
    ----------
    ids : (x, y, z) ndarray of int
        FreeSurfer ids.
    affine : (4, 4) ndarray
    agreement : float, optional
        Mean agreement of the views over the brain.
    """
    volumes = region_volumes(np.where((ids >= 0) & (ids < _MOST_ID), ids, 0), affine)
    flags = quality_flags(volumes, ids, agreement) + unusual_volumes(volumes)
    centres = _centres(ids, affine)
    both = ~np.isnan(centres[PAIRS, 0]).any(axis=1)
    wrong = centres[PAIRS[both, 0], 0] > centres[PAIRS[both, 1], 0]
    return Measures(volumes, centres, int(wrong.sum()), int(both.sum()), tuple(flags))


def _centres(ids: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    inside = np.isin(ids, _IDS)
    labels = ids[inside].astype(np.int64)
    if not len(labels):
        return np.full((len(REGIONS), 3), np.nan)
    count = np.bincount(labels, minlength=_MOST_ID)[_IDS]
    voxels = np.argwhere(inside)
    sums = np.stack([np.bincount(labels, voxels[:, axis], minlength=_MOST_ID)[_IDS] for axis in range(3)], axis=1)
    with np.errstate(invalid="ignore"):
        means = sums / np.where(count, count, np.nan)[:, None]
    corners = np.array(np.meshgrid(*zip(voxels.min(axis=0), voxels.max(axis=0), strict=True), indexing="ij")).reshape(3, -1).T
    ends = corners @ affine[:3, :3].T + affine[:3, 3]
    low, high = ends.min(axis=0), ends.max(axis=0)
    return (means @ affine[:3, :3].T + affine[:3, 3] - (low + high) / 2) / np.maximum(high - low, 1e-6)
