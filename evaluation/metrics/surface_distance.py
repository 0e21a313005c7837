"""Distance from every surface point of a label in one map to the nearest one in the other: exact, two axes at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from evaluation.metrics.surface_points import SurfacePair

__all__ = ["squared_distances"]

#: Largest distance along an axis, in voxels; farther points use a search tree. 15 x 15 and 2 x 15 - 1 fit in a byte.
REACH = 15
#: Means "this far or farther" in squared distances of a plane.
_FAR = REACH * REACH


def squared_distances(pair: SurfacePair, spacing: tuple[float, float, float]) -> npt.NDArray[Any]:
    """Return each point's squared distance to the nearest point of the other map.

    Parameters
    ----------
    pair : SurfacePair
        Points in both maps.
    spacing : tuple of three floats
        mm, along the axes of the lattice. Fastest if the first two are equal: then these axes are computed in whole numbers.

    Returns
    -------
    (n,) ndarray of int32, or float64 if the spacings differ
        In units of the square of the first spacing; points in the order of `pair.points`.

    Notes
    -----
    A squared distance is a sum over axes, so that its minimum can be found axis by axis: within lines, over the lines of a
    plane, and over planes. The first two steps are done for all points of the lattice, the third only for surface points.

    References
    ----------
    Saito T, Toriwaki JI, New algorithms for Euclidean distance transformation of an n-dimensional digitized picture, Pattern
    Recognition 27 (1994).
    Lotufo R, Zampirolli F, Fast multidimensional parallel Euclidean distance transform based on mathematical morphology,
    SIBGRAPI (2001), for the steps of growing cost.
    """
    across, up = [(mm / spacing[0]) ** 2 for mm in spacing[1:]]
    planar = _in_planes(_in_lines(pair.lattice), across)
    squares = _over_planes(planar, pair, up, np.dtype(np.int32 if across == up == 1 else np.float64))
    far = np.flatnonzero(squares >= _FAR)
    if len(far):
        squares[far] = _far_squares(pair, far, np.divide(spacing, spacing[0]), squares.dtype)
    return squares


def _in_lines(lattice: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Return the distance to the nearest point along the first axis, in voxels, at most REACH; axes I, map, J, K."""
    steps = np.multiply(~lattice.transpose(1, 0, 2, 3), np.uint8(REACH), order="C")
    line = steps.size // len(steps)
    flat = steps.reshape(-1)
    more = np.empty_like(flat)
    step = 1
    while step <= REACH and step < len(steps):
        # A distance m is reached by steps that are powers of 2: the binary digits of m.
        np.add(flat, step, out=more)
        _take_lower(flat, more, step * line)
        step *= 2
    return steps


def _in_planes(steps: npt.NDArray[np.uint8], across: float) -> npt.NDArray[Any]:
    """Return the squared distance within the plane of the first two axes, at most _FAR; axes map, I, J, K."""
    # With J first, a step along it is one step in memory.
    lines = steps.transpose(2, 1, 0, 3)
    planar = np.multiply(lines, lines, dtype=np.uint8 if across == 1 else np.float64, order="C")
    flat = planar.reshape(-1)
    more = np.empty_like(flat)
    for k in range(1, min(int(REACH / across**0.5), len(planar) - 1) + 1):
        # 1 + 3 + 5 + ... are the squares: a value that has come k rows has paid k * k.
        np.add(flat, (2 * k - 1) * (1 if across == 1 else across), out=more)
        _take_lower(flat, more, flat.size // len(planar))
    return np.ascontiguousarray(planar.transpose(1, 2, 0, 3))


def _take_lower(flat: npt.NDArray[Any], more: npt.NDArray[Any], step: int) -> None:
    np.minimum(flat[step:], more[:-step], out=flat[step:])
    np.minimum(flat[:-step], more[step:], out=flat[:-step])


def _over_planes(planar: npt.NDArray[Any], pair: SurfacePair, up: float, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the squared distance of each point; _FAR or more if it isn't known."""
    flat, half, depth = planar.reshape(-1), planar.size // 2, planar.shape[3]
    there = np.concatenate([pair.points[: pair.n_first] + half, pair.points[pair.n_first :] - half])
    squares = flat.take(there).astype(dtype)
    left = np.flatnonzero(squares > up)
    nearest, at = squares.take(left), there.take(left)
    line = at // depth * depth
    at -= line
    for n in range(1, min(int(REACH / up**0.5), depth - 1) + 1):
        cost = n * n * (1 if up == 1 else up)
        # Beyond the ends, the last plane is used: it has been considered before at its true, smaller distance.
        for plane in (np.minimum(at + n, depth - 1), np.maximum(at - n, 0)):
            plane += line
            np.minimum(nearest, np.add(flat.take(plane), cost, dtype=dtype), out=nearest)
        squares[left] = nearest
        keep = np.flatnonzero(nearest > (n + 1) ** 2 * up)
        if not len(keep):
            break
        left, nearest, line, at = left.take(keep), nearest.take(keep), line.take(keep), at.take(keep)
    return squares


def _far_squares(
    pair: SurfacePair, far: npt.NDArray[np.intp], sizes: npt.NDArray[np.float64], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Return the squared distance of some of the points, without a limit."""
    squares = np.empty(len(far))
    first = far < pair.n_first
    for mine, theirs in ((first, slice(pair.n_first, None)), (~first, slice(pair.n_first))):
        if not mine.any():
            continue
        points = _places(pair.points[far[mine]], pair.lattice.shape).T * sizes
        goals = _places(pair.points[theirs], pair.lattice.shape)
        goals = goals.take(_may_be_nearest(goals, points, sizes), axis=1)
        # On a lattice, many points are almost equally near: large leaves without balancing are faster.
        tree = KDTree(goals.T * sizes, 50, compact_nodes=False, balanced_tree=False)
        squares[mine] = tree.query(points)[0] ** 2
    return np.rint(squares).astype(dtype) if dtype.kind == "i" else squares


def _places(flat: npt.NDArray[np.intp], shape: tuple[int, ...]) -> npt.NDArray[np.int32]:
    """Return positions along the last three axes, (3, n)."""
    left = flat.astype(np.int32)
    places = np.empty((3, len(flat)), dtype=np.int32)
    # numpy.unravel_index takes several times as long.
    for axis in (2, 1, 0):
        above = left // shape[axis + 1]
        np.subtract(left, above * shape[axis + 1], out=places[axis])
        left = above
    return places


def _may_be_nearest(
    goals: npt.NDArray[np.int32], points: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]
) -> npt.NDArray[np.intp]:
    """Return which goals, (3, n), can be the nearest of a point, judged by cubes with sides of eight voxels."""
    cubes = goals >> 3
    shape = cubes.max(axis=1) + 1
    cube = (cubes[0] * shape[1] + cubes[1]) * shape[2] + cubes[2]
    taken = np.flatnonzero(np.bincount(cube))
    distances = cdist(points, (np.column_stack(np.unravel_index(taken, shape)) * 8 + 3.5) * sizes)
    # The nearest goal may be this much farther than its cube's middle, and the goals of another cube this much nearer.
    off = float(np.linalg.norm(3.5 * sizes))
    asked = np.zeros(int(taken[-1]) + 1, dtype=bool)
    asked[taken] = (distances <= distances.min(axis=1, keepdims=True) + 2 * off * (1 + 1e-9)).any(axis=0)
    return np.flatnonzero(asked.take(cube))
