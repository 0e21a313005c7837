"""A second look as a file in a weights folder: found, checked, used with its own networks only, and named in the account."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy import ndimage
from typer.testing import CliRunner

from darts_ensemble import Segmenter
from darts_ensemble.commands.weights import app
from darts_ensemble.errors import CheckpointError
from darts_ensemble.fusion.fuse import Fused
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES, classes_to_ids, ids_to_classes
from darts_ensemble.networks.refinement_network import RefinementNetwork
from darts_ensemble.scans.conform import conform_labels
from darts_ensemble.scans.scan import read_label_map
from darts_ensemble.segment.made_with import differences
from darts_ensemble.segment.steps import Labelled, Loaded
from darts_ensemble.slices.boxes import head_box
from darts_ensemble.weights.checkpoints import load_ensemble
from darts_ensemble.weights.checksums import check_folder, write_sums
from darts_ensemble.weights.refinement_file import read_refinement, save_refinement
from tests.darts_ensemble.refinement.test_refine import PALLIDUM, head


@pytest.fixture
def folder(tiny_weights: Path, tmp_path: Path) -> Path:
    """A weights folder of three views with a second look that was fitted for them."""
    made = tmp_path / "weights"
    shutil.copytree(tiny_weights, made)
    views = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in made.glob("*.safetensors")}
    torch.manual_seed(1)
    network = RefinementNetwork(4)
    torch.nn.init.normal_(network.odds.weight)
    save_refinement(made / "refinement.safetensors", network, views=views, training_subjects=[{"id": "one", "sha256": "00"}])
    return made


def test_it_comes_back_as_it_was_saved(folder: Path) -> None:
    found = read_refinement(folder / "refinement.safetensors")
    torch.manual_seed(1)
    network = RefinementNetwork(4)
    torch.nn.init.normal_(network.odds.weight)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(found.network.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    assert (set(found.views), found.training_subjects) == ({"coronal", "axial", "sagittal"}, [{"id": "one", "sha256": "00"}])


def test_it_belongs_to_its_folder_and_is_no_view(folder: Path) -> None:
    write_sums(folder)
    assert {one.path.name for one in check_folder(folder)} >= {"refinement.safetensors", "axial.safetensors"}
    ensemble = load_ensemble(folder)
    assert (set(ensemble.networks), ensemble.refinement is not None) == ({"coronal", "axial", "sagittal"}, True)
    segmenter = Segmenter(ensemble, device="cpu")
    sha256 = hashlib.sha256((folder / "refinement.safetensors").read_bytes()).hexdigest()
    assert segmenter.made_with["refinement"] == sha256
    for without in (
        Segmenter(ensemble, device="cpu", refine=False),
        Segmenter(ensemble, device="cpu", views=("coronal", "axial")),
    ):
        assert without.refinement is None
        assert without.made_with["refinement"] is None
        assert any(line.startswith("refinement none, was") for line in differences(without.made_with, segmenter.made_with))


def test_with_other_networks_it_is_refused_in_one_line(folder: Path) -> None:
    shutil.copy(folder / "coronal.safetensors", folder / "other.safetensors")
    (folder / "other.safetensors").rename(folder / "coronal.safetensors")
    Segmenter(folder, device="cpu")
    path = folder / "refinement.safetensors"
    found = read_refinement(path)
    save_refinement(path, found.network, views={**found.views, "axial": "f" * 64}, training_subjects=[])
    with pytest.raises(CheckpointError, match=r"refinement\.safetensors: fitted for other networks.*--no-refine"):
        Segmenter(folder, device="cpu")
    assert Segmenter(folder, device="cpu", refine=False).refinement is None


@pytest.mark.parametrize("damage", ["cut", "other kind", "infinite"])
def test_a_damaged_file_is_named_in_one_line(folder: Path, damage: str) -> None:
    path = folder / "refinement.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "other kind":
        shutil.copy(folder / "axial.safetensors", path)
    else:
        network = RefinementNetwork(2)
        torch.nn.init.constant_(network.odds.weight, float("inf"))
        with pytest.raises(CheckpointError, match="diverged"):
            save_refinement(path, network, views={}, training_subjects=[])
        return
    with pytest.raises(CheckpointError, match=r"refinement\.safetensors: .*darts-weights fit-refinement"):
        load_ensemble(folder)


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two labelled scans, and views that say of each of them that its pallidum is larger than it is."""
    affine = np.diag([-1.0, 1, 1, 1])
    for number, name in enumerate(("one", "two")):
        intensities, truth, _ = head(number, too_large=0)
        folder = tmp_path / "subjects" / name / "mri"
        folder.mkdir(parents=True)
        nib.save(nib.MGHImage(intensities, affine), folder / "T1.mgz")
        nib.save(nib.MGHImage(classes_to_ids(truth).astype(np.int32), affine), folder / "aparc+aseg.mgz")

    def label(_: Segmenter, loaded: Loaded) -> Labelled:
        labels = loaded.conformed.scan.path.with_name("aparc+aseg.mgz")  # type: ignore[union-attr]
        classes = ids_to_classes(conform_labels(read_label_map(labels), loaded.conformed))
        box = head_box((classes != BACKGROUND_CLASS).astype(np.float32), margin=4)
        said = classes[box].copy()
        said[ndimage.binary_dilation(said == PALLIDUM)] = PALLIDUM
        volume = np.eye(N_CLASSES, dtype=np.float16)[said]
        return Labelled(loaded.conformed, Fused(volume, said, {}), box, loaded.stages)

    monkeypatch.setattr(Segmenter, "label", label)
    return tmp_path / "subjects"


def test_the_command_fits_one_to_labelled_scans_and_continues_with_what_it_kept(
    labelled: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(tiny_weights, weights)
    command = ["fit-refinement", "--data", str(labelled), "--weights", str(weights), "--steps", "3", "--filters", "2"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.stderr
    assert "[2/2] two" in first.stdout
    assert "step 3 of 3: loss of the views" in first.stdout
    assert [one["id"] for one in load_ensemble(weights).refinement.training_subjects] == ["one", "two"]  # type: ignore[union-attr]

    def label(*_: Any) -> Labelled:
        raise AssertionError("the views were run again")

    monkeypatch.setattr(Segmenter, "label", label)
    again = CliRunner().invoke(app, [*command, "--subjects", "two"])
    assert again.exit_code == 0, again.stderr
