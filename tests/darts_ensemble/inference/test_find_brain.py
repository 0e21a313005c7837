"""Where a brain is looked for: its box, the crops of its slices, and results that do not depend on them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from darts_ensemble.fusion.fuse import Fused, fuse_views
from darts_ensemble.inference.find_brain import Brain, find_brain
from darts_ensemble.inference.predict import predict_scores
from darts_ensemble.labels import BACKGROUND_CLASS, KEPT_CHANNELS, N_CHANNELS
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.slices.boxes import head_box, reaches_inner_face
from darts_ensemble.slices.views import SLICE_AXIS, VIEWS
from tests.conftest import SOAK
from tests.darts_ensemble.slices.test_boxes import SIZE, assert_laid_on_sixteens, cuboids

CPU = torch.device("cpu")
HEAD = ((4, 88),) * 3
LOWEST, LENGTHS = st.tuples(*[st.integers(20, 45)] * 3), st.integers(12, 30)


class Brightest(nn.Module):
    """Labels pixels brighter than 1.5 times the tissue, like a network of whole slices, and is sure of all."""

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.zeros((len(x), N_CHANNELS, *x.shape[2:]))
        logits[:, int(KEPT_CHANNELS[BACKGROUND_CLASS])] = 20
        logits[:, int(KEPT_CHANNELS[20])] = 20 + 200 * (x[:, 0] - 1.5)
        return logits


def brightest(view: str) -> ViewNetwork:
    return ViewNetwork(view, Brightest().eval(), "dense-unet", 1, "volume-otsu")


def fused(volume: npt.NDArray[np.float32], brain: Brain, *, cropped: bool, batch_size: int = 4) -> Fused:
    predictions = {}
    for view in VIEWS:
        crop: Any = partial(brain.crop, view) if cropped else None
        how: dict[str, Any] = {"box": brain.box, "device": CPU, "batch_size": batch_size, "crop": crop}
        predictions[view] = predict_scores(brightest(view), volume, **how)
    return fuse_views(predictions, brain.shape, logits=True)


@settings(max_examples=100 if SOAK else 8)
@given(low=LOWEST, length=LENGTHS, view=st.sampled_from(VIEWS))
def test_the_box_of_a_brain_holds_it_and_lies_on_sixteens_in_that_of_the_head(
    low: tuple[int, int, int], length: int, view: str
) -> None:
    brain = tuple((first, length) for first in low)
    volume = cuboids((HEAD, 80), (brain, 200))
    head = head_box(volume)
    box = find_brain(brightest(view), volume, head=head, device=CPU).box
    assert_laid_on_sixteens(box)
    for side, outer, (first, size) in zip(box, head, brain, strict=True):
        assert outer.start <= side.start <= first
        assert first + size <= side.stop <= outer.stop
        # Every eighth slice is looked at, so that an end may be seen up to seven voxels too early.
        assert side.start > first - 8 - 16 - 1
        assert side.stop < first + size + 8 + 16 + 1
    classes = np.full(tuple(side.stop - side.start for side in box), 102, dtype=np.uint8)
    assert not reaches_inner_face(classes, box, head)


def test_without_any_brain_the_box_is_that_of_the_head_and_nothing_is_cropped() -> None:
    volume = cuboids((HEAD, 80))
    head = head_box(volume)
    brain = find_brain(brightest("coronal"), volume, head=head, device=CPU)
    assert brain.box == head
    assert brain.crop("axial", range(40, 48)) == (head[0], head[2])


@settings(max_examples=100 if SOAK else 8)
@given(
    low=LOWEST, length=LENGTHS, scout=st.sampled_from(VIEWS), view=st.sampled_from(VIEWS), eight=st.integers(0, SIZE // 8 - 1)
)
def test_a_crop_holds_the_brain_of_its_slices_and_lies_on_sixteens_in_the_box(
    low: tuple[int, int, int], length: int, scout: str, view: str, eight: int
) -> None:
    """The brain is a cuboid with a thin rod: only the slices around the rod have to be as large as the box."""
    axes = [axis for axis in range(3) if axis != SLICE_AXIS[view]]
    rod = [(first, length) for first in low]
    rod[axes[0]] = (10, 70)
    volume = cuboids((HEAD, 80), (tuple((first, length) for first in low), 200), (tuple(rod), 200))
    brain = find_brain(brightest(scout), volume, head=head_box(volume), device=CPU)
    numbers = range(8 * eight, 8 * eight + 8)
    crop = brain.crop(view, numbers)
    flat = np.moveaxis(volume > 100, SLICE_AXIS[view], 0)[numbers.start : numbers.stop].any(axis=0)
    for side, whole, lines in zip(crop, (brain.box[axis] for axis in axes), (flat.any(axis=1), flat.any(axis=0)), strict=True):
        assert side.start % 16 == 0 and side.stop % 16 == 0
        assert whole.start <= side.start < side.stop <= whole.stop
        if lines.any():
            ends = np.flatnonzero(lines)
            assert side.start <= ends[0] and ends[-1] < side.stop


@settings(max_examples=40 if SOAK else 2, deadline=None)
@given(low=LOWEST, length=LENGTHS, batch_size=st.sampled_from([1, 3, 4, 16]))
def test_with_crops_the_result_is_that_of_the_whole_box_for_any_batch_size(
    low: tuple[int, int, int], length: int, batch_size: int
) -> None:
    middle = tuple((first + 8, max(length - 16, 4)) for first in low)
    arm = ((low[0] + 8, 4), (low[1] + 8, 4), (10, 70))
    volume = cuboids((HEAD, 80), (tuple((first, length) for first in low), 200), (middle, 200), (arm, 200))
    brain = find_brain(brightest("coronal"), volume, head=head_box(volume), device=CPU)
    with_crops, without = (fused(volume, brain, cropped=cropped, batch_size=batch_size) for cropped in (True, False))
    np.testing.assert_array_equal(with_crops.classes, without.classes)
    assert float(abs(with_crops.probabilities - without.probabilities).max()) < 0.01
    assert (with_crops.classes != BACKGROUND_CLASS).any()


@pytest.mark.parametrize("length", [24, 36])
def test_where_labels_reach_the_edge_of_a_crop_the_slices_are_computed_in_the_whole_box(length: int) -> None:
    volume = cuboids((HEAD, 80), (((20, length),) * 3, 200))
    seen = np.zeros(volume.shape, dtype=bool)
    seen[20:24, 20:24, 20:24] = True  # as if the scout had missed most of it
    box = (slice(0, 96),) * 3
    missed = Brain(box, seen)
    assert missed.crop("coronal", range(16, 24)) != (slice(0, 96), slice(0, 96))
    classes = fused(volume, missed, cropped=True).classes
    np.testing.assert_array_equal(classes != BACKGROUND_CLASS, volume > 100)
