"""The data of a cumulative-logit model, and its parameters in the form in which they are searched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reader_study.models.crossed_blocks import EffectLayout, layout_of

__all__ = ["DistinctRows", "OrdinalDesign", "thresholds_of", "to_search", "unpack"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DistinctRows:
    """Ratings that differ in rating or predictors, each with how often it occurs.

    Ratings share predictors in two ways: rows of one `cell` have equal fixed effects, and rows of one `combination` have equal
    levels of all random terms. Sums over effects are computed from sums over combinations, of which there are fewer than
    ratings.

    Attributes
    ----------
    count : (rows,) float64
    response, threshold_set, cell, combination : (rows,) int64
    cells : (cells, p) float64
        Fixed effects of each cell.
    layout : EffectLayout
    """

    count: Floats
    response: Ints
    threshold_set: Ints
    cell: Ints
    combination: Ints
    cells: Floats
    layout: EffectLayout

    def by_combination(self, values: Floats) -> Floats:
        """Sums of values of the rows, each as often as it occurs, (combinations,)."""
        return np.asarray(np.bincount(self.combination, self.count * values, minlength=len(self.layout.at)), dtype=np.float64)

    def by_cell(self, values: Floats) -> Floats:
        """As :meth:`by_combination`, (cells,)."""
        return np.asarray(np.bincount(self.cell, self.count * values, minlength=len(self.cells)), dtype=np.float64)


@dataclass(frozen=True)
class OrdinalDesign:
    """The data that a model is fitted to.

    Attributes
    ----------
    response : (n,) int64
        Level of each rating, 0 to K - 1, every one used.
    levels : tuple of str
        Names of the K levels, from low to high.
    fixed : (n, p) float64
        Columns of the fixed effects, without an intercept: the thresholds are one.
    factors : tuple of (str, tuple of str)
        Each factor of the fixed effects with its levels, the reference first; every other level has a column of 0 and 1, in
        this order.
    groups : (n, terms) int64
        Level of each random term for each rating, from 0.
    term_names : tuple of str
    term_levels : tuple of tuple of str
        Names of the levels of each term.
    threshold_set : (n,) int64
        Which set of thresholds applies: all 0 for proportional odds.
    n_sets : int
    formula : str
        The model as R writes it.
    """

    response: Ints
    levels: tuple[str, ...]
    fixed: Floats
    factors: tuple[tuple[str, tuple[str, ...]], ...]
    groups: Ints
    term_names: tuple[str, ...]
    term_levels: tuple[tuple[str, ...], ...]
    threshold_set: Ints
    n_sets: int
    formula: str

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the columns of the fixed effects, as in R: factor and level."""
        return tuple(f"{factor}{level}" for factor, levels in self.factors for level in levels[1:])

    @property
    def n_thresholds(self) -> int:
        """Thresholds of one set."""
        return len(self.levels) - 1

    @property
    def n_parameters(self) -> int:
        """Thresholds of all sets, fixed effects and standard deviations."""
        return self.n_sets * self.n_thresholds + len(self.fixed_names) + len(self.term_names)

    @cached_property
    def term_of_mode(self) -> Ints:
        """The term of each of the q random effects, (q,)."""
        return np.repeat(np.arange(len(self.term_levels)), [len(levels) for levels in self.term_levels]).astype(np.int64)

    @cached_property
    def rows(self) -> DistinctRows:
        """The distinct rows, on which everything is computed."""
        sizes = [len(levels) for levels in self.term_levels]
        combination = _codes([*self.groups.T], sizes, len(self.response))
        cell = _codes([*self._factor_codes()], [len(levels) for _, levels in self.factors], len(self.response))
        n_cells = int(cell.max()) + 1
        codes = [combination, cell, self.threshold_set, self.response]
        row = _codes(codes, [int(combination.max()) + 1, n_cells, self.n_sets, len(self.levels)], len(self.response))
        first, of_combination, of_cell = (np.unique(one, return_index=True)[1] for one in (row, combination, cell))
        return DistinctRows(
            count=np.bincount(row).astype(np.float64),
            response=self.response[first],
            threshold_set=self.threshold_set[first],
            cell=cell[first],
            combination=combination[first],
            cells=self.fixed[of_cell],
            layout=layout_of(self.groups[of_combination], sizes),
        )

    def _factor_codes(self) -> list[Ints]:
        """Level of each factor for each rating, from its columns of 0 and 1."""
        codes, column = [], 0
        for _, levels in self.factors:
            own = self.fixed[:, column : column + len(levels) - 1]
            codes.append((own @ np.arange(1.0, len(levels))).astype(np.int64))
            column += len(levels) - 1
        return codes


def to_search(thresholds: Floats, coefficients: Floats, sds: Floats) -> Floats:
    """Parameters to search over: per set the first threshold and the logarithms of the gaps, coefficients, SDs."""
    gaps = np.log(np.diff(thresholds, axis=1))
    return np.concatenate([np.hstack([thresholds[:, :1], gaps]).ravel(), coefficients, sds])


def thresholds_of(design: OrdinalDesign, search: Floats) -> Floats:
    """Thresholds of search parameters, (sets, K - 1), increasing in each set."""
    raw = search[: design.n_sets * design.n_thresholds].reshape(design.n_sets, design.n_thresholds)
    return np.cumsum(np.hstack([raw[:, :1], np.exp(raw[:, 1:])]), axis=1)


def unpack(design: OrdinalDesign, search: Floats) -> tuple[Floats, Floats, Floats]:
    """Thresholds (sets, K - 1), coefficients (p,) and SDs (terms,; the sign has no meaning) of search parameters."""
    start = design.n_sets * design.n_thresholds
    end = start + len(design.fixed_names)
    return thresholds_of(design, search), search[start:end], search[end:]


def _codes(columns: list[Ints], sizes: list[int], n: int) -> Ints:
    """Number of each row's combination of columns, from 0, every number used, (n,)."""
    codes = np.zeros(n, dtype=np.int64)
    for column, size in zip(columns, sizes, strict=True):
        codes = np.unique(codes * size + column, return_inverse=True)[1].reshape(n).astype(np.int64)
    return codes
