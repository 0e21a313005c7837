"""Many scans in one run: lists and parts, one bad scan among good ones, and a cluster that loses a worker."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import distributed
import nibabel as nib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from darts_ensemble.commands.segment import app
from darts_ensemble.scans.inputs import NamedScan
from darts_ensemble.segment import segmenter as segmenter_module
from darts_ensemble.segment.scan_queue import Job, segment_here
from darts_ensemble.segment.settings import Settings, make_segmenter
from tests.conftest import SOAK

SHAPE = (24, 26, 22)
AFFINE = np.array([[-1.0, 0, 0, 12], [0, 1, 0, -13], [0, 0, 1, -11], [0, 0, 0, 1]])


def save(path: Path, phase: float = 0.0) -> Path:
    """An ellipsoid of uneven brightness in the dark."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    inside = np.linalg.norm((grid - [12, 13, 11]) / [9, 10, 8], axis=-1) < 1
    data = np.where(inside, 120 + 40 * np.sin(grid[..., 0] / 2 + phase), 0).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


def voxels(path: Path) -> np.ndarray:
    image: Any = nib.load(path)
    return np.asarray(image.dataobj)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    for number in range(5):
        save(folder / f"s{number}.nii.gz", number)
    return folder


@pytest.fixture
def segment(tiny_weights: Path) -> Any:
    def run(*arguments: object) -> Result:
        given = [*arguments, "--weights", tiny_weights, "--device", "cpu", "--views", "axial"]
        return CliRunner().invoke(app, [str(argument) for argument in given])

    return run


def names_in(out: Path) -> set[str]:
    return {path.name.removesuffix("_dseg.nii.gz") for path in out.glob("*_dseg.nii.gz")}


