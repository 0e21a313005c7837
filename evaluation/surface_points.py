"""The surface points of all labels of a label map in one pass, by two definitions: voxel centres, and the dual grid."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Surface", "dual_grid_areas", "dual_grid_surface", "voxel_surface"]

#: The corners of a cube of eight voxel centres; bit j of a code stands for the j-th.
_CORNERS = tuple(itertools.product((0, 1), repeat=3))
Corner = tuple[int, ...]


@dataclass(frozen=True)
class Surface:
    """The surfaces of all labels of one map, as points of a lattice.

    Attributes
    ----------
    points : (n,) ndarray of int
        Flat places in the lattice, label after label; a place that borders several labels stands once for each.
    starts : (K + 1,) ndarray of int
        The points of label k are `points[starts[k] : starts[k + 1]]`.
    weights : (n,) ndarray of float64, or None
        Surface that a point stands for, in mm2; None where all count alike.
    layers : tuple of ndarray
        Volumes of the lattice's shape that hold, between them, each place's labels; K where there is none.
    """

    points: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float64] | None
    layers: tuple[npt.NDArray[Any], ...]


def voxel_surface(volume: npt.NDArray[Any], n_labels: int) -> Surface:
    """Return the voxels of each label of which one of the six neighbours has another label.

    These are the voxels that erosion by one voxel along the axes takes away. As a voxel has one label, one boundary volume
    serves all labels.

    Parameters
    ----------
    volume : (I, J, K) ndarray of unsigned int, C-contiguous
        Labels as 0 to n_labels - 1, everything else n_labels, and so its outermost voxels.
    n_labels : int
    """
    boundary = np.zeros(volume.shape, dtype=bool)
    for axis in range(3):
        lower, upper = [tuple(slice(*ends) if a == axis else slice(None) for a in range(3)) for ends in ((0, -1), (1, None))]
        differs = volume[lower] != volume[upper]
        boundary[lower] |= differs
        boundary[upper] |= differs
    layer = np.where(boundary, volume, np.array(n_labels, dtype=volume.dtype))
    places = np.flatnonzero(layer != n_labels)
    return _by_label([places], [layer.reshape(-1)[places]], None, n_labels, (layer,))


def dual_grid_surface(volume: npt.NDArray[Any], n_labels: int, spacing: tuple[float, float, float]) -> Surface:
    """Return the corners between eight voxels of which a label has some and not all, with the surface that passes there.

    Parameters
    ----------
    volume : (I, J, K) ndarray of unsigned int, C-contiguous
        As for :func:`voxel_surface`.
    n_labels : int
    spacing : tuple of three floats
        mm, along the axes of `volume`.

    Returns
    -------
    Surface
        Place (i, j, k) of the lattice is the corner between the voxels (i, j, k) and (i + 1, j + 1, k + 1); its weight the
        area of :func:`dual_grid_areas`.
    """
    inner = volume[:-1, :-1, :-1]
    mixed = np.zeros(volume.shape, dtype=bool)
    for corner in _CORNERS[1:]:
        shifted = volume[tuple(slice(c, c - 1 or None) for c in corner)]
        mixed[:-1, :-1, :-1] |= inner != shifted
    places = np.flatnonzero(mixed)
    flat = volume.reshape(-1)
    around = [flat[places + np.ravel_multi_index(corner, volume.shape)] for corner in _CORNERS]
    areas = dual_grid_areas(spacing)
    found: list[npt.NDArray[np.intp]] = []
    labels: list[npt.NDArray[Any]] = []
    weights: list[npt.NDArray[np.float64]] = []
    layers: list[npt.NDArray[Any]] = []
    depth = np.zeros(len(places), dtype=np.uint8)
    for j, label in enumerate(around):
        new = label != n_labels
        for earlier in around[:j]:
            new &= label != earlier
        here = np.flatnonzero(new)
        code = np.zeros(len(here), dtype=np.uint8)
        for bit, other in enumerate(around):
            code |= (other[here] == label[here]).astype(np.uint8) << np.uint8(bit)
        for level in range(int(depth[here].max(initial=0)) + 1):
            if level == len(layers):
                layers.append(np.full(volume.shape, n_labels, dtype=volume.dtype))
            on_level = here[depth[here] == level]
            layers[level].reshape(-1)[places[on_level]] = label[on_level]
        depth[here] += 1
        found.append(places[here])
        labels.append(label[here])
        weights.append(areas[code])
    return _by_label(found, labels, weights, n_labels, tuple(layers))


@cache
def dual_grid_areas(spacing: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Return the area of the surface between the inner and the outer ones of eight voxel centres.

    Parameters
    ----------
    spacing : tuple of three floats
        mm.

    Returns
    -------
    (256,) ndarray of float64
        mm2; entry c is for the cube whose inner corners are the bits of c, corners in the order of `itertools.product`.

    Notes
    -----
    The surface goes through the middle of every edge that joins an inner and an outer corner. Corners of the rarer kind that no
    edge joins have surfaces of their own; the area of one such group follows from its shape: a single corner is cut off by a
    triangle, an edge by a rectangle, a face by another, and so on. Areas of whole flat pieces and, for the two groups that no
    plane cuts off, the triangulation agree with the table of marching cubes in use (Lorensen and Cline, Computer Graphics 21,
    1987), so that the areas are those of other tools.
    """
    sides = np.array([spacing[1] * spacing[2], spacing[0] * spacing[2], spacing[0] * spacing[1]])
    areas = np.zeros(256)
    for code in range(256):
        inner = [corner for bit, corner in enumerate(_CORNERS) if code >> bit & 1]
        rarer = inner if len(inner) <= 4 else [corner for corner in _CORNERS if corner not in inner]
        for group in _joined(rarer):
            areas[code] += sum(float(np.linalg.norm(normal * sides)) for normal in _pieces(group))
    return areas


