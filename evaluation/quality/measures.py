"""Measures of one label map: volumes, the position of each region in the brain, and whether left is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darts_ensemble.labels import REGIONS
from darts_ensemble.results.intracranial import estimated_intracranial_volume, region_centres
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
    intracranial_mm3 : float, optional
        See :func:`darts_ensemble.results.intracranial.estimated_intracranial_volume`.
    """

    volumes: pd.DataFrame
    centres: npt.NDArray[np.float64]
    wrong_sides: int
    pairs: int
    flags: tuple[str, ...]
    intracranial_mm3: float | None = None


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
    places = region_centres(ids, affine)
    centres = _shares(places, ids, affine)
    both = ~np.isnan(centres[PAIRS, 0]).any(axis=1)
    wrong = centres[PAIRS[both, 0], 0] > centres[PAIRS[both, 1], 0]
    return Measures(volumes, centres, int(wrong.sum()), int(both.sum()), tuple(flags), estimated_intracranial_volume(places))


def _shares(
    centres: npt.NDArray[np.float64], ids: npt.NDArray[Any], affine: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Centres as shares of the labelled brain's extent from its middle."""
    inside = np.isin(ids, _IDS)
    if not inside.any():
        return centres
    ends = []
    for axis in range(3):
        along = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        ends.append((along[0], along[-1]))
    corners = np.array(np.meshgrid(*ends, indexing="ij")).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
    low, high = corners.min(axis=0), corners.max(axis=0)
    shares: npt.NDArray[np.float64] = (centres - (low + high) / 2) / np.maximum(high - low, 1e-6)
    return shares
