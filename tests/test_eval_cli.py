"""darts-eval as a user runs it: what it prints, writes and returns, also when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner, Result

from darts_ensemble.checkpoints import save_view, voxel_checksum
from darts_ensemble.errors import UsageError
from darts_ensemble.labels import REGIONS
from darts_ensemble.networks import DenseUNet
from evaluation.cli import app, choose_regions

AFFINE = np.diag([-1.0, 1.0, 1.0, 1.0])


def save(path: Path, ids: np.ndarray, kind: type = nib.Nifti1Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(kind(ids.astype(np.int16), AFFINE), path)


def blocks() -> np.ndarray:
    ids = np.zeros((20, 20, 20))
    ids[2:10, 2:18, 2:10], ids[10:18, 2:18, 2:10] = 17, 53
    ids[2:10, 2:18, 10:18], ids[10:18, 2:18, 10:18] = 1024, 2024
    return ids


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three FreeSurfer subjects; label maps by `half` for two of them, half of the left hippocampus gone."""
    for name in ("sub-1", "sub-2", "sub-3"):
        save(tmp_path / "gt" / name / "mri/aparc.DKTatlas+aseg.mgz", blocks(), nib.MGHImage)
    half = blocks()
    half[2:6][half[2:6] == 17] = 0
    for name in ("sub-1", "sub-2"):
        save(tmp_path / f"half/{name}_dseg.nii.gz", half)
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_label_maps_given_are_scored_and_everything_is_written(data: Path) -> None:
    result = run("--gt", data / "gt", "--pred", f"half={data / 'half'}", "-o", data / "out")
    assert result.exit_code == 0, result.output
    assert "3 subjects with a reference" in result.output
    assert "sub-1: reference aparc.DKTatlas+aseg.mgz" in result.output
    assert "not matched: sub-3" in result.output
    assert "never emits: " in result.output
    written = {path.name for path in (data / "out").iterdir()}
    tables = {"dice_long.csv", "subjects.csv", "summary.csv", "regions.csv", "run.json"}
    assert written == tables | {
        f"boxplot_{kind}_{part}.{end}" for kind in ("published", "points") for part in (1, 2) for end in ("png", "pdf")
    }
    long = pd.read_csv(data / "out/dice_long.csv")
    assert len(long) == 204
    hippocampus = long[(long["subject"] == "sub-2") & (long["region_id"] == 17)].iloc[0]
    assert (hippocampus["dice"], hippocampus["n_ref_voxels"], hippocampus["n_pred_voxels"]) == (
        pytest.approx(2 / 3, abs=1e-5), 1024, 512,
    )  # fmt: skip
    summary = pd.read_csv(data / "out/summary.csv").iloc[0]
    assert summary["n_subjects"] == 2
    assert summary["mean_dice"] == pytest.approx((2 / 3 + 3) / 4, abs=1e-5)
    assert "0.917 ± 0.000" in result.output
    regions = pd.read_csv(data / "out/regions.csv").set_index("region_id")
    assert regions.loc[17, "n_subjects"] == 2
    account = json.loads((data / "out/run.json").read_text())
    assert account["references"]["sub-1"].endswith("sub-1/mri/aparc.DKTatlas+aseg.mgz")
    assert account["label_maps"]["half"]["sub-1"].endswith("half/sub-1_dseg.nii.gz")
    assert account["versions"]["numpy"] == np.__version__


def test_regions_and_subjects_choose_what_is_scored(data: Path) -> None:
    result = run(
        "--gt", data / "gt", "--pred", f"half={data / 'half'}", "--regions", "Left-Hippocampus,2024", "--subjects", "sub-2",
        "-o", data / "out", "--quiet",
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "")
    long = pd.read_csv(data / "out/dice_long.csv")
    assert long[["subject", "region_id"]].to_numpy().tolist() == [["sub-2", 17], ["sub-2", 2024]]


def test_json_is_all_that_stdout_holds(data: Path) -> None:
    result = run("--gt", data / "gt", "--pred", f"half={data / 'half'}", "-o", data / "out", "--json")
    assert json.loads(result.stdout) == json.loads((data / "out/run.json").read_text())


def test_nothing_that_matches_stops_with_1_and_writes_nothing(data: Path) -> None:
    (data / "empty").mkdir()
    for arguments in (
        ("--gt", data / "gt", "--pred", f"x={data / 'empty'}"),
        ("--gt", data / "empty", "--pred", f"half={data / 'half'}"),
        ("--gt", data / "gt", "--pred", f"half={data / 'half'}", "--subjects", "sub-9"),
        ("--gt", data / "gt", "--weights", data / "empty"),
    ):
        result = run(*arguments, "-o", data / "out")
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert result.stderr.startswith("darts-eval: ")
        assert not (data / "out").exists()


