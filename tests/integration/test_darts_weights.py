"""darts-weights as a user runs it: its output, files and exit codes, and its help without torch."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from click.testing import Result
from safetensors.torch import load_file
from typer.testing import CliRunner

from darts_ensemble.commands.weights import app
from darts_ensemble.labels import REGIONS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.weights.checkpoints import load_ensemble, load_view

COMMANDS = ("list", "fetch", "verify", "info", "export", "verify-orientation", "fit-fusion", "fit-refinement")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DARTS_WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DARTS_WEIGHTS_REGISTRY", raising=False)
    return tmp_path / "cache"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def printed(result: Result) -> Any:
    return json.loads(result.stdout)


def test_every_command_has_its_help_and_none_loads_torch_or_pandas() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom darts_ensemble.commands.weights import app\n"
        f"for name in {COMMANDS!r}:\n"
        "    assert CliRunner().invoke(app, [name, '--help']).exit_code == 0, name\n"
        "print(sorted({'torch', 'pandas', 'numpy', 'pooch', 'nibabel'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    whole = run("--help").stdout
    assert all(name in whole for name in COMMANDS)


def test_list_tells_what_is_here_from_what_is_not(cache: Path) -> None:
    result = run("list")
    assert result.exit_code == 0
    assert "bundled, here" in result.stdout
    assert "- dense_unet_saggital_finetuned.pth (not here)" in result.stdout
    (cache / "released").mkdir(parents=True)
    (cache / "released" / "dense_unet_saggital_finetuned.pth").write_bytes(b"x")
    rows = {row["name"]: row for row in printed(run("list", "--json"))["weights"]}
    assert rows["bundled"]["here"] == ["axial.safetensors", "coronal.safetensors", "sagittal.safetensors"]
    assert rows["released"]["state"].startswith("1 of 3 files here")
    assert rows["released"]["here"] == ["dense_unet_saggital_finetuned.pth"]


def test_what_must_be_fetched_by_hand_says_how_and_exits_1(cache: Path) -> None:
    result = run("fetch", "released")
    assert result.exit_code == 1
    assert str(cache / "released") in result.stderr
    assert "NYUMedML/DARTS" in result.stderr
    assert result.stderr.count("\n") == 1
    unknown = run("fetch", "nothing")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (1, 1)
    assert printed(run("fetch", "bundled", "--json"))[0]["status"] == "here"


def test_verify_finds_a_changed_byte_and_names_the_file(tmp_path: Path, tiny_weights: Path) -> None:
    for path in tiny_weights.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert run("verify", tmp_path).stdout.count("not known") == 3
    assert run("verify", "--write", tmp_path).exit_code == 0
    good = run("verify", tmp_path, "--json")
    assert good.exit_code == 0
    assert [row["status"] for row in printed(good)["files"]] == ["ok"] * 3
    content = bytearray((tmp_path / "axial.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "axial.safetensors").write_bytes(content)
    result = run("verify", tmp_path)
    assert result.exit_code == 1
    assert "axial.safetensors: sha256" in result.stderr
    assert "coronal" not in result.stderr
    assert run("verify", tmp_path / "axial.safetensors").exit_code == 1
    assert run("verify", tmp_path / "coronal.safetensors").exit_code == 0
    assert run("verify", tmp_path / "nowhere").exit_code == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>Sign in</html>", "an HTML page"),
        (b"\n\n <html lang=en>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
        (b'{"error": "not found"}', "JSON"),
        (b"Not found", "text"),
        (b"", "empty"),
        (b"\xff\x00\x00\x00\x00\x00\x00\x7f{", "cut off"),
    ],
)
def test_what_is_no_weights_file_is_named_as_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    for name in ("page.html", "axial.pth", "axial.safetensors"):
        (tmp_path / name).write_bytes(content)
        for command in ("verify", "info"):
            result = run(command, tmp_path / name)
            assert result.exit_code == 1
            assert result.stderr.count("\n") == 1
            assert words in result.stderr
            assert name in result.stderr
    assert run("verify", tmp_path).exit_code == 1


def test_verify_without_a_name_looks_at_all_that_is_here() -> None:
    rows = printed(run("verify", "--json"))["files"]
    assert {Path(row["file"]).name for row in rows} >= {"axial.safetensors", "coronal.safetensors", "sagittal.safetensors"}


def test_info_tells_what_a_file_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = DenseUNet(filters=4, convolutions=2)
    path = tmp_path / "dense_unet_back2front_finetuned.pth"
    torch.save(network.state_dict(), path)
    (one,) = printed(run("info", path, "--json"))
    count = sum(value.numel() for value in network.parameters())
    facts = {"view": "coronal", "architecture": "dense-unet", "filters": 4, "parameters": count, "in_channels": 1}
    assert one.items() >= facts.items()
    assert one["normalisation"] == "slice-minmax"
    assert one["size_bytes"] == path.stat().st_size
    assert one["training_subjects"] == [], "a released file doesn't tell"
    assert f"{count:,}" in run("info", path).stdout
    other = tmp_path / "net.pth"
    other.write_bytes(path.read_bytes())
    assert run("info", other).exit_code == 1
    assert printed(run("info", other, "--view", "axial", "--json"))[0]["view"] == "axial"


def test_info_of_the_bundled_ensemble_names_the_subjects_it_has_seen() -> None:
    described = printed(run("info", "--json"))
    assert [one["view"] for one in described] == ["coronal", "axial", "sagittal"]
    assert all("sub-01" in one["training_subjects"] and "sub-08" not in one["training_subjects"] for one in described)


def test_info_tells_each_fact_once(tiny_weights: Path) -> None:
    (one,) = printed(run("info", tiny_weights / "axial.safetensors", "--json"))
    assert not set(one) & set(one["settings"])


def test_an_exported_network_says_the_same_in_half_the_room(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = DenseUNet(filters=4, convolutions=2).eval()
    source = tmp_path / "back2front.pth"
    torch.save({f"module.{name}": value for name, value in network.state_dict().items()}, source)
    result = run("export", source, tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "")
    exported = tmp_path / "out" / "coronal.safetensors"
    assert {value.dtype for value in load_file(exported).values()} == {torch.float16}
    slices = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        one, two = network(slices), load_ensemble(tmp_path / "out").networks["coronal"].network(slices)
    torch.testing.assert_close(one, two, atol=float(0.01 * one.abs().max()), rtol=0)
    again = run("export", source, tmp_path / "out")
    assert (again.exit_code, "--overwrite" in again.stderr) == (1, True)
    assert run("export", source, tmp_path / "out", "--overwrite").exit_code == 0


def test_what_is_no_number_or_nothing_can_read_is_not_exported(tmp_path: Path) -> None:
    network = DenseUNet(filters=2, convolutions=1)
    with torch.no_grad():
        network.outconv.bias[3] = math.nan
    torch.save(network.state_dict(), tmp_path / "axial.pth")
    result = run("export", tmp_path / "axial.pth", tmp_path / "out")
    assert result.exit_code == 1
    assert "outconv.bias holds infinity or NaN" in result.stderr
    (tmp_path / "coronal.pth").write_bytes(b"not weights")
    assert run("export", tmp_path / "coronal.pth", tmp_path / "out").exit_code == 1
    assert not list(tmp_path.glob("out/*"))


@pytest.fixture
def head(tmp_path: Path) -> tuple[Path, Path]:
    """A scan of noise with labels in it, which no random network can know."""
    rng = np.random.default_rng(0)
    scan = np.zeros((48, 48, 48), dtype=np.int16)
    scan[8:40, 8:40, 8:40] = rng.integers(50, 200, (32,) * 3)
    labels = np.zeros(scan.shape, dtype=np.int16)
    labels[12:36, 12:36, 12:36] = rng.choice([region.id for region in REGIONS], (24,) * 3)
    for name, data in (("T1.nii.gz", scan), ("labels.nii.gz", labels)):
        nib.save(nib.Nifti1Image(data, np.diag([1.0, 1, 1, 1])), tmp_path / name)
    return tmp_path / "T1.nii.gz", tmp_path / "labels.nii.gz"


def test_weights_that_fit_no_layout_are_said_to_and_exit_1(tiny_weights: Path, head: tuple[Path, Path]) -> None:
    given = ("--scan", head[0], "--labels", head[1], "--slices", 1, "--device", "cpu")
    result = run("verify-orientation", tiny_weights, "--view", "axial", *given)
    assert result.exit_code == 1
    assert "no layout fits" in result.stderr
    assert len(result.stdout.splitlines()) == 9
    answer = printed(run("verify-orientation", tiny_weights / "coronal.safetensors", *given, "--json"))
    assert answer["as_declared"] is False
    assert len(answer["layouts"]) == 8
    lacking = run("verify-orientation", tiny_weights, *given)
    assert (lacking.exit_code, "--view" in lacking.stderr) == (2, True)


def test_a_checkpoint_of_a_training_exports_its_averaged_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, average = DenseUNet(filters=2, convolutions=1), DenseUNet(filters=2, convolutions=1)
    state = {
        "settings": {"view": "sagittal", "normalisation": "volume-median", "seed": 7},
        "network": network.state_dict(),
        "average": average.state_dict(),
        "step": 100,
    }
    torch.save(state, tmp_path / "sagittal.checkpoint.pt")
    assert run("export", tmp_path / "sagittal.checkpoint.pt", tmp_path / "out").exit_code == 0
    exported = load_view(tmp_path / "out" / "sagittal.safetensors")
    assert (exported.view, exported.normalisation, exported.metadata["setting_seed"]) == ("sagittal", "volume-median", "7")
    torch.testing.assert_close(
        exported.network.get_parameter("outconv.weight"), average.outconv.weight.data.half().float(), atol=0, rtol=0
    )
