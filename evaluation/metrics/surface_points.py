"""The surface points of one label in two label maps, by two definitions: voxel centres, and the dual grid."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["SurfacePair", "dual_grid_areas", "dual_grid_surfaces", "voxel_surfaces"]

#: The corners of a cube of eight voxel centres; bit j of a code means the j-th corner.
_CORNERS = tuple(itertools.product((0, 1), repeat=3))
Corner = tuple[int, ...]


@dataclass(frozen=True)
class SurfacePair:
    """The surfaces of one label in two maps, as points of one lattice.

    Attributes
    ----------
    lattice : (2, I, J, K) ndarray of bool, C-contiguous
        Where the surfaces of the first and the second map have a point.
    points : (n,) ndarray of int
        Flat positions of the points in `lattice`, in order: those of the first map come first.
    n_first : int
        Number of points of the first map.
    weights : (n,) ndarray of float64, or None
        Surface area of each point, in mm2; None if all have the same weight.
    """

    lattice: npt.NDArray[np.bool_]
    points: npt.NDArray[np.intp]
    n_first: int
    weights: npt.NDArray[np.float64] | None


def voxel_surfaces(masks: npt.NDArray[np.bool_]) -> SurfacePair:
    """Return the voxels of a label that have another label at one of their six neighbours.

    These are the voxels that erosion by one voxel along the axes removes.

    Parameters
    ----------
    masks : (2, I, J, K) ndarray of bool, C-contiguous
        Where each map has the label; nowhere in the outermost voxels of a map.
    """
    flat = masks.reshape(-1)
    inside = flat.copy()
    # Because of the empty margin, steps in memory never lead from one row, slice or map into labels of the next.
    for step in _steps(masks):
        inside[step:] &= flat[:-step]
        inside[:-step] &= flat[step:]
    return _pair(flat ^ inside, masks.shape)


def dual_grid_surfaces(masks: npt.NDArray[np.bool_], spacing: tuple[float, float, float]) -> SurfacePair:
    """Return the corners between eight voxels where some, but not all, have a label, with the surface area there.

    Parameters
    ----------
    masks : (2, I, J, K) ndarray of bool, C-contiguous
        As for :func:`voxel_surfaces`.
    spacing : tuple of three floats
        mm, along the axes I, J and K.

    Returns
    -------
    SurfacePair
        Point (i, j, k) of the lattice is the corner between the voxels (i, j, k) and (i + 1, j + 1, k + 1); its weight is the
        area from :func:`dual_grid_areas`.
    """
    codes = masks.reshape(-1).astype(np.uint8)
    # Two corners along the last axis, then four in a plane, then all eight: the bits are those of _CORNERS.
    for step, bits in zip(reversed(_steps(masks)), (1, 2, 4), strict=True):
        codes[:-step] |= codes[step:] << np.uint8(bits)
    # 0 and 255 (none and all) become 1 and 0.
    pair = _pair(codes + np.uint8(1) > 1, masks.shape)
    return replace(pair, weights=dual_grid_areas(spacing).take(codes.take(pair.points)))


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
    The surface passes through the middle of every edge between an inner and an outer corner. Groups of corners of the rarer
    kind that are not joined by edges have separate surfaces. The area of a group follows from its shape: a single corner is cut
    off by a triangle, an edge by a rectangle, a face by another one, and so on. The areas of flat pieces and, for the two
    groups that no plane cuts off, the triangulation agree with the usual table of marching cubes (Lorensen and Cline, Computer
    Graphics 21, 1987), so that areas equal those of other tools.
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
    """Return the flat pieces that cut a group of joined corners off its cube, as normals with the length of their area."""
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
    """Return the axis of the edge between two corners; None if no edge joins them."""
    axes = [axis for axis in range(3) if one[axis] != two[axis]]
    return axes[0] if len(axes) == 1 else None


def _joined(corners: list[Corner]) -> list[list[Corner]]:
    """Return the corners in groups that are joined by edges."""
    left, groups = list(corners), []
    while left:
        group = [left.pop()]
        for corner in group:
            neighbours = [other for other in left if _axis(corner, other) is not None]
            left = [other for other in left if other not in neighbours]
            group.extend(neighbours)
        groups.append(group)
    return groups


def _steps(masks: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """Return the steps in memory between neighbours along the three axes of a map."""
    _, _, j, k = masks.shape
    return j * k, k, 1


def _pair(surface: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> SurfacePair:
    points = np.flatnonzero(surface)
    return SurfacePair(surface.reshape(shape), points, int(np.searchsorted(points, surface.size // 2)), None)
