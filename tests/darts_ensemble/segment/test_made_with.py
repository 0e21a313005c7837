"""A finished result is kept only if the same scan, weights and options would give it again."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from darts_ensemble.labels import REGIONS
from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.scans.inputs import NamedScan
from darts_ensemble.segment.made_with import SETTLED, WITHOUT_EFFECT, differences
from darts_ensemble.segment.scan_queue import Job, segment_here
from darts_ensemble.segment.settings import Settings, describe_run, make_segmenter
from darts_ensemble.weights.view_file import save_view

AFFINE = np.array([[-1.0, 0, 0, 8], [0, 1, 0, -9], [0, 0, 1, -7], [0, 0, 0, 1]])
#: Another value of every option, and whether a result made with the usual one stands.
CHANGED: dict[str, tuple[Any, bool]] = {
    "views": ("axial", False),
    "view_weights": ("coronal=0.5,axial=0.4,sagittal=0.1", False),
    "fusion": ("vote", False),
    "sagittal_pooling": ("duplicate", False),
    "precision": ("fp16", False),
    "crop": ("head", False),
    "tta": ("mirror", False),
    "clean": (True, False),
    "form": ("mgz", False),
    "agreement": (True, False),
    "probabilities": ("17,53", False),
    "dicom_seg": (True, False),
    "probability_type": ("uint8", True),  # of probabilities that nobody asks for
    "refine": (False, True),  # these weights have no second look
    "device": ("cpu", True),
    "batch_size": (3, True),
    "low_memory": (True, True),
    "threads": (1, True),
    "overwrite": (True, True),
    "verbose": (True, True),
    "strict": (True, True),
}
#: Told by tests of their own.
FILES = {"weights", "fusion_weights"}


@pytest.fixture(scope="module")
def settings(tiny_weights: Path) -> Settings:
    return Settings(weights=str(tiny_weights), device="cpu", precision="fp32")


def asked(settings: Settings) -> dict[str, Any]:
    return describe_run(make_segmenter(settings), settings)


def test_every_option_is_compared_or_declared_to_be_without_effect(settings: Settings) -> None:
    names = {one.name for one in fields(Settings)}
    assert names - FILES == set(CHANGED) & names, "a new option needs a row: does a result made without it stand?"
    assert {name for name in CHANGED if name in WITHOUT_EFFECT} <= {name for name, (_, stands) in CHANGED.items() if stands}
    assert names >= (WITHOUT_EFFECT | SETTLED) & set(CHANGED) - {"strict"}


@pytest.mark.parametrize("name", [name for name in CHANGED if name in {one.name for one in fields(Settings)}])
def test_a_result_made_with_another_value_of_an_option_does_not_stand(settings: Settings, name: str) -> None:
    value, stands = CHANGED[name]
    made = json.loads(json.dumps(asked(settings)))
    found = differences(asked(replace(settings, **{name: value})), made)
    assert (not found) is stands
    if not stands:
        assert name.replace("_", " ") in "; ".join(found)


def test_agreement_and_probabilities_that_nobody_asks_for_now_do_no_harm(settings: Settings) -> None:
    made = asked(replace(settings, agreement=True, probabilities="17", probability_type="uint8"))
    assert differences(asked(settings), made) == []
    assert differences(asked(replace(settings, probabilities="17")), made) == ["probability type float32, was uint8"]


def test_other_weights_of_the_same_name_and_another_version_are_named(settings: Settings, tmp_path: Path) -> None:
    shutil.copytree(str(settings.weights), tmp_path / "weights")
    mine = replace(settings, weights=str(tmp_path / "weights"))
    made = asked(mine)
    assert differences(asked(settings), made) == [], "the same bytes in another place are the same weights"
    torch.manual_seed(99)
    network = DenseUNet(filters=2, convolutions=1).eval()
    save_view(
        tmp_path / "weights/axial.safetensors", network, view="axial", normalisation="volume-median", training_subjects=[]
    )
    assert differences(asked(mine), made) == ["other weights of axial"]
    assert differences(made | {"version": "9.9"}, made) == [f"version 9.9, was {made['version']}"]


def test_fusion_weights_count_by_their_content(settings: Settings) -> None:
    segmenter = make_segmenter(settings)
    plain = describe_run(segmenter, settings)
    seen = []
    for weight in (0.4, 0.9, 0.4):
        table = {view: np.full(len(REGIONS) + 1, 0.3) for view in segmenter.views}
        table["axial"][5] = weight
        other = make_segmenter(settings)
        other.weights = table
        seen.append(describe_run(other, settings))
    assert differences(seen[0], plain), "a number per region is not one number"
    assert differences(seen[1], seen[0])
    assert not differences(seen[2], seen[0])


def test_auto_precision_is_the_same_wherever_it_ran_and_equals_what_it_chose(settings: Settings) -> None:
    auto = asked(replace(settings, precision="auto"))
    there = auto | {"precision": "bf16" if auto["precision"] == "fp32" else "fp32"}
    assert differences(auto, there) == []
    chosen = asked(replace(settings, precision=auto["precision"]))
    assert differences(chosen, auto) == []
    assert differences(chosen, there) != []


def write(path: Path, seed: int, affine: np.ndarray = AFFINE) -> Path:
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in (16, 18, 14)), indexing="ij"), axis=-1)
    inside = np.linalg.norm((grid - [8, 9, 7]) / [6, 7, 5], axis=-1) < 1
    data = np.where(inside, 90 + 40 * np.sin(grid[..., 0] / 2 + seed), 0).astype(np.int16)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


@pytest.fixture(scope="module")
def one_view(settings: Settings) -> tuple[Settings, Any]:
    alone = replace(settings, views="axial")
    return alone, make_segmenter(alone)


def run(one_view: tuple[Settings, Any], scan: Path, out: Path) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    settings, segmenter = one_view
    segment_here(segmenter, [Job(NamedScan(scan, "head"), out, settings.form)], settings, rows.append)
    return rows[0]


def test_a_scan_of_the_same_name_size_and_time_but_other_voxels_is_done_again(
    one_view: tuple[Settings, Any], tmp_path: Path
) -> None:
    scan = write(tmp_path / "head.nii", 0)
    stamp = scan.stat()
    assert run(one_view, scan, tmp_path / "out")["status"] == "wrote"
    assert run(one_view, scan, tmp_path / "out")["status"] == "done before"
    moved = AFFINE.copy()
    moved[0, 3] += 2
    for other in ((1, AFFINE), (1, moved)):  # other voxels, then the same in another place
        write(scan, *other)
        os.utime(scan, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        assert scan.stat().st_size == stamp.st_size
        row = run(one_view, scan, tmp_path / "out")
        assert (row["status"], row["again"]) == ("wrote", "the scan is another file than before")
        assert run(one_view, scan, tmp_path / "out")["status"] == "done before"
    account = json.loads((tmp_path / "out/head_quality.json").read_text())
    assert account["scan_sha256"] == row["scan_sha256"]
    assert account["made_with"]["weights"].keys() == {"axial"}
    assert account["made_with"]["version"]


def test_the_same_bytes_under_another_path_are_the_same_scan(one_view: tuple[Settings, Any], tmp_path: Path) -> None:
    scan = write(tmp_path / "head.nii", 0)
    assert run(one_view, scan, tmp_path / "out")["status"] == "wrote"
    scan.rename(tmp_path / "moved.nii")
    assert run(one_view, tmp_path / "moved.nii", tmp_path / "out")["status"] == "done before"


def test_a_label_map_without_an_account_is_never_overwritten_nor_taken(one_view: tuple[Settings, Any], tmp_path: Path) -> None:
    scan = write(tmp_path / "head.nii", 0)
    by_hand = write(tmp_path / "head_dseg.nii.gz", 3).read_bytes()
    for account in (None, "{half", "[]"):
        if account:
            (tmp_path / "head_quality.json").write_text(account)
        row = run(one_view, scan, tmp_path)
        assert row["status"] == "failed"
        assert "nothing says how it was made" in row["error"]
        assert "--overwrite" in row["error"]
        assert (tmp_path / "head_dseg.nii.gz").read_bytes() == by_hand


def test_an_account_of_the_first_version_which_names_no_settings_is_made_anew(
    one_view: tuple[Settings, Any], tmp_path: Path
) -> None:
    scan = write(tmp_path / "head.nii", 0)
    write(tmp_path / "head_dseg.nii.gz", 3)
    (tmp_path / "head_quality.json").write_text(json.dumps({"scan": str(scan), "flags": []}))
    assert run(one_view, scan, tmp_path)["again"] == "made before settings were recorded"


def test_maps_of_other_labels_do_not_stay_beside_a_new_label_map(settings: Settings, tmp_path: Path) -> None:
    scan = write(tmp_path / "head.nii", 0)
    runs: list[tuple[dict[str, Any], set[str]]] = [
        ({"agreement": True, "probabilities": "top2"}, {"agreement", "top-"}),
        ({"probabilities": "17"}, {"agreement", "top-", "probseg"}),  # of the same labels: these may stay
        ({"fusion": "vote"}, set()),
    ]
    for how, expected in runs:
        used = replace(settings, views="coronal,axial", **how)
        assert run((used, make_segmenter(used)), scan, tmp_path / "out")["status"] == "wrote"
        names = " ".join(path.name for path in (tmp_path / "out").iterdir())
        assert {what for what in ("agreement", "top-", "probseg") if what in names} == expected
