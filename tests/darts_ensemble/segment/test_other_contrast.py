"""Scans in another contrast than T1: intensities in the order of T1, a second look, and the flag that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.labels import BACKGROUND_CLASS, REGION_BY_ID, REGION_IDS, ids_to_classes
from darts_ensemble.results.overlap import dice_of_regions, joint_histogram
from darts_ensemble.results.segmentation import NOT_T1
from darts_ensemble.scans.scan import Scan
from darts_ensemble.segment.other_contrast import T1, in_order_of_t1
from darts_ensemble.segment.segmenter import Segmenter
from tests.conftest import SOAK

BOX = (slice(4, 28),) * 3
T2, FLAIR = (1.0, 0.55, 0.35, 0.6), (0.15, 1.0, 0.75, 0.8)


def classes() -> npt.NDArray[np.uint8]:
    """White matter around a ventricle, with cortex around it, in air."""
    found = np.full((24, 24, 24), BACKGROUND_CLASS, dtype=np.uint8)
    for margin, region in ((2, 1022), (6, 2), (10, 4)):
        found[(slice(margin, -margin),) * 3] = REGION_BY_ID[region].class_index
    return found


def volume(ventricle: float, cortex: float, white: float) -> npt.NDArray[np.float32]:
    values = np.zeros((32, 32, 32), dtype=np.float32)
    for region, value in ((1022, cortex), (2, white), (4, ventricle)):
        values[BOX][classes() == REGION_BY_ID[region].class_index] = value
    return values


@given(values=st.lists(st.integers(20, 400), min_size=3, max_size=3, unique=True))
def test_tissues_have_the_brightness_of_t1_and_air_stays_dark(values: list[int]) -> None:
    ventricle, cortex, white = map(float, values)
    given_volume = volume(ventricle, cortex, white)
    found = in_order_of_t1(given_volume, BOX, classes())
    close = min(np.diff(sorted([0, *values]))) <= 0.01 * max(values)
    if white > cortex or close:
        assert found is None
        return
    assert found is not None
    np.testing.assert_allclose(found, volume(*T1), rtol=1e-5)


def test_without_ventricles_nothing_is_changed() -> None:
    lacking = classes()
    lacking[lacking == REGION_BY_ID[4].class_index] = REGION_BY_ID[2].class_index
    assert in_order_of_t1(volume(200, 120, 80), BOX, lacking) is None


@pytest.mark.parametrize(("csf", "grey", "white", "fat"), [T2, FLAIR] if SOAK else [T2])
def test_a_head_in_the_contrast_of_t2_or_flair_is_labelled_a_second_time_and_said_to_be_no_t1(
    shared_data: Path, csf: float, grey: float, white: float, fat: float
) -> None:
    """sub-07's T1 with the brightness of its tissues changed: 0.45 and 0.59 at first sight."""
    folder = shared_data / "subjects" / "sub-07" / "mri"
    image: Any = nib.load(folder / "T1.mgz")
    labels = np.asarray(nib.load(folder / "aparc.DKTatlas+aseg.mgz").dataobj)  # type: ignore[attr-defined]
    values = np.asarray(image.dataobj, dtype=np.float32)
    tissues = (np.isin(labels, [4, 43]), labels > 1000, np.isin(labels, [2, 41]))
    medians = [float(np.median(values[tissue])) for tissue in tissues]
    changed = np.interp(values, [0, medians[0] / 2, *medians, 1.4 * medians[2]], [0, 0.05, csf, grey, white, fat])
    result = Segmenter("bundled").segment(Scan(Path("head.mgz"), (255 * changed).astype(np.float32), image.affine, None))
    assert NOT_T1 in result.flags
    assert result.suspicion is not None and "the contrast is probably not T1" in result.suspicion
    known = np.isin(labels, [0, *REGION_IDS])
    dice = dice_of_regions(joint_histogram(ids_to_classes(labels[known]), ids_to_classes(result.ids[known])))
    assert np.nanmean(dice) > 0.68
