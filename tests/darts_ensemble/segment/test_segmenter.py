"""The whole pipeline with stand-in networks: mirrored heads, stored orientations, boxes, batches and the documented API."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import torch
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy import ndimage
from torch import Tensor, nn

from darts_ensemble import Segmenter, load_ensemble
from darts_ensemble.errors import CheckpointError, UsageError
from darts_ensemble.inference.winograd import FEWEST_FILTERS
from darts_ensemble.labels import HOMOLOGUE_CLASS, KEPT_CHANNELS, N_CHANNELS, REGION_BY_ID, REGION_IDS, REGIONS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.view_network import Ensemble, ViewNetwork
from darts_ensemble.scans.scan import Scan, read_scan, voxel_checksum
from darts_ensemble.slices.views import VIEWS
from darts_ensemble.weights.view_file import save_view
from tests.conftest import SOAK

ORIENTATIONS = [
    np.array(list(zip(order, signs, strict=True)))
    for order in itertools.permutations((0, 1, 2))
    for signs in itertools.product((1, -1), repeat=3)
]
LIA = np.array([[-1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def affine_of(shape: tuple[int, ...], linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = -linear @ (np.array(shape) / 2)
    return affine


def scan_from(data: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64]) -> Scan:
    return Scan(Path("scan.nii.gz"), data, affine, nib.Nifti1Image(data, affine))


def textured(shape: tuple[int, int, int], seed: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth noise, bright enough everywhere to count as tissue."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return (60 + 160 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)


_SWAP = torch.arange(N_CHANNELS)
_SWAP[torch.from_numpy(KEPT_CHANNELS)] = torch.from_numpy(KEPT_CHANNELS[HOMOLOGUE_CLASS])


class MirrorEquivariant(nn.Module):
    """Mirror the slice from right to left, and its logits are mirrored with left and right swapped."""

    def __init__(self, view: str, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.inner = nn.Sequential(nn.Conv2d(1, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, N_CHANNELS, 3, padding=1))
        self.sagittal = view == "sagittal"

    def forward(self, x: Tensor) -> Tensor:
        if self.sagittal:
            logits = 60 * self.inner(x)
            return logits + logits[:, _SWAP]
        return 60 * self.inner(x) + 60 * self.inner(x.flip(-2)).flip(-2)[:, _SWAP]


def stand_ins(views: tuple[str, ...] = VIEWS) -> Ensemble:
    networks = {
        view: ViewNetwork(view, MirrorEquivariant(view, seed).eval(), "dense-unet", 8, "volume-median")
        for seed, view in enumerate(views)
    }
    return Ensemble(networks, "stand-ins")


def swapped(ids: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Left ids for right ones and the other way round."""
    table = np.arange(3000, dtype=np.int16)
    for region in REGIONS:
        if region.homologue is not None:
            table[region.id] = region.homologue
    return table[ids]


@pytest.mark.parametrize("fusion", ["mean", "geometric"])
def test_a_mirrored_head_gives_mirrored_and_side_swapped_labels(fusion: str) -> None:
    # Air around the head: intensities are counted from it.
    data = np.pad(textured((28, 44, 28)), 2)
    affine = affine_of(data.shape, LIA)
    # In fp32: bf16, the default where a CPU has it, makes ties of the stand-in's near classes.
    how = {"fusion": fusion, "weights": {"coronal": 0.5, "axial": 0.3, "sagittal": 0.2}, "precision": "fp32"}
    segmenter = Segmenter(stand_ins(), **how)
    plain = segmenter.segment(scan_from(data, affine), keep_views=True, keep_probabilities=True)
    mirrored = segmenter.segment(scan_from(np.ascontiguousarray(data[::-1]), affine), keep_views=True)
    assert len(np.unique(plain.ids)) > 10, "the stand-in must label many regions for this to mean anything"
    # Two regions may tie to the last bit of float16, in about one of 5,000 voxels, and no rule is fair to both sides of a tie.
    assert plain.probabilities_box is not None
    top = np.sort(plain.probabilities_box.astype(np.float32), axis=-1)
    tied = np.argwhere(top[..., -1] - top[..., -2] < 1e-3) + plain.origin - 128 + np.array(data.shape) // 2
    allowed = {(31 - i, j, k) for i, j, k in tied.tolist()}
    differs = np.argwhere(mirrored.ids != swapped(plain.ids[::-1]))
    assert len(differs) < 50
    assert {(i, j, k) for i, j, k in differs.tolist()} <= allowed
    for view in ("coronal", "axial"):
        np.testing.assert_array_equal(mirrored.per_view_ids[view], swapped(plain.per_view_ids[view][::-1]))


