"""Weights files: which are read, how they are understood, and that a bad one is refused in one line that names it."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from darts_ensemble.errors import CheckpointError
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.networks.unet import UNet
from darts_ensemble.scans.scan import voxel_checksum
from darts_ensemble.segment.segmenter import Segmenter
from darts_ensemble.slices.channels import Channels
from darts_ensemble.weights.checkpoints import load_ensemble, load_view, view_of_name
from darts_ensemble.weights.view_file import save_view

RELEASED = "dense_unet_back2front_finetuned.pth"
SUBJECTS = [{"id": "sub-01", "sha256": "a" * 64}, {"id": "sub-02", "sha256": "b" * 64}]


def small_network(architecture: str = "dense-unet") -> torch.nn.Module:
    torch.manual_seed(0)
    network = {"dense-unet": DenseUNet, "unet": UNet}[architecture](filters=2)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if "running_" in name:
                value.uniform_(0.5, 2)
    return network.eval()


def same_logits(one: torch.nn.Module, other: torch.nn.Module, tolerance: float = 0.0) -> bool:
    image = torch.rand(1, 1, 16, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return bool(torch.allclose(one(image), other(image), rtol=0, atol=tolerance))


def refusal(path: Path, **arguments: Any) -> str:
    """The message with which a file is refused: one line that begins with its name."""
    with pytest.raises(CheckpointError) as caught:
        load_view(path, **arguments)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return dict(small_network().state_dict())


@pytest.mark.parametrize(("name", "view"), [
    ("dense_unet_back2front_non_finetuned.pth", "coronal"), ("dense_unet_back2front_finetuned.pth", "coronal"),
    ("dense_unet_saggital_finetuned.pth", "sagittal"), ("unet_sagittal.pth", "sagittal"),
    ("dense_unet_left_to_right.pth", "sagittal"), ("dense_unet_top2bottom_finetuned.pth", "axial"),
    ("Axial.safetensors", "axial"), ("coronal.safetensors", "coronal"),
    ("dense_unet.pth", None), ("coronal_and_axial.pth", None),
])  # fmt: skip
def test_the_name_of_a_file_tells_its_view(name: str, view: str | None) -> None:
    assert view_of_name(Path("/weights of axial networks") / name) == view


@pytest.mark.parametrize("architecture", ["dense-unet", "unet"])
def test_a_released_file_is_read_as_it_is(tmp_path: Path, architecture: str) -> None:
    network = small_network(architecture)
    torch.save(network.state_dict(), tmp_path / RELEASED)
    loaded = load_view(tmp_path / RELEASED)
    assert (loaded.view, loaded.architecture, loaded.filters, loaded.in_channels) == ("coronal", architecture, 2, 1)
    assert loaded.normalisation == "slice-minmax"
    assert loaded.training_subjects == []
    assert same_logits(loaded.network, network)


def test_a_file_whose_channels_nothing_explains_is_refused(tmp_path: Path) -> None:
    torch.save(DenseUNet(7, filters=2, convolutions=1).state_dict(), tmp_path / RELEASED)
    with pytest.raises(CheckpointError, match="7 input channels; expected 1"):
        load_view(tmp_path / RELEASED)


def test_what_the_channels_of_a_network_are_is_told_by_its_file(tmp_path: Path) -> None:
    channels = Channels(thick_slices=5, positions=True)
    network = DenseUNet(channels.count, filters=2, convolutions=1)
    path = tmp_path / "axial.safetensors"
    save_view(path, network, view="axial", normalisation="volume-otsu", training_subjects=[], channels=channels)
    assert load_view(path).channels == channels
    with pytest.raises(ValueError, match="8 channels; expected 1"):
        save_view(path, network, view="axial", normalisation="volume-otsu", training_subjects=[])


def test_a_network_read_from_a_file_is_in_evaluation(tmp_path: Path) -> None:
    torch.save(small_network("unet").train().state_dict(), tmp_path / RELEASED)
    assert not load_view(tmp_path / RELEASED).network.training


def test_a_given_view_stands_above_the_name(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / RELEASED)
    assert load_view(tmp_path / RELEASED, "axial").view == "axial"
    assert list(load_ensemble({"axial": tmp_path / RELEASED}).networks) == ["axial"]


def test_what_the_released_files_may_hold_besides_is_accepted(tmp_path: Path) -> None:
    network = small_network("unet")
    odd = {f"module.{name}": value for name, value in network.state_dict().items() if "num_batches" not in name}
    for unused in ("outconvp1", "outconvm1"):
        odd |= {f"module.{unused}.weight": torch.rand(113, 2, 1, 1), f"module.{unused}.bias": torch.rand(113)}
    torch.save(odd, tmp_path / RELEASED)
    assert same_logits(load_view(tmp_path / RELEASED).network, network)


def test_a_file_in_the_format_of_old_pytorch_is_read(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / RELEASED, _use_new_zipfile_serialization=False)
    assert same_logits(load_view(tmp_path / RELEASED).network, small_network())


@pytest.mark.parametrize("form", ["zipped", "old", "safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, state: dict[str, torch.Tensor], share: float, form: str) -> None:
    path = tmp_path / (RELEASED if form != "safetensors" else "coronal.safetensors")
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zipped")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "download it again" in refusal(path)


@pytest.mark.parametrize("seed", range(8))
def test_noise_under_the_name_of_weights_is_refused(tmp_path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, 4096, dtype=np.uint8).tobytes()
    for name, start in ((RELEASED, b""), (RELEASED, b"\x80\x02"), (RELEASED, b"PK\x03\x04"), ("axial.safetensors", b"")):
        (tmp_path / name).write_bytes(start + noise)
        refusal(tmp_path / name)


class _Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("how", ["zipped", "old", "plain pickle", "among tensors"])
def test_a_malicious_file_is_refused_and_its_code_is_not_run(tmp_path: Path, state: dict[str, torch.Tensor], how: str) -> None:
    path, mark = tmp_path / RELEASED, tmp_path / "it ran"
    if how == "plain pickle":
        path.write_bytes(pickle.dumps(_Malicious(mark), protocol=2))
    else:
        harmful: Any = {**state, "conv1.weight": _Malicious(mark)} if how == "among tensors" else _Malicious(mark)
        torch.save(harmful, path, _use_new_zipfile_serialization=how != "old")
    assert "can run code" in refusal(path)
    assert not mark.exists()
    with path.open("rb") as file:  # what the reader was spared
        torch.load(file, weights_only=False) if how != "plain pickle" else pickle.load(file)
    assert mark.exists()


def test_a_whole_pickled_network_is_refused_with_what_to_do(tmp_path: Path) -> None:
    torch.save(small_network(), tmp_path / RELEASED)
    assert "state_dict()" in refusal(tmp_path / RELEASED)


@pytest.mark.parametrize(
    "content", [[1, 2], {}, {"epoch": 3}, torch.zeros(2), {"state_dict": {"a": torch.zeros(1)}}, {1: torch.zeros(1)}]
)
def test_a_pickle_of_something_else_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / RELEASED)
    assert "expected" in refusal(tmp_path / RELEASED)


def test_another_architecture_is_refused_by_its_keys(tmp_path: Path) -> None:
    torch.save(torch.nn.Conv2d(1, 3, 3).state_dict(), tmp_path / RELEASED)
    message = refusal(tmp_path / RELEASED)
    assert "bias, weight" in message
    assert "U-Net" in message


def test_keys_that_lack_or_are_too_many_are_named(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    state["attention.gate"] = state.pop("up3.conv.bias")
    torch.save(state, tmp_path / RELEASED)
    message = refusal(tmp_path / RELEASED)
    assert "attention.gate, up3.conv.bias (2 in all)" in message


@pytest.mark.parametrize(("key", "shape"), [
    ("up2.conv.weight", (2, 2, 3, 3)), ("outconv.weight", (104, 2, 1, 1)), ("d1.bn_list.0.running_mean", (3,)),
    ("conv1.weight", (2,)), ("conv1.weight", ()), ("conv1.weight", (0, 1, 1, 1)),
])  # fmt: skip
def test_a_tensor_of_another_shape_is_named(
    tmp_path: Path, state: dict[str, torch.Tensor], key: str, shape: tuple[int, ...]
) -> None:
    torch.save({**state, key: torch.zeros(shape)}, tmp_path / RELEASED)
    assert key in refusal(tmp_path / RELEASED)


def test_a_file_that_claims_a_huge_network_is_refused_before_one_is_made(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    torch.save({**state, "conv1.weight": torch.zeros(100_000, 1, 1, 1)}, tmp_path / RELEASED)
    assert "100000 filters" in refusal(tmp_path / RELEASED)


def test_a_view_that_nothing_tells_is_asked_for(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / "weights.pth")
    assert "coronal, axial, sagittal" in refusal(tmp_path / "weights.pth")
    assert "oblique" in refusal(tmp_path / "weights.pth", view="oblique")
    assert load_view(tmp_path / "weights.pth", "sagittal").view == "sagittal"


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    assert "no such" in refusal(tmp_path / RELEASED)
    with pytest.raises(CheckpointError, match=r"no weights file; expected .* per view"):
        load_ensemble(tmp_path)


def test_two_files_of_one_view_are_both_named(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    names = ("dense_unet_back2front_finetuned.pth", "dense_unet_back2front_non_finetuned.pth")
    for name in names:
        torch.save(state, tmp_path / name)
    with pytest.raises(CheckpointError) as caught:
        load_ensemble(tmp_path)
    message = str(caught.value)
    assert all(name in message for name in names)
    assert "\n" not in message


def test_a_folder_with_one_file_a_view_is_an_ensemble(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    for name in ("dense_unet_saggital_finetuned.pth", "dense_unet_back2front_finetuned.pth", "my_axial.pt"):
        torch.save(state, tmp_path / name)
    (tmp_path / "README.txt").write_text("not weights")
    assert list(load_ensemble(tmp_path).networks) == ["coronal", "axial", "sagittal"]


def test_a_view_that_an_ensemble_lacks_is_named(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / RELEASED)
    with pytest.raises(CheckpointError, match="no axial network; expected some of coronal"):
        Segmenter(tmp_path / RELEASED, views=("coronal", "axial"), device="cpu")


def test_weights_with_infinity_are_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    name = next(name for name in state if name.endswith("running_var"))
    state[name][0] = float("inf")
    save_file(state, tmp_path / "coronal.safetensors")
    assert f"{name} holds infinity or NaN" in refusal(tmp_path / "coronal.safetensors")


def test_a_normalisation_that_nobody_knows_is_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "coronal.safetensors"
    save_file(state, path, metadata={"normalisation": "z-score"})
    assert "z-score" in refusal(path)


@pytest.mark.parametrize("subjects", ["sub-01", '{"id": "sub-01"}', '["sub-01"]'])
def test_a_list_of_training_subjects_that_is_none_is_refused(
    tmp_path: Path, state: dict[str, torch.Tensor], subjects: str
) -> None:
    path = tmp_path / "coronal.safetensors"
    save_file(state, path, metadata={"training_subjects": subjects})
    assert "training_subjects" in refusal(path)


def test_the_checksum_of_voxels_is_that_of_their_shape_and_values() -> None:
    voxels = np.arange(24).reshape(2, 3, 4)
    by_hand = hashlib.sha256(b"[2, 3, 4]" + struct.pack("<24h", *range(24))).hexdigest()
    assert voxel_checksum(voxels) == by_hand


@pytest.mark.parametrize("dtype", ["u1", ">i2", "<i4", "f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_same_voxels_have_one_checksum_however_they_are_stored(dtype: str, order: Any) -> None:
    voxels = np.random.default_rng(0).integers(0, 256, (5, 6, 7))
    assert voxel_checksum(voxels.astype(dtype, order=order)) == voxel_checksum(voxels)


def test_one_changed_voxel_changes_the_checksum() -> None:
    voxels = np.random.default_rng(0).integers(0, 255, (5, 6, 7))
    changed = voxels.copy()
    changed[3, 2, 1] += 1
    assert voxel_checksum(changed) != voxel_checksum(voxels)
    assert voxel_checksum(voxels.reshape(5, 7, 6)) != voxel_checksum(voxels)


def test_a_manifest_names_the_view_of_files_whose_names_do_not(tmp_path: Path, tiny_weights: Path) -> None:
    (tmp_path / "one.safetensors").write_bytes((tiny_weights / "axial.safetensors").read_bytes())
    manifest = tmp_path / "weights.json"
    manifest.write_text('{"axial": "one.safetensors"}')
    ensemble = load_ensemble(manifest)
    assert list(ensemble.networks) == ["axial"]
    assert ensemble.networks["axial"].path == tmp_path / "one.safetensors"
    for text in ("[1]", "{}", '{"axial": 3}', "not json"):
        manifest.write_text(text)
        with pytest.raises(CheckpointError, match=r"weights\.json"):
            load_ensemble(manifest)
