"""Distances between surfaces: compared with MONAI, medpy, surface-distance, all pairs of points; misses and edges by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import surface_distance
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from medpy.metric import binary
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice
from monai.metrics.surface_distance import compute_average_surface_distance
from scipy import ndimage
from scipy.spatial.distance import cdist

from evaluation.metrics.surface import mean_surface_scores, surface_scores
from evaluation.metrics.surface_points import dual_grid_areas

LABELS = (11, 12, 2035, 53, 17, 58, 26, 99)
BOTH = ("voxel", "dual_grid")
SPACINGS = ((1.0, 1.0, 1.0), (0.7, 1.3, 2.9))


def phantom() -> tuple[np.ndarray, np.ndarray]:
    """Two bodies, one inside the other; a box at the border; single voxels; islands; a miss (58) and an invention (26)."""
    i, j, k = np.indices((18, 16, 14))
    one, two = np.zeros((2, 18, 16, 14), dtype=np.int32)
    for volume, shift in ((one, 0), (two, 1)):
        volume[(i - 8) ** 2 / 30 + (j - 7) ** 2 / 20 + (k - 6 - shift) ** 2 / 9 < 1] = 11
        volume[(i - 8) ** 2 + (j - 7 - shift) ** 2 + (k - 6) ** 2 < 5 + 3 * shift] = 12
        volume[: 3 + shift, :4, 9:] = 2035
    one[1, 10, 2] = two[3, 11, 2] = 53
    one[15:, 2, 2] = two[15:17, 2, 1] = two[10, 14, 12] = 17
    one[9, 9, 13] = 58
    two[0, 15, 0] = 26
    return one, two


def scores(one: np.ndarray, two: np.ndarray, labels: tuple[int, ...] = LABELS, **options: object) -> pd.DataFrame:
    given_options = {"spacing": (1.0, 1.0, 1.0), "definitions": BOTH} | options
    return surface_scores(one, two, labels=labels, background=0, **given_options).set_index("label")  # type: ignore[arg-type]


def monai(one: np.ndarray, two: np.ndarray, spacing: tuple[float, ...], tolerance: float) -> dict[str, float]:
    reference, prediction = (torch.from_numpy(np.stack([~each, each])[None].astype(np.float32)) for each in (one, two))
    options = {"y": reference, "include_background": False, "spacing": spacing}
    dice = {"class_thresholds": [tolerance]} | options
    return {
        "hd95_larger_voxel_mm": float(compute_hausdorff_distance(prediction, percentile=95, **options)),  # type: ignore[arg-type]
        "assd_voxel_mm": float(compute_average_surface_distance(prediction, symmetric=True, **options)),  # type: ignore[arg-type]
        f"surface_dice_{tolerance:g}mm_voxel": float(compute_surface_dice(prediction, **dice)),  # type: ignore[arg-type]
        f"surface_dice_{tolerance:g}mm_dual_grid": float(compute_surface_dice(prediction, use_subvoxels=True, **dice)),  # type: ignore[arg-type]
    }


def medpy(one: np.ndarray, two: np.ndarray, spacing: tuple[float, ...]) -> dict[str, float]:
    # What its two directions give, together: its own assd is the mean of their means.
    forth, back = (binary.__surface_distances(a, b, spacing, 1) for a, b in ((one, two), (two, one)))
    return {
        "hd95_pooled_voxel_mm": float(binary.hd95(two, one, voxelspacing=spacing)),
        "assd_voxel_mm": float(np.concatenate([forth, back]).mean()),
    }


def deepmind(one: np.ndarray, two: np.ndarray, spacing: tuple[float, ...], tolerance: float) -> dict[str, float]:
    both = surface_distance.compute_surface_distances(one, two, spacing)
    forth, back = surface_distance.compute_average_surface_distance(both)
    areas = [float(both[name].sum()) for name in ("surfel_areas_gt", "surfel_areas_pred")]
    return {
        "hd95_larger_dual_grid_mm": float(surface_distance.compute_robust_hausdorff(both, 95)),
        "assd_dual_grid_mm": float(np.average([forth, back], weights=areas)),
        f"surface_dice_{tolerance:g}mm_dual_grid": float(surface_distance.compute_surface_dice_at_tolerance(both, tolerance)),
    }


@pytest.fixture(autouse=True)
def numpy_1_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """surface-distance 0.1 asks for a name that NumPy 2 dropped."""
    monkeypatch.setattr(np, "Inf", np.inf, raising=False)


def assert_same(row: pd.Series, expected: dict[str, float]) -> None:
    # MONAI answers in float32.
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=2e-7, abs=1e-6), name


@pytest.mark.parametrize("spacing", SPACINGS)
def test_medpy_and_surface_distance_give_the_same_numbers(spacing: tuple[float, float, float]) -> None:
    one, two = phantom()
    table = scores(one, two, spacing=spacing, tolerances=(1.0, 0.6))
    for label in LABELS[:5]:
        assert_same(table.loc[label], medpy(one == label, two == label, spacing))
        for tolerance in (1.0, 0.6):
            assert_same(table.loc[label], deepmind(one == label, two == label, spacing, tolerance))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_monai_gives_the_same_numbers(spacing: tuple[float, float, float]) -> None:
    one, two = phantom()
    table = scores(one, two, spacing=spacing, tolerances=(0.9,))
    for label in LABELS[:5]:
        expected = monai(one == label, two == label, spacing, 0.9)
        assert_same(table.loc[label], expected)


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 4, 5), (6, 6, 6), (9, 2, 7)])
def test_libraries_give_the_same_numbers_for_noise_that_touches_every_border(shape: tuple[int, ...]) -> None:
    one, two = np.random.default_rng(shape).integers(0, 2, (2, *shape)).astype(bool)
    for spacing in ((0.83, 1.0, 2.3), (1.2, 1.2, 0.9), (0.9, 1.2, 0.9), (1.0, 1.0, 1.0)):
        row = scores(one.astype(int), two.astype(int), labels=(1,), spacing=spacing, tolerances=(1.7,)).loc[1]
        assert_same(row, monai(one, two, spacing, 1.7))
        assert_same(row, medpy(one, two, spacing))
        assert_same(row, deepmind(one, two, spacing, 1.7))


def brute(one: np.ndarray, two: np.ndarray, spacing: tuple[float, ...]) -> list[float]:
    """HD95 larger and pooled, ASSD, surface Dice at 1.7 mm by voxel centres: SciPy's erosion and all pairs of points."""
    a, b = (np.argwhere(each & ~ndimage.binary_erosion(each)) * spacing for each in (one, two))
    pairs = cdist(a, b)
    forth, back = pairs.min(axis=1), pairs.min(axis=0)
    both = np.concatenate([forth, back])
    larger = max(np.percentile(forth, 95), np.percentile(back, 95))
    return [larger, np.percentile(both, 95), both.mean(), (both <= 1.7).mean()]


