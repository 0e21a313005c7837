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

from darts_ensemble.errors import UsageError
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.scans.scan import voxel_checksum
from darts_ensemble.weights.view_file import save_view
from evaluation.commands.evaluate import app
from evaluation.commands.steps import choose_regions
from evaluation.protocols.protocol import load_protocol
from evaluation.results.folder import read_results
from evaluation.statistics.intervals import Bootstrap

AFFINE = np.diag([-1.0, 1.0, 1.0, 1.0])


def save(path: Path, ids: np.ndarray, kind: type = nib.Nifti1Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = kind(ids.astype(np.int16), AFFINE)
    if kind is nib.Nifti1Image:
        image.header["descrip"] = str(path)[-70:]  # no two files are the same bytes
    nib.save(image, path)


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
    # The other regions equal the reference in every voxel, and would get no score.
    given = ["--gt", data / "gt", "--pred", f"half={data / 'half'}", "--include-suspects"]
    result = run(*given, "-o", data / "out", "--no-figures", "--no-report")
    assert result.exit_code == 0, result.output
    assert "half: not matched: no label map of sub-3" in result.output
    written = {path.name for path in (data / "out").iterdir()}
    assert {"scores.csv", "groups.csv", "subjects.csv", "summary.csv", "regions.csv", "run.json", "subjects"} <= written
    assert not written & {"figures", "report.html"}
    results = read_results(data / "out")
    assert len(results.scores) == 204
    hippocampus = results.scores[(results.scores["subject"] == "sub-2") & (results.scores["region_id"] == 17)].iloc[0]
    assert (hippocampus["dice"], hippocampus["n_ref_voxels"], hippocampus["n_pred_voxels"]) == (
        pytest.approx(2 / 3, abs=1e-5), 1024, 512,
    )  # fmt: skip
    summary = results.summary.iloc[0]
    assert summary["n_subjects"] == 2
    assert summary["mean_dice"] == pytest.approx((2 / 3 + 3) / 4, abs=1e-5)
    assert "0.917 ± 0.000" in result.output
    assert results.regions.set_index("region_id").loc[17, "n_dice"] == 2
    account = results.account
    assert account["references"]["sub-1"].endswith("sub-1/mri/aparc.DKTatlas+aseg.mgz")
    assert account["label_maps"]["half"]["sub-1"].endswith("half/sub-1_dseg.nii.gz")
    assert account["not_matched"]["without_label_map"] == {"half": ["sub-3"]}
    assert account["versions"]["numpy"] == np.__version__
    assert account["bootstrap"]["resamples"] == Bootstrap().resamples
    assert set(account["input_sha256"]) == {
        *(account["references"][name] for name in ("sub-1", "sub-2")), *account["label_maps"]["half"].values(),
    }  # fmt: skip
    assert account["counts"]["rows"] == {"absent by protocol": 196, "scored": 8}
    assert set(account["files"]) <= {path.relative_to(data / "out").as_posix() for path in (data / "out").rglob("*")}


def test_metrics_surfaces_tolerances_and_misses_are_chosen(data: Path) -> None:
    common = ("--gt", data / "gt", "--pred", f"half={data / 'half'}", "--no-figures", "--no-report")
    run(*common, "-o", data / "plain")
    assert read_results(data / "plain").metrics[5:] == [
        "hd95_larger_voxel_mm", "hd95_pooled_voxel_mm", "assd_voxel_mm", "surface_dice_1mm_voxel",
    ]  # fmt: skip
    assert run(*common, "-o", data / "overlap", "--metrics", "overlap").exit_code == 0
    assert read_results(data / "overlap").metrics == ["dice", "jaccard", "sensitivity", "precision", "volume_similarity"]
    options = ("--surface-definition", "both", "--tolerance", "2", "--tolerance", "0.5", "--misses", "inf")
    assert run(*common, "-o", data / "both", *options).exit_code == 0
    assert {"assd_dual_grid_mm", "surface_dice_0.5mm_voxel", "surface_dice_2mm_dual_grid"} <= set(
        read_results(data / "both").metrics
    )
    assert read_results(data / "both").account["metrics"] == {
        "surface_definitions": ["voxel", "dual_grid"], "tolerances_mm": [0.5, 2.0], "misses": "inf",
    }  # fmt: skip


def test_a_second_run_takes_over_what_is_finished(data: Path) -> None:
    arguments = ("--gt", data / "gt", "--pred", f"half={data / 'half'}", "-o", data / "out", "--no-figures", "--no-report")
    first = run(*arguments)
    before = (data / "out/scores.csv").read_bytes()
    again = run(*arguments)
    assert "scored half" in first.output
    assert "taken over half" in again.output
    assert (data / "out/scores.csv").read_bytes() == before
    assert read_results(data / "out").account["counts"]["pairs_taken_over"] == 2
    assert "scored half" in run(*arguments, "--overwrite").output


def test_a_suspected_pair_is_named_left_out_and_exits_1(data: Path) -> None:
    exchanged = np.select([blocks() == 17, blocks() == 53, blocks() == 1024, blocks() == 2024], [53, 17, 2024, 1024], 0)
    save(data / "half/sub-3.nii.gz", exchanged)
    arguments = ("--gt", data / "gt", "--pred", f"half={data / 'half'}", "-o", data / "out", "--no-figures", "--no-report")
    result = run(*arguments)
    assert result.exit_code == 1
    assert (
        "suspected: sub-3 (half): left and right exchanged: mean Dice 0.00, with left and right labels exchanged 1.00; "
        "left out of all tables\n"
    ) in result.stderr
    results = read_results(data / "out")
    assert set(results.scores["subject"]) == {"sub-1", "sub-2"}
    assert [suspect["kind"] for suspect in results.account["suspects"]] == ["left and right exchanged"]
    kept = run(*arguments, "--include-suspects")
    assert kept.exit_code == 0
    assert "kept in the tables" in kept.stderr
    assert set(read_results(data / "out").scores["subject"]) == {"sub-1", "sub-2", "sub-3"}


def test_voxels_outside_the_protocol_are_counted_on_screen_and_in_the_account(data: Path) -> None:
    stray = blocks()
    stray[2:4, 2:18, 2:10] = 77
    save(data / "gt/sub-1/mri/aparc.DKTatlas+aseg.mgz", stray, nib.MGHImage)
    common = ("--gt", data / "gt", "--pred", f"half={data / 'half'}", "--subjects", "sub-1", "--no-figures", "--no-report")
    masked = run(*common, "-o", data / "masked")
    assert "references: 256 voxels (ids 77) outside protocol darts102, masked\n" in masked.stdout
    foreign = read_results(data / "masked").account["foreign_ids"]["sub-1"]["half"]
    assert foreign == {"masked": {"77": 256}, "as_background": {}, "dropped": {}}
    background = run(*common, "-o", data / "background", "--outside-protocol", "background")
    assert "references: 256 voxels (ids 77) outside protocol darts102, background\n" in background.stdout


def test_a_protocol_of_ones_own_is_scored(data: Path) -> None:
    (data / "mine.tsv").write_text("id\tuse\tregion\n17\tscore\thippocampus\n53\tscore\thippocampus\n1024\tbackground\t\n")
    result = run(
        "--gt", data / "gt", "--pred", f"half={data / 'half'}", "--protocol", data / "mine.tsv", "-o", data / "out",
        "--no-figures", "--no-report",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    scores = read_results(data / "out").scores
    assert scores[["region_id", "region_name", "hemisphere"]].drop_duplicates().to_numpy().tolist() == [
        [17, "hippocampus", "midline"]
    ]
    assert scores["dice"].tolist() == pytest.approx([2 * 1536 / (2048 + 1536)] * 2, abs=1e-5)
    account = read_results(data / "out").account
    assert account["protocol"]["merged"] == {"17": [17, 53]}
    assert account["foreign_ids"]["sub-1"]["half"]["masked"] == {"2024": 1024}


def test_several_processes_give_the_same_tables(data: Path) -> None:
    for name in range(4, 9):
        save(data / f"gt/sub-{name}/mri/aparc.DKTatlas+aseg.mgz", blocks(), nib.MGHImage)
        save(data / f"half/sub-{name}.nii.gz", np.roll(blocks(), name - 3, axis=1))
    common = ("--gt", data / "gt", "--pred", f"half={data / 'half'}", "--no-figures", "--no-report")
    one = run(*common, "-o", data / "one")
    two = run(*common, "-o", data / "two", "--jobs", "2")
    assert one.exit_code == two.exit_code == 0, two.output
    assert "[7/7] " in two.output
    for name in ("scores.csv", "groups.csv", "summary.csv"):
        assert (data / "one" / name).read_bytes() == (data / "two" / name).read_bytes()


def test_regions_and_subjects_choose_what_is_scored(data: Path) -> None:
    result = run(
        "--gt", data / "gt", "--pred", f"half={data / 'half'}", "--regions", "Left-Hippocampus,2024", "--subjects", "sub-2",
        "-o", data / "out", "--quiet", "--no-figures", "--no-report",
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "")
    assert read_results(data / "out").scores[["subject", "region_id"]].to_numpy().tolist() == [["sub-2", 17], ["sub-2", 2024]]


def test_json_is_all_that_stdout_holds(data: Path) -> None:
    arguments = ("--gt", data / "gt", "--pred", f"half={data / 'half'}", "-o", data / "out", "--no-figures", "--no-report")
    result = run(*arguments, "--json")
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
    "arguments",
    [
        ("--pred", "no-equals"), ("--pred", "a=x", "--pred", "A=y"), ("--pred", "a=x", "--regions", "Hypocampus"),
        ("--pred", "a=x", "--protocol", "dkt"), ("--pred", "a=x", "--tolerance", "-1"), ("--pred", "a=x", "--metrics", "some"),
    ],
)  # fmt: skip
def test_wrong_usage_exits_2(data: Path, arguments: tuple[str, ...]) -> None:
    result = run("--gt", data / "gt", *arguments, "-o", data / "out")
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_without_references_or_a_folder_for_results_it_says_what_it_needs() -> None:
    result = run()
    assert (result.exit_code, result.stderr) == (2, "darts-eval: expected --gt and --out; darts-eval --help shows examples\n")


def test_one_bad_subject_is_named_the_others_are_done_and_it_exits_1(data: Path) -> None:
    (data / "half/sub-1_dseg.nii.gz").write_bytes(b"\x1f\x8b broken")
    result = run("--gt", data / "gt", "--pred", f"half={data / 'half'}", "-o", data / "out", "--no-figures", "--no-report")
    assert result.exit_code == 1
    assert "darts-eval: sub-1 (half): " in result.stderr
    assert set(read_results(data / "out").scores["subject"]) == {"sub-2"}
    assert json.loads((data / "out/run.json").read_text())["failures"][0]["subject"] == "sub-1"


def test_mindboggle_scans_with_wrong_headers_are_warned_of(tmp_path: Path) -> None:
    for name in ("HLN-12-4", "HLN-12-3"):
        save(tmp_path / f"gt/HLN-12_volumes/{name}/labels.DKT31.manual+aseg.nii.gz", blocks())
        save(tmp_path / f"p/{name}.nii.gz", blocks())
    result = run("--gt", tmp_path / "gt", "--pred", f"p={tmp_path / 'p'}", "-o", tmp_path / "out", "--no-figures")
    assert result.exit_code == 0, result.output
    assert "known to be wrong (Mindboggle issue 186): HLN-12-4\n" in result.stderr
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
        "--device", "cpu", "--no-figures", "--no-report",
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


@pytest.mark.parametrize("name", ["axial", "Ensemble"])
def test_a_method_may_not_take_the_name_of_a_view(data: Path, name: str) -> None:
    result = run("--gt", data / "gt", "--pred", f"{name}={data / 'half'}", "--weights", "bundled", "-o", data / "out")
    assert result.exit_code == 2
    assert name in result.stderr


def test_scoring_label_maps_never_imports_torch(data: Path) -> None:
    code = (
        "import sys\nfrom evaluation.commands.evaluate import app\n"
        f"app(['--gt', {str(data / 'gt')!r}, '--pred', {'half=' + str(data / 'half')!r}, '-o', {str(data / 'out')!r}],"
        " standalone_mode=False)\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (data / "out/summary.csv").is_file()


def test_regions_are_chosen_by_name_id_or_group() -> None:
    darts = load_protocol("darts102")
    assert choose_regions("", darts) == list(darts.regions)
    assert [region.id for region in choose_regions("left-thalamus, 53,Left-Thalamus-Proper", darts)] == [10, 53]
    assert len(choose_regions("cortex", darts)) == 62
    assert {region.id for region in choose_regions("Corpus Callosum", darts)} == {251, 252, 253, 254, 255}
    with pytest.raises(UsageError, match="unknown region 1001; expected names or ids of protocol darts102"):
        choose_regions("17,1001", darts)
    assert [region.id for region in choose_regions("1001,ctx-rh-frontalpole", load_protocol("dk"))] == [1001, 2032]


def test_help_and_its_examples_need_nothing_that_is_slow_to_load() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom evaluation.commands.evaluate import app\n"
        "result = CliRunner().invoke(app, ['--help'])\nassert result.exit_code == 0, result.output\n"
        "assert 'darts-eval --gt mindboggle/ -o results/' in result.output\n"
        "slow = {'torch', 'pandas', 'scipy', 'numpy', 'nibabel', 'matplotlib'} & set(sys.modules)\nassert not slow, slow"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_reader_failed_on_the_quality_page_is_left_out(data: Path) -> None:
    (data / "qc.tsv").write_text("name\tdecision\tnote\nsub-1\tfail\tmoved\nsub-2\tpass\t\n")
    options = ("--gt", data / "gt", "--pred", f"half={data / 'half'}", "-o", data / "out", "--no-figures", "--no-report")
    result = run(*options, "--exclude", data / "qc.tsv")
    assert result.exit_code == 0, result.output
    assert "qc.tsv: sub-1" in result.output
    assert set(read_results(data / "out").scores["subject"]) == {"sub-2"}
    (data / "qc.tsv").write_text("name\tdecision\n" + "".join(f"sub-{number}\tfail\n" for number in (1, 2, 3)))
    result = run(*options, "--exclude", data / "qc.tsv")
    assert result.exit_code == 1
    assert "all 3 subjects failed" in result.output
