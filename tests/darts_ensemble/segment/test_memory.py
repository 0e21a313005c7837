"""The memory of a scan is known from its header: told before a run, refused in one line where there is less."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from darts_ensemble import Segmenter
from darts_ensemble.commands.segment import app
from darts_ensemble.errors import DeviceError
from darts_ensemble.scans.header import Header, read_header
from darts_ensemble.scans.scan import read_scan
from darts_ensemble.segment import segmenter as segmenter_module
from darts_ensemble.segment.memory import Grid, Load, check_memory, grid_of, memory_needed
from darts_ensemble.weights.checkpoints import load_ensemble

GB = 10**9
SIDES = st.integers(20, 700)


@cache
def load(low_memory: bool = False) -> Load:
    networks = list(load_ensemble("bundled").networks.values())
    return Load(networks, torch.device("cpu"), "fp32", None, low_memory)


def grid(shape: tuple[int, int, int], millimetres: float = 1.0, itemsize: int = 2) -> Grid:
    return Grid(shape, np.diag([millimetres] * 3 + [1.0]), int(np.prod(shape)) * itemsize)


@given(shape=st.tuples(SIDES, SIDES, SIDES), more=st.integers(1, 50), millimetres=st.floats(0.3, 2.0))
def test_a_larger_scan_never_needs_less(shape: tuple[int, int, int], more: int, millimetres: float) -> None:
    larger = (shape[0] + more, *shape[1:])
    for overlapping in (False, True):
        small, large = (memory_needed(grid(one, millimetres), load(), overlapping=overlapping) for one in (shape, larger))
        assert small.usual <= large.usual
        assert small.most <= large.most
        assert small.usual <= small.most


@given(shape=st.tuples(SIDES, SIDES, SIDES), millimetres=st.floats(0.3, 2.0))
def test_low_memory_needs_less_and_several_scans_need_more(shape: tuple[int, int, int], millimetres: float) -> None:
    one = memory_needed(grid(shape, millimetres), load())
    low = memory_needed(grid(shape, millimetres), load(low_memory=True))
    several = memory_needed(grid(shape, millimetres), load(), overlapping=True)
    assert low.usual <= one.usual <= several.usual
    assert low.most <= one.most <= several.most


@pytest.mark.parametrize("extension", [".nii.gz", ".nii", ".mgz", ".mgh"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_a_header_tells_what_the_scan_has_in_memory(tmp_path: Path, extension: str, dtype: type) -> None:
    data = np.random.default_rng(0).integers(0, 200, (20, 24, 28)).astype(dtype)
    kind = nib.MGHImage if extension.startswith(".mg") else nib.Nifti1Image
    nib.save(kind(data, np.diag([2.0, 2, 2, 1])), tmp_path / f"a{extension}")
    header, scan = read_header(tmp_path / f"a{extension}"), read_scan(tmp_path / f"a{extension}")
    assert grid_of(header).stored == scan.data.nbytes
    assert grid_of(header).window == grid_of(scan).window


def test_a_slope_makes_voxels_of_eight_bytes(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.random.default_rng(0).integers(0, 200, (20, 24, 28)).astype(np.int16), np.diag([2.0, 2, 2, 1]))
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, tmp_path / "a.nii.gz")
    assert grid_of(read_header(tmp_path / "a.nii.gz")).stored == read_scan(tmp_path / "a.nii.gz").data.nbytes


def header(shape: tuple[int, int, int], millimetres: float) -> Header:
    image = nib.Nifti1Image(np.broadcast_to(np.zeros((), np.int16), shape), np.diag([millimetres] * 3 + [1.0]))
    return Header(Path("fine.nii.gz"), image, shape, image.affine)


def test_what_fits_nowhere_is_refused_in_one_line_that_says_so() -> None:
    with pytest.raises(DeviceError) as refused:
        check_memory(header((1200, 1200, 1200), 0.2), load(), 16 * GB)
    text = str(refused.value)
    assert text.startswith("fine.nii.gz: 1200 x 1200 x 1200 voxels need ")
    assert "expected at most 16 GB here" in text
    assert "--low-memory needs" in text
    assert "try" not in text
    assert "\n" not in text


def test_what_fits_with_low_memory_is_refused_with_that_advice() -> None:
    one = header((256, 256, 256), 1.0)
    alone = memory_needed(grid_of(one), load(low_memory=True)).usual
    with pytest.raises(DeviceError, match=r"fine.nii.gz: 256 x 256 x 256 voxels need .* try --low-memory, which needs"):
        check_memory(one, load(), alone + 1, overlapping=True)
    check_memory(one, load(low_memory=True), alone + 1)
    check_memory(one, load(), None, overlapping=True)


def test_a_box_too_large_for_the_machine_is_refused_before_it_is_fused(
    tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = np.pad(np.random.default_rng(0).integers(50, 200, (40, 40, 40)).astype(np.uint8), 4)
    nib.save(nib.Nifti1Image(data, np.diag([2.0, 2, 2, 1])), tmp_path / "a.nii.gz")
    segmenter = Segmenter(tiny_weights, crop="none", low_memory=True)
    loaded = segmenter.load(tmp_path / "a.nii.gz")
    monkeypatch.setattr(segmenter_module, "usable_memory", lambda: 3 * GB)
    with pytest.raises(DeviceError, match="labels in a box of 256 x 256 x 256 mm need"):
        segmenter.label(loaded)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    data = np.pad(np.random.default_rng(0).integers(50, 200, (20, 20, 20)).astype(np.uint8), 4)
    nib.save(nib.Nifti1Image(data, np.diag([4.0, 4, 4, 1])), tmp_path / "a.nii.gz")
    return tmp_path / "a.nii.gz"


def test_a_dry_run_tells_the_memory_and_writes_nothing(tmp_path: Path, scan: Path, tiny_weights: Path) -> None:
    out = tmp_path / "out"
    command = [str(scan), "-o", str(out), "--weights", str(tiny_weights)]
    done = CliRunner().invoke(app, [*command, "--dry-run"])
    assert done.exit_code == 0
    assert f"[1/1] a: to do {out / 'a_dseg.nii.gz'}; memory for a usual brain " in done.output
    assert not out.exists()
    row = json.loads(CliRunner().invoke(app, [*command, "--dry-run", "--json"]).stdout)["scans"][0]
    assert row["status"] == "to do"
    made = CliRunner().invoke(app, [*command, "--verbose", "--json"])
    assert json.loads(made.stdout)["scans"][0]["memory_bytes"] == row["memory_bytes"]
    again = CliRunner().invoke(app, [*command, "--dry-run", "--clean"])
    assert "to do again (clean yes, was none)" in again.output
    assert "done before" in CliRunner().invoke(app, [*command, "--dry-run"]).output


def test_verbose_tells_the_memory(tmp_path: Path, scan: Path, tiny_weights: Path) -> None:
    done = CliRunner().invoke(app, [str(scan), "-o", str(tmp_path / "out"), "--weights", str(tiny_weights), "--verbose"])
    assert "memory for a usual brain " in done.output


@pytest.mark.parametrize("extra", [[], ["--dry-run"]])
def test_a_scan_too_large_does_not_stop_the_others(
    tmp_path: Path, scan: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, extra: list[str]
) -> None:
    image = nib.Nifti1Image(np.zeros((4, 4, 4), dtype=np.int16), np.diag([0.2, 0.2, 0.2, 1]))
    image.header.set_data_shape((1200, 1200, 1200))
    (tmp_path / "fine.nii").write_bytes(image.header.binaryblock)  # a header is enough
    monkeypatch.setattr(segmenter_module, "usable_memory", lambda: 16 * GB)
    done = CliRunner().invoke(
        app, [str(tmp_path / "fine.nii"), str(scan), "-o", str(tmp_path / "out"), "--weights", str(tiny_weights), *extra]
    )
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if "fine.nii: 1200 x 1200 x 1200 voxels need" in line]
    assert "--low-memory" in line
    assert "a: to do" in done.output if extra else (tmp_path / "out/a_dseg.nii.gz").is_file()
