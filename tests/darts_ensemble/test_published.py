"""The published interface: the same calls work, and defects of the original are corrected.

The network is a real Dense U-Net file whose weights tell dark from middle from bright: what is half as bright as the brightest
voxel of a slice is one region, what is as bright another.
"""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import torch

from darts_ensemble.errors import CheckpointError, ScanError, UsageError
from darts_ensemble.labels import REGION_BY_ID, REGIONS, classes_to_ids
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.unet import UNet
from darts_ensemble.published import Segmentation, save_prediction

CORONAL, AXIAL = "dense_unet_back2front_finetuned.pth", "dense_unet_top2bottom_finetuned.pth"
MIDDLE, BRIGHT = 1035, 17
DROPPED_CHANNEL = 34

Ids = npt.NDArray[np.int16]


def brightness_network() -> DenseUNet:
    """A Dense U-Net that passes the slice through and draws two lines between dark, middle and bright."""
    network = DenseUNet(filters=1).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.fill_(1)
        network.conv1.weight.fill_(1)
        for level in range(1, 5):
            network.get_parameter(f"up{level}.conv.weight")[0, 1, 1, 1] = 1  # of [up-sampled, skip] the skip, as it is
        gain = network.features(torch.ones(1, 1, 16, 16)).mean()
        for region, slope, offset in ((MIDDLE, 40.0, -10.0), (BRIGHT, 80.0, -40.0)):
            channel = REGION_BY_ID[region].logit_channel
            network.outconv.weight[channel] = slope / gain
            network.outconv.bias[channel] = offset
        for region in REGIONS:
            if region.id not in (MIDDLE, BRIGHT):
                network.outconv.bias[region.logit_channel] = -50
        network.outconv.bias[DROPPED_CHANNEL] = 1000
    return network


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than so small a network."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    for name in (CORONAL, AXIAL):
        torch.save(brightness_network().state_dict(), folder / name)
    return folder


@pytest.fixture(scope="module")
def model(weights: Path) -> Segmentation:
    return Segmentation(str(weights / CORONAL), use_gpu=False)


def phantom(shape: tuple[int, int, int] = (28, 30, 26)) -> Ids:
    """The ids of two blocks side by side along the first axis."""
    ids = np.zeros(shape, dtype=np.int16)
    ids[6:14, 7:23, 5:21] = MIDDLE
    ids[14:22, 7:23, 5:21] = BRIGHT
    return ids


def affine_of(*spacing: float) -> npt.NDArray[np.float64]:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-31, 17, 44)
    return affine


