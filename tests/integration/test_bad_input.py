"""Any error in a scan or a weights file gives one line that names it, and never stops the other scans of the call."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from darts_ensemble.commands.segment import app
from darts_ensemble.labels import REGION_IDS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.weights.view_file import save_view

AFFINE = np.array([[-1.0, 0, 0, 12], [0, 1, 0, -13], [0, 0, 1, -11], [0, 0, 0, 1]])
SHAPE = (24, 26, 22)
#: What the error says of each kind of bad scan, after its path.
COMPLAINTS = {
    "truncated.nii.gz": "damaged",
    "truncated.mgz": "damaged",
    "truncated.nii": "damaged",
    "no-gzip.mgz": "damaged",
    "text.nii.gz": "not an image",
    "empty.nii": "an empty file",
    "notes.txt": "not a file that can be read here",
    "series.nii.gz": "expected one 3-D volume",
    "zeros.mgz": "all voxels are 0",
    "constant.nii": "all voxels are 7",
    "nan.nii.gz": "2 voxels are NaN or infinite",
    "singular.nii.gz": "singular affine",
    "nan-affine.nii": "singular affine",
    "labels.nii.gz": "not a label map",
    "missing.nii.gz": "no such file",
    "slice.dcm": "no DICOM image",
    "IM0001": "no DICOM image",
    "dicom": "no DICOM image",
    "nothing": "no scan found",
}


def head() -> np.ndarray:
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    inside = np.linalg.norm((grid - [12, 13, 11]) / [9, 10, 8], axis=-1) < 1
    return np.where(inside, 120 + 40 * np.sin(grid[..., 0] / 2), 0).astype(np.float32)


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind: Any = nib.MGHImage if path.suffix in (".mgz", ".mgh") else nib.Nifti1Image
    nib.save(kind(data, affine), path)
    return path


def make_bad_scans(folder: Path) -> list[Path]:
    for name in ("truncated.nii.gz", "truncated.mgz", "truncated.nii"):
        whole = save(folder / name, np.random.default_rng(0).random(SHAPE).astype(np.float32)).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    (folder / "no-gzip.mgz").write_bytes(b"this was never compressed")
    (folder / "text.nii.gz").write_bytes(gzip.compress(b"<html>404 Not Found</html>" * 40))
    (folder / "empty.nii").touch()
    (folder / "notes.txt").write_text("remember to send the scan")
    save(folder / "series.nii.gz", np.stack([head(), head() * 0.9], axis=-1))
    save(folder / "zeros.mgz", np.zeros(SHAPE, dtype=np.uint8))
    save(folder / "constant.nii", np.full(SHAPE, 7, dtype=np.uint8))
    broken = head()
    broken[3, 4, 5], broken[12, 12, 12] = np.nan, -np.inf
    save(folder / "nan.nii.gz", broken)
    for name, value in (("singular.nii.gz", 0), ("nan-affine.nii", np.nan)):
        image: Any = nib.Nifti1Image(head(), AFFINE)
        image.header["srow_y"][:3] = value  # nibabel itself would not set it
        image.header["qform_code"] = 0
        with nib.openers.Opener(folder / name, "wb") as file:
            image.header.write_to(file)
            file.write(b"\0" * 4 + head().tobytes(order="F"))
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels.ravel()[: 102 * 90] = np.repeat(REGION_IDS, 90)
    save(folder / "labels.nii.gz", labels)
    (folder / "slice.dcm").write_bytes(b"\0" * 200)
    (folder / "IM0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 60)
    (folder / "dicom").mkdir()
    (folder / "dicom" / "IM0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 60)
    (folder / "nothing").mkdir()
    return [folder / name for name in COMPLAINTS]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad")


@pytest.fixture(scope="module")
def outcome(folder: Path, tiny_weights: Path) -> Result:
    """One call with every bad scan and, between them, two good ones."""
    bad = make_bad_scans(folder / "in")
    good = [save(folder / "in" / name, head()) for name in ("good.nii.gz", "last.mgz")]
    return run(*bad[:9], good[0], *bad[9:], good[1], "-o", folder / "out", "--weights", tiny_weights, "--device", "cpu")


def test_each_bad_scan_costs_one_line_and_the_call_exits_1(outcome: Result) -> None:
    assert outcome.exit_code == 1
    assert len(outcome.stderr.splitlines()) == len(COMPLAINTS)
    assert "Traceback" not in outcome.output


@pytest.mark.parametrize("name", COMPLAINTS)
def test_the_line_names_the_file_what_was_found_and_what_to_do(outcome: Result, folder: Path, name: str) -> None:
    (line,) = (line for line in outcome.stderr.splitlines() if line.startswith(f"darts-segment: {folder / 'in' / name}: "))
    assert COMPLAINTS[name] in line
    assert "expected" in line


def test_the_good_scans_of_the_call_are_done_and_nothing_else_is_written(outcome: Result, folder: Path) -> None:
    per_scan = {f"{name}_{what}" for name in ("good", "last") for what in ("dseg.nii.gz", "volumes.tsv", "quality.json")}
    assert tree(folder / "out") == per_scan | {"darts_colours.txt", "darts_itksnap.txt"}
    assert nib.load(folder / "out/good_dseg.nii.gz").shape == SHAPE
    assert sum(" wrote " in line for line in outcome.stdout.splitlines()) == 2


def test_a_bug_met_by_one_scan_is_told_in_one_line_and_the_others_are_done(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from darts_ensemble.segment import segmenter

    def fail_once(data: Any, *arguments: Any) -> Any:
        monkeypatch.undo()
        raise MemoryError("Unable to allocate\n12 GiB")

    monkeypatch.setattr(segmenter, "conform", fail_once)
    scans = [save(tmp_path / name, head()) for name in ("a.nii", "b.nii")]
    result = run(*scans, "-o", tmp_path / "out", "--weights", tiny_weights, "--device", "cpu")
    assert result.exit_code == 1
    assert result.stderr == f"darts-segment: {scans[0]}: MemoryError: Unable to allocate 12 GiB\n"
    assert (tmp_path / "out/b_dseg.nii.gz").is_file()
    assert not (tmp_path / "out/a_dseg.nii.gz").exists()


def test_a_full_disk_leaves_no_label_map_and_no_temporary_file(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_once(image: Any, path: Path) -> None:
        monkeypatch.undo()
        Path(path).write_bytes(b"half of a file")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    scans = [save(tmp_path / name, head()) for name in ("a.nii", "b.nii")]
    monkeypatch.setattr("darts_ensemble.scans.scan.save_image", fill_once)
    result = run(*scans, "-o", tmp_path / "out", "--weights", tiny_weights, "--device", "cpu")
    assert result.exit_code == 1
    target = tmp_path / "out/a_dseg.nii.gz"
    assert result.stderr == (f"darts-segment: {target}: {os.strerror(errno.ENOSPC)}; expected a folder with room to write\n")
    assert {name for name in tree(tmp_path / "out") if "dseg" in name or "tmp" in name} == {"b_dseg.nii.gz"}


class Exploit:
    """Unpickled without care, it makes the file it names."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def bad_weights(kind: str, folder: Path, tiny_weights: Path) -> Path:
    path = folder / f"coronal-{kind}{'.safetensors' if kind in ('truncated', 'unknown-format') else '.pth'}"
    if kind == "truncated":
        whole = (tiny_weights / "coronal.safetensors").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "truncated-pickle":
        torch.save({"conv1.weight": torch.zeros(64, 64)}, path)
        path.write_bytes(path.read_bytes()[:-300])
    elif kind == "malicious":
        torch.save({"conv1.weight": Exploit(folder / "owned")}, path)
    elif kind == "other-architecture":
        torch.save({"features.0.weight": torch.zeros(2, 1, 3, 3)}, path)
    elif kind == "whole-module":
        torch.save(torch.nn.Linear(2, 2), path)
    elif kind == "missing-keys":
        state = DenseUNet(filters=2, convolutions=1).state_dict()
        torch.save({name: value for name, value in state.items() if "u2" not in name}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("truncated", "not a weights file, or one cut off"),
        ("truncated-pickle", "truncated or not a PyTorch file"),
        ("malicious", "holds Python objects"),
        ("other-architecture", "features.0.weight"),
        ("whole-module", "holds Python objects"),
        ("missing-keys", "keys that don't fit"),
        ("no-such-file", "no such weights file"),
    ],
)
@pytest.mark.parametrize("option", ["--weights", "--coronal"])
def test_weights_that_can_not_be_used_are_named_before_anything_is_written(
    tmp_path: Path, tiny_weights: Path, kind: str, complaint: str, option: str
) -> None:
    weights = bad_weights(kind, tmp_path, tiny_weights)
    result = run(save(tmp_path / "a.nii", head()), "-o", tmp_path / "out", option, weights, "--device", "cpu")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"darts-segment: {weights}: ")
    assert complaint in result.stderr
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "owned").exists()


