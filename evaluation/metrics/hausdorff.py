"""HD95 (the 95th percentile of the Hausdorff distance) of one label; ASSD and surface Dice from the same distances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evaluation.metrics.surface_distance import squared_distances
from evaluation.metrics.surface_points import SurfacePair

__all__ = ["surface_measures"]

#: mm; a voxel of 1.0000001 mm, which is 1 in float32, is within a tolerance of 1 mm.
_SLACK = 1e-6
Values = npt.NDArray[np.float64]


def surface_measures(pair: SurfacePair, spacing: tuple[float, float, float], tolerances: Sequence[float]) -> list[float]:
    """Return the measures of two surfaces.

    Parameters
    ----------
    pair : SurfacePair
        Points in both maps.
    spacing : tuple of three floats
        mm, along the axes of the lattice.
    tolerances : sequence of float
        mm.

    Returns
    -------
    list of float
        HD95 as the larger of two directed percentiles, HD95 of the pooled distances and ASSD, in mm; the surface Dice, 0 to 1,
        at each tolerance. See :func:`evaluation.metrics.surface.surface_scores` for the definitions.
    """
    squares = squared_distances(pair, spacing)
    if squares.dtype.kind == "i":
        levels = np.arange(int(squares.max()) + 1, dtype=np.float64)
    else:
        levels, squares = np.unique(squares, return_inverse=True)
    distances = np.sqrt(levels) * spacing[0]
    # Amount of each surface at each distance; a sum over some hundred distances replaces a sum over all points.
    ends = (slice(pair.n_first), slice(pair.n_first, None))
    one, two = (
        np.bincount(squares[end], None if pair.weights is None else pair.weights[end], len(levels)).astype(np.float64)
        for end in ends
    )
    percentile = _percentile_by_count if pair.weights is None else _percentile_by_area
    both = one + two
    whole = float(both.sum())
    near = [float(both[distances <= tolerance + _SLACK].sum()) / whole for tolerance in tolerances]
    larger = max(percentile(distances, one), percentile(distances, two))
    return [larger, percentile(distances, both), float(distances @ both) / whole, *near]


def _percentile_by_count(distances: Values, counts: Values) -> float:
    """Return the 95th percentile of values with counts, with interpolation between them."""
    reached = np.cumsum(counts)
    place = 0.95 * (reached[-1] - 1)
    lower, upper = (float(distances[np.searchsorted(reached, end, side="right")]) for end in (np.floor(place), np.ceil(place)))
    return lower + (upper - lower) * float(place - np.floor(place))


def _percentile_by_area(distances: Values, areas: Values) -> float:
    """Return the first distance within which 95 % of an area are."""
    reached = np.cumsum(areas)
    # A sum that differs from 0.95 only in its last bit has reached it.
    return float(distances[np.searchsorted(reached, (0.95 - 1e-12) * reached[-1])])
