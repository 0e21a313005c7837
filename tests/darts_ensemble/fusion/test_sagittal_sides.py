"""Left and right of a sagittal view: in proportion to the other views, or by the mid-sagittal plane of a tilted head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from darts_ensemble.fusion.midsagittal import midsagittal_plane
from darts_ensemble.fusion.sagittal_sides import move_to_sides, pool_homologues, share_between_sides, sides_from_plane
from darts_ensemble.labels import BACKGROUND_CLASS, HOMOLOGUE_CLASS, N_CLASSES, REGION_BY_ID

LEFT, RIGHT = REGION_BY_ID[17].class_index, REGION_BY_ID[53].class_index


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), pooling=st.sampled_from(["split", "duplicate"]))
def test_every_voxel_sums_to_one_however_sides_are_pooled(seed: int, pooling: str) -> None:
    rng = np.random.default_rng(seed)
    sagittal, others = (rng.dirichlet(np.full(103, 0.05), size=6).astype(np.float32) for _ in range(2))
    shared = share_between_sides(pool_homologues(torch.from_numpy(sagittal)), torch.from_numpy(others), pooling)  # type: ignore[arg-type]
    np.testing.assert_allclose(shared.sum(dim=-1), 1, atol=1e-5)


def test_a_pair_is_split_in_proportion_to_the_other_views() -> None:
    left, right = 12, int(HOMOLOGUE_CLASS[12])
    sagittal = torch.zeros((2, 103))
    sagittal[:, left] = 0.6
    sagittal[:, 102] = 0.4
    others = torch.zeros((2, 103))
    others[0, left], others[0, right] = 0.2, 0.6
    shared = share_between_sides(pool_homologues(sagittal), others)
    np.testing.assert_allclose(shared[0, [left, right]], [0.15, 0.45], rtol=1e-3)
    np.testing.assert_allclose(shared[1, [left, right]], [0.3, 0.3], rtol=1e-6)
    np.testing.assert_allclose(shared[:, 102], 0.4, rtol=1e-6)


def test_both_sides_of_a_pair_get_its_sum_and_the_midline_stays() -> None:
    probabilities = torch.rand((5, 103), dtype=torch.float32)
    pooled = pool_homologues(probabilities)
    for one, other in enumerate(HOMOLOGUE_CLASS):
        expected = probabilities[:, one] if one == other else probabilities[:, one] + probabilities[:, int(other)]
        assert torch.equal(pooled[:, one], expected)


@pytest.mark.parametrize(("tilt", "shift"), [((0, 0), 0.0), ((12, 0), 9.0), ((0, -10), -7.5), ((8, 9), 4.0)])
def test_a_sagittal_network_alone_takes_sides_from_the_plane_of_a_tilted_head(tilt: tuple[int, int], shift: float) -> None:
    size = 96
    turn = Rotation.from_euler("yz", tilt, degrees=True).as_matrix()
    grid = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), axis=-1) - (size / 2 - 0.5) - (shift, 0, 0)
    head = grid @ turn  # axes of the head: its first grows to the left, as LIA's does
    inside = ((head / (30, 36, 40)) ** 2).sum(axis=-1) < 1
    true = np.where(head[..., 0] > 0, LEFT, RIGHT)
    # What a sagittal network says: the pair is right, the side a toss-up.
    tossed = np.where(np.random.default_rng(0).random(inside.shape) < 0.5, LEFT, RIGHT)
    classes = np.where(inside, tossed, BACKGROUND_CLASS).astype(np.uint8)
    plane = midsagittal_plane(classes)
    sided = sides_from_plane(classes, plane)
    assert np.mean(sided[inside] == true[inside]) > 0.99
    assert np.all(sided[~inside] == BACKGROUND_CLASS)
    assert np.mean(classes[inside] == true[inside]) < 0.51, "the test must not be easier than it says"


def test_the_pairs_sum_moves_to_the_side_of_the_voxel() -> None:
    probabilities = np.zeros((4, 1, 1, N_CLASSES), dtype=np.float16)
    probabilities[..., LEFT], probabilities[..., RIGHT], probabilities[..., BACKGROUND_CLASS] = 0.25, 0.5, 0.25
    move_to_sides(probabilities, np.array([1.5, 0.0, 0.0]))
    np.testing.assert_array_equal(probabilities[:, 0, 0, LEFT], [0, 0, 0.75, 0.75])
    np.testing.assert_array_equal(probabilities[:, 0, 0, RIGHT], [0.75, 0.75, 0, 0])
    np.testing.assert_array_equal(probabilities[..., BACKGROUND_CLASS], 0.25)
    assert HOMOLOGUE_CLASS[LEFT] == RIGHT