def test_weights_that_lack_a_view_asked_for_are_named(tmp_path: Path, tiny_weights: Path) -> None:
    shutil.copytree(tiny_weights, tmp_path / "weights")
    (tmp_path / "weights/axial.safetensors").unlink()
    scan = save(tmp_path / "a.nii", head())
    result = run(scan, "-o", tmp_path / "out", "--weights", tmp_path / "weights", "--views", "coronal,axial")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert f"{tmp_path / 'weights'}: no axial network" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_with_two_files_for_one_view_or_none_is_refused(tmp_path: Path, tiny_weights: Path) -> None:
    scan = save(tmp_path / "a.nii", head())
    shutil.copytree(tiny_weights, tmp_path / "weights")
    torch.manual_seed(9)
    save_view(
        tmp_path / "weights/second.safetensors", DenseUNet(filters=2, convolutions=1), view="coronal",
        normalisation="volume-median", training_subjects=[],
    )  # fmt: skip
    result = run(scan, "-o", tmp_path / "out", "--weights", tmp_path / "weights")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "weights/second.safetensors: a second coronal network" in result.stderr
    (tmp_path / "none").mkdir()
    result = run(scan, "-o", tmp_path / "out", "--weights", tmp_path / "none")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert f"{tmp_path / 'none'}: no weights file" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--views", "corronal"),
        ("--views", ""),
        ("--view-weights", "coronal"),
        ("--view-weights", "coronal=-1"),
        ("--view-weights", "coronal=nan"),
        ("--view-weights", "coronal=inf"),
        ("--view-weights", "front=1"),
        ("--views", "sagittal", "--view-weights", "sagittal=0"),
        ("--views", "coronal", "--save-agreement"),
        ("--save-probabilities", "Left-Hypocampus"),
        ("--format", "dicom"),
        ("--fusion", "median"),
        ("--device", "abacus"),
        ("--batch-size", "0"),
    ],
)
def test_wrong_usage_exits_2_and_writes_nothing(tmp_path: Path, tiny_weights: Path, arguments: tuple[str, ...]) -> None:
    scan = save(tmp_path / "a.nii", head())
    given = (scan, "-o", tmp_path / "out", "--weights", tiny_weights, *arguments) if arguments else ("-o", tmp_path / "out")
    result = run(*given)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_results_that_can_not_be_told_apart_are_refused_before_anything_is_written(tmp_path: Path, tiny_weights: Path) -> None:
    scans = [save(tmp_path / name, head()) for name in ("a_b.nii", "a-b.nii")]
    result = run(*scans, "-o", tmp_path / "out", "--weights", tiny_weights, "--format", "bids")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert f"{scans[1]} and {scans[0]}: both would be " in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_in_place_of_the_output_folder_is_said_in_one_line(tmp_path: Path, tiny_weights: Path) -> None:
    (tmp_path / "out").write_text("I am a file")
    result = run(save(tmp_path / "a.nii", head()), "-o", tmp_path / "out", "--weights", tiny_weights)
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith(f"darts-segment: {tmp_path / 'out'}")


def test_the_command_itself_ends_as_said_without_a_traceback(tmp_path: Path, tiny_weights: Path) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(save(tmp_path / "a.nii.gz", head()).read_bytes()[:-200])
    command = [
        sys.executable,
        "-m",
        "darts_ensemble.commands.segment",
        broken,
        "-o",
        tmp_path / "out",
        "--weights",
        tiny_weights,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"darts-segment: {broken}: damaged")
    assert len(done.stderr.splitlines()) == 1
    assert {name for name in tree(tmp_path / "out") if "broken" in name} == set()
