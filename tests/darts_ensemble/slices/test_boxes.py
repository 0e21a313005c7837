"""Boxes in which networks look: around all tissue, with a margin, and with bounds at multiples of 16 of the whole slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.slices.boxes import head_box
from darts_ensemble.slices.channels import Box

SIZE = 96
ENDS = st.tuples(*[st.tuples(st.integers(0, SIZE - 4), st.integers(4, 40)) for _ in range(3)])


def cuboids(*ends_and_values: tuple[tuple[tuple[int, int], ...], float]) -> npt.NDArray[np.float32]:
    volume = np.zeros((SIZE,) * 3, dtype=np.float32)
    for ends, value in ends_and_values:
        volume[tuple(slice(first, first + length) for first, length in ends)] = value
    return volume


def assert_laid_on_sixteens(box: Box) -> None:
    for side in box:
        assert side.start % 16 == 0
        assert side.stop % 16 == 0
        assert 0 <= side.start < side.stop <= SIZE


@given(ends=ENDS)
def test_the_box_of_a_head_holds_it_with_a_margin_and_lies_on_sixteens(ends: tuple[tuple[int, int], ...]) -> None:
    volume = cuboids((ends, 100))
    box = head_box(volume)
    assert_laid_on_sixteens(box)
    for side, (first, length) in zip(box, ends, strict=True):
        assert side.start <= max(0, first - 4) < side.start + 16
        assert side.stop - 16 < min(SIZE, first + length + 4) <= side.stop


@given(ends=ENDS, axis=st.integers(0, 2))
def test_a_mirrored_head_has_a_mirrored_box(ends: tuple[tuple[int, int], ...], axis: int) -> None:
    volume = cuboids((ends, 100))
    expected = list(head_box(volume))
    expected[axis] = slice(SIZE - expected[axis].stop, SIZE - expected[axis].start)
    assert head_box(np.flip(volume, axis)) == tuple(expected)
