"""The eight layouts of a slice: with a stand-in that knows its own layout, and with the bundled weights on a real scan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from darts_ensemble.errors import ScanError
from darts_ensemble.fitting.orientation import DECLARED, LAYOUTS, Layout, turn_volume, verify_orientation
from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS, KEPT_CHANNELS, N_CHANNELS, REGION_BY_ID, ids_to_classes
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.scans.conform import conform, conform_labels
from darts_ensemble.scans.scan import read_label_map, read_scan
from darts_ensemble.slices.views import SLICE_AXIS, VIEWS
from darts_ensemble.weights.checkpoints import load_ensemble

#: Left and right hippocampus, left pallidum, left putamen: what a stand-in calls the quarters of a slice.
QUARTERS = [REGION_BY_ID[id_].class_index for id_ in (17, 53, 13, 12)]
SIZE = 32


class Quarters(nn.Module):
    """Labels bright pixels by the quarter of the slice they are in: a network that knows the orientation of its slices."""

    def forward(self, slices: Tensor) -> Tensor:
        rows, columns = slices.shape[-2:]
        low, late = torch.arange(rows) >= rows // 2, torch.arange(columns) >= columns // 2
        quarter = low[:, None].long() * 2 + late[None, :].long()
        classes = torch.where(slices[:, 0] > 0.5, torch.tensor(QUARTERS)[quarter], BACKGROUND_CLASS)
        channels = torch.from_numpy(KEPT_CHANNELS)[classes]
        return torch.full((len(slices), N_CHANNELS, rows, columns), -9.0).scatter(1, channels[:, None], 9.0)


def stand_in(view: str) -> ViewNetwork:
    return ViewNetwork(view, Quarters().eval(), "dense-unet", 2, "slice-minmax")


def block(view: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """A bright block in the dark, and the quarters of its slices in the declared layout."""
    volume = np.zeros((SIZE,) * 3, dtype=np.float32)
    volume[2:-2, 2:-2, 2:-2] = 100
    places = np.indices(volume.shape) >= SIZE // 2
    rows, columns = (places[axis].astype(int) for axis in range(3) if axis != SLICE_AXIS[view])
    classes = np.array(QUARTERS)[rows * 2 + columns]
    return volume, np.where(volume > 0, classes, BACKGROUND_CLASS).astype(np.uint8)


def inverse(layout: Layout) -> Layout:
    """The inverse of a layout: after a transpose, rows are reversed if columns were."""
    if not layout.transpose:
        return layout
    return replace(layout, reverse_rows=layout.reverse_columns, reverse_columns=layout.reverse_rows)


@pytest.mark.parametrize("view", ["coronal", "axial"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_the_layout_in_which_the_network_sees_right_is_found_whichever_it_is(view: str, layout: Layout) -> None:
    volume, labels = (turn_volume(one, view, inverse(layout)) for one in block(view))
    results = verify_orientation(stand_in(view), volume, labels, slices=2)
    assert results[0].layout == layout
    assert results[0].dice == 1
    assert results[1].dice < 0.6
    dice = [one.dice for one in results]
    assert dice == sorted(dice, reverse=True)


@pytest.mark.parametrize("view", VIEWS)
def test_the_eight_layouts_are_all_the_ways_to_lay_a_square(view: str) -> None:
    volume = np.random.default_rng(0).random((6, 6, 6))
    turned = [turn_volume(volume, view, layout) for layout in LAYOUTS]
    first = [np.moveaxis(one, SLICE_AXIS[view], 0)[0] for one in turned]
    plane = np.moveaxis(volume, SLICE_AXIS[view], 0)[0]
    ways = [np.rot90(side, k) for side in (plane, plane.T) for k in range(4)]
    assert {one.tobytes() for one in first} == {np.ascontiguousarray(way).tobytes() for way in ways}
    named = {layout.name.split(" (")[0]: one for layout, one in zip(LAYOUTS, first, strict=True)}
    np.testing.assert_array_equal(named["as declared"], plane)
    np.testing.assert_array_equal(named["rows reversed"], plane[::-1])
    np.testing.assert_array_equal(named["columns reversed"], plane[:, ::-1])
    np.testing.assert_array_equal(named["transposed"], plane.T)
    np.testing.assert_array_equal(named["turned by 90 degrees"], np.rot90(plane, -1))
    np.testing.assert_array_equal(named["turned by -90 degrees"], np.rot90(plane, 1))


def test_a_sagittal_network_may_call_left_what_is_right_and_a_coronal_one_may_not() -> None:
    for view, expected in (("sagittal", 1.0), ("coronal", 0.5)):
        volume, labels = block(view)
        swapped = labels.copy()
        swapped[labels == QUARTERS[0]], swapped[labels == QUARTERS[1]] = QUARTERS[1], QUARTERS[0]
        results = {one.layout: one.dice for one in verify_orientation(stand_in(view), volume, swapped, slices=2)}
        assert results[DECLARED] == expected, view


def test_labels_that_are_none_of_the_102_are_masked_and_none_at_all_is_an_error() -> None:
    volume, labels = block("coronal")
    labels[:, : SIZE // 2] = IGNORE_CLASS
    results = verify_orientation(stand_in("coronal"), volume, labels, slices=2)
    assert (results[0].layout, results[0].dice) == (DECLARED, 1)
    with pytest.raises(ScanError, match="none of the 102 regions"):
        verify_orientation(stand_in("coronal"), volume, np.full_like(labels, BACKGROUND_CLASS))


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    folder = shared_data / "subjects" / "sub-07" / "mri"
    conformed = conform(read_scan(folder / "T1.mgz"))
    labels = conform_labels(read_label_map(folder / "aparc.DKTatlas+aseg.mgz"), conformed)
    return conformed.data, ids_to_classes(labels)


@pytest.mark.parametrize("view", VIEWS)
def test_the_bundled_weights_see_a_real_scan_the_way_this_package_lays_its_slices(
    real: tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]], view: str
) -> None:
    results = verify_orientation(load_ensemble("bundled").networks[view], *real, slices=1)
    assert results[0].layout == DECLARED
    assert results[0].dice > 0.3 + results[1].dice
