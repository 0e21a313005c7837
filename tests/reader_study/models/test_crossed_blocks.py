"""Matrices of crossed random effects in blocks: against whole matrices."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from reader_study.models.crossed_blocks import EffectLayout, inverse_of, inverse_turned, layout_of

#: Levels of case, reader, case:method, reader:method of every combination; the last design has holes.
FULL = np.array([(c, r, 3 * c + m, 3 * r + m) for c, r, m in product(range(7), range(4), range(3))])
HOLES = FULL[np.random.default_rng(0).random(len(FULL)) < 0.8]
DESIGNS = {
    "crossed": (FULL, (7, 4, 21, 12)),
    "holes": (HOLES, (7, 4, 21, 12)),
    "one term": (np.unique(FULL[:, 1:2], axis=0), (4,)),
    "two terms": (np.unique(FULL[:, :2], axis=0), (7, 4)),
    "nothing nested": (np.unique(FULL[:, 2:], axis=0), (21, 12)),
}


def whole(combinations: np.ndarray, sizes: tuple[int, ...], weight: np.ndarray) -> np.ndarray:
    """Z'WZ, written out."""
    z = np.hstack([np.eye(size)[combinations[:, term]] for term, size in enumerate(sizes)])
    return z.T @ (weight[:, None] * z)


def at(layout: EffectLayout, vector: np.ndarray) -> np.ndarray:
    placed = np.zeros(len(layout.term))
    placed[layout.place] = vector
    return placed


@pytest.mark.parametrize("name", DESIGNS)
def test_products_inverse_and_determinant_are_those_of_the_whole_matrix(name: str) -> None:
    combinations, sizes = DESIGNS[name]
    rng = np.random.default_rng(1)
    weight, vector = rng.random(len(combinations)), rng.normal(size=sum(sizes))
    layout = layout_of(combinations, sizes)
    matrix = whole(combinations, sizes, weight) + np.eye(sum(sizes))
    blocks = layout.cross_sums(weight)
    blocks = type(blocks)(blocks.a + np.eye(blocks.a.shape[1]), blocks.b, blocks.d + np.eye(len(blocks.d)))
    inverse = inverse_of(blocks)
    np.testing.assert_allclose(blocks.times(at(layout, vector))[layout.place], matrix @ vector)
    np.testing.assert_allclose(inverse.times(at(layout, vector))[layout.place], np.linalg.solve(matrix, vector))
    assert inverse.log_det == pytest.approx(np.linalg.slogdet(matrix)[1])
    # Entries of the inverse where two terms meet in a combination, and how they change with the weights.
    starts = np.cumsum([0, *sizes])
    entries, dense = inverse.entries(), np.linalg.inv(matrix)
    change = rng.normal(size=len(combinations))
    turned = inverse_turned(inverse, layout.cross_sums(change))
    dense_turned = -dense @ whole(combinations, sizes, change) @ dense
    for s, t in product(range(len(sizes)), repeat=2):
        row, column = combinations[:, s] + starts[s], combinations[:, t] + starts[t]
        np.testing.assert_allclose(layout.entries(entries, s, t), dense[row, column], atol=1e-12)
        np.testing.assert_allclose(layout.entries(turned, s, t), dense_turned[row, column], atol=1e-12)


def test_levels_within_a_case_lie_in_the_block_of_the_case() -> None:
    layout = layout_of(*DESIGNS["crossed"])
    assert layout.shape == (7, 4, 16)
    assert layout.inside == (True, False, True, False)
    assert layout_of(np.zeros((3, 0), dtype=np.int64), ()).shape == (0, 0, 0)
