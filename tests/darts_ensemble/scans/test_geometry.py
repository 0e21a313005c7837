"""A labelled phantom returns from the conformed grid to its place, with any orientation, size, voxel size and obliquity."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy import ndimage
from scipy.spatial.transform import Rotation

from darts_ensemble.fusion.native_labels import labels_to_native
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES, REGION_BY_ID
from darts_ensemble.scans.conform import Conformed, conform, conform_labels
from darts_ensemble.scans.native import classes_to_native, probabilities_to_native, volume_to_native
from darts_ensemble.scans.scan import Scan

ORIENTATIONS = [
    np.array(list(zip(order, signs, strict=True)))
    for order in itertools.permutations((0, 1, 2))
    for signs in itertools.product((1, -1), repeat=3)
]
SIZE = 48
#: Class and centre in RAS millimetres of five balls: left and right of the middle, front, back, top.
BALLS = {
    REGION_BY_ID[17].class_index: (-11.0, 2.0, -3.0),
    REGION_BY_ID[53].class_index: (11.0, 2.0, -3.0),
    REGION_BY_ID[1012].class_index: (-3.0, 12.0, 2.0),
    REGION_BY_ID[2005].class_index: (4.0, -12.0, 1.0),
    REGION_BY_ID[16].class_index: (0.0, 0.0, 11.0),
}


def phantom(shape: tuple[int, ...], affine: npt.NDArray[np.float64], radius: float = 4.5) -> npt.NDArray[np.uint8]:
    """Classes of the balls on a grid."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    world = grid @ affine[:3, :3].T + affine[:3, 3]
    classes = np.full(shape, BACKGROUND_CLASS, dtype=np.uint8)
    for one, centre in BALLS.items():
        classes[np.linalg.norm(world - centre, axis=-1) < radius] = one
    return classes


def scan_of(classes: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64]) -> Scan:
    """A scan in which the balls are bright on a darker head."""
    data = np.where(classes == BACKGROUND_CLASS, 60, 200).astype(np.uint8)
    return Scan(Path("phantom.nii.gz"), data, affine, nib.Nifti1Image(data, affine))


def centred(
    shape: tuple[int, ...], linear: npt.NDArray[np.float64], shift: npt.ArrayLike = (0, 0, 0)
) -> npt.NDArray[np.float64]:
    """An affine that puts the middle of the grid near the origin."""
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = -linear @ (np.array(shape) / 2) + shift
    return affine


def centres(classes: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64]) -> dict[int, npt.NDArray[np.float64]]:
    """Centre of mass of each class in RAS millimetres."""
    return {
        one: np.array(ndimage.center_of_mass(classes == one)) @ affine[:3, :3].T + affine[:3, 3]
        for one in BALLS
        if np.any(classes == one)
    }