@pytest.mark.parametrize(
    "arguments", [("--pred", "no-equals"), ("--pred", "a=x", "--pred", "a=y"), ("--pred", "a=x", "--regions", "Hypocampus")]
)
def test_wrong_usage_exits_2(data: Path, arguments: tuple[str, ...]) -> None:
    result = run("--gt", data / "gt", *arguments, "-o", data / "out")
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_one_bad_subject_is_named_the_others_are_done_and_it_exits_1(data: Path) -> None:
    (data / "half/sub-1_dseg.nii.gz").write_bytes(b"\x1f\x8b broken")
    result = run("--gt", data / "gt", "--pred", f"half={data / 'half'}", "-o", data / "out")
    assert result.exit_code == 1
    assert "darts-eval: sub-1 (half): " in result.stderr
    assert set(pd.read_csv(data / "out/dice_long.csv")["subject"]) == {"sub-2"}
    assert json.loads((data / "out/run.json").read_text())["failures"][0]["subject"] == "sub-1"


def test_mindboggle_scans_with_wrong_headers_are_warned_of(tmp_path: Path) -> None:
    for name in ("HLN-12-4", "HLN-12-3"):
        save(tmp_path / f"gt/HLN-12_volumes/{name}/labels.DKT31.manual+aseg.nii.gz", blocks())
        save(tmp_path / f"p/{name}.nii.gz", blocks())
    result = run("--gt", tmp_path / "gt", "--pred", f"p={tmp_path / 'p'}", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "known to be wrong: HLN-12-4\n" in result.stderr
    assert "labelled by hand, all other regions by FreeSurfer" in result.stdout


def test_weights_beside_predictions_score_both_and_announce_what_was_seen(data: Path) -> None:
    scan = np.random.default_rng(0).uniform(10, 250, (20, 20, 20)).astype(np.float32)
    for number, name in enumerate(("sub-1", "sub-2", "sub-3")):
        nib.save(nib.MGHImage(scan + number, AFFINE), data / "gt" / name / "mri/T1.mgz")
    stored = np.asarray(nib.load(data / "gt/sub-1/mri/T1.mgz").dataobj)
    torch.manual_seed(0)
    save_view(
        data / "sagittal.safetensors", DenseUNet(filters=2, convolutions=1), view="sagittal", normalisation="slice-minmax",
        training_subjects=[{"id": "x", "sha256": voxel_checksum(stored)}],
    )  # fmt: skip
    arguments = (
        "--gt", data / "gt", "--pred", f"half={data / 'half'}", "--weights", data / "sagittal.safetensors", "-o", data / "out",
        "--device", "cpu",
    )  # fmt: skip
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "seen in training, kept out of all means: sub-1\n" in result.stderr
    summary = pd.read_csv(data / "out/summary.csv").set_index("method")
    assert summary["n_subjects"].to_dict() == {"half": 1, "sagittal": 2, "sagittal (sides merged)": 2}
    kept = run(*arguments, "--include-seen")
    assert "segmented earlier" in kept.output
    assert pd.read_csv(data / "out/summary.csv").set_index("method")["n_subjects"]["half"] == 2
    assert (data / "out/segmentations/sagittal/sub-3.nii.gz").is_file()


def test_a_method_may_not_take_the_name_of_a_view(data: Path) -> None:
    result = run("--gt", data / "gt", "--pred", f"axial={data / 'half'}", "--weights", "bundled", "-o", data / "out")
    assert result.exit_code == 2
    assert "axial" in result.stderr


def test_scoring_label_maps_never_imports_torch(data: Path) -> None:
    code = (
        "import sys\nfrom evaluation.cli import app\n"
        f"app(['--gt', {str(data / 'gt')!r}, '--pred', {'half=' + str(data / 'half')!r}, '-o', {str(data / 'out')!r}],"
        " standalone_mode=False)\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (data / "out/summary.csv").is_file()


def test_regions_are_chosen_by_name_id_or_group() -> None:
    assert choose_regions("") == list(REGIONS)
    assert [region.id for region in choose_regions("left-thalamus, 53,Left-Thalamus-Proper")] == [10, 53]
    assert len(choose_regions("cortex")) == 62
    assert {region.id for region in choose_regions("Corpus Callosum")} == {251, 252, 253, 254, 255}
    with pytest.raises(UsageError, match="unknown region 1001"):
        choose_regions("17,1001")


def test_help_shows_examples() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "darts-eval --gt mindboggle/ -o results/" in result.output
