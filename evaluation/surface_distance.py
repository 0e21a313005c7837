"""Distance in mm from every surface point of one label map to the same label's surface in another."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from evaluation.surface_points import Surface

__all__ = ["REACH", "surface_distances"]

#: Margin in voxels that a lattice needs on each side, and how far the walk goes along the finest axis.
REACH = 3


def surface_distances(start: Surface, target: Surface, spacing: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Return each point's distance to the nearest point of its label in the target.

    Most surfaces lie near each other: offsets are tried in the order of their length until the label is met, and what is left
    after those of up to three voxels goes to a search tree. Both steps are exact.

    Parameters
    ----------
    start, target : Surface
        On one lattice, with `REACH` places or more around every point.
    spacing : tuple of three floats
        mm, along the axes of the lattice.

    Returns
    -------
    (n,) ndarray of float64
        mm; NaN for labels that the target has not.
    """
    shape = target.layers[0].shape if target.layers else ()
    sizes = np.diff(start.starts)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    distances = np.full(len(start.points), np.nan)
    left = np.flatnonzero(np.diff(target.starts)[labels] > 0)
    if not len(left):
        return distances
    flat_layers = [layer.reshape(-1) for layer in target.layers]
    places, wanted = start.points[left], labels[left].astype(flat_layers[0].dtype)
    for step, length in _offsets(spacing):
        there = places + int(np.dot(step, _strides(shape)))
        met = flat_layers[0][there] == wanted
        for layer in flat_layers[1:]:
            met |= layer[there] == wanted
        distances[left[met]] = length
        left, places, wanted = left[~met], places[~met], wanted[~met]
        if not len(left):
            return distances
    for label in np.unique(labels[left]):
        far = left[labels[left] == label]
        goal = target.points[target.starts[label] : target.starts[label + 1]]
        # On a lattice many points are about as near as each other: wide leaves and no balancing are faster.
        tree = KDTree(np.column_stack(np.unravel_index(goal, shape)) * spacing, 50, compact_nodes=False, balanced_tree=False)
        distances[far] = tree.query(np.column_stack(np.unravel_index(start.points[far], shape)) * spacing)[0]
    return distances


def _offsets(spacing: tuple[float, float, float]) -> list[tuple[tuple[int, ...], float]]:
    """Steps of the lattice within `REACH` voxels of the finest axis, and their lengths in mm, shortest first."""
    farthest = REACH * min(spacing)
    steps = itertools.product(range(-REACH, REACH + 1), repeat=3)
    lengths = [(step, float(np.linalg.norm(np.multiply(step, spacing)))) for step in steps]
    return sorted((pair for pair in lengths if pair[1] <= farthest), key=lambda pair: pair[1])


def _strides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return shape[1] * shape[2], shape[2], 1
