"""Overlap of all regions: by hand, against MONAI and SimpleITK, and by properties; an absent region has none."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from medpy.metric.binary import dc, jc, precision, recall
from monai.metrics import compute_dice

from darts_ensemble.results.overlap import dice_of_regions, joint_histogram, merge_labels, overlap_of_regions

LABELS = (3, 17, 2035)
MAPS = hnp.arrays(np.int32, (4, 3, 5), elements=st.sampled_from([0, 3, 17, 2035, 77, -1, 99999]))


def dice(reference: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return dice_of_regions(joint_histogram(reference, prediction, labels=LABELS, background=0))


def test_dice_by_hand() -> None:
    reference = np.array([[3, 3, 3, 0], [17, 17, 0, 0]])
    prediction = np.array([[3, 3, 0, 3], [17, 3, 0, 17]])
    # region 3: 2 * 2 / (3 + 4); region 17: 2 * 1 / (2 + 2)
    np.testing.assert_allclose(dice(reference, prediction), [4 / 7, 1 / 2, np.nan])


def test_the_other_measures_by_hand() -> None:
    # Region 3: 4 voxels in the reference, 2 in the prediction, 1 in both; region 17: missed; region 2035: in neither.
    reference = np.array([3, 3, 3, 3, 0, 17])
    prediction = np.array([3, 0, 0, 0, 3, 0])
    measures = overlap_of_regions(joint_histogram(reference, prediction, labels=LABELS, background=0))
    expected = {"dice": 2 / 6, "jaccard": 1 / 5, "sensitivity": 1 / 4, "precision": 1 / 2, "volume_similarity": 1 - 2 / 6}
    assert set(measures) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(measures[name], [value, 0, np.nan], err_msg=name)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_miss_and_an_invention_are_zero_in_every_measure(swapped: bool) -> None:
    maps = [np.array([3, 0]), np.array([0, 0])]
    measures = overlap_of_regions(joint_histogram(*maps[:: -1 if swapped else 1], labels=LABELS, background=0))
    assert {name: float(values[0]) for name, values in measures.items()} == dict.fromkeys(measures, 0.0)


def phantom(shift: int) -> np.ndarray:
    """Two bodies, one inside the other, a box at the border, a single voxel."""
    i, j, k = np.indices((18, 16, 14))
    volume = np.zeros(i.shape, dtype=np.int32)
    volume[(i - 8) ** 2 / 30 + (j - 7) ** 2 / 20 + (k - 6 - shift) ** 2 / 9 < 1] = 3
    volume[(i - 8) ** 2 + (j - 7 - shift) ** 2 + (k - 6) ** 2 < 5 + 3 * shift] = 17
    volume[: 3 + shift, :4, 9:] = 2035
    volume[17, 15, 0] = 77
    return volume


def test_simpleitk_gives_the_same_numbers() -> None:
    maps, labels = [phantom(0), phantom(1)], (*LABELS, 77)
    measures = overlap_of_regions(joint_histogram(*maps, labels=labels, background=0))
    reference, prediction = (SimpleITK.GetImageFromArray(each) for each in maps)
    overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
    overlap.Execute(prediction, reference)
    for place, label in enumerate(labels):
        expected = {
            "dice": overlap.GetDiceCoefficient(label),
            "jaccard": overlap.GetJaccardCoefficient(label),
            "sensitivity": 1 - overlap.GetFalseNegativeError(label),
            "precision": 1 - overlap.GetFalseDiscoveryRate(label),
            # Its own is 2 (|B| - |A|) / (|A| + |B|).
            "volume_similarity": 1 - abs(overlap.GetVolumeSimilarity(label)) / 2,
        }
        assert {name: values[place] for name, values in measures.items()} == pytest.approx(expected, abs=1e-9)


def test_medpy_gives_the_same_numbers() -> None:
    one, two = phantom(0), phantom(1)
    measures = overlap_of_regions(joint_histogram(one, two, labels=LABELS, background=0))
    for place, label in enumerate(LABELS):
        for name, theirs in {"dice": dc, "jaccard": jc, "sensitivity": recall, "precision": precision}.items():
            assert measures[name][place] == pytest.approx(theirs(two == label, one == label), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(MAPS, MAPS)
def test_measures_that_follow_from_each_other_do(one: np.ndarray, two: np.ndarray) -> None:
    forth = overlap_of_regions(joint_histogram(one, two, labels=LABELS, background=0))
    back = overlap_of_regions(joint_histogram(two, one, labels=LABELS, background=0))
    np.testing.assert_allclose(forth["jaccard"], forth["dice"] / (2 - forth["dice"]))
    np.testing.assert_array_equal(forth["sensitivity"], back["precision"])
    for values in forth.values():
        assert np.all(np.isnan(values) | ((values >= 0) & (values <= 1)))


def test_a_region_in_neither_map_has_no_dice_and_one_in_a_single_map_has_none_in_common() -> None:
    result = dice(np.array([3, 3, 0]), np.array([0, 0, 17]))
    assert result[0] == 0
    assert result[1] == 0
    assert np.isnan(result[2])


def test_the_histogram_counts_every_voxel_once_also_those_of_unknown_ids() -> None:
    reference = np.array([0, 3, 77, 99999, -1, 17])
    prediction = np.array([0, 17, 3, 0, 0, 17])
    expected = np.zeros((4, 4), dtype=int)
    expected[0, 1] = expected[3, 0] = expected[1, 1] = 1
    expected[3, 3] = 3
    np.testing.assert_array_equal(joint_histogram(reference, prediction, labels=LABELS, background=0), expected)


def test_it_agrees_with_monai_on_class_indices() -> None:
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 103, size=(12, 13, 14)).astype(np.uint8)
    reference[reference == 50] = 102
    prediction = np.where(rng.random(reference.shape) < 0.7, reference, rng.integers(0, 103, size=reference.shape))
    one_hot = [
        torch.nn.functional.one_hot(torch.from_numpy(x.astype(np.int64)), 103).movedim(-1, 0) for x in (prediction, reference)
    ]
    monai = compute_dice(one_hot[0][None], one_hot[1][None], ignore_empty=False).numpy()[0, :102]
    ours = dice_of_regions(joint_histogram(reference, prediction.astype(np.uint8)))
    np.testing.assert_allclose(ours, monai, atol=1e-6)


@pytest.mark.parametrize("orders", ["CC", "FF", "CF", "FC"])
def test_memory_order_changes_nothing(orders: str) -> None:
    rng = np.random.default_rng(1)
    maps = [rng.choice([0, 3, 17, 2035], size=(4, 5, 6)) for _ in range(2)]
    stored = [np.asarray(one, order=order) for one, order in zip(maps, orders, strict=True)]  # type: ignore[call-overload]
    np.testing.assert_array_equal(dice(stored[0], stored[1]), dice(maps[0], maps[1]))
    assert dice(stored[0], stored[1])[0] == 2 * ((maps[0] == 3) & (maps[1] == 3)).sum() / (
        (maps[0] == 3).sum() + (maps[1] == 3).sum()
    )


@settings(max_examples=60, deadline=None)
@given(MAPS, MAPS)
def test_dice_is_symmetric_and_between_0_and_1(one: np.ndarray, two: np.ndarray) -> None:
    forth, back = dice(one, two), dice(two, one)
    np.testing.assert_array_equal(forth, back)
    assert np.all(np.isnan(forth) | ((forth >= 0) & (forth <= 1)))
    np.testing.assert_array_equal(np.isnan(forth), [not ((one == label) | (two == label)).any() for label in LABELS])


@settings(max_examples=40, deadline=None)
@given(MAPS)
def test_a_map_agrees_with_itself(one: np.ndarray) -> None:
    np.testing.assert_array_equal(dice(one, one), [1.0 if (one == label).any() else np.nan for label in LABELS])


@settings(max_examples=40, deadline=None)
@given(MAPS, MAPS)
def test_merging_counts_is_merging_the_maps(one: np.ndarray, two: np.ndarray) -> None:
    merged = merge_labels(joint_histogram(one, two, labels=LABELS, background=0), [0, 1, 0])
    relabelled = [np.where(x == 2035, 3, x) for x in (one, two)]
    np.testing.assert_array_equal(merged, joint_histogram(*relabelled, labels=LABELS, background=0))


def test_maps_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        joint_histogram(np.zeros((2, 2)), np.zeros((2, 3)))