def _pieces(group: list[Corner]) -> list[npt.NDArray[np.float64]]:
    """Flat pieces that cut a group of joined corners off its cube: normals as long as their area in a cube of unit sides."""
    edges = [axis for one, two in itertools.combinations(group, 2) if (axis := _axis(one, two)) is not None]
    across = np.array([axis not in edges for axis in range(3)], dtype=np.float64)
    diagonal = np.ones(3)
    if len(group) == 1:
        return [diagonal / 8]
    if len(group) == 2:
        return [across / 2]
    if len(group) == 3:
        return [diagonal * 3 / 8, across / 2]
    if len(edges) == 4:  # a face
        return [across]
    if sorted(edges) == [0, 1, 2]:
        ends = {corner: sum(_axis(corner, other) is not None for other in group) for corner in group}
        if max(ends.values()) == 3:  # a corner and its three neighbours: a hexagon
            return [diagonal * 3 / 4]
        first, second = [corner for corner, n in ends.items() if n == 2]  # a path along all three axes
        middle = _axis(first, second)
        return [diagonal / 2] + [
            np.array([axis in (middle, other) for axis in range(3)]) / 4 for other in range(3) if other != middle
        ]
    raise AssertionError(f"no group of joined corners: {group}")


def _axis(one: Corner, two: Corner) -> int | None:
    """Axis of the edge between two corners; None where no edge joins them."""
    axes = [axis for axis in range(3) if one[axis] != two[axis]]
    return axes[0] if len(axes) == 1 else None


def _joined(corners: list[Corner]) -> list[list[Corner]]:
    """Corners in groups that edges join."""
    left, groups = list(corners), []
    while left:
        group = [left.pop()]
        for corner in group:
            neighbours = [other for other in left if _axis(corner, other) is not None]
            left = [other for other in left if other not in neighbours]
            group.extend(neighbours)
        groups.append(group)
    return groups


def _by_label(
    points: list[npt.NDArray[np.intp]],
    labels: list[npt.NDArray[Any]],
    weights: list[npt.NDArray[np.float64]] | None,
    n_labels: int,
    layers: tuple[npt.NDArray[Any], ...],
) -> Surface:
    label = np.concatenate(labels)
    # A stable sort of 8- or 16-bit numbers is a radix sort.
    order = np.argsort(label, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(label, minlength=n_labels))])
    sorted_weights = None if weights is None else np.concatenate(weights)[order]
    return Surface(np.concatenate(points)[order], starts, sorted_weights, layers)
