"""Errors in a label map are found, and such maps come before good ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

from darts_ensemble.labels import REGIONS
from darts_ensemble.scans.scan import read_label_map
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
    """Ten regions of the left side have exchanged labels."""
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


def swapped(*pairs: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
    table = np.arange(3000)
    for one, other in pairs:
        table[[one, other]] = other, one
    return lambda ids: table[ids]


#: Left and right; the top fifth lost; ten regions of the left in a ring; neighbours that have each other's label.
SPOILT = {
    "sides": exchanged,
    "cut": cut,
    "mislabelled": mislabelled,
    "caudate and putamen": swapped((11, 12), (50, 51)),
    "hippocampus and amygdala": swapped((17, 18), (53, 54)),
    "pre- and postcentral gyrus of one side": swapped((1022, 1024)),
}


@pytest.fixture(scope="module")
def real() -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """FreeSurfer's label maps of ten people in LIA, every second voxel."""
    root = Path(os.environ.get("DARTS_TEST_DATA", "")) / "subjects"
    paths = sorted(root.glob("*/mri/aparc.DKTatlas+aseg.mgz"))[:10]
    if len(paths) < 10:
        pytest.skip("no real label maps here: DARTS_TEST_DATA names a folder with subjects/")
    found = []
    for path in paths:
        labels = read_label_map(path)
        assert nib.orientations.aff2axcodes(labels.affine) == ("L", "I", "A")
        ids = np.asarray(labels.data)[::2, ::2, ::2].astype(np.int64)
        found.append((np.where(ids < 3000, ids, 0), labels.affine @ np.diag([2.0, 2, 2, 1])))
    return found


@pytest.mark.parametrize("kind", SPOILT)
def test_an_outlier_put_into_a_real_cohort_stands_at_the_top(kind: str, real: list[tuple[np.ndarray, np.ndarray]]) -> None:
    good = {f"good-{number}": measure(ids, affine) for number, (ids, affine) in enumerate(real)}
    found = findings_of_cohort(good | {"bad": measure(SPOILT[kind](real[3][0]), real[3][1])})
    assert next(iter(found)) == "bad"
    assert found["bad"].level == "serious"
    # One of the ten has ventricles of 151 ml, which among so few may be serious too.
    assert sum(one.level == "serious" for one in found.values()) <= 2


def test_neighbours_in_each_others_place_are_named(cohort: dict[str, Measures]) -> None:
    bad = measure(swapped((11, 12))(brain(jitter=1.5, seed=99)), AFFINE)
    texts = [one.text for one in findings_of_cohort({**cohort, "bad": bad})["bad"].findings]
    assert "in each other's place: Left-Caudate and Left-Putamen" in texts


def test_a_finding_names_its_regions(cohort: dict[str, Measures]) -> None:
    bad = measure(cut(brain(jitter=1.5, seed=99)), AFFINE)
    unusual = [one.text for one in findings_of_cohort({**cohort, "bad": bad})["bad"].findings if "unusual" in one.text]
    assert unusual
    assert all("cohort: ctx" in text or "cohort: Left" in text or "cohort: Right" in text for text in unusual)
