"""Writing a network: float16 if it is sufficient, no incomplete files, no diverged weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from darts_ensemble.errors import CheckpointError
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.weights.checkpoints import load_view
from darts_ensemble.weights.view_file import save_view
from tests.darts_ensemble.weights.test_checkpoints import SUBJECTS, small_network


@pytest.mark.parametrize("architecture", ["dense-unet", "unet"])
def test_what_is_saved_comes_back_to_the_precision_of_float16(tmp_path: Path, architecture: str) -> None:
    network = small_network(architecture)
    path = tmp_path / "one.safetensors"
    save_view(
        path,
        network,
        view="axial",
        normalisation="volume-median",
        training_subjects=SUBJECTS,
        extra={"steps": "7800"},
    )
    assert list(tmp_path.iterdir()) == [path]
    loaded = load_view(path)
    assert (loaded.view, loaded.architecture, loaded.filters) == ("axial", architecture, 2)
    assert loaded.normalisation == "volume-median"
    assert loaded.training_subjects == SUBJECTS
    assert loaded.metadata["classes"] == "113"
    assert loaded.metadata["steps"] == "7800"
    stored = load_file(path)
    assert {value.dtype for value in stored.values()} == {torch.float16}
    for name, value in network.state_dict().items():
        if "num_batches" not in name:
            # float16 has 11 significant bits; below 6e-5 it loses some of them
            torch.testing.assert_close(loaded.network.state_dict()[name], value, rtol=2**-11, atol=6e-8)
            assert loaded.network.state_dict()[name].dtype == torch.float32


def test_numbers_too_large_for_float16_are_kept(tmp_path: Path) -> None:
    network = small_network("unet")
    variance = network.get_submodule("up4").get_submodule("bn1").running_var
    assert isinstance(variance, torch.Tensor)
    variance[0] = 312_259.0  # met in a U-Net of sixteen filters, whose weights then said background everywhere
    save_view(tmp_path / "one.safetensors", network, view="axial", normalisation="volume-otsu", training_subjects=SUBJECTS)
    loaded = load_view(tmp_path / "one.safetensors").network
    slices = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(slices), network.eval()(slices), rtol=0.02, atol=0.02)
    torch.testing.assert_close(loaded.state_dict()["up4.bn1.running_var"], variance)


def test_weights_that_have_diverged_are_not_saved(tmp_path: Path) -> None:
    network = small_network("dense-unet")
    network.get_submodule("outconv").weight.data[0] = float("nan")  # type: ignore[operator, union-attr, index]
    with pytest.raises(CheckpointError, match=r"outconv\.weight holds infinity or NaN"):
        save_view(tmp_path / "one.safetensors", network, view="axial", normalisation="volume-otsu", training_subjects=SUBJECTS)
    assert not list(tmp_path.iterdir())


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "coronal.safetensors"
    path.write_bytes(b"the old one")

    def full(state: object, temporary: Path, metadata: object) -> None:
        Path(temporary).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("darts_ensemble.weights.view_file.save_file", full)
    with pytest.raises(CheckpointError, match="No space left") as caught:
        save_view(path, small_network(), view="coronal", normalisation="volume-median", training_subjects=[])
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_saved_file_can_be_read_by_others(tmp_path: Path) -> None:
    network = DenseUNet(filters=2, convolutions=1).eval()
    save_view(tmp_path / "axial.safetensors", network, view="axial", normalisation="volume-median", training_subjects=[])
    plain = tmp_path / "plain"
    plain.write_text("")
    assert (tmp_path / "axial.safetensors").stat().st_mode == plain.stat().st_mode