def test_the_same_head_stored_in_any_orientation_gets_the_same_labels(tiny_weights: Path) -> None:
    shape = (22, 26, 25)
    data = textured(shape)
    affine = affine_of(shape, np.eye(3))
    segmenter = Segmenter(tiny_weights)
    expected = segmenter.segment(scan_from(data, affine)).ids
    for orientation in ORIENTATIONS if SOAK else ORIENTATIONS[5::12]:
        turned = np.ascontiguousarray(apply_orientation(data, orientation))
        ids = segmenter.segment(scan_from(turned, affine @ inv_ornt_aff(orientation, shape))).ids
        np.testing.assert_array_equal(ids, apply_orientation(expected, orientation))


def test_a_real_scan_stored_otherwise_gets_the_same_labels(shared_data: Path, tiny_weights: Path) -> None:
    whole = read_scan(shared_data / "subjects" / "sub-07" / "mri" / "T1.mgz")
    middle = np.ascontiguousarray(whole.data if SOAK else whole.data[80:180, 60:150, 70:180])
    corner = np.zeros(3) if SOAK else np.array([80, 60, 70])
    scan = scan_from(middle, whole.affine @ nib.affines.from_matvec(np.eye(3), corner))
    segmenter = Segmenter(tiny_weights, views=("axial",))
    expected = segmenter.segment(scan).ids
    for orientation in ORIENTATIONS if SOAK else ORIENTATIONS[29:30]:
        turned = np.ascontiguousarray(apply_orientation(scan.data, orientation))
        affine = scan.affine @ inv_ornt_aff(orientation, scan.data.shape)
        ids = segmenter.segment(scan_from(turned, affine)).ids
        np.testing.assert_array_equal(ids, apply_orientation(expected, orientation))


def test_labels_lie_on_the_grid_of_an_oblique_anisotropic_scan(tiny_weights: Path) -> None:
    shape = (20, 24, 40)
    angle = np.deg2rad(15)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = affine_of(shape, turn @ np.diag([1.3, 1.2, 0.7]))
    result = Segmenter(tiny_weights).segment(scan_from(textured(shape), affine))
    assert result.labels.shape == shape
    np.testing.assert_array_equal(result.labels.affine, affine)
    assert set(np.unique(result.ids)) <= {0, *REGION_IDS.tolist()}
    assert result.volumes["volume_mm3"].sum() == pytest.approx((result.ids > 0).sum() * 1.3 * 1.2 * 0.7, rel=1e-4)


class Threshold(nn.Module):
    """Labels bright pixels as one region and everything else as background, in any view."""

    def __init__(self, class_index: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))
        self.channel = int(KEPT_CHANNELS[class_index])

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.full((len(x), N_CHANNELS, *x.shape[2:]), -20.0)
        bright = 20 * (x[:, 0] - 0.7).tanh() + self.bias
        logits[:, self.channel] = bright
        logits[:, int(KEPT_CHANNELS[-1])] = -bright
        return logits


def threshold_ensemble(views: tuple[str, ...], region_id: int) -> Ensemble:
    index = REGION_BY_ID[region_id].class_index
    return Ensemble(
        {view: ViewNetwork(view, Threshold(index).eval(), "dense-unet", 1, "volume-median") for view in views}, "threshold"
    )


