"""Matrices of crossed random effects in blocks: entries between the effects of two different cases are zero.

H = I + S Z'WZ S has a row for each level of each random term. Levels that occur within one level of another term (a case with
each method, within the case) have zero entries with all levels outside it, so that H is

    H = [[A, B], [B', D]], A block-diagonal.

With F = A^-1 B and K = (D - B'F)^-1, the inverse is [[A^-1 + F K F', -F K], [-K F', K]]. Only its entries in the places of A,
B and D are needed, and they cost time in proportion to the number of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Blocks", "EffectLayout", "Inverse", "inverse_of", "inverse_turned", "layout_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Blocks:
    """A symmetric matrix of the random effects: `a` (blocks, k, k), `b` (blocks, k, rest), `d` (rest, rest) float64."""

    a: Floats
    b: Floats
    d: Floats

    def times(self, vector: Floats) -> Floats:
        """Product with a vector of all places, (places,)."""
        inside, outside = _parted(self, vector)
        above = (self.a @ inside[:, :, None])[:, :, 0] + self.b @ outside
        return np.concatenate([above.ravel(), _flat(self.b).T @ inside.ravel() + self.d @ outside])

    def scaled(self, left: Floats, right: Floats) -> Blocks:
        """Each entry times `left` of its row and `right` of its column."""
        (l_in, l_out), (r_in, r_out) = _parted(self, left), _parted(self, right)
        return Blocks(
            l_in[:, :, None] * self.a * r_in[:, None, :], l_in[:, :, None] * self.b * r_out, l_out[:, None] * self.d * r_out
        )


@dataclass(frozen=True)
class EffectLayout:
    """Where the random effects lie in the blocks.

    A place is an index into a vector of blocks x k entries of the blocks, unused ones among them, and then the rest.

    Attributes
    ----------
    shape : (int, int, int)
        Number of blocks, their width k, and the rest.
    place : (q,) int64
        Place of each random effect, term after term.
    term : (places,) int64
        Term of each place; -1 for one that is not used.
    inside : tuple of bool
        For each term, whether it lies in the blocks.
    at : (combinations, terms) int64
        Places of each combination of levels that occurs.
    """

    shape: tuple[int, int, int]
    place: Ints
    term: Ints
    inside: tuple[bool, ...]
    at: Ints

    def spread(self, by_term: Floats) -> Floats:
        """A value of each term at all its places, zero at places that are not used, (places,)."""
        return np.append(by_term, 0.0)[self.term]

    def totals(self, vector: Floats) -> Floats:
        """Sum over the places of each combination, (combinations,)."""
        return np.asarray(vector[self.at].sum(axis=1))

    def collected(self, by_combination: Floats) -> Floats:
        """Sum over the combinations at each place, (places,)."""
        total = np.zeros(len(self.term))
        for column in self.at.T:
            total += np.bincount(column, by_combination, minlength=len(total))
        return total

    def cross_sums(self, weight: Floats) -> Blocks:
        """Z'WZ, for weights of the combinations."""
        blocks, k, rest = self.shape
        a, b, d = np.zeros(blocks * k * k), np.zeros(blocks * k * rest), np.zeros(rest * rest)
        terms = range(len(self.inside))
        for first in terms:
            for second in terms:
                into, index = self._entry(first, second)
                if into == "a":
                    a += np.bincount(index, weight, minlength=len(a))
                elif into == "d":
                    d += np.bincount(index, weight, minlength=len(d))
                elif self.inside[first]:
                    b += np.bincount(index, weight, minlength=len(b))
        return Blocks(a.reshape(blocks, k, k), b.reshape(blocks, k, rest), d.reshape(rest, rest))

    def entries(self, matrix: Blocks, first: int, second: int) -> Floats:
        """Entries of two terms' places in each combination, (combinations,)."""
        into, index = self._entry(first, second)
        return np.asarray({"a": matrix.a, "b": matrix.b, "d": matrix.d}[into].ravel()[index])

    def _entry(self, first: int, second: int) -> tuple[str, Ints]:
        """The part that holds the entries of two terms, and the index of each combination in it."""
        blocks, k, rest = self.shape
        if self.inside[second] and not self.inside[first]:
            first, second = second, first
        row, column = self.at[:, first], self.at[:, second]
        if self.inside[second]:
            return "a", row * k + column % k
        if self.inside[first]:
            return "b", row * rest + (column - blocks * k)
        return "d", (row - blocks * k) * rest + (column - blocks * k)


@dataclass(frozen=True)
class Inverse:
    """Inverse of a positive definite matrix.

    Attributes
    ----------
    inverted_a : (blocks, k, k) float64
    f : (blocks, k, rest) float64
    k : (rest, rest) float64
        As in the docstring of this file.
    log_det : float
        Logarithm of the determinant of the matrix itself.
    """

    inverted_a: Floats
    f: Floats
    k: Floats
    log_det: float

    def times(self, vector: Floats) -> Floats:
        """Solve for a vector of all places, (places,)."""
        inside, outside = _parted(Blocks(self.inverted_a, self.f, self.k), vector)
        below = self.k @ (outside - _flat(self.f).T @ inside.ravel())
        above = (self.inverted_a @ inside[:, :, None])[:, :, 0] - self.f @ below
        return np.concatenate([above.ravel(), below])

    def entries(self) -> Blocks:
        """Entries of the inverse in the places of A, B and D."""
        e = self.f @ self.k
        return Blocks(self.inverted_a + e @ self.f.transpose(0, 2, 1), -e, self.k)