@given(
    maps=st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 5)).flatmap(
        lambda shape: st.tuples(*[hnp.arrays(np.int16, shape, elements=st.sampled_from([0, 0, 3, 3, 8]))] * 2)
    ),
    spacing=st.tuples(*[st.sampled_from([0.31, 0.83, 1.0, 2.3, 7.1])] * 3),
)
def test_any_small_maps_have_the_distances_of_all_pairs(
    maps: tuple[np.ndarray, np.ndarray], spacing: tuple[float, float, float]
) -> None:
    table = scores(*maps, labels=(3, 8), spacing=spacing, tolerances=(1.7,))
    columns = ["hd95_larger_voxel_mm", "hd95_pooled_voxel_mm", "assd_voxel_mm", "surface_dice_1.7mm_voxel"]
    for label in (3, 8):
        one, two = maps[0] == label, maps[1] == label
        if one.any() and two.any():
            np.testing.assert_allclose(table.loc[label, columns].astype(float), brute(one, two, spacing), atol=1e-9)


def test_far_points_have_the_distance_that_all_pairs_give() -> None:
    rng = np.random.default_rng(3)
    one, two = np.zeros((2, 40, 30, 20), dtype=np.uint8)
    for volume in (one, two):
        volume.reshape(-1)[rng.choice(volume.size, 300, replace=False)] = np.repeat([1, 2, 3], 100)
    spacing = (0.9, 1.1, 2.5)
    table = scores(one, two, labels=(1, 2, 3), spacing=spacing)
    for label in (1, 2, 3):
        # Scattered voxels are all surface.
        a, b = (np.argwhere(volume == label) * spacing for volume in (one, two))
        pairs = np.linalg.norm(a[:, None] - b[None], axis=-1)
        forth, back = pairs.min(axis=1), pairs.min(axis=0)
        row = table.loc[label]
        assert row["assd_voxel_mm"] == pytest.approx(np.concatenate([forth, back]).mean(), abs=1e-9)
        assert row["hd95_larger_voxel_mm"] == pytest.approx(max(np.percentile(forth, 95), np.percentile(back, 95)), abs=1e-9)
        assert row["hd95_pooled_voxel_mm"] == pytest.approx(np.percentile(np.concatenate([forth, back]), 95), abs=1e-9)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 1.3), (1.3, 1.0, 1.0), (1.0, 1.3, 1.0), (0.8, 1.0, 1.3)])