def test_a_list_names_its_scans_and_is_relative_to_itself(segment: Any, scans: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        save(tmp_path / f"data/{number}/T1.nii.gz", number)
    (tmp_path / "scans.tsv").write_text("age\tscan\tname\n31\tdata/1/T1.nii.gz\tann\n44\tdata/2/T1.nii.gz\t\n")
    for given, out in (("scans.tsv", tmp_path / "out"), ("sc*.tsv", tmp_path / "by_pattern")):
        assert segment(tmp_path / given, scans / "s[34].nii.gz", "-o", out).exit_code == 0
        assert names_in(out) == {"ann", "T1", "s3", "s4"}
    quality = json.loads((tmp_path / "out/ann_quality.json").read_text())
    assert quality["scan"] == str((tmp_path / "data/1/T1.nii.gz").resolve())


@pytest.mark.parametrize(
    ("text", "complaint", "code"),
    [
        ("path\nx.nii\n", "expected a tab-separated table with a column scan", 1),
        ("scan\n", "no scan in it", 1),
        ("scan\tname\na.nii\tx\nb.nii\tX\n", "are both named X", 2),
        ("scan\tname\na.nii\t../x\n", "expected one that can be a file's", 2),
    ],
)
def test_a_list_that_is_none_is_told(segment: Any, tmp_path: Path, text: str, complaint: str, code: int) -> None:
    (tmp_path / "scans.tsv").write_text(text)
    result = segment(tmp_path / "scans.tsv", "-o", tmp_path / "out")
    assert result.exit_code == code
    assert complaint in result.stderr


def test_parts_share_the_scans_out_without_rest_and_with_the_same_names(segment: Any, scans: Path, tmp_path: Path) -> None:
    done = []
    for part in ("1/2", "2/2"):
        result = segment(scans, "-o", tmp_path / part[0], "--part", part)
        assert result.exit_code == 0, result.stderr
        done.append(names_in(tmp_path / part[0]))
    assert done[0] | done[1] == {f"s{number}" for number in range(5)}
    assert not done[0] & done[1]
    for wrong in ("0/2", "3/2", "2", "a/b"):
        assert segment(scans, "-o", tmp_path / "x", "--part", wrong).exit_code == 2


def test_a_scan_that_fails_is_reported_and_the_rest_done_as_when_alone(
    segment: Any, scans: Path, tmp_path: Path, tiny_weights: Path
) -> None:
    (tmp_path / "bad.nii.gz").write_bytes(b"\x1f\x8bnot gzip")
    given = [scans / "s0.nii.gz", tmp_path / "bad.nii.gz", scans / "s1.nii.gz", scans / "s2.nii.gz"]
    result = segment(*given, "-o", tmp_path / "out", "--json", "--verbose")
    assert result.exit_code == 1
    rows = json.loads(result.stdout)["scans"]
    assert [(Path(row["scan"]).name, row["status"]) for row in rows] == [
        ("s0.nii.gz", "wrote"), ("bad.nii.gz", "failed"), ("s1.nii.gz", "wrote"), ("s2.nii.gz", "wrote"),
    ]  # fmt: skip
    assert {"read", "conform", "axial view", "fuse", "write"} <= set(rows[0]["stages"])
    assert segment(scans / "s2.nii.gz", "-o", tmp_path / "alone", "--low-memory").exit_code == 0
    np.testing.assert_array_equal(voxels(tmp_path / "out/s2_dseg.nii.gz"), voxels(tmp_path / "alone/s2_dseg.nii.gz"))


def test_verbose_prints_the_stages_and_the_crop_decides_where_the_networks_look(
    segment: Any, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    for name in ("head_box", "find_brain"):
        original = getattr(segmenter_module, name)

        def noted(*given: Any, name: str = name, original: Any = original, **how: Any) -> Any:
            looked.append(name)
            return original(*given, **how)

        monkeypatch.setattr(segmenter_module, name, noted)
    boxes: dict[str, list[str]] = {"none": [], "head": ["head_box"], "brain": ["head_box", "find_brain"]}
    for crop in ("none", "head", "brain") if SOAK else ("head", "brain"):  # the whole volume takes a minute
        looked.clear()
        result = segment(scans / "s0.nii.gz", "-o", tmp_path / crop, "--crop", crop, "--verbose")
        assert result.exit_code == 0, result.stderr
        assert " s  axial view\n" in result.stdout
        assert (voxels(tmp_path / crop / "s0_dseg.nii.gz") > 0).any()
        assert looked == boxes[crop]


def test_what_is_read_ahead_and_written_behind_stays_one_scan_each(
    scans: Path, tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(weights=str(tiny_weights), device="cpu", views="axial")
    segmenter = make_segmenter(settings)
    events: list[str] = []
    threads = set()
    for step in ("load", "label", "finish"):
        original = getattr(segmenter, step)

        def noted(*given: Any, step: str = step, original: Any = original, **how: Any) -> Any:
            threads.add((step, threading.get_ident()))
            if step != "finish":
                events.append(step)
                return original(*given, **how)
            if step not in events:  # a slow disk: the others must wait for it
                time.sleep(2)
            done = original(*given, **how)
            events.append(step)
            return done

        monkeypatch.setattr(segmenter, step, noted)
    rows: list[dict[str, Any]] = []
    jobs = [Job(NamedScan(path, path.name[:2]), tmp_path, "nifti") for path in sorted(scans.iterdir())]
    segment_here(segmenter, jobs, settings, rows.append)
    assert [row["status"] for row in rows] == ["wrote"] * 5
    assert len(threads) == 3, "each step in a thread of its own"
    loaded = np.cumsum([event == "load" for event in events])
    finished = np.cumsum([event == "finish" for event in events])
    assert (loaded - finished).max() <= 3, "one read ahead, one at work, one being written"
    assert events.index("load") < events.index("label") < events.index("finish")


def test_on_a_gpu_two_scans_are_written_at_a_time(
    scans: Path, tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(weights=str(tiny_weights), device="cpu", views="axial")
    segmenter = make_segmenter(settings)
    label, finish, both = segmenter.label, segmenter.finish, threading.Barrier(2)

    def on_the_cpu(loaded: Any) -> Any:
        segmenter.device = torch.device("cpu")
        return label(loaded)

    def meeting(labelled: Any, **how: Any) -> Any:
        both.wait(timeout=30)  # breaks where no other scan is being written
        return finish(labelled, **how)

    monkeypatch.setattr(segmenter, "device", torch.device("cuda"))
    monkeypatch.setattr(segmenter, "label", on_the_cpu)
    monkeypatch.setattr(segmenter, "finish", meeting)
    rows: list[dict[str, Any]] = []
    jobs = [Job(NamedScan(path, path.name[:2]), tmp_path, "nifti") for path in sorted(scans.iterdir())[:4]]
    segment_here(segmenter, jobs, settings, rows.append)
    assert [row["status"] for row in rows] == ["wrote"] * 4


def test_a_worker_killed_in_the_middle_of_a_run_leaves_every_scan_done_once(
    segment: Any, scans: Path, tmp_path: Path, tiny_weights: Path
) -> None:
    out = tmp_path / "out"
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        with distributed.Client(cluster, set_as_default=False) as client:
            victim = next(iter(client.run(os.getpid).values()))
        killed = []

        def kill_after_the_first() -> None:
            deadline = time.monotonic() + 120
            while not names_in(out) and time.monotonic() < deadline:
                time.sleep(0.02)
            os.kill(victim, signal.SIGKILL)
            killed.append(len(names_in(out)))

        watch = threading.Thread(target=kill_after_the_first)
        watch.start()
        result = segment(scans, "-o", out, "--dask", cluster.scheduler_address, "--json")
        watch.join()
    assert result.exit_code == 0, result.stderr
    assert killed[0] < 5, "the worker must have died in the middle"
    rows = json.loads(result.stdout)["scans"]
    assert sorted(row["name"] for row in rows) == [f"s{number}" for number in range(5)]
    assert {row["status"] for row in rows} <= {"wrote", "done before"}
    assert names_in(out) == {f"s{number}" for number in range(5)}
    assert segment(scans / "s4.nii.gz", "-o", tmp_path / "alone").exit_code == 0
    np.testing.assert_array_equal(voxels(out / "s4_dseg.nii.gz"), voxels(tmp_path / "alone/s4_dseg.nii.gz"))


def test_a_scan_that_fails_on_a_cluster_and_a_wrong_address_are_told(segment: Any, scans: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.nii.gz").write_bytes(b"\x1f\x8bnot gzip")
    result = segment(tmp_path / "bad.nii.gz", scans / "s0.nii.gz", "-o", tmp_path / "out", "--dask", "local:1")
    assert result.exit_code == 1
    assert "bad.nii.gz: not an image" in result.stderr
    assert names_in(tmp_path / "out") == {"s0"}
    assert segment(scans / "s1.nii.gz", "-o", tmp_path / "out", "--dask", "local:none").exit_code == 2
