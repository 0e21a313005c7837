"""Probability maps on disk are read by nibabel with their original values, on the scan's own grid."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from isal import igzip
from scipy import ndimage
from scipy.spatial.transform import Rotation

from darts_ensemble.errors import ScanError, UsageError
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES, REGION_BY_ID, REGION_IDS
from darts_ensemble.results.outputs import target_paths
from darts_ensemble.results.probabilities import PROBABILITY_TYPES, Wanted, parse_wanted, write_probabilities
from darts_ensemble.scans.conform import Conformed, conform
from darts_ensemble.scans.scan import Scan

SHAPE = (14, 15, 13)
ORIGIN = (6, 4, 8)
BOX = (12, 16, 14)
PRESENT = [REGION_BY_ID[one].class_index for one in (2, 17, 53, 1022, 2035)] + [BACKGROUND_CLASS]


@pytest.fixture(scope="module", params=["whole voxels", "oblique"])
def case(request: pytest.FixtureRequest) -> tuple[Conformed, np.ndarray, np.ndarray]:
    """A conformed scan, probabilities in a box of it, and the same on the scan's grid as SciPy interpolates them."""
    affine = np.eye(4)
    if request.param == "oblique":
        affine[:3, :3] = Rotation.from_euler("xyz", [9, -14, 20], degrees=True).as_matrix() @ np.diag([0.9, 1.2, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ (np.array(SHAPE) / 2) + [3, 1, -2]
    data = np.random.default_rng(0).integers(40, 200, size=SHAPE).astype(np.uint8)
    conformed = conform(Scan(Path("head.nii.gz"), data, affine, nib.Nifti1Image(data, affine)), size=32)
    box = np.zeros((*BOX, N_CLASSES), dtype=np.float16)
    box[..., PRESENT] = np.random.default_rng(1).dirichlet(np.full(len(PRESENT), 0.4), size=BOX)
    whole = np.zeros((32, 32, 32, N_CLASSES))
    whole[..., BACKGROUND_CLASS] = 1
    whole[tuple(slice(first, first + n) for first, n in zip(ORIGIN, BOX, strict=True))] = box
    to_conformed = np.linalg.inv(conformed.affine) @ affine
    native = np.zeros((*SHAPE, N_CLASSES))
    for one in PRESENT:
        native[..., one] = ndimage.affine_transform(
            whole[..., one], to_conformed[:3, :3], to_conformed[:3, 3], output_shape=SHAPE, order=1,
            cval=float(one == BACKGROUND_CLASS), mode="grid-constant",
        )  # fmt: skip
    assert 0.05 < (native[..., BACKGROUND_CLASS] == 1).mean() < 0.9, "some voxels lie outside the box"
    return conformed, box, native


def write(case: tuple[Conformed, np.ndarray, np.ndarray], wanted: Wanted, kind: str, out: Path) -> list[Any]:
    return [
        nib.load(one) for one in write_probabilities(case[1], ORIGIN, case[0], wanted, kind, target_paths(out, "a", "nifti"))
    ]


@pytest.mark.parametrize(("kind", "step"), [("float32", 0), ("uint8", 1 / 255), ("uint16", 1 / 65535)])
def test_chosen_regions_come_back_within_half_a_step(case: Any, kind: str, step: float, tmp_path: Path) -> None:
    classes = (PRESENT[1], BACKGROUND_CLASS, PRESENT[0])
    (image,) = write(case, Wanted(classes), kind, tmp_path / "new")
    assert image.shape == (*SHAPE, 3), "the class axis is the last"
    assert image.get_data_dtype() == PROBABILITY_TYPES[kind]
    np.testing.assert_allclose(image.affine, case[0].scan.affine, atol=1e-5)
    np.testing.assert_allclose(image.get_fdata(), case[2][..., list(classes)], atol=step / 2 + 2e-6, rtol=0)
    described = json.loads((tmp_path / "new" / "a_probseg.json").read_text())
    assert described == {
        "LabelMap": ["Left-Hippocampus", "Background", "Left-Cerebral-White-Matter"], "FreeSurferIds": [17, 0, 2],
    }  # fmt: skip
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"a_probseg.nii.gz", "a_probseg.json"}


def test_all_classes_sum_to_one_at_every_voxel(case: Any, tmp_path: Path) -> None:
    (image,) = write(case, parse_wanted("all"), "float32", tmp_path)
    assert image.shape == (*SHAPE, N_CLASSES)
    np.testing.assert_allclose(image.get_fdata().sum(axis=-1), 1, atol=2e-3)  # the networks' are kept as float16
    described = json.loads((tmp_path / "a_probseg.json").read_text())
    assert described["FreeSurferIds"] == [*REGION_IDS.tolist(), 0]
    assert len(described["LabelMap"]) == len(set(described["LabelMap"])) == N_CLASSES


@pytest.mark.parametrize("top", [1, 3, 10])
@pytest.mark.parametrize(("kind", "step"), [("float32", 0), ("uint8", 1 / 255)])
def test_the_most_probable_regions_are_those_of_a_full_sort(
    case: Any, top: int, kind: str, step: float, tmp_path: Path
) -> None:
    ids, values = write(case, Wanted((), top), kind, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "a_top-ids.nii.gz", "a_top-probabilities.nii.gz", "a_top-probabilities.json",
    }  # fmt: skip
    assert ids.shape == values.shape == (*SHAPE, top)
    assert (ids.get_data_dtype(), values.get_data_dtype()) == (np.int16, PROBABILITY_TYPES[kind])
    order = np.argsort(-case[2], axis=-1, kind="stable")[..., : top + 1]
    ranked = np.take_along_axis(case[2], order, axis=-1)
    np.testing.assert_allclose(values.get_fdata(), ranked[..., :top], atol=step / 2 + 2e-6)
    clear = (ranked[..., :top] - ranked[..., 1:] > 1e-4) & (np.diff(ranked, axis=-1, prepend=2)[..., :top] < -1e-4)
    assert clear[..., 0].mean() > 0.9
    expected = np.append(REGION_IDS, 0)[order[..., :top]]
    np.testing.assert_array_equal(np.asarray(ids.dataobj)[clear], expected[clear])
    assert json.loads((tmp_path / "a_top-probabilities.json").read_text())["Ids"] == "a_top-ids.nii.gz"


def test_outside_the_box_background_is_certain_even_where_no_voxel_inside_is_background(tmp_path: Path, case: Any) -> None:
    box = np.zeros((*BOX, N_CLASSES), dtype=np.float16)
    box[..., 0] = 1
    ids, values = (
        nib.load(one)
        for one in write_probabilities(box, ORIGIN, case[0], Wanted((), 1), "float32", target_paths(tmp_path, "a", "nifti"))
    )
    outside = case[2][..., BACKGROUND_CLASS] == 1
    assert np.all(values.get_fdata()[outside] == 1)
    assert not np.any(ids.get_fdata()[outside])


def test_a_full_disk_leaves_nothing(case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(igzip.IGzipFile):  # type: ignore[misc]
        def write(self, data: Any) -> int:
            super().write(bytes(data)[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(igzip, "IGzipFile", FullDisk)
    with pytest.raises(ScanError, match=r"a_probseg\.nii\.gz: .*; expected a folder with room to write"):
        write_probabilities(case[1], ORIGIN, case[0], Wanted((0,)), "uint8", target_paths(tmp_path, "a", "nifti"))
    assert list(tmp_path.iterdir()) == []


def test_regions_are_asked_for_by_id_name_number_or_all() -> None:
    hippocampi = (REGION_BY_ID[17].class_index, REGION_BY_ID[53].class_index)
    assert parse_wanted("17, right-hippocampus") == Wanted(hippocampi)
    assert parse_wanted("all") == Wanted(tuple(range(103)))
    assert parse_wanted("top3") == Wanted((), 3)


@pytest.mark.parametrize("text", ["", "0", "1001", "Left-Hypocampus", "17,", "top0", "top11", "-17", "17;53"])
def test_what_is_no_region_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="expected "):
        parse_wanted(text)