def test_distances_up_to_the_length_of_an_image_are_exact(spacing: tuple[float, float, float]) -> None:
    """Near points are found in another way than those more than 15 voxels away: there is an island at each distance."""
    one, two = np.zeros((2, 70, 31, 24), dtype=np.uint8)
    one[2:6, 3:7, 2:6] = 1
    two[3:6, 3:7, 2:7] = 1
    for place in range(8, 70, 2):
        two[place, place % 31, place % 24] = 1
    row = scores(one, two, labels=(1,), spacing=spacing).loc[1]
    assert_same(row, monai(one == 1, two == 1, spacing, 1.0))
    assert_same(row, deepmind(one == 1, two == 1, spacing, 1.0))


def test_far_points_find_the_nearest_of_goals_that_lie_anywhere() -> None:
    rng = np.random.default_rng(5)
    one, two = np.zeros((2, 80, 40, 40), dtype=np.uint8)
    one[rng.integers(0, 20, 40), rng.integers(0, 40, 40), rng.integers(0, 40, 40)] = 1
    two[rng.integers(40, 80, 300), rng.integers(0, 40, 300), rng.integers(0, 40, 300)] = 1
    for spacing in ((1.0, 1.0, 1.0), (0.8, 1.0, 1.3)):
        row = scores(one, two, labels=(1,), spacing=spacing, tolerances=(1.7,)).loc[1]
        columns = ["hd95_larger_voxel_mm", "hd95_pooled_voxel_mm", "assd_voxel_mm", "surface_dice_1.7mm_voxel"]
        np.testing.assert_allclose(row[columns].astype(float), brute(one == 1, two == 1, spacing), atol=1e-9)


def test_two_single_voxels_are_their_distance_apart() -> None:
    one, two = np.zeros((2, 9, 9, 9), dtype=np.uint8)
    one[0, 0, 0] = two[3, 4, 0] = 1
    row = scores(one, two, labels=(1,), spacing=(1.0, 1.0, 2.0), tolerances=(4.99, 5.0)).loc[1]
    for name in ("hd95_larger_voxel_mm", "hd95_pooled_voxel_mm", "assd_voxel_mm"):
        assert row[name] == pytest.approx(5.0)
    assert row["surface_dice_4.99mm_voxel"] == 0
    assert row["surface_dice_5mm_voxel"] == 1
    # Of the eight corners around each voxel the nearest to the other's are 2 and 3 voxels off, the farthest 3 and 4.
    assert row["assd_dual_grid_mm"] == pytest.approx((np.hypot(2, 3) + np.hypot(2, 4) + np.hypot(3, 3) + np.hypot(3, 4)) / 4)


def test_maps_that_are_alike_have_no_distance_also_at_the_border() -> None:
    whole = np.full((4, 5, 3), 7)
    row = scores(whole, whole, labels=(7,)).loc[7]
    assert row["status"] == "scored"
    assert [row[f"{name}_{definition}_mm"] for definition in BOTH for name in ("hd95_larger", "hd95_pooled", "assd")] == [
        0.0
    ] * 6
    assert row["surface_dice_1mm_voxel"] == row["surface_dice_1mm_dual_grid"] == 1


@pytest.mark.parametrize(
    ("misses", "distance"), [("exclude", np.nan), ("worst", np.sqrt(18**2 + 32**2 + 7**2)), ("inf", np.inf)]
)
def test_a_miss_costs_what_the_policy_says_and_is_never_a_good_surface(misses: str, distance: float) -> None:
    table = scores(*phantom(), spacing=(1.0, 2.0, 0.5), misses=misses)
    assert table["status"].to_dict() == dict.fromkeys(LABELS[:5], "scored") | {58: "missed", 26: "invented", 99: "absent"}
    for label in (58, 26):
        for definition in BOTH:
            for name in ("hd95_larger", "hd95_pooled", "assd"):
                np.testing.assert_allclose(table.loc[label, f"{name}_{definition}_mm"], distance)
            assert table.loc[label, f"surface_dice_1mm_{definition}"] == 0
    assert table.loc[99].drop("status").isna().all()