def inverse_of(matrix: Blocks) -> Inverse:
    """Invert a positive definite matrix.

    Raises
    ------
    numpy.linalg.LinAlgError
        If it is not positive definite.
    """
    inverted = np.asarray(np.linalg.inv(matrix.a), dtype=np.float64)
    f = inverted @ matrix.b
    schur = matrix.d - _flat(matrix.b).T @ _flat(f)
    factors = np.linalg.cholesky(matrix.a), np.linalg.cholesky(schur)
    log_det = sum(2 * float(np.log(np.diagonal(one, axis1=-2, axis2=-1)).sum()) for one in factors)
    return Inverse(inverted, f, np.asarray(np.linalg.inv(schur), dtype=np.float64), log_det)


def inverse_turned(inverse: Inverse, change: Blocks) -> Blocks:
    """How the entries of an inverse change when its matrix changes, to first order."""
    e = inverse.f @ inverse.k
    left = change.b - change.a @ inverse.f
    turned_a = -inverse.inverted_a @ change.a @ inverse.inverted_a
    turned_f = inverse.inverted_a @ left
    mixed = _flat(left).T @ _flat(inverse.f)
    turned_k = -inverse.k @ (change.d - mixed - _flat(inverse.f).T @ _flat(change.b)) @ inverse.k
    turned_e = turned_f @ inverse.k + inverse.f @ turned_k
    spread = turned_e @ inverse.f.transpose(0, 2, 1) + e @ turned_f.transpose(0, 2, 1)
    return Blocks(turned_a + spread, -turned_e, turned_k)


def layout_of(combinations: Ints, sizes: Sequence[int]) -> EffectLayout:
    """Lay out the effects so that inverting costs least.

    Parameters
    ----------
    combinations : (combinations, terms) int64
        Level of each term, from 0; every level occurs.
    sizes : sequence of int
        Levels of each term.
    """
    terms = range(len(sizes))
    parents = [[_parent(combinations, inner, outer, sizes) for inner in terms] for outer in terms]
    found = [_blocks_within(parents[outer], sizes[outer], sizes) for outer in terms]
    if not found:
        nothing = np.zeros(0, dtype=np.int64)
        return EffectLayout((0, 0, 0), nothing, nothing, (), combinations)
    shape, places, inside = min(found, key=lambda one: _cost(*one[0]))
    term = np.full(shape[0] * shape[1] + shape[2], -1, dtype=np.int64)
    for number, own in enumerate(places):
        term[own] = number
    at = np.column_stack([own[combinations[:, number]] for number, own in enumerate(places)])
    return EffectLayout(shape, np.concatenate(places), term, inside, at)


def _parent(combinations: Ints, inner: int, outer: int, sizes: Sequence[int]) -> Ints | None:
    """The level of the outer term in which each level of the inner one lies, or None where it lies in several."""
    pairs = np.unique(combinations[:, inner] * sizes[outer] + combinations[:, outer])
    return pairs % sizes[outer] if len(pairs) == sizes[inner] else None


def _blocks_within(
    parents: Sequence[Ints | None], blocks: int, sizes: Sequence[int]
) -> tuple[tuple[int, int, int], list[Ints], tuple[bool, ...]]:
    filled = np.zeros(blocks, dtype=np.int64)
    positions: list[Ints] = []
    for parent, size in zip(parents, sizes, strict=True):
        if parent is None:
            positions.append(np.zeros(size, dtype=np.int64))
            continue
        order, counts = np.argsort(parent, kind="stable"), np.bincount(parent, minlength=blocks)
        rank = np.empty(size, dtype=np.int64)
        rank[order] = np.arange(size) - np.repeat(np.cumsum(counts) - counts, counts)
        positions.append(filled[parent] + rank)
        filled = filled + counts
    k = int(filled.max())
    places, end = [], blocks * k
    for parent, size, position in zip(parents, sizes, positions, strict=True):
        if parent is None:
            places.append(np.arange(end, end + size))
            end += size
        else:
            places.append(parent * k + position)
    return (blocks, k, end - blocks * k), places, tuple(parent is not None for parent in parents)


def _cost(blocks: int, k: int, rest: int) -> float:
    return blocks * (k**3 + k**2 * rest + k * rest**2) + rest**3


def _parted(matrix: Blocks, vector: Floats) -> tuple[Floats, Floats]:
    blocks, k = matrix.a.shape[:2]
    return vector[: blocks * k].reshape(blocks, k), vector[blocks * k :]


def _flat(part: Floats) -> Floats:
    return part.reshape(part.shape[0] * part.shape[1], part.shape[2])
