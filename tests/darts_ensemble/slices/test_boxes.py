"""Boxes in which networks look: around all tissue, with a margin, and with bounds at multiples of 16 of the whole slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from darts_ensemble.inference.predict import brain_box
from darts_ensemble.labels import BACKGROUND_CLASS, KEPT_CHANNELS, N_CHANNELS
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.slices.boxes import head_box, reaches_inner_face
from darts_ensemble.slices.channels import Box
from darts_ensemble.slices.views import VIEWS
from tests.conftest import SOAK

SIZE = 96
CPU = torch.device("cpu")
ENDS = st.tuples(*[st.tuples(st.integers(0, SIZE - 4), st.integers(4, 40)) for _ in range(3)])


class Brightest(nn.Module):
    """Labels pixels brighter than 1.5 times the tissue, like a network of whole slices."""

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.zeros((len(x), N_CHANNELS, *x.shape[2:]))
        logits[:, int(KEPT_CHANNELS[BACKGROUND_CLASS])] = 1
        logits[:, int(KEPT_CHANNELS[20])] = 20 * (x[:, 0] - 1.5)
        return logits


def brightest(view: str) -> ViewNetwork:
    return ViewNetwork(view, Brightest().eval(), "dense-unet", 1, "volume-otsu")


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


@settings(max_examples=100 if SOAK else 8)
@given(low=st.tuples(*[st.integers(20, 45)] * 3), length=st.integers(12, 30), view=st.sampled_from(VIEWS))
def test_the_box_of_a_brain_holds_it_and_lies_on_sixteens_in_that_of_the_head(
    low: tuple[int, int, int], length: int, view: str
) -> None:
    brain = tuple((first, length) for first in low)
    volume = cuboids((((4, 88),) * 3, 80), (brain, 200))
    head = head_box(volume)
    box = brain_box(brightest(view), volume, head=head, device=CPU)
    assert_laid_on_sixteens(box)
    for side, outer, (first, size) in zip(box, head, brain, strict=True):
        assert outer.start <= side.start <= first
        assert first + size <= side.stop <= outer.stop
        # Every eighth slice is looked at, so that an end may be seen up to seven voxels too early.
        assert side.start > first - 8 - 16 - 1
        assert side.stop < first + size + 8 + 16 + 1
    classes = np.full(tuple(side.stop - side.start for side in box), 102, dtype=np.uint8)
    assert not reaches_inner_face(classes, box, head)


def test_without_any_brain_the_box_is_that_of_the_head() -> None:
    volume = cuboids((((4, 88),) * 3, 80))
    head = head_box(volume)
    assert brain_box(brightest("coronal"), volume, head=head, device=CPU) == head
