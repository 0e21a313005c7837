"""Labels on the scan's own grid: equal to SciPy's linear interpolation of each class, on any grid, with background outside."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from darts_ensemble.fusion.native_labels import labels_to_native
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES
from darts_ensemble.scans.conform import Conformed, conform
from darts_ensemble.scans.scan import Scan

#: Classes that have probabilities here; the others have none anywhere.
USED = np.array([0, 1, 40, 101, BACKGROUND_CLASS])


def conformed_head(voxel: tuple[float, float, float], angles: tuple[float, float, float]) -> Conformed:
    """A block of tissue with sides of 32 mm, stored with the given voxel size and rotation, on the grid of the networks."""
    shape = tuple(int(np.ceil(48 / size)) for size in voxel)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(voxel)
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) / 2)
    data = np.zeros(shape, dtype=np.uint8)
    data[tuple(slice(n // 6, -n // 6) for n in shape)] = 100
    return conform(Scan(Path("scan.nii.gz"), data, affine, nib.Nifti1Image(data, affine)), size=48)


def by_scipy(probabilities: np.ndarray, origin: np.ndarray, conformed: Conformed) -> np.ndarray:
    """Each class in use interpolated by SciPy in float64, (x, y, z, 5)."""
    matrix = np.linalg.inv(conformed.affine) @ conformed.scan.affine
    matrix[:3, 3] -= origin - 1
    native = [
        ndimage.affine_transform(
            np.pad(probabilities[..., one].astype(np.float64), 1, constant_values=float(one == BACKGROUND_CLASS)),
            matrix[:3, :3], matrix[:3, 3], output_shape=conformed.scan.data.shape, order=1,
            cval=float(one == BACKGROUND_CLASS),
        )
        for one in USED
    ]  # fmt: skip
    return np.stack(native, axis=-1)


sizes = st.floats(0.4, 2.5)
turns = st.floats(-40, 40)


@given(
    voxel=st.tuples(sizes, sizes, sizes), angles=st.tuples(turns, turns, turns), low=st.tuples(*[st.integers(0, 30)] * 3),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_each_voxel_has_the_class_that_leads_after_linear_interpolation(
    voxel: tuple[float, float, float], angles: tuple[float, float, float], low: tuple[int, int, int], seed: int
) -> None:
    conformed = conformed_head(voxel, angles)
    rng = np.random.default_rng(seed)
    # Few classes in blocks, so that some cells agree and others do not; the box may reach beyond the scan.
    blocks = USED[rng.integers(0, 5, (4, 4, 4))].repeat(4, 0).repeat(4, 1).repeat(4, 2)
    probabilities = np.zeros((16, 16, 16, N_CLASSES), dtype=np.float16)
    probabilities[..., USED] = rng.random((16, 16, 16, len(USED))) * 0.01
    np.put_along_axis(probabilities, blocks[..., None], rng.uniform(0.3, 0.9, (16, 16, 16, 1)).astype(np.float16), axis=-1)
    best = probabilities.argmax(axis=-1).astype(np.uint8)

    labels = labels_to_native(probabilities, best, low, conformed)

    expected = by_scipy(probabilities, np.array(low), conformed)
    leads = np.sort(expected, axis=-1)[..., -2:]
    clear = leads[..., 1] - leads[..., 0] > 1e-5  # float32 against float64 may differ where two classes are level
    np.testing.assert_array_equal(labels[clear], USED[expected.argmax(axis=-1)[clear]])
    assert clear.mean() > 0.99


@pytest.mark.parametrize("low", [(-60, 0, 0), (100, 0, 0)])
def test_a_box_that_lies_beside_the_scan_leaves_it_background(low: tuple[int, int, int]) -> None:
    conformed = conformed_head((0.9, 0.9, 0.9), (3.0, 0.0, 0.0))
    probabilities = np.full((8, 8, 8, N_CLASSES), 0.001, dtype=np.float16)
    probabilities[..., 7] = 0.9
    labels = labels_to_native(probabilities, np.full((8, 8, 8), 7, dtype=np.uint8), low, conformed)
    assert (labels == BACKGROUND_CLASS).all()