def one_hot(classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
    return (classes[..., None] == np.arange(N_CLASSES)).astype(np.float16)


def there_and_back(scan: Scan, size: int = SIZE) -> tuple[Conformed, npt.NDArray[np.uint8]]:
    """Label the phantom on the conformed grid like a perfect network, and bring it back."""
    conformed = conform(scan, size=size)
    labelled = phantom(conformed.data.shape, conformed.affine)
    return conformed, labels_to_native(one_hot(labelled), labelled, (0, 0, 0), conformed)


@pytest.mark.parametrize("number", range(48))
@pytest.mark.parametrize("odd", [False, True])
def test_every_orientation_gives_the_phantom_back_voxel_for_voxel(number: int, odd: bool) -> None:
    shape = (41, 44, 45) if odd else (40, 44, 42)
    affine = centred(shape, np.eye(3))
    classes = phantom(shape, affine)
    data = apply_orientation(classes, ORIENTATIONS[number])
    turned = affine @ inv_ornt_aff(ORIENTATIONS[number], shape)
    conformed, back = there_and_back(scan_of(data, turned))
    np.testing.assert_array_equal(back, data)
    # The network sees the same volume however the scan is stored.
    np.testing.assert_array_equal(conformed.data, conform(scan_of(classes, affine), size=SIZE).data)


@given(
    number=st.integers(0, 47),
    sizes=st.tuples(*[st.integers(0, 1)] * 3),
    voxels=st.tuples(*[st.sampled_from([0.7, 0.8, 0.9375, 1.0, 1.2, 1.5, 2.0])] * 3),
    angles=st.tuples(*[st.floats(-25, 25)] * 3),
    shift=st.tuples(*[st.floats(-4, 4)] * 3),
)
def test_centres_of_mass_stay_within_half_a_voxel_and_sides_are_kept(
    number: int,
    sizes: tuple[int, ...],
    voxels: tuple[float, ...],
    angles: tuple[float, ...],
    shift: tuple[float, ...],
) -> None:
    shape = tuple(int(np.ceil(44 / voxel)) + odd for voxel, odd in zip(voxels, sizes, strict=True))
    linear = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(voxels)
    affine = centred(shape, linear, shift)
    data = apply_orientation(phantom(shape, affine), ORIENTATIONS[number])
    turned = affine @ inv_ornt_aff(ORIENTATIONS[number], shape)
    _, back = there_and_back(scan_of(data, turned))
    assert back.shape == data.shape
    wanted, got = centres(data, turned), centres(back, turned)
    assert got.keys() == wanted.keys()
    for one in wanted:
        assert np.linalg.norm(got[one] - wanted[one]) <= 0.5 * max(voxels), (one, wanted[one], got[one])
    assert got[REGION_BY_ID[17].class_index][0] < got[REGION_BY_ID[53].class_index][0], "left must stay left"


def test_a_conformed_scan_passes_bit_identical_and_comes_back_as_it_was() -> None:
    affine = np.array([[-1, 0, 0, 24.3], [0, 0, 1, -20.1], [0, -1, 0, 25.7], [0, 0, 0, 1]], dtype=float)
    data = np.random.default_rng(0).integers(0, 256, size=(48, 48, 48)).astype(np.uint8)
    scan = Scan(Path("x.mgz"), data, affine, nib.MGHImage(data, affine))
    conformed = conform(scan, size=48)
    assert conformed.identical
    np.testing.assert_array_equal(conformed.data, data)
    np.testing.assert_array_equal(conformed.affine, affine)


def test_the_middle_of_the_scan_comes_to_the_middle_voxel_as_freesurfer_has_it() -> None:
    lia = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    affine = centred((50, 50, 50), 0.9 * lia, (3, -2, 1))
    conformed = conform(scan_of(phantom((50, 50, 50), affine), affine), size=48)
    middle = affine[:3, :3] @ np.full(3, 25.0) + affine[:3, 3]
    np.testing.assert_allclose(conformed.affine[:3, :3] @ np.full(3, 24.0) + conformed.affine[:3, 3], middle, atol=1e-9)


@pytest.mark.parametrize("length", [33, 56, 57])
def test_the_window_grows_rather_than_cut_tissue(length: int) -> None:
    shape = (length, 20, 20)
    affine = centred(shape, np.eye(3))
    data = np.zeros(shape, dtype=np.uint8)
    data[1:-1, 2:-2, 2:-2] = 150
    conformed = conform(Scan(Path("x"), data, affine, nib.Nifti1Image(data, affine)), size=32)
    assert conformed.data.shape[0] % 16 == 0
    assert conformed.data.sum() == data.sum(dtype=float), "every bright voxel must be inside"
    assert (conformed.data.shape[0] == 32) == (length == 33), "31 bright voxels of 33 still fit into 32"


def test_labels_between_grids_are_those_of_interpolated_probabilities() -> None:
    rng = np.random.default_rng(3)
    affine = centred((12, 13, 11), Rotation.from_euler("z", 20, degrees=True).as_matrix() * 0.8)
    data = rng.integers(50, 200, size=(12, 13, 11)).astype(np.uint8)
    conformed = conform(Scan(Path("x"), data, affine, nib.Nifti1Image(data, affine)), size=16)
    probabilities = rng.dirichlet(np.full(5, 0.3), size=(16, 16, 16)).astype(np.float16)
    padded = np.zeros((16, 16, 16, N_CLASSES), dtype=np.float16)
    padded[..., [0, 1, 40, 101, BACKGROUND_CLASS]] = probabilities
    best = padded.argmax(axis=-1).astype(np.uint8)
    labels = labels_to_native(padded, best, (0, 0, 0), conformed)
    # SciPy interpolates every class over the whole volume, which real scans have no memory for.
    to_conformed = np.linalg.inv(conformed.affine) @ affine
    everywhere = np.stack(
        [
            ndimage.affine_transform(
                padded[..., one].astype(np.float64), to_conformed[:3, :3], to_conformed[:3, 3], output_shape=data.shape, order=1
            )
            for one in range(N_CLASSES)
        ]
    )
    top = np.sort(everywhere, axis=0)
    clear = top[-1] - top[-2] > 1e-4
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(labels[clear], everywhere.argmax(axis=0)[clear])
    several = probabilities_to_native(padded, (0, 0, 0), conformed, [40, BACKGROUND_CLASS])
    np.testing.assert_allclose(several[..., 0], everywhere[40], atol=1e-5)
    np.testing.assert_allclose(several[..., 1], everywhere[BACKGROUND_CLASS], atol=1e-5)


def test_a_box_of_the_volume_is_put_back_at_its_place_and_background_is_around_it() -> None:
    shape = (40, 44, 42)
    affine = centred(shape, np.diag([-1.0, 1.0, 1.0]))
    classes = phantom(shape, affine)
    conformed = conform(scan_of(classes, affine), size=SIZE)
    labelled = phantom(conformed.data.shape, conformed.affine)
    inside = np.argwhere(labelled != BACKGROUND_CLASS)
    low, high = inside.min(axis=0), inside.max(axis=0) + 1
    box = labelled[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    np.testing.assert_array_equal(labels_to_native(one_hot(box), box, low, conformed), classes)
    np.testing.assert_array_equal(classes_to_native(box, low, conformed), classes)
    background = probabilities_to_native(one_hot(box), low, conformed, [BACKGROUND_CLASS])[..., 0]
    np.testing.assert_array_equal(background, classes == BACKGROUND_CLASS)


def test_labels_and_scan_conform_to_the_same_place() -> None:
    shape = (36, 40, 50)
    linear = Rotation.from_euler("xyz", [10, -8, 5], degrees=True).as_matrix() @ np.diag([1.1, 0.9, 0.8])
    affine = centred(shape, linear)
    classes = phantom(shape, affine)
    conformed = conform(scan_of(classes, affine), size=SIZE)
    moved = conform_labels(Scan(Path("x"), classes, affine, None), conformed)
    expected = phantom(conformed.data.shape, conformed.affine)
    for one in BALLS:
        a, b = moved == one, expected == one
        assert 2 * np.sum(a & b) / (a.sum() + b.sum()) > 0.9


def test_a_volume_interpolated_back_keeps_a_linear_ramp() -> None:
    affine = centred((30, 30, 30), np.diag([0.9, 0.9, 0.9]))
    conformed = conform(scan_of(phantom((30, 30, 30), affine), affine), size=SIZE)
    index = np.arange(SIZE, dtype=np.float32)
    ramp = np.broadcast_to(index[:, None, None], (SIZE,) * 3)
    native = volume_to_native(np.ascontiguousarray(ramp), conformed)
    to_conformed = np.linalg.inv(conformed.affine) @ affine
    grid = np.stack(np.meshgrid(*[np.arange(30)] * 3, indexing="ij"), axis=-1)
    expected = (grid @ to_conformed[:3, :3].T + to_conformed[:3, 3])[..., 0]
    np.testing.assert_allclose(native, expected, atol=1e-3)
