"""Neighbouring regions with exchanged labels: each is where the other is in the rest of the cohort."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from darts_ensemble.labels import REGIONS

__all__ = ["exchanged_neighbours"]

# Pairs with a larger usual distance (as a share of the brain's extent) are not neighbours and are not tested.
_FARTHEST = 0.3
# A pair is tested if its usual distance is at least this number of times its spread in the cohort.
_STEADY = 5.0
_LEAST_SPREAD = 0.012
# Exchanged: the vector from one to the other is reversed, with at least this share of its usual length.
_TURNED = -0.6
_MAD_TO_SD = 1.4826


def _same_side() -> npt.NDArray[np.int64]:
    sides = [region.hemisphere for region in REGIONS]
    return np.array([(n, m) for n in range(len(sides)) for m in range(n + 1, len(sides)) if sides[n] == sides[m]])


def exchanged_neighbours(centres: npt.NDArray[np.float64]) -> list[list[tuple[int, int]]]:
    """Return, for each label map, the pairs of regions of one hemisphere that are in each other's place, the clearest first.

    Parameters
    ----------
    centres : (maps, 102, 3) float64
        Of :class:`evaluation.quality.measures.Measures`; NaN where a region is missing.

    Returns
    -------
    list of list of (int, int)
        Places of the two regions in the order of the regions.

    Notes
    -----
    The vector from one region to the other is projected on its median in the cohort: 1 is the usual vector, -1 the reversed
    one. Only pairs with a similar vector in all maps are tested: the length of the median is at least five times the robust
    spread of the projections.
    """
    pairs = _same_side()
    ways = centres[:, pairs[:, 1]] - centres[:, pairs[:, 0]]
    usual = np.ma.filled(np.ma.median(np.ma.masked_invalid(ways), axis=0), 0.0)
    length = np.linalg.norm(usual, axis=1)
    along = np.einsum("mpa,pa->mp", ways, usual / np.maximum(length, 1e-9)[:, None])
    off = np.abs(along - length)
    spread = _MAD_TO_SD * np.ma.filled(np.ma.median(np.ma.masked_invalid(off), axis=0), np.inf)
    tested = (length < _FARTHEST) & (length > _STEADY * np.maximum(spread, _LEAST_SPREAD / 2))
    share = np.where(tested, along / np.maximum(length, 1e-9), 1.0)
    turned = np.nan_to_num(share, nan=1.0) < _TURNED
    return [
        [(int(pairs[n, 0]), int(pairs[n, 1])) for n in np.flatnonzero(row)[np.argsort(values[row], kind="stable")]]
        for row, values in zip(turned, share, strict=True)
    ]