@pytest.mark.parametrize(("misses", "mean", "n"), [("exclude", 0.0, 1), ("worst", np.sqrt(75) * 2 / 3, 3), ("inf", np.inf, 3)])
def test_beside_every_mean_stands_how_many_regions_were_missed(misses: str, mean: float, n: int) -> None:
    one, two = np.zeros((2, 5, 5, 5), dtype=np.uint8)
    one[1, 1, 1] = two[1, 1, 1] = 1
    one[3, 3, 3], two[3, 3, 1] = 2, 3
    table = surface_scores(one, two, spacing=(1, 1, 1), labels=(1, 2, 3, 4), background=0, misses=misses)  # type: ignore[arg-type]
    means = mean_surface_scores(table).set_index("measure")
    assert set(means.index) == {"hd95_larger_voxel_mm", "hd95_pooled_voxel_mm", "assd_voxel_mm", "surface_dice_1mm_voxel"}
    assert means.loc["assd_voxel_mm", "mean"] == pytest.approx(mean)
    assert means.loc["assd_voxel_mm", "n"] == n
    assert means.loc["surface_dice_1mm_voxel", "mean"] == pytest.approx(1 / 3)
    counts = means.loc["assd_voxel_mm", ["n_missing", "n_missed", "n_invented", "n_absent"]]
    assert counts.tolist() == [2, 1, 1, 1]


@pytest.mark.parametrize("orders", ["CC", "FF", "CF"])
def test_memory_order_changes_nothing(orders: str) -> None:
    maps = phantom()
    stored = [np.asarray(each, order=order) for each, order in zip(maps, orders, strict=True)]  # type: ignore[call-overload]
    options = {"spacing": (0.7, 1.3, 2.9)}
    pd.testing.assert_frame_equal(scores(*stored, **options), scores(*maps, **options), rtol=1e-12)  # type: ignore[arg-type]


def test_swapping_the_maps_swaps_missed_and_invented_and_no_number() -> None:
    one, two = phantom()
    forth, back = scores(one, two), scores(two, one)
    pd.testing.assert_frame_equal(forth.drop(columns="status"), back.drop(columns="status"), rtol=1e-12)
    assert back.loc[[58, 26], "status"].tolist() == ["invented", "missed"]


def test_a_voxel_of_float32_size_is_within_a_tolerance_of_its_size() -> None:
    one, two = np.zeros((2, 4, 4, 4), dtype=np.uint8)
    one[1, 1, 1] = two[2, 1, 1] = 1
    row = scores(one, two, labels=(1,), spacing=(1.0000001, 1.0, 1.0), tolerances=(1.0,)).loc[1]
    assert row["surface_dice_1mm_voxel"] == 1


def test_areas_of_the_dual_grid_by_geometry() -> None:
    areas = dual_grid_areas((2.0, 3.0, 5.0))
    assert areas[0] == areas[255] == 0
    # One face of corners: the rectangle across the first axis, 3 x 5 mm. Corners 0 to 3 have their first index 0.
    assert areas[0b1111] == pytest.approx(15)
    # One corner: the triangle of half edges 1, 1.5 and 2.5 mm.
    sides = np.array([[1, -1.5, 0], [1, 0, -2.5]])
    assert areas[1] == pytest.approx(np.linalg.norm(np.cross(*np.pad(sides, ((0, 0), (0, 0))))) / 2)
    # Inside and outside have one surface.
    np.testing.assert_allclose(areas, areas[::-1])
    # A plane of unit cubes at 45 degrees, an edge of corners each: sqrt(2) / 2.
    assert dual_grid_areas((1.0, 1.0, 1.0))[0b11] == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((2, 2, 2), (2, 2, 3)), {}, "one shape"),
        (((2, 2), (2, 2)), {}, "label volumes"),
        (((2, 2, 2), (2, 2, 2)), {"spacing": (1, 0, 1)}, "positive"),
        (((2, 2, 2), (2, 2, 2)), {"misses": "zero"}, "exclude"),
        (((2, 2, 2), (2, 2, 2)), {"definitions": ("subvoxel",)}, "dual_grid"),
    ],
)
def test_what_cannot_be_measured_is_refused(shapes: tuple, options: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        scores(np.zeros(shapes[0], dtype=int), np.zeros(shapes[1], dtype=int), **options)


def test_empty_maps_have_no_surface() -> None:
    table = scores(np.zeros((3, 3, 3), dtype=int), np.zeros((3, 3, 3), dtype=int))
    assert set(table["status"]) == {"absent"}
    assert table.drop(columns="status").isna().all(axis=None)