def write_scan(path: Path, ids: Ids, affine: npt.NDArray[np.float64] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.select([ids == MIDDLE, ids == BRIGHT], [100, 200], 0).astype(np.uint8)
    kind = nib.MGHImage if path.suffix == ".mgz" else nib.Nifti1Image
    nib.save(kind(voxels, affine_of(1, 1, 1) if affine is None else affine), path)
    return path


def dice(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def test_one_path_gives_labels_in_freesurfer_ids_and_probabilities(tmp_path: Path, model: Segmentation) -> None:
    labels, probabilities = model.predict(str(write_scan(tmp_path / "T1.nii.gz", phantom())))
    np.testing.assert_array_equal(labels, phantom())
    assert labels.dtype == np.int16
    assert probabilities.shape == (*phantom().shape, 103)
    assert probabilities.dtype == np.float16
    np.testing.assert_allclose(probabilities.sum(axis=-1, dtype=np.float64), 1, atol=2e-3)
    np.testing.assert_array_equal(classes_to_ids(probabilities.argmax(axis=-1)), labels)


@pytest.mark.parametrize("name", ["T1.nii.gz", "T1.mgz"])
def test_saved_labels_lie_on_the_scan_and_are_small_integers(tmp_path: Path, model: Segmentation, name: str) -> None:
    scan = write_scan(tmp_path / name, phantom())
    model.predict([scan], save_directory=tmp_path / "out")
    (saved,) = (tmp_path / "out").iterdir()
    assert saved.name == name.replace("T1", "T1_seg")
    image = nib.load(saved)
    np.testing.assert_allclose(image.affine, nib.load(scan).affine)  # the original writes the identity
    assert (image.get_data_dtype().kind, image.get_data_dtype().itemsize) == ("i", 2)  # the original: int64, or float32 in .mgz
    np.testing.assert_array_equal(np.asarray(image.dataobj), phantom())


def test_labels_below_256_are_saved_as_bytes(tmp_path: Path, model: Segmentation) -> None:
    ids = np.where(phantom() == MIDDLE, 0, phantom())
    model.predict([write_scan(tmp_path / "T1.nii.gz", ids)], tmp_path)
    assert nib.load(tmp_path / "T1_seg.nii.gz").get_data_dtype() == np.uint8


@pytest.mark.parametrize("name", ["T1.nii.gz", "T1.mgz"])
def test_saved_probabilities_are_an_image_of_the_scan_with_classes_last(tmp_path: Path, model: Segmentation, name: str) -> None:
    scan = write_scan(tmp_path / name, phantom())
    _, probabilities = model.predict(scan, save_directory=tmp_path / "out", save_proba=True)
    image = nib.load(tmp_path / "out" / "T1_prob.nii.gz")  # the original: a pickle of this name
    assert isinstance(image, nib.Nifti1Image)
    assert image.shape == (*phantom().shape, 103)
    assert image.get_data_dtype() == np.float32
    np.testing.assert_allclose(image.affine, nib.load(scan).affine)
    np.testing.assert_allclose(image.get_fdata(), probabilities, atol=1e-3)
    for region in (MIDDLE, BRIGHT):
        volume = np.asarray(image.dataobj[..., REGION_BY_ID[region].class_index])
        np.testing.assert_array_equal(volume > 0.5, phantom() == region)


def test_the_probabilities_of_a_big_endian_scan_are_read_back(tmp_path: Path, model: Segmentation) -> None:
    voxels = np.where(phantom() > 0, 200, 0).astype(">i2")
    nib.save(nib.Nifti1Image(voxels, affine_of(1, 1, 1), nib.Nifti1Header(endianness=">")), tmp_path / "T1.nii.gz")
    _, probabilities = model.predict(tmp_path / "T1.nii.gz", tmp_path, True)
    np.testing.assert_allclose(nib.load(tmp_path / "T1_prob.nii.gz").get_fdata(), probabilities, atol=1e-3)


def test_a_scan_of_other_voxels_comes_back_on_its_own_grid(tmp_path: Path, model: Segmentation) -> None:
    angle = np.deg2rad(12)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = affine_of(1.2, 0.9, 1.7)
    affine[:3, :3] = turn @ affine[:3, :3]
    labels, probabilities = model.predict(write_scan(tmp_path / "T1.nii.gz", phantom(), affine), tmp_path)
    assert labels.shape == phantom().shape
    assert dice(labels > 0, phantom() > 0) > 0.9
    here, there = (np.argwhere(ids > 0).mean(axis=0) for ids in (labels, phantom()))
    np.testing.assert_allclose(here, there, atol=0.5)
    np.testing.assert_allclose(nib.load(tmp_path / "T1_seg.nii.gz").affine, affine, atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=-1, dtype=np.float64), 1, atol=2e-3)


def test_slices_follow_the_view_of_the_weights(tmp_path: Path, weights: Path) -> None:
    # Front and back: a coronal slice sees one block and stretches it to full brightness, an axial slice sees both.
    ids = np.zeros((28, 30, 26), dtype=np.int16)
    ids[6:22, 7:15, 5:21] = MIDDLE
    ids[6:22, 15:23, 5:21] = BRIGHT
    scan = write_scan(tmp_path / "T1.nii.gz", ids)
    (coronal,), _ = Segmentation(weights / CORONAL, use_gpu=False).predict([scan])
    (axial,), _ = Segmentation(weights / AXIAL, use_gpu=False).predict([scan])
    np.testing.assert_array_equal(axial, ids)
    np.testing.assert_array_equal(coronal, np.where(ids > 0, BRIGHT, 0))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_axis_of_257_voxels_is_labelled_to_its_end(tmp_path: Path, model: Segmentation, axis: int) -> None:
    ids = np.zeros([257 if one == axis else 20 for one in range(3)], dtype=np.int16)
    inner = tuple(slice(1, 257) if one == axis else slice(2, 18) for one in range(3))
    ids[inner] = BRIGHT
    (labels,), _ = model.predict([write_scan(tmp_path / "T1.nii.gz", ids)])
    np.testing.assert_array_equal(labels, ids)


def test_a_fourth_axis_of_one_is_accepted_and_of_two_refused(tmp_path: Path, model: Segmentation) -> None:
    voxels = np.asarray(nib.load(write_scan(tmp_path / "T1.nii.gz", phantom())).dataobj)
    nib.save(nib.Nifti1Image(voxels[..., None], affine_of(1, 1, 1)), tmp_path / "one.nii.gz")
    nib.save(nib.Nifti1Image(np.stack([voxels, voxels], axis=-1), affine_of(1, 1, 1)), tmp_path / "two.nii.gz")
    labels, probabilities = model.predict(tmp_path / "one.nii.gz", tmp_path, True)
    np.testing.assert_array_equal(labels, phantom())
    assert probabilities.shape == nib.load(tmp_path / "one_prob.nii.gz").shape == (*phantom().shape, 103)
    with pytest.raises(ScanError, match=r"two\.nii\.gz: shape \(28, 30, 26, 2\)"):
        model.predict(tmp_path / "two.nii.gz")


def test_several_inputs_give_lists_and_probabilities_stay_on_disk(tmp_path: Path, model: Segmentation) -> None:
    other = np.where(phantom() == BRIGHT, 0, phantom())
    other[14:22, 7:23, 5:9] = BRIGHT
    scans = [write_scan(tmp_path / "one.nii.gz", phantom()), write_scan(tmp_path / "two.mgz", other)]
    labels, probabilities = model.predict([scans[0], str(scans[1])], save_directory=tmp_path / "out", save_proba=True)
    for found, ids, probability in zip(labels, (phantom(), other), probabilities, strict=True):
        assert not isinstance(probability, np.ndarray)
        assert probability.shape == (*ids.shape, 103)
        np.testing.assert_array_equal(classes_to_ids(np.asarray(probability).argmax(axis=-1)), found)
    np.testing.assert_array_equal(labels[0], phantom())
    labels, probabilities = model.predict(scans)
    assert len(labels) == 2
    assert probabilities == [None, None]


def test_inputs_of_one_name_do_not_overwrite_each_other(tmp_path: Path, model: Segmentation) -> None:
    bright = np.where(phantom() > 0, BRIGHT, 0).astype(np.int16)
    scans = [write_scan(tmp_path / "a" / "T1.nii.gz", phantom()), write_scan(tmp_path / "b" / "T1.nii.gz", bright)]
    model.predict(scans, save_directory=tmp_path / "out")
    saved = {path.name: np.asarray(nib.load(path).dataobj) for path in (tmp_path / "out").iterdir()}
    assert sorted(saved) == ["a_T1_seg.nii.gz", "b_T1_seg.nii.gz"]
    np.testing.assert_array_equal(saved["a_T1_seg.nii.gz"], phantom())
    np.testing.assert_array_equal(saved["b_T1_seg.nii.gz"], bright)


def test_names_stay_apart_over_several_calls_and_extensions(tmp_path: Path, weights: Path) -> None:
    model = Segmentation(weights / CORONAL, use_gpu=False)
    for scan in ("a/T1.mgz", "b/T1.mgz", "a/T1.mgz", "b/T1.nii.gz"):
        model.predict([write_scan(tmp_path / scan, phantom())], save_directory=tmp_path / "out", is_mgz=True)
    assert len(list((tmp_path / "out").iterdir())) == 3
    both = [tmp_path / "b" / "T1.mgz", tmp_path / "b" / "T1.nii.gz"]
    Segmentation(weights / CORONAL, use_gpu=False).predict(both, save_directory=tmp_path / "both", is_mgz=True)
    assert len(list((tmp_path / "both").iterdir())) == 2


def test_a_freesurfer_subject_gives_its_name_to_the_result(tmp_path: Path, model: Segmentation) -> None:
    model.predict([write_scan(tmp_path / "bert" / "mri" / "T1.mgz", phantom())], save_directory=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bert_seg.mgz"]


def test_a_bad_scan_does_not_stop_the_others(tmp_path: Path, model: Segmentation) -> None:
    damaged = tmp_path / "damaged.nii.gz"
    damaged.write_bytes(write_scan(tmp_path / "T1.nii.gz", phantom()).read_bytes()[:200])
    with pytest.raises(ScanError, match=r"1 of 3 inputs failed.*damaged\.nii\.gz") as caught:
        scans = [damaged, tmp_path / "T1.nii.gz", write_scan(tmp_path / "T2.nii.gz", phantom())]
        model.predict(scans, save_directory=tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["T1_seg.nii.gz", "T2_seg.nii.gz"]


def test_voxels_that_are_not_finite_are_refused(tmp_path: Path, model: Segmentation) -> None:
    voxels = phantom().astype(np.float32)
    voxels[14, 14, 14] = np.nan
    nib.save(nib.Nifti1Image(voxels, affine_of(1, 1, 1)), tmp_path / "T1.nii.gz")
    with pytest.raises(ScanError, match="1 voxels are NaN or infinite"):
        model.predict(tmp_path / "T1.nii.gz")


def test_use_gpu_takes_the_cpu_where_there_is_none(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    (labels,), _ = Segmentation(weights / CORONAL, use_gpu=True).predict([write_scan(tmp_path / "T1.nii.gz", phantom())])
    np.testing.assert_array_equal(labels, phantom())


def test_the_model_type_is_checked_against_the_file(tmp_path: Path, weights: Path) -> None:
    torch.save(UNet(filters=2).state_dict(), tmp_path / "unet_back2front.pth")
    assert Segmentation(tmp_path / "unet_back2front.pth", "unet", use_gpu=False).segmenter.views == ("coronal",)
    with pytest.raises(CheckpointError, match=r"unet_back2front\.pth: a unet; expected a dense-unet"):
        Segmentation(tmp_path / "unet_back2front.pth")
    with pytest.raises(UsageError, match="expected dense-unet or unet"):
        Segmentation(weights / CORONAL, "densenet")


def test_saving_probabilities_holds_one_class_at_a_time(tmp_path: Path, model: Segmentation) -> None:
    ids = phantom((64, 64, 64))
    result = model.segmenter.segment(write_scan(tmp_path / "T1.nii.gz", ids), keep_probabilities=True)
    tracemalloc.start()
    save_prediction(result, tmp_path / "out", "T1", mgz=False, probabilities=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = 4 * 103 * 64**3
    assert peak < whole / 8


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, model: Segmentation, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = write_scan(tmp_path / "T1.nii.gz", phantom())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("darts_ensemble.whole_files.os.replace", full)
    with pytest.raises(ScanError, match=r"T1_prob\.nii\.gz: No space left"):
        model.predict(scan, tmp_path / "out", True)
    assert list((tmp_path / "out").iterdir()) == []
    shutil.rmtree(tmp_path / "out")
