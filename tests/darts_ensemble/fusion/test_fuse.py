"""Fusion of views: against plain formulas in double precision, sums of one, and agreement by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from darts_ensemble.fusion.fuse import DEFAULT_WEIGHTS, FUSIONS, LEAST, Fused, fuse_views
from darts_ensemble.fusion.sagittal_sides import SagittalPooling
from darts_ensemble.inference.class_scores import KeptClasses, SliceScores
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES, REGION_BY_ID
from darts_ensemble.slices.views import SLICE_AXIS
from tests.conftest import SOAK

SHAPE = (6, 5, 7)
LEFT, RIGHT = REGION_BY_ID[17].class_index, REGION_BY_ID[53].class_index


def random_map(seed: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).dirichlet(np.full(N_CLASSES, 0.1), size=SHAPE)


def slices_of(volume: npt.NDArray[np.float64], view: str) -> Iterator[tuple[slice, torch.Tensor]]:
    """A volume as predict_view yields it, three slices at once."""
    turned = np.moveaxis(volume, SLICE_AXIS[view], 0)
    for start in range(0, len(turned), 3):
        part = turned[start : start + 3]
        yield slice(start, start + len(part)), torch.from_numpy(part.astype(np.float32))


def fused(maps: dict[str, npt.NDArray[np.float64]], **how: object) -> Fused:
    return fuse_views({view: slices_of(one, view) for view, one in maps.items()}, SHAPE, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_fusion_is_the_weighted_mean_of_what_its_name_says(fusion: str) -> None:
    maps = {view: random_map(seed) for seed, view in enumerate(("coronal", "axial"))}
    weights = {"coronal": 3.0, "axial": 1.0}
    if fusion == "mean":
        expected = 0.75 * maps["coronal"] + 0.25 * maps["axial"]
    elif fusion == "geometric":
        expected = np.maximum(maps["coronal"], LEAST) ** 0.75 * np.maximum(maps["axial"], LEAST) ** 0.25
        expected /= expected.sum(axis=-1, keepdims=True)
    else:
        one_hot = {view: np.eye(N_CLASSES)[one.argmax(axis=-1)] for view, one in maps.items()}
        expected = 0.75 * one_hot["coronal"] + 0.25 * one_hot["axial"]
    result = fused(maps, fusion=fusion, weights=weights)
    # The first view is kept in float16 until the second comes: 11 bits, of logarithms down to -9 in the geometric mean.
    np.testing.assert_allclose(result.probabilities, expected, atol=4e-3 if fusion == "geometric" else 1e-3)
    top = np.sort(expected, axis=-1)
    clear = top[..., -1] - top[..., -2] > 0.01
    np.testing.assert_array_equal(result.classes[clear], expected.argmax(axis=-1)[clear])


@given(
    seed=st.integers(0, 2**32 - 1), fusion=st.sampled_from(FUSIONS), shares=st.lists(st.floats(0, 1), min_size=3, max_size=3)
)
@settings(max_examples=25, deadline=None)
def test_voxels_that_some_views_are_certain_of_are_fused_as_all_others(seed: int, fusion: str, shares: list[float]) -> None:
    draw = np.random.default_rng(seed)
    maps = {view: random_map(seed % 1000 + number) for number, view in enumerate(DEFAULT_WEIGHTS)}
    for one, share in zip(maps.values(), shares, strict=True):
        certain = draw.random(SHAPE) < share
        one[certain] *= 3e-5 / one[certain, :BACKGROUND_CLASS].sum(axis=-1, keepdims=True)
        one[certain, BACKGROUND_CLASS] = 1 - 3e-5
    if fusion == "geometric":
        expected = np.prod([np.maximum(maps[view], LEAST) ** weight for view, weight in DEFAULT_WEIGHTS.items()], axis=0)
    else:
        given_by = (maps[v] if fusion == "mean" else np.eye(N_CLASSES)[maps[v].argmax(axis=-1)] for v in maps)
        expected = sum(weight * one for weight, one in zip(DEFAULT_WEIGHTS.values(), given_by, strict=True))
    expected /= expected.sum(axis=-1, keepdims=True)
    result = fused(maps, fusion=fusion, pooling="none")
    np.testing.assert_allclose(result.probabilities, expected, atol=5e-3 if fusion == "geometric" else 1e-3)
    top = np.sort(expected, axis=-1)
    clear = top[..., -1] - top[..., -2] > 0.01
    np.testing.assert_array_equal(result.classes[clear], expected.argmax(axis=-1)[clear])
    for view, one in maps.items():
        np.testing.assert_array_equal(result.view_classes[view], one.astype(np.float32).argmax(axis=-1))


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("pooling", ["split", "duplicate", "none"])
def test_every_voxel_sums_to_one(fusion: str, pooling: str) -> None:
    maps = {view: random_map(seed) for seed, view in enumerate(("coronal", "axial", "sagittal"))}
    result = fused(maps, fusion=fusion, pooling=pooling)
    np.testing.assert_allclose(result.probabilities.sum(axis=-1, dtype=np.float64), 1, atol=4e-3)


def test_the_sagittal_view_speaks_of_pairs_and_the_others_of_sides() -> None:
    sure = np.full((*SHAPE, N_CLASSES), 1e-6)
    maps = {view: sure.copy() for view in ("coronal", "axial", "sagittal")}
    for view in ("coronal", "axial"):
        maps[view][..., LEFT] = 0.6
        maps[view][..., RIGHT] = 0.2
        maps[view][..., BACKGROUND_CLASS] = 0.2
    maps["sagittal"][..., RIGHT] = 0.9  # the right pair, the wrong side
    maps["sagittal"][..., BACKGROUND_CLASS] = 0.1
    probabilities = fused(maps, fusion="mean").probabilities.astype(np.float64)
    expected_left = 0.6 * 0.6 + 0.4 * 0.9 * 0.75
    expected_right = 0.6 * 0.2 + 0.4 * 0.9 * 0.25
    np.testing.assert_allclose(probabilities[..., LEFT], expected_left, atol=2e-3)
    np.testing.assert_allclose(probabilities[..., RIGHT], expected_right, atol=2e-3)
    assert np.all(fused(maps).classes == LEFT)
    geometric = fused(maps).probabilities.astype(np.float64)
    left, right = 0.6**0.6 * (0.9 * 0.75) ** 0.4, 0.2**0.6 * (0.9 * 0.25) ** 0.4
    np.testing.assert_allclose(geometric[..., LEFT] / geometric[..., RIGHT], left / right, rtol=0.02)


def test_the_default_is_a_geometric_mean_in_which_the_sagittal_view_says_most() -> None:
    assert [DEFAULT_WEIGHTS[view] for view in ("coronal", "axial", "sagittal")] == [0.3, 0.3, 0.4]
    maps = {view: random_map(seed) for seed, view in enumerate(("coronal", "axial", "sagittal"))}
    result = fused(maps, pooling="none")
    expected = np.prod([np.maximum(maps[view], LEAST) ** weight for view, weight in DEFAULT_WEIGHTS.items()], axis=0)
    np.testing.assert_allclose(result.probabilities, expected / expected.sum(axis=-1, keepdims=True), atol=5e-3)


def test_a_view_that_excludes_a_class_is_outvoted_by_two_that_are_sure_of_it() -> None:
    maps = {view: np.zeros((*SHAPE, N_CLASSES)) for view in ("coronal", "axial", "sagittal")}
    for view in ("axial", "sagittal"):
        maps[view][..., LEFT] = 1
    maps["coronal"][..., BACKGROUND_CLASS] = 1
    assert np.all(fused(maps).classes == LEFT)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_class_may_have_weights_of_its_own(fusion: str) -> None:
    maps = {view: random_map(seed) for seed, view in enumerate(("coronal", "axial"))}
    weights = {view: np.random.default_rng(seed).uniform(0.1, 3, N_CLASSES) for seed, view in enumerate(maps, start=7)}
    weights["axial"][LEFT], weights["coronal"][RIGHT] = 0, 0
    share = weights["coronal"] / (weights["coronal"] + weights["axial"])
    if fusion == "geometric":
        one, two = (np.maximum(maps[view], LEAST) for view in ("coronal", "axial"))
        expected = one**share * two ** (1 - share)
    else:
        one, two = (maps[v] if fusion == "mean" else np.eye(N_CLASSES)[maps[v].argmax(axis=-1)] for v in ("coronal", "axial"))
        expected = share * one + (1 - share) * two
    expected /= expected.sum(axis=-1, keepdims=True)
    result = fused(maps, fusion=fusion, weights=weights)
    np.testing.assert_allclose(result.probabilities, expected, atol=5e-3 if fusion == "geometric" else 2e-3)


def test_the_same_weight_for_every_class_is_the_weight_of_the_view() -> None:
    maps = {view: random_map(seed) for seed, view in enumerate(("coronal", "axial", "sagittal"))}
    plain = {"coronal": 3.0, "axial": 2.0, "sagittal": 1.0}
    spread = {view: np.full(N_CLASSES, weight) for view, weight in plain.items()}
    np.testing.assert_array_equal(fused(maps, weights=plain).classes, fused(maps, weights=spread).classes)


def test_agreement_is_the_share_of_pairs_that_name_the_same_class() -> None:
    one = np.array([[[1, 1, 1, 1]]], dtype=np.uint8)
    two = np.array([[[1, 1, 2, 2]]], dtype=np.uint8)
    three = np.array([[[1, 2, 2, 3]]], dtype=np.uint8)
    empty = np.zeros((1, 1, 4, 1), dtype=np.float16)
    several = Fused(empty, one, {"coronal": one, "axial": two, "sagittal": three})
    np.testing.assert_allclose(several.agreement()[0, 0], [1, 1 / 3, 1 / 3, 0], atol=1e-6)
    np.testing.assert_array_equal(Fused(empty, one, {"axial": one}).agreement(), 1)


@given(seed=st.integers(0, 2**32 - 1), fusion=st.sampled_from(FUSIONS), pooling=st.sampled_from(["split", "duplicate", "none"]))
@settings(max_examples=200 if SOAK else 25)
def test_what_is_outside_a_crop_of_any_view_is_certain_background_and_all_else_is_fused(
    seed: int, fusion: str, pooling: SagittalPooling
) -> None:
    rng = np.random.default_rng(seed)
    network = KeptClasses(nn.Identity())
    dropped = np.zeros(SHAPE, dtype=bool)
    maps: dict[str, npt.NDArray[np.float64]] = {}
    cropped: dict[str, list[tuple[slice, torch.Tensor | SliceScores]]] = {}
    for number, view in enumerate(("coronal", "axial", "sagittal")):
        maps[view] = random_map(int(rng.integers(2**31)) + number)
        turned, cropped[view] = np.moveaxis(maps[view], SLICE_AXIS[view], 0), []
        for start in range(0, len(turned), 3):
            part = turned[start : start + 3]
            rows, columns = (slice(*np.sort(rng.choice(side + 1, 2, replace=False)).tolist()) for side in part.shape[1:3])
            outside = np.ones(part.shape[:3], dtype=bool)
            outside[:, rows, columns] = False
            np.moveaxis(dropped, SLICE_AXIS[view], 0)[start : start + 3] |= outside
            logits = torch.from_numpy(np.log(part[:, rows, columns]).astype(np.float32))
            scores = SliceScores(network, logits, np.arange(len(part)), (rows, columns))
            cropped[view].append((slice(start, start + len(part)), scores))
    nothing = np.eye(N_CLASSES)[BACKGROUND_CLASS]
    for one in maps.values():
        one[dropped] = nothing
    whole = fused(maps, fusion=fusion, pooling=pooling)
    part = fuse_views(cropped, SHAPE, fusion=fusion, pooling=pooling, logits=True)
    np.testing.assert_allclose(part.probabilities.astype(float), whole.probabilities.astype(float), atol=4e-3)
    assert (part.classes == whole.classes).mean() > 0.99  # nearly equal classes may change places where float16 rounds
    assert (part.classes[dropped] == BACKGROUND_CLASS).all()
