"""darts-segment as a user runs it: which files it writes, what it computes again, and what it prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from darts_ensemble.commands.segment import app
from darts_ensemble.labels import REGION_IDS
from darts_ensemble.results.cleaning import remove_islands
from darts_ensemble.segment.segmenter import Segmenter

SHAPE = (24, 26, 22)
AFFINE = np.array([[-1.0, 0, 0, 12], [0, 1, 0, -13], [0, 0, 1, -11], [0, 0, 0, 1]])
#: One view each, told apart by what the tiny networks say.
ALONE = {"coronal": "coronal=1,axial=0,sagittal=0", "axial": "coronal=0,axial=1,sagittal=0"}


def head(phase: float = 0.0) -> np.ndarray:
    """An ellipsoid of uneven brightness in the dark."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    inside = np.linalg.norm((grid - [12, 13, 11]) / [9, 10, 8], axis=-1) < 1
    bright = 120 + 40 * np.sin(grid[..., 0] / 2 + phase) + 25 * np.cos(grid[..., 2])
    return np.where(inside, np.rint(bright), 0).astype(np.int16)


def save(path: Path, data: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind: Any = nib.MGHImage if path.suffix in (".mgz", ".mgh") else nib.Nifti1Image
    nib.save(kind(head() if data is None else data, AFFINE), path)
    return path


def voxels(path: Path) -> np.ndarray:
    image: Any = nib.load(path)
    return np.asarray(image.dataobj)


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def segment(tiny_weights: Path) -> Any:
    def run(*arguments: object) -> Result:
        given = [*arguments, "--weights", tiny_weights, "--device", "cpu"]
        return CliRunner().invoke(app, [str(argument) for argument in given])

    return run


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> tuple[Path, Result]:
    """The same head in four files of four formats, two of one name, in one call."""
    folder = tmp_path_factory.mktemp("formats")
    scans = [save(folder / "in" / name) for name in ("a/T1.mgz", "b/T1.mgh", "plain.nii", "packed.nii.gz")]
    arguments = [*scans, "-o", folder / "out", "--weights", tiny_weights, "--device", "cpu", "--json", "--save-agreement"]
    return folder, CliRunner().invoke(app, [str(argument) for argument in arguments])


NAMES = ("a_T1", "b_T1", "plain", "packed")


def test_every_format_gives_the_same_labels_on_its_scans_grid(formats: tuple[Path, Result]) -> None:
    folder, result = formats
    assert (result.exit_code, result.stderr) == (0, "")
    maps = {name: nib.load(folder / f"out/{name}_dseg.nii.gz") for name in NAMES}
    for image in maps.values():
        assert image.shape == SHAPE
        assert image.get_data_dtype() in (np.uint8, np.int16)
        np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
        np.testing.assert_array_equal(np.asarray(image.dataobj), np.asarray(maps["plain"].dataobj))
    found = np.unique(np.asarray(maps["plain"].dataobj))
    assert set(found) <= {0, *REGION_IDS.tolist()}
    assert len(found) > 1


def test_names_do_not_collide_and_nothing_is_left_over(formats: tuple[Path, Result]) -> None:
    per_scan = ("dseg.nii.gz", "volumes.tsv", "quality.json", "agreement.nii.gz", "agreement.tsv")
    expected = {f"{name}_{what}" for name in NAMES for what in per_scan}
    assert tree(formats[0] / "out") == expected | {"darts_colours.txt", "darts_itksnap.txt"}


def test_the_json_account_is_all_of_stdout_and_tells_each_scan(formats: tuple[Path, Result], tiny_weights: Path) -> None:
    folder, result = formats
    account = json.loads(result.stdout)
    assert account["weights"] == str(tiny_weights)
    assert account["views"] == ["coronal", "axial", "sagittal"]
    assert [row["name"] for row in account["scans"]] == list(NAMES)
    for row in account["scans"]:
        assert row["status"] == "wrote"
        assert Path(row["label_map"]).is_file()
        assert row["seen_in_training"] is False
        assert 0 <= row["mean_view_agreement"] <= 1
        assert row["seconds"] > 0
        assert any(flag.startswith("missing region: ") for flag in row["flags"])
        quality = json.loads((folder / f"out/{row['name']}_quality.json").read_text())
        assert quality["scan"] == str(Path(row["scan"]).resolve())
        assert quality["flags"] == row["flags"]


def test_the_tables_count_what_the_maps_hold(formats: tuple[Path, Result]) -> None:
    out = formats[0] / "out"
    ids, agreement = voxels(out / "packed_dseg.nii.gz"), voxels(out / "packed_agreement.nii.gz")
    assert agreement.dtype == np.float32
    np.testing.assert_allclose(np.unique(agreement * 3) % 1, 0, atol=1e-5)
    volumes = pd.read_csv(out / "packed_volumes.tsv", sep="\t").set_index("region_id")
    by_region = pd.read_csv(out / "packed_agreement.tsv", sep="\t").set_index("region_id")
    assert list(volumes.index) == list(by_region.index) == REGION_IDS.tolist()
    for one in REGION_IDS.tolist():
        count = np.count_nonzero(ids == one)
        assert volumes.loc[one, "n_voxels"] == by_region.loc[one, "n_voxels"] == count
        assert volumes.loc[one, "volume_mm3"] == pytest.approx(count)
        expected = agreement[ids == one].mean() if count else np.nan
        assert by_region.loc[one, "agreement"] == pytest.approx(expected, abs=6e-5, nan_ok=True)


def test_what_is_done_is_not_done_again_unless_asked(formats: tuple[Path, Result], segment: Any, tmp_path: Path) -> None:
    shutil.copytree(formats[0] / "out", tmp_path / "out")
    scan, done = formats[0] / "in/plain.nii", tmp_path / "out/plain_dseg.nii.gz"
    done.write_bytes(b"stands for an hour of work")
    again = segment(scan, "-o", tmp_path / "out")
    assert (again.exit_code, again.stderr) == (0, "")
    assert f"[1/1] plain: done before {done}" in again.stdout
    assert done.read_bytes() == b"stands for an hour of work"
    assert segment(scan, "-o", tmp_path / "out", "--overwrite").exit_code == 0
    np.testing.assert_array_equal(voxels(done), voxels(formats[0] / "out/plain_dseg.nii.gz"))


def test_another_scans_result_is_neither_overwritten_nor_taken_for_ones_own(
    formats: tuple[Path, Result], segment: Any, tmp_path: Path
) -> None:
    shutil.copytree(formats[0] / "out", tmp_path / "out")
    other, done = save(tmp_path / "elsewhere/plain.nii", head(1)), tmp_path / "out/plain_dseg.nii.gz"
    before = done.read_bytes()
    result = segment(other, formats[0] / "in/packed.nii.gz", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert result.stderr == (
        f"darts-segment: {done}: holds the regions of {formats[0].resolve() / 'in/plain.nii'}; "
        f"expected another --out for {other}, or --overwrite\n"
    )
    assert done.read_bytes() == before
    assert "packed: done before" in result.stdout


def test_one_view_gives_what_all_the_weight_on_it_gives_and_views_differ(segment: Any, tmp_path: Path) -> None:
    scan = save(tmp_path / "head.nii.gz")
    maps = {}
    for view, weights in ALONE.items():
        weighted = ("--view-weights", weights)
        runs = {"only": ("--views", view), "weighted": (*weighted, "--fusion", "mean"), "geometric": weighted}
        for how, arguments in runs.items():
            result = segment(scan, "-o", tmp_path / f"{view}-{how}", *arguments)
            assert result.exit_code == 0, result.stderr
            maps[view, how] = voxels(tmp_path / f"{view}-{how}/head_dseg.nii.gz")
        assert f": {view} on cpu" in segment(scan, "-o", tmp_path / f"{view}-only", "--views", view).stdout
        # Probabilities are kept as float16 between views, so near ties may fall the other way; more of them by the geometric
        # mean, which rounds logarithms. Of networks that know nothing most voxels are near ties.
        assert np.mean(maps[view, "only"] == maps[view, "weighted"]) > 0.99
        assert np.mean(maps[view, "only"] == maps[view, "geometric"]) > 0.97
    assert np.mean(maps["coronal", "only"] == maps["axial", "only"]) < 0.9


def test_the_command_says_what_the_python_interface_says_and_that_sides_are_estimated(
    segment: Any, tmp_path: Path, tiny_weights: Path
) -> None:
    scan = save(tmp_path / "head.mgz")
    result = segment(scan, "-o", tmp_path / "out", "--views", "sagittal", "--clean", "--format", "mgz")
    assert result.exit_code == 0, result.stderr
    assert "left and right from the estimated mid-sagittal plane" in result.stdout
    ids = Segmenter(tiny_weights, device="cpu", views=("sagittal",)).segment(scan).ids
    np.testing.assert_array_equal(voxels(tmp_path / "out/head_dseg.mgz"), remove_islands(ids))
    assert tree(tmp_path / "out") == {
        "head_dseg.mgz", "head_volumes.tsv", "head_quality.json", "darts_colours.txt", "darts_itksnap.txt",
    }  # fmt: skip


def test_cleaning_is_off_unless_asked_for(tmp_path: Path, segment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from darts_ensemble.results import segmentation

    monkeypatch.setattr(segmentation, "remove_islands", lambda ids: np.where(ids > 0, 17, 0).astype(np.int16))
    scan = save(tmp_path / "head.nii")
    for arguments, cleaned in (((), False), (("--clean",), True)):
        assert segment(scan, "-o", tmp_path / "out", "--views", "axial", "--overwrite", *arguments).exit_code == 0
        assert (set(np.unique(voxels(tmp_path / "out/head_dseg.nii.gz"))) == {0, 17}) is cleaned
        volumes = pd.read_csv(tmp_path / "out/head_volumes.tsv", sep="\t").set_index("region_id")
        assert bool(volumes["n_voxels"].sum() == volumes.loc[17, "n_voxels"]) is cleaned


def test_a_subjects_dir_is_filled_beside_freesurfers_own_files(segment: Any, tmp_path: Path) -> None:
    subjects = tmp_path / "subjects"
    save(subjects / "bert/mri/T1.mgz")
    save(subjects / "bert/mri/orig.mgz", head(1))
    save(subjects / "ernie/mri/orig.mgz", head(2))
    arguments = (subjects, "-o", subjects, "--format", "freesurfer", "--save-agreement", "--quiet")
    before = tree(subjects)
    result = segment(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    new = {
        f"{subject}/{name}" for subject in ("bert", "ernie") for name in (
            "mri/aparc.DKTatlas+aseg.darts.mgz", "mri/darts.agreement.mgz", "stats/aparc.DKTatlas+aseg.darts.stats",
            "stats/aparc.DKTatlas+aseg.darts.volumes.tsv", "stats/aparc.DKTatlas+aseg.darts.quality.json",
            "stats/darts.agreement.tsv", "stats/lh.aparc.DKTatlas.darts.stats", "stats/rh.aparc.DKTatlas.darts.stats",
        )
    }  # fmt: skip
    assert tree(subjects) - before == new | {"darts_colours.txt", "darts_itksnap.txt"}
    ids = voxels(subjects / "bert/mri/aparc.DKTatlas+aseg.darts.mgz")
    stats = (subjects / "bert/stats/aparc.DKTatlas+aseg.darts.stats").read_text()
    assert "# subjectname bert\n" in stats
    rows = [line.split() for line in stats.splitlines() if not line.startswith("#")]
    assert {int(row[1]): int(row[2]) for row in rows if row[2] != "0"} == {
        int(one): int(count) for one, count in zip(*np.unique(ids, return_counts=True), strict=True) if one
    }
    first = next(row for row in rows if row[2] != "0")
    assert float(first[5]) == pytest.approx(head()[ids == int(first[1])].mean(), abs=6e-5), "T1 is measured, not orig"
    again = segment(*arguments[:-1])
    assert again.exit_code == 0
    assert [line.split(":")[1].split("/")[0].strip() for line in again.stdout.splitlines()[1:]] == ["done before"] * 2


def test_scans_that_lie_in_the_output_folder_are_told_from_results(segment: Any, tmp_path: Path) -> None:
    save(tmp_path / "head.nii.gz")
    assert segment(tmp_path, "-o", tmp_path, "--save-agreement").exit_code == 0
    again = segment(tmp_path, "-o", tmp_path)
    assert again.exit_code == 0
    assert "[1/1] head: done before" in again.stdout


def test_help_shows_examples_and_options_that_are_there_without_loading_torch() -> None:
    code = (
        "import sys\nfrom darts_ensemble.commands.segment import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit as end:\n    code = end.code\n"
        "assert 'torch' not in sys.modules\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "darts-segment T1.mgz -o out/" in done.stdout
    offered = set(re.findall(r"--[a-z][a-z-]+", done.stdout))
    assert {"--out", "--weights", "--views", "--format", "--save-agreement", "--clean", "--overwrite", "--json"} <= offered


def test_the_help_of_training_names_every_normalisation_without_loading_torch() -> None:
    code = (
        "import sys\nfrom darts_ensemble.commands.train import app\n"
        "try:\n    app(['pretrain', '--help'])\nexcept SystemExit:\n    pass\nassert 'torch' not in sys.modules\n"
        "from darts_ensemble.slices.views import NORMALISATIONS\nprint('NAMES', *NORMALISATIONS)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"}
    )
    shown, _, names = done.stdout.partition("NAMES ")
    assert names.split()
    assert all(name in shown for name in names.split())


def test_a_page_of_quality_control_is_written_with_report(segment: Any, tmp_path: Path) -> None:
    save(tmp_path / "head.nii.gz")
    result = segment(tmp_path / "head.nii.gz", "-o", tmp_path / "out", "--report", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert {"quality.html", "quality.tsv", "volumes_wide.tsv"} <= {path.name for path in (tmp_path / "out/quality").iterdir()}
    assert (tmp_path / "out/quality/pictures/head.webp").is_file()
