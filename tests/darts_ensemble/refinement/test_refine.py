"""The second look: moves borders of deep structures to where the intensities show them, and leaves everything else alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from darts_ensemble.fitting.refinement import FitSettings, Sample, fit_refinement
from darts_ensemble.fusion.fuse import Fused
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES, REGION_BY_ID
from darts_ensemble.networks.refinement_network import RefinementNetwork
from darts_ensemble.networks.structures import OUTER, STRUCTURE_OF_CLASS, STRUCTURES
from darts_ensemble.refinement import refine as refining
from darts_ensemble.refinement.intensities import relative_intensities
from darts_ensemble.refinement.refine import inner_box, network_inputs, refine

WHITE, CORTEX, PALLIDUM = (REGION_BY_ID[label].class_index for label in (2, 1024, 13))
LEFT, RIGHT = REGION_BY_ID[10].class_index, REGION_BY_ID[49].class_index


def fused_of(probabilities: npt.NDArray[np.floating]) -> Fused:
    volume = np.asarray(probabilities, dtype=np.float16)
    return Fused(volume, volume.argmax(axis=-1).astype(np.uint8), {})


def smooth(classes: npt.NDArray[np.uint8], sigma: float = 0.8) -> npt.NDArray[np.float32]:
    """Probabilities of views that are unsure at borders."""
    made = np.full((*classes.shape, N_CLASSES), 1e-4, dtype=np.float32)
    for one in np.unique(classes):
        made[..., one] += ndimage.gaussian_filter((classes == one).astype(np.float32), sigma)
    return np.asarray(made / made.sum(axis=-1, keepdims=True), dtype=np.float32)


def head(seed: int, *, too_large: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], Fused]:
    """A ball of pallidum in white matter, in cortex; the views say that the pallidum is larger by some voxels."""
    rng = np.random.default_rng(seed)
    i, j, k = np.indices((44, 40, 42)) - np.array([22, 20, 21])[:, None, None, None]
    distance = np.sqrt(i**2 + (1.1 * j) ** 2 + k**2)
    radius = 5 + 2 * rng.random()

    def classes(pallidum: float) -> npt.NDArray[np.uint8]:
        made = np.full(distance.shape, BACKGROUND_CLASS, dtype=np.uint8)
        for reach, one in ((19, CORTEX), (15, WHITE), (pallidum, PALLIDUM)):
            made[distance < reach] = one
        return made

    truth = classes(radius)
    means = np.zeros(N_CLASSES)
    means[[WHITE, CORTEX, PALLIDUM]] = 110, 70, 90
    field = 1 + 0.2 * i / 22
    intensities = (ndimage.gaussian_filter(means[truth], 0.4) * field + rng.normal(0, 2, truth.shape)).astype(np.float32)
    return intensities, truth, fused_of(smooth(classes(radius + too_large)))


def sample_of(seed: int) -> Sample:
    intensities, truth, fused = head(seed, too_large=1.5)
    probabilities = torch.from_numpy(fused.probabilities)
    box = inner_box(fused.classes)
    relative = relative_intensities(intensities, probabilities)
    assert box is not None and relative is not None
    inputs = network_inputs(relative, probabilities, box).numpy().astype(np.float16)
    return Sample(str(seed), "", inputs, STRUCTURE_OF_CLASS.numpy()[truth][box].astype(np.uint8))


def dice(found: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> float:
    one, other = found == PALLIDUM, truth == PALLIDUM
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_a_border_moves_to_where_the_intensities_show_it_and_the_cortex_stays() -> None:
    network = fit_refinement([sample_of(seed) for seed in range(4)], FitSettings(filters=8, steps=120, side=24))
    intensities, truth, fused = head(9, too_large=1.5)
    before = fused.classes.copy()
    after = refine(fused, intensities, network)
    assert dice(before, truth) < 0.8
    assert dice(after.classes, truth) > 0.9
    np.testing.assert_array_equal(after.classes == CORTEX, before == CORTEX)
    np.testing.assert_array_equal(after.classes, after.probabilities.argmax(axis=-1))


@pytest.fixture
def random_network() -> RefinementNetwork:
    torch.manual_seed(3)
    network = RefinementNetwork(4)
    torch.nn.init.normal_(network.odds.weight, std=1.0)
    return network.eval().requires_grad_(requires_grad=False)


def test_odds_within_a_structure_and_between_outer_structures_are_kept(random_network: RefinementNetwork) -> None:
    rng = np.random.default_rng(5)
    _, truth, _ = head(1, too_large=0)
    probabilities = smooth(truth)
    unsure = slice(24, None)  # half of the head, so that the other half shows what white matter and cortex look like
    probabilities[unsure] += 0.02 * rng.random(probabilities[unsure].shape, dtype=np.float32)
    probabilities[unsure][..., [LEFT, RIGHT]] += 0.05
    fused = fused_of(probabilities / probabilities.sum(axis=-1, keepdims=True))
    before = fused.probabilities.astype(np.float64).copy()
    after = refine(fused, rng.normal(100, 20, truth.shape).astype(np.float32), random_network).probabilities.astype(np.float64)
    assert np.abs(after - before).max() > 0.05
    np.testing.assert_allclose(after.sum(axis=-1), 1, atol=5e-3)
    outer = np.flatnonzero(STRUCTURE_OF_CLASS.numpy() < OUTER)
    for kept in (outer, [LEFT, RIGHT]):
        shares = [one[..., kept] / one[..., kept].sum(axis=-1, keepdims=True) for one in (before, after)]
        large = after[..., kept].sum(axis=-1) > 0.05  # float16 has few digits for the smallest
        np.testing.assert_allclose(shares[1][large], shares[0][large], atol=0.01)


def test_an_untrained_network_changes_no_label_and_parts_equal_the_whole(
    random_network: RefinementNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    intensities, _, fused = head(2, too_large=1)
    before = fused.classes.copy()
    np.testing.assert_array_equal(refine(fused, intensities, RefinementNetwork(4).eval()).classes, before)
    whole = refine(head(2, too_large=1)[2], intensities, random_network)
    monkeypatch.setattr(refining, "PLANES", 3)
    parts = refine(head(2, too_large=1)[2], intensities, random_network)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=2e-3)


@settings(max_examples=10, deadline=None)
@given(scale=st.floats(1e-3, 1e4), shift=st.floats(-1e3, 1e3), inverted=st.booleans())
def test_relative_intensities_are_the_same_for_any_scale_of_the_scan(scale: float, shift: float, inverted: bool) -> None:
    intensities, truth, fused = head(4, too_large=0)
    probabilities = torch.from_numpy(fused.probabilities)
    plain = relative_intensities(intensities, probabilities)
    other = relative_intensities(
        (intensities * (-scale if inverted else scale) + shift * scale).astype(np.float32), probabilities
    )
    assert plain is not None and other is not None
    np.testing.assert_allclose(other, plain, atol=0.02)
    # In spite of a field that changes by a third from side to side.
    assert abs(np.median(plain[truth == WHITE]) - 1) < 0.1
    assert abs(np.median(plain[truth == CORTEX])) < 0.15


def test_a_scan_without_deep_structures_or_without_cortex_stays_as_it_is(random_network: RefinementNetwork) -> None:
    for one in (WHITE, PALLIDUM):
        fused = fused_of(smooth(np.full((12, 12, 12), one, dtype=np.uint8)))
        before = fused.probabilities.copy()
        np.testing.assert_array_equal(refine(fused, np.ones((12, 12, 12), np.float32), random_network).probabilities, before)


def test_every_region_belongs_to_one_structure() -> None:
    assert sorted(label for labels in STRUCTURES.values() for label in labels) == [0, *sorted(REGION_BY_ID)]
