"""The command darts-train: both steps write all their files, a run can be repeated from its files, errors come first."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from typer.testing import CliRunner

from darts_ensemble.commands.train import app
from darts_ensemble.device import choose_precision
from darts_ensemble.weights.checkpoints import load_view
from tests.darts_ensemble.training.test_slice_pool import write_subject

SMALL = ["--filters", "2", "--convolutions", "1", "--steps", "2", "--batch", "1", "--views", "axial", "--device", "cpu"]


def darts_train(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("subjects")
    for name, ids in (("a", (10, 49, 77)), ("b", (10, 49))):
        write_subject(folder / name, ids)
    return folder


@pytest.fixture(scope="module")
def pretrained(subjects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("weights")
    code, said = darts_train("pretrain", "--data", subjects, "--validation", "b", *SMALL, "-o", out)
    assert code == 0, said
    assert "1 subjects to train on: a" in said
    assert "validation Dice" in said
    return out


def test_pretraining_leaves_weights_recipe_account_log_and_figures(pretrained: Path) -> None:
    made = load_view(pretrained / "axial.safetensors")
    assert (made.filters, made.channels.thick_slices) == (2, 7)
    assert [one["id"] for one in made.training_subjects] == ["a"]
    recipe = yaml.safe_load((pretrained / "recipe.yaml").read_text())
    assert recipe["filters"] == 2
    assert recipe["precision"] == choose_precision("auto", torch.device("cpu")), "what it was, not auto"
    account = json.loads((pretrained / "run.json").read_text())
    assert [(one["id"], one["use"]) for one in account["subjects"]] == [("a", "training"), ("b", "validation")]
    assert pd.read_csv(pretrained / "axial.csv")["step"].tolist() == [2, 2]
    for name in ("axial_curve.png", "axial_validation.png"):
        assert (pretrained / name).read_bytes().startswith(b"\x89PNG")
    assert list((pretrained / "events" / "axial").glob("events.*"))


def test_a_run_is_repeated_from_the_recipe_that_it_wrote(pretrained: Path, subjects: Path, tmp_path: Path) -> None:
    recipe = pretrained / "recipe.yaml"
    code, said = darts_train(
        "pretrain", "--data", subjects, "--validation", "b", "--recipe", recipe, "--views", "axial", "--device", "cpu",
        "-o", tmp_path,
    )  # fmt: skip
    assert code == 0, said
    one, two = (load_view(folder / "axial.safetensors").network.state_dict() for folder in (pretrained, tmp_path))
    assert all(bool((one[name] == two[name]).all()) for name in one)


def test_finetuning_goes_on_from_weights_with_their_size_and_channels(pretrained: Path, subjects: Path, tmp_path: Path) -> None:
    code, said = darts_train(
        "finetune", "--init", pretrained, "--data", subjects, "--subjects", "b", "--views", "axial", "--steps", "1",
        "--batch", "1", "--device", "cpu", "-o", tmp_path,
    )  # fmt: skip
    assert code == 0, said
    made = load_view(tmp_path / "axial.safetensors")
    assert (made.filters, made.channels.thick_slices, made.normalisation) == (2, 7, "volume-otsu")
    assert made.metadata["initial"].startswith("axial.safetensors sha256 ")
    assert float(made.metadata["setting_rate"]) == 5e-4


def test_finetuning_widens_the_networks_that_it_starts_from(pretrained: Path, subjects: Path, tmp_path: Path) -> None:
    start = ("finetune", "--init", pretrained, "--data", subjects, "--views", "axial", "--batch", "1", "--device", "cpu")
    code, said = darts_train(*start, "--filters", "3", "--steps", "1", "--subjects", "b", "-o", tmp_path / "wider")
    assert code == 0, said
    assert load_view(tmp_path / "wider" / "axial.safetensors").filters == 3
    code, said = darts_train(*start, "--filters", "1", "--steps", "1", "-o", tmp_path / "narrower")
    assert code == 1
    assert "a dense-unet of 2 filters and 7 channels; expected a dense-unet of at most 1 filters" in " ".join(said.split())


def test_a_run_goes_on_in_the_precision_in_which_it_began(subjects: Path, tmp_path: Path) -> None:
    begun = ("pretrain", "--data", subjects, *SMALL, "-o", tmp_path)
    assert darts_train(*begun, "--precision", "fp32")[0] == 0
    code, said = darts_train(*begun, "--precision", "bf16")
    assert code == 1
    assert "made with other settings: precision" in " ".join(said.split())
    code, said = darts_train(*begun, "--precision", "int8")
    assert code == 2
    assert "precision int8; expected one of auto, fp32, bf16" in " ".join(said.split())


def test_a_checkpoint_is_exported(pretrained: Path, tmp_path: Path) -> None:
    code, said = darts_train("export", pretrained / "axial.checkpoint.pt", tmp_path / "out")
    assert code == 0, said
    one, two = load_view(tmp_path / "out" / "axial.safetensors"), load_view(pretrained / "axial.safetensors")
    assert one.channels == two.channels
    state = two.network.state_dict()
    assert all(bool((value == state[name]).all()) for name, value in one.network.state_dict().items())


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--subjects", "a,c"], 1, "no labelled subject c; expected some of a, b"),
        (["--views", "frontal"], 2, "--views frontal: frontal found; expected some of coronal, axial, sagittal"),
        (["--recipe", "best"], 2, "recipe best; expected one of default, published"),
        (["--validation", "a,b"], 1, "all 2 subjects are kept for validation"),
        (["--labels", "manual.mgz"], 1, "expected <subject>/mri/ with one of manual.mgz"),
        (["--thick-slices", "4"], 2, "4 thick slices; expected an odd number from 1 to 15"),
        (["-o", "/proc/weights"], 1, "expected a folder with room to write"),
    ],
)
def test_what_cannot_be_is_one_line_before_any_training(
    subjects: Path, tmp_path: Path, words: list[str], code: int, complaint: str
) -> None:
    done, said = darts_train("pretrain", "--data", subjects, *SMALL, "-o", tmp_path, *words)
    assert done == code
    assert complaint in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("*.checkpoint.pt"))


def test_weights_without_the_view_asked_for_are_named(pretrained: Path, subjects: Path, tmp_path: Path) -> None:
    code, said = darts_train("finetune", "--init", pretrained, "--data", subjects, "--views", "coronal", "-o", tmp_path)
    assert code == 1
    assert "no coronal network to start from" in said
