"""Random contrast: structures keep their places, both sides change in the same way, air stays air, a seed repeats the draw."""

from __future__ import annotations

import numpy as np
import pytest

from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, LEFT_CLASS, REGION_BY_ID, REGIONS
from darts_ensemble.training.contrast import (
    SHIFTED,
    SYNTHETIC,
    ContrastChange,
    StructureMeans,
    apply_contrast,
    draw_contrast,
    measure_structures,
)

WHITE, PALLIDUM, CORTEX = (REGION_BY_ID[id_].class_index for id_ in (2, 13, 1024))


def structures() -> StructureMeans:
    means = np.array([160 if r.group == "white matter" else 20 if r.group == "ventricles" else 100 for r in REGIONS])
    return StructureMeans(means.astype(np.float32), 160.0, 100.0)


def plain_change(**of_classes: float) -> ContrastChange:
    """A change of the offset of some classes only."""
    gain, inside = np.ones(256, dtype=np.float32), np.ones(256, dtype=np.float32)
    inside[BACKGROUND_CLASS] = gain[BACKGROUND_CLASS] = 0
    offset = np.zeros(256, dtype=np.float32)
    for name, value in of_classes.items():
        offset[int(name.removeprefix("c"))] = value
    return ContrastChange(gain, offset, inside, np.arange(256, dtype=np.float32))


def a_slice() -> tuple[np.ndarray, np.ndarray]:
    """White matter with a pallidum in it, a rim of background tissue, and air."""
    labels = np.full((3, 40, 40), BACKGROUND_CLASS, dtype=np.uint8)
    labels[:, 10:30, 10:30] = WHITE
    labels[:, 15:25, 15:25] = PALLIDUM
    image = np.full(labels.shape, 60, dtype=np.uint8)
    image[:, :4] = 0
    image[labels == WHITE], image[labels == PALLIDUM] = 160, 130
    return image, labels


BOX = ((10, 30), (10, 30))


def test_a_change_of_nothing_gives_the_slice_back() -> None:
    image, labels = a_slice()
    np.testing.assert_allclose(apply_contrast(image, labels, plain_change(), BOX), image, atol=1e-3)


def test_a_structure_moves_and_its_border_stays_between() -> None:
    image, labels = a_slice()
    moved = apply_contrast(image, labels, plain_change(**{f"c{PALLIDUM}": -50.0}), BOX)
    np.testing.assert_allclose(moved[:, 17:23, 17:23], 80, atol=1e-3)
    np.testing.assert_allclose(moved[:, 11:14, 11:29], 160, atol=1e-3)
    border = moved[1, 15, 17:23]
    assert np.all((border > 80) & (border < 130)), "a voxel beside another tissue moves by a part of the change"
    np.testing.assert_allclose(moved[:, 32:], 60)


def test_air_stays_air_and_nothing_goes_below_it() -> None:
    image, labels = a_slice()
    image[:, 12:14] = 0
    for seed in range(40):
        change = draw_contrast(structures(), np.random.default_rng(seed))
        if change is None:
            continue
        moved = apply_contrast(image, labels, change, BOX)
        assert moved.dtype == np.float32
        assert np.isfinite(moved).all()
        assert moved.min() >= 0
        assert np.all(moved[image == 0] == 0)


def test_left_and_right_change_alike_and_shifted_structures_stay_near() -> None:
    kinds = {"none": 0, "some": 0}
    for seed in range(300):
        change = draw_contrast(structures(), np.random.default_rng(seed))
        if change is None:
            kinds["none"] += 1
            continue
        kinds["some"] += 1
        new = change.gain[: len(REGIONS)] * structures().means + change.offset[: len(REGIONS)]
        np.testing.assert_allclose(new, new[LEFT_CLASS[:-1]], atol=1e-3)
        assert change.curve[0] == 0
    assert kinds["some"] / 300 == pytest.approx(SYNTHETIC + SHIFTED, abs=0.08)


def test_what_has_no_known_label_keeps_its_intensity_in_a_shifted_slice() -> None:
    draws = (draw_contrast(structures(), np.random.default_rng(seed)) for seed in range(40))
    shifted = [change for change in draws if change is not None and change.inside[IGNORE_CLASS] == 1]
    assert shifted
    assert all(change.gain[IGNORE_CLASS] == 1 and change.offset[IGNORE_CLASS] == 0 for change in shifted)


def test_the_same_seed_draws_the_same_contrast() -> None:
    one, two = (draw_contrast(structures(), np.random.default_rng(3)) for _ in range(2))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.offset, two.offset)
    np.testing.assert_array_equal(one.curve, two.curve)


def test_means_are_measured_and_a_missing_region_takes_that_of_its_tissue() -> None:
    image, labels = a_slice()
    labels[0, 10, 10:15] = CORTEX
    image[0, 10, 10:15] = 90
    measured = measure_structures(image, labels)
    assert measured.means[PALLIDUM] == 130
    assert measured.means[REGION_BY_ID[12].class_index] == 130, "the putamen: another deep grey structure"
    assert measured.white == pytest.approx(160)
    assert measured.grey == pytest.approx(90), "fewer voxels than count by themselves, but all that the tissue has"
