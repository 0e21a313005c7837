"""What is wrong with a label map is found, and stands before what is not."""

from __future__ import annotations

import numpy as np
import pytest

from darts_ensemble.labels import REGIONS
from evaluation.quality.findings import findings_of_cohort
from evaluation.quality.measures import Measures, measure
from tests.phantoms.brain import AFFINE, brain


def exchanged(ids: np.ndarray) -> np.ndarray:
    """Left is right."""
    table = np.arange(3000)
    for region in REGIONS:
        if region.homologue is not None:
            table[region.id] = region.homologue
    return table[ids]


def cut(ids: np.ndarray) -> np.ndarray:
    """The top fifth is lost; the second axis of LIA runs down."""
    ids = ids.copy()
    high = np.flatnonzero((ids > 0).any(axis=(0, 2)))
    ids[:, : high[0] + len(high) // 5] = 0
    return ids


def mislabelled(ids: np.ndarray) -> np.ndarray:
    """Ten regions of the left have each other's labels."""
    left = [region.id for region in REGIONS if region.hemisphere == "left"][:10]
    table = np.arange(3000)
    table[left] = np.roll(left, 1)
    return table[ids]


@pytest.fixture(scope="module")
def cohort() -> dict[str, Measures]:
    """Ten brains that differ a little."""
    return {f"good-{number}": measure(brain(jitter=1.5, seed=number), AFFINE) for number in range(10)}


@pytest.mark.parametrize("spoil", [exchanged, cut, mislabelled])
def test_an_outlier_stands_at_the_top_and_is_serious(cohort: dict[str, Measures], spoil: object) -> None:
    bad = measure(spoil(brain(jitter=1.5, seed=99)), AFFINE)  # type: ignore[operator]
    found = findings_of_cohort({**cohort, "bad": bad})
    assert next(iter(found)) == "bad"
    assert found["bad"].level == "serious"
    assert all(one.level != "serious" or not name.startswith("good") for name, one in found.items() if name != "bad")


def test_exchanged_sides_are_named_even_in_a_single_scan() -> None:
    found = findings_of_cohort({"one": measure(exchanged(brain()), AFFINE)})["one"]
    assert found.findings[0].text.startswith("left and right are exchanged (")
    assert found.outliers == ()
    good = findings_of_cohort({"one": measure(brain(), AFFINE)})["one"]
    assert not any("exchanged" in one.text or "wrong side" in one.text for one in good.findings)


def test_flags_written_with_a_map_are_taken_over_most_serious_first(cohort: dict[str, Measures]) -> None:
    flags = {"good-3": ["something new", "low view agreement: 0.51"]}
    found = findings_of_cohort(cohort, flags)
    assert next(iter(found)) == "good-3"
    assert found["good-3"].findings[0].text == "low view agreement: 0.51"
    assert "something new" in [one.text for one in found["good-3"].findings]


def test_a_smaller_head_is_no_outlier_in_each_region(cohort: dict[str, Measures]) -> None:
    small = measure(brain(jitter=1.5, seed=50), AFFINE @ np.diag([0.93, 0.93, 0.93, 1]))
    found = findings_of_cohort({**cohort, "small": small})["small"]
    assert all(abs(one.volume_z) < 4 and one.place_z < 4 for one in found.outliers)


def test_an_empty_map_is_measured_and_found() -> None:
    found = findings_of_cohort({"empty": measure(np.zeros((8, 8, 8), dtype=np.int16), np.eye(4))})["empty"]
    assert found.level == "serious"
