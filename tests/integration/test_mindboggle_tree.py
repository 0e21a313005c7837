"""A Mindboggle-101 tree made of real scans, with its quirks: native grids, stray ids, a wrong header, the cortex only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from evaluation.commands.evaluate import app
from evaluation.results.folder import Results, read_results

#: Mean Dice of sub-01 in the README of the real scans, no id masked, over the 97 regions that the method emits.
MESHNET = 0.6628
FULL, CORTEX = "labels.DKT31.manual+aseg.nii.gz", "labels.DKT31.manual.nii.gz"
STRAY = {1000: 40, 1001: 30, 2001: 20, 1032: 10, 2033: 5}


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image: Any = nib.load(path)
    return np.asarray(image.dataobj).astype(np.int16), image.affine


def write(path: Path, ids: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(ids, affine), path)


@pytest.fixture(scope="module")
def tree(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three subjects of three groups, and the predictions of an independent network on FreeSurfer's grid."""
    root = tmp_path_factory.mktemp("mindboggle")
    for name, source in (("OASIS-TRT-20-7", "sub-01"), ("NKI-RS-22-16", "sub-01"), ("MMRR-21-9", "sub-02")):
        (root / "maps").mkdir(exist_ok=True)
        (root / f"maps/{name}_dseg.nii.gz").symlink_to(shared_data / f"predictions/meshnet104/{source}.nii.gz")
    ids, affine = read(shared_data / "subjects/sub-01/mri/aparc.DKTatlas+aseg.mgz")
    # 192 sagittal slices, stored posterior to anterior: no voxel of the brain is lost or changed
    assert not ids[:32].any()
    assert not ids[224:].any()
    cropped = nib.Nifti1Image(ids[32:224], affine @ nib.affines.from_matvec(np.eye(3), [32, 0, 0]))
    native = cropped.as_reoriented(np.array([[2, 1], [1, -1], [0, -1]]))
    folder = root / "gt/OASIS-TRT-20_volumes/OASIS-TRT-20-7"
    write(folder / FULL, np.asarray(native.dataobj), native.affine)
    write(folder / CORTEX, np.where(np.asarray(native.dataobj) > 1000, np.asarray(native.dataobj), 0), native.affine)
    # the axes in the header in another order, as viewers show axial slices for coronal ones
    write(root / "gt/NKI-RS-22_volumes/NKI-RS-22-16" / FULL, ids, affine[:, [0, 2, 1, 3]])
    ids, affine = read(shared_data / "subjects/sub-02/mri/aparc.DKTatlas+aseg.mgz")
    cortex = np.where((ids > 1000) & (ids != 2000), ids, 0)
    places = np.argwhere(cortex == 1028)
    start = 0
    for stray, n in STRAY.items():
        cortex[tuple(places[start : start + n].T)] = stray
        start += n
    write(root / "gt/MMRR-21_volumes/MMRR-21-9" / CORTEX, cortex, affine)
    return root


@pytest.fixture(scope="module")
def scored(tree: Path) -> tuple[Results, str, str]:
    result = CliRunner().invoke(
        app,
        [
            "--gt", str(tree / "gt"), "--pred", f"meshnet={tree / 'maps'}", "-o", str(tree / "out"), "--metrics", "overlap",
            "--outside-protocol", "background", "--no-figures", "--no-report",
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return read_results(tree / "out"), result.stdout, result.stderr


def rows(results: Results, subject: str) -> pd.DataFrame:
    return results.scores[results.scores["subject"] == subject].set_index("region_id")


def test_a_native_grid_gives_the_numbers_of_the_conformed_one(scored: tuple[Results, str, str]) -> None:
    results, _, _ = scored
    mean = results.subjects.set_index("subject").loc["OASIS-TRT-20-7", "mean_dice_common"]
    assert mean == pytest.approx(MESHNET, abs=6e-5)
    grid = results.account["grids"]["OASIS-TRT-20-7"]
    assert sorted(grid["shape"]) == [192, 256, 256]
    assert grid["label_maps"] == {"meshnet": "axes reordered"}


def test_a_header_that_is_known_to_be_wrong_is_said_and_the_maps_are_laid_on_each_other(
    scored: tuple[Results, str, str],
) -> None:
    results, _, stderr = scored
    assert results.subjects.set_index("subject").loc["NKI-RS-22-16", "mean_dice_common"] == pytest.approx(MESHNET, abs=6e-5)
    assert results.account["grids"]["NKI-RS-22-16"]["label_maps"] == {"meshnet": "laid voxel on voxel"}
    assert "orientation in the header known to be wrong (Mindboggle issue 186): NKI-RS-22-16\n" in stderr
    assert "NKI-RS-22-16: meshnet was compared voxel by voxel" in stderr


def test_any_other_wrong_header_is_a_fault_that_is_named(tree: Path, tmp_path: Path) -> None:
    known = tree / "gt/NKI-RS-22_volumes/NKI-RS-22-16" / FULL
    (tmp_path / "gt/NKI-RS-22-15").mkdir(parents=True)
    (tmp_path / "gt/NKI-RS-22-15" / FULL).symlink_to(known)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/NKI-RS-22-15.nii.gz").symlink_to(tree / "maps/NKI-RS-22-16_dseg.nii.gz")
    result = CliRunner().invoke(
        app,
        ["--gt", str(tmp_path / "gt"), "--pred", f"m={tmp_path / 'maps'}", "-o", str(tmp_path / "out"), "--metrics", "overlap"],
    )
    assert result.exit_code == 1
    assert "suspected: NKI-RS-22-15 (m): another affine: " in result.stderr
    assert json.loads((tmp_path / "out/run.json").read_text())["counts"]["subjects_scored"] == 0
    assert not (tmp_path / "out/scores.csv").exists()


def test_the_cortex_alone_is_told_from_labels_and_its_strays_are_counted(scored: tuple[Results, str, str]) -> None:
    results, stdout, stderr = scored
    one = rows(results, "MMRR-21-9")
    assert (one["status"] == "absent by protocol").sum() == 40
    assert one.loc[one["group"] == "cortex", "dice"].notna().all()
    assert results.account["labels_follow"]["MMRR-21-9"]["reference"] == "DKT, cortex only"
    foreign = results.account["foreign_ids"]["MMRR-21-9"]["meshnet"]
    assert foreign["as_background"] == {str(id_): n for id_, n in STRAY.items()}
    assert "stray bankssts and poles in DKT references, 65 voxels taken as background: MMRR-21-9\n" in stderr
    assert "regions absent by the references' protocol, 40 (" in stderr
    assert "Mindboggle: the cortex is labelled by hand, all other regions by FreeSurfer" in stdout


def test_a_desikan_prediction_against_dkt_is_said(scored: tuple[Results, str, str]) -> None:
    assert "meshnet follows Desikan, the references DKT" in scored[2]