def head_with_brain(shape: tuple[int, int, int], low: tuple[int, ...], high: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    data = np.full(shape, 80, dtype=np.uint8)
    data[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 200
    return data


def test_the_whole_brain_is_labelled_though_only_a_box_is_looked_at() -> None:
    data = head_with_brain((72, 64, 70), (30, 26, 28), (46, 42, 44))
    result = Segmenter(threshold_ensemble(VIEWS, 16)).segment(scan_from(data, affine_of(data.shape, LIA)))
    np.testing.assert_array_equal(result.ids, np.where(data == 200, 16, 0))
    assert result.mean_agreement == 1.0
    assert result.conformed.data.shape == (256, 256, 256)


def test_a_brain_that_leaves_the_first_box_is_not_cut() -> None:
    # A thin spike of brain between two of the slices that are looked at first.
    data = head_with_brain((72, 64, 70), (30, 26, 28), (46, 42, 44))
    data[3:32, 30:38, 29:32] = 200
    result = Segmenter(threshold_ensemble(VIEWS, 16)).segment(scan_from(data, affine_of(data.shape, LIA)))
    np.testing.assert_array_equal(result.ids, np.where(data == 200, 16, 0))


def test_a_sagittal_network_alone_tells_left_from_right_by_the_plane() -> None:
    data = head_with_brain((56, 52, 54), (16, 14, 12), (38, 36, 40))
    result = Segmenter(threshold_ensemble(("sagittal",), 53)).segment(scan_from(data, affine_of(data.shape, LIA)))
    # LIA: the first axis grows to the left, and the brain's middle lies between voxels 26 and 27.
    expected = np.where(data == 200, 53, 0)
    expected[27:][expected[27:] > 0] = 17
    assert np.mean(result.ids != expected) < 1e-3
    assert result.agreement is None
    assert "left and right from the estimated mid-sagittal plane" in result.flags
    assert "left and right from the estimated mid-sagittal plane" in result.cleaned().flags


def test_batch_size_changes_no_label(tiny_weights: Path) -> None:
    scan = scan_from(textured((24, 20, 22)), affine_of((24, 20, 22), LIA))
    one, seven = (Segmenter(tiny_weights, batch_size=size).segment(scan) for size in (1, 7))
    assert np.mean(one.ids != seven.ids) < 1e-3


def test_with_little_memory_large_networks_wait_in_their_files_and_say_the_same(tmp_path: Path) -> None:
    for number, view in enumerate(("coronal", "axial")):
        torch.manual_seed(number)
        network = DenseUNet(filters=FEWEST_FILTERS, convolutions=1).eval()
        save_view(tmp_path / f"{view}.safetensors", network, view=view, normalisation="volume-median", training_subjects=[])
    ensemble = load_ensemble(tmp_path)
    sparing = Segmenter(ensemble, low_memory=True)
    assert all(one.set_aside for one in sparing.ensemble.networks.values())
    scan = scan_from(textured((24, 20, 22)), affine_of((24, 20, 22), LIA))
    expected = Segmenter(ensemble).segment(scan).ids
    for _ in range(2):
        np.testing.assert_array_equal(sparing.segment(scan).ids, expected)
    assert not any(one.set_aside for one in ensemble.networks.values())  # whoever gave them may go on with them
    (tmp_path / "axial.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"axial\.safetensors"):
        sparing.segment(scan)


def test_a_scan_that_was_trained_on_is_recognised_by_its_voxels_in_any_type() -> None:
    data = textured((20, 22, 24))
    ensemble = threshold_ensemble(("coronal",), 16)
    one = ensemble.networks["coronal"]
    seen = f'[{{"id": "x", "sha256": "{voxel_checksum(data)}"}}]'
    trained = ViewNetwork("coronal", one.network, "dense-unet", 1, "volume-median", metadata={"training_subjects": seen})
    segmenter = Segmenter(Ensemble({"coronal": trained}, "x"))
    affine = affine_of(data.shape, LIA)
    assert segmenter.has_seen(scan_from(data.astype(np.float32), affine))  # type: ignore[arg-type]
    assert not segmenter.has_seen(scan_from(data + np.uint8(1), affine))


def test_asking_for_a_view_or_device_that_is_not_there_is_refused(tiny_weights: Path) -> None:
    ensemble = load_ensemble(tiny_weights / "axial.safetensors")
    with pytest.raises(CheckpointError, match="coronal"):
        Segmenter(ensemble, views=("coronal",))
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="cuda"):
            Segmenter(ensemble, device="cuda")
    with pytest.raises(UsageError, match="axial"):
        Segmenter(ensemble, weights={"coronal": 1.0, "axial": 0.0, "sagittal": 1.0})


def test_probabilities_are_kept_where_asked_for_and_agree_with_the_labels(tiny_weights: Path) -> None:
    scan = scan_from(textured((24, 20, 22)), affine_of((24, 20, 22), LIA))
    result = Segmenter(tiny_weights).segment(scan, keep_probabilities=True)
    assert result.probabilities_box is not None
    np.testing.assert_allclose(result.probabilities_box.sum(axis=-1, dtype=np.float64), 1, atol=4e-3)
    assert Segmenter(tiny_weights).segment(scan).probabilities_box is None
