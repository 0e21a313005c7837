"""What darts-segment writes as BIDS passes the official validator, whatever the options."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from darts_ensemble.commands.segment import app
from darts_ensemble.fusion.view_weights import FusionWeights, write_fusion_weights
from darts_ensemble.weights.checksums import sha256_of
from tests.integration.test_darts_segment import SHAPE, head, save, tree, voxels
from tests.phantoms.dicom_series import oblique_affine, write_series

#: What only the data set's owner can mend: it is the user who knows the authors.
OWNERS = {"TOO_FEW_AUTHORS"}
SCANS = (
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-02/ses-b/anat/sub-02_ses-b_run-1_T1w.nii",
    "sub-02/ses-b/anat/sub-02_ses-b_acq-mprage_ce-gad_rec-norm_run-2_T1w.nii.gz",
)
STEMS = (
    "sub-01/anat/sub-01_seg-darts",
    "sub-02/ses-b/anat/sub-02_ses-b_run-1_seg-darts",
    "sub-02/ses-b/anat/sub-02_ses-b_acq-mprage_ce-gad_rec-norm_run-2_seg-darts",
)


def issues(dataset: Path) -> list[dict[str, Any]]:
    """The findings of the validator, which needs no network."""
    program = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("no bids-validator-deno: pip install bids-validator-deno")
    done = subprocess.run([program, str(dataset), "--format", "json"], capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout)["issues"]["issues"]
    return [one for one in found if one["code"] not in OWNERS]


@pytest.fixture(scope="module")
def derivative(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Path:
    """A derivative of three scans, written twice: with chosen probabilities, then with the most probable regions."""
    bids = tmp_path_factory.mktemp("bids")
    for number, name in enumerate(SCANS):
        save(bids / name, head(number))
    save(bids / "sub-01/anat/sub-01_T2w.nii.gz", head(9))
    (bids / "dataset_description.json").write_text('{"Name": "raw", "BIDSVersion": "1.8.0"}')
    out = bids / "derivatives/darts"
    options = [bids, "-o", out, "--format", "bids", "--weights", tiny_weights, "--device", "cpu", "--save-agreement"]
    for more in (
        ["--save-probabilities", "15,1008", "--probability-type", "uint8"],
        ["--save-probabilities", "top2", "--overwrite"],
    ):
        result = CliRunner().invoke(app, [str(one) for one in [*options, *more]])
        assert result.exit_code == 0, result.stderr
    return out


def test_the_official_validator_finds_neither_error_nor_warning(derivative: Path) -> None:
    assert issues(derivative) == []


def test_a_scan_that_is_in_no_data_set_gives_a_valid_derivative_too(tmp_path: Path, tiny_weights: Path) -> None:
    arguments = [save(tmp_path / "my scan.mgz"), "-o", tmp_path / "out", "--format", "bids", "--weights", tiny_weights]
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.stderr
    assert issues(tmp_path / "out") == []
    about = json.loads((tmp_path / "out/sub-myscan/anat/sub-myscan_seg-darts_dseg.json").read_text())
    assert about["Sources"] == [(tmp_path / "my scan.mgz").as_uri()]


@pytest.mark.parametrize(
    "options",
    [
        "--save-probabilities all --probability-type uint8 --sagittal-pooling duplicate --batch-size 4",
        "--save-probabilities all --views coronal --clean --low-memory --precision bf16 --crop head --threads 1 --json",
        "--save-probabilities Left-Hippocampus,53 --probability-type uint16 --report --save-agreement --fusion-weights FITTED",
        "--fusion vote --views coronal,axial --view-weights coronal=1,axial=2 --save-agreement --strict --crop none --part 1/1",
    ],
)
def test_each_option_writes_a_valid_derivative(options: str, tmp_path: Path, tiny_weights: Path) -> None:
    bids = tmp_path / "bids"
    save(bids / SCANS[2], head(1))
    (bids / "dataset_description.json").write_text('{"Name": "raw", "BIDSVersion": "1.8.0"}')
    fitted = tmp_path / "fusion.json"
    files = {view: sha256_of(tiny_weights / f"{view}.safetensors") for view in ("coronal", "axial", "sagittal")}
    write_fusion_weights(FusionWeights({view: np.ones(103) for view in files}, files), fitted)
    out = bids / "derivatives/darts"
    given = options.replace("FITTED", str(fitted)).split()
    arguments = [bids, "-o", out, "--format", "bids", "--weights", tiny_weights, "--device", "cpu", *given]
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code in (0, 1) if "--strict" in options else result.exit_code == 0, result.stderr
    assert issues(out) == []
    if "all" in options:
        image: Any = nib.load(out / f"{STEMS[2]}_probseg.nii.gz")
        described = json.loads((out / f"{STEMS[2]}_probseg.json").read_text())
        assert image.shape == (*SHAPE, len(described["LabelMap"]))
        assert len(described["LabelMap"]) >= 102


def test_a_dicom_folder_gives_a_valid_derivative_with_its_segmentation(tmp_path: Path, tiny_weights: Path) -> None:
    write_series(tmp_path / "ann", affine=oblique_affine((3.5, 3.6, 3.7)), patient="ann")
    options = ["--dicom-seg", "--views", "axial", "--save-probabilities", "top2", "--report"]
    arguments = [
        tmp_path / "ann",
        "-o",
        tmp_path / "out",
        "--format",
        "bids",
        "--weights",
        tiny_weights,
        "--device",
        "cpu",
        *options,
    ]
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "out/sub-ann/anat/sub-ann_seg-darts_dseg.dcm").is_file()
    assert issues(tmp_path / "out") == []


def test_every_file_has_a_name_of_the_specification_but_what_bidsignore_names(derivative: Path) -> None:
    ends = (
        "dseg.nii.gz", "dseg.json", "dseg.tsv", "agreement.nii.gz", "probseg.nii.gz", "probseg.json", "desc-top_dseg.nii.gz",
        "desc-top_dseg.json", "desc-top_probseg.nii.gz", "desc-top_probseg.json",
    )  # fmt: skip
    assert tree(derivative) == {f"{stem}_{end}" for stem in STEMS for end in ends} | {
        "dataset_description.json", ".bidsignore", "seg-darts_dseg.json", "README.md", "docs/darts_colours.txt",
        "docs/darts_itksnap.txt",
    }  # fmt: skip


def test_sidecars_name_their_scan_and_tables_their_labels(derivative: Path) -> None:
    about = json.loads((derivative / f"{STEMS[0]}_dseg.json").read_text())
    dataset = json.loads((derivative / "dataset_description.json").read_text())
    (link,) = dataset["DatasetLinks"]
    assert dataset["DatasetLinks"][link] == "../.."
    assert about["Sources"] == [f"bids:{link}:{SCANS[0]}"]
    assert about["SpatialReference"] == about["Sources"][0]
    assert set(about) >= {"Description", "Manual", "flags", "mean_view_agreement", "seen_in_training"}
    assert set(dataset["GeneratedBy"][0]["Weights"]) == {"coronal", "axial", "sagittal"}
    ids = voxels(derivative / f"{STEMS[0]}_dseg.nii.gz")
    table = pd.read_csv(derivative / f"{STEMS[0]}_dseg.tsv", sep="\t").set_index("index")
    assert set(np.unique(ids)) - {0} == set(table.index[table["n_voxels"] > 0])
    assert table["agreement"].notna().sum() == (table["n_voxels"] > 0).sum()


def test_probabilities_are_those_of_the_labels(derivative: Path) -> None:
    ids = voxels(derivative / f"{STEMS[0]}_dseg.nii.gz")
    image: Any = nib.load(derivative / f"{STEMS[0]}_probseg.nii.gz")
    probabilities = image.get_fdata()
    assert (image.get_data_dtype(), image.shape) == (np.uint8, (*SHAPE, 2))
    described = json.loads((derivative / f"{STEMS[0]}_probseg.json").read_text())
    assert described["LabelMap"] == ["4th-Ventricle", "ctx-lh-inferiorparietal"]
    # More than half of a voxel's probability is a majority.
    for number, region in enumerate((15, 1008)):
        assert np.all(ids[probabilities[..., number] > 0.51] == region)


def test_its_own_results_are_no_scans_and_are_not_done_again(derivative: Path, tiny_weights: Path) -> None:
    bids = derivative.parents[1]
    arguments = [bids, "-o", derivative, "--format", "bids", "--weights", tiny_weights, "--device", "cpu", "--save-agreement"]
    result = CliRunner().invoke(app, [str(one) for one in [*arguments, "--save-probabilities", "top2"]])
    assert result.stdout.count("done before") == 3
