"""The published command line: both published spellings of its flags, its exit codes, and the class list."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from darts_ensemble.perform_pred import main
from darts_ensemble.published import write_class_list
from tests.darts_ensemble.test_published import CORONAL, brightness_network, phantom, write_scan


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.save(brightness_network().state_dict(), folder / CORONAL)
    return folder


def run(scan: Path, out: Path, weights: Path, *more: str) -> int:
    given = ["--input_image_path", str(scan), "--segmentation_dir_path", str(out), "--file_name", "199251"]
    return main([*given, "--model_wts_path", str(weights / CORONAL), *more])


def test_the_published_command_line_works(tmp_path: Path, weights: Path) -> None:
    scan = write_scan(tmp_path / "T1.mgz", phantom())
    # As in the README of the release on PyPI, where every switch takes a value.
    assert run(scan, tmp_path / "a", weights, "--is_mgz", "True", "--save_prob", "False", "--use_gpu", "True") == 0
    # As in the later version, where they stand alone.
    assert run(scan, tmp_path / "b", weights, "--model_type", "dense-unet", "--is_mgz", "--save_prob") == 0
    assert run(scan, tmp_path / "c", weights) == 0
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["199251_seg.mgz"]
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["199251_prob.nii.gz", "199251_seg.mgz"]
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["199251_seg.nii.gz"]
    for path in (tmp_path / "a" / "199251_seg.mgz", tmp_path / "c" / "199251_seg.nii.gz"):
        np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj), phantom())
        np.testing.assert_allclose(nib.load(path).affine, nib.load(scan).affine)


def test_a_failure_is_one_line_and_exit_code_1(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan = write_scan(tmp_path / "T1.nii.gz", phantom())
    damaged = tmp_path / "damaged.nii.gz"
    damaged.write_bytes(scan.read_bytes()[:200])
    assert run(damaged, tmp_path / "out", weights) == 1
    assert run(tmp_path / "none.nii.gz", tmp_path / "out", weights) == 1
    assert run(scan, tmp_path / "out", tmp_path) == 1
    assert run(scan, scan, weights) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4
    for line, named in zip(errors, (damaged, tmp_path / "none.nii.gz", tmp_path / CORONAL, scan), strict=True):
        assert line.startswith(f"{named}: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--input_image_path", "T1.mgz"],
        ["--input_image_path", "T1.mgz", "--segmentation_dir_path", "out", "--file_name", "../x"],
        ["--input_image_path", "T1.mgz", "--segmentation_dir_path", "out", "--file_name", "x", "--model_type", "vgg"],
        ["--input_image_path", "T1.mgz", "--segmentation_dir_path", "out", "--file_name", "x", "--is_mgz", "perhaps"],
        ["--class_list", "classes.docx"],
    ],
)
def test_wrong_usage_is_exit_code_2(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(wrong)
    assert caught.value.code == 2


def test_it_runs_as_a_module_and_tells_its_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "darts_ensemble.perform_pred", "--input_image_path", "none.mgz"]
    command += ["--segmentation_dir_path", "out", "--file_name", "x", "--model_wts_path", "none_coronal.pth"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("none_coronal.pth: no such weights file")
    assert done.stderr.count("\n") == 1


def test_the_class_list_says_the_same_in_every_form(tmp_path: Path) -> None:
    for ending in ("tsv", "txt", "json", "pkl"):
        assert main(["--class_list", str(tmp_path / f"classes.{ending}")]) == 0
    with (tmp_path / "classes.pkl").open("rb") as file:
        names = pickle.load(file)
    assert type(names) is dict
    assert {type(key) for key in names} == {int}
    assert len(names) == 103
    # FreeSurferColorLUT.txt
    known = {0: "None", 2: "Left-Cerebral-White-Matter", 17: "Left-Hippocampus", 53: "Right-Hippocampus", 2035: "ctx-rh-insula"}
    assert {id_: names[id_] for id_ in known} == known
    assert json.loads((tmp_path / "classes.json").read_text()) == {str(id_): name for id_, name in names.items()}
    table = pd.read_csv(tmp_path / "classes.tsv", sep="\t", keep_default_na=False)
    assert dict(zip(table["id"], table["name"], strict=True)) == names
    assert list(table["class_index"]) == list(range(103))
    colours = [line.split() for line in (tmp_path / "classes.txt").read_text().splitlines()]
    assert {int(id_): name for id_, name, *_ in colours} == names
    assert [line[2:] for line in colours if line[0] == "17"] == [["220", "216", "20", "0"]]


def test_the_pickled_class_list_needs_no_code_to_be_read(tmp_path: Path) -> None:
    write_class_list(tmp_path / "classes.pkl")

    class Strict(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            raise AssertionError(f"the pickle asks for {module}.{name}")

    with (tmp_path / "classes.pkl").open("rb") as file:
        assert Strict(file).load()[85] == "Optic-Chiasm"
