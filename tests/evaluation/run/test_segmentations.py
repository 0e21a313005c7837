"""Views and ensemble as methods: segmented once, and again if weights or scans changed; seen subjects; failures."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import torch

from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.scans.scan import read_scan, voxel_checksum
from darts_ensemble.segment.segmenter import Segmenter
from darts_ensemble.weights.view_file import save_view
from evaluation.cohort.find import find_cohort
from evaluation.run.evaluate import score_cohort
from evaluation.run.segmentations import segment_cohort
from tests.evaluation.run.test_evaluate import AFFINE, OVERLAP, SIZE, save


def head(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Bright tissue in one piece within air."""
    scan = np.zeros(SIZE, dtype=np.float32)
    inside = tuple(slice(n // 8, n - n // 8) for n in SIZE)
    scan[inside] = rng.uniform(120, 160, scan[inside].shape)
    return scan


@pytest.fixture
def cohort_with_scans(tmp_path: Path) -> Path:
    """Two Mindboggle-like subjects with small scans; three tiny networks, which have seen the first."""
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        folder = tmp_path / "gt" / name
        save(folder / "labels.DKT31.manual+aseg.nii.gz", {17: 3000, 1024: 2000})
        nib.save(nib.Nifti1Image(head(rng), AFFINE), folder / "t1weighted.nii.gz")
    checksum = voxel_checksum(read_scan(tmp_path / "gt/one/t1weighted.nii.gz").data)
    (tmp_path / "weights").mkdir()
    for number, view in enumerate(("coronal", "axial", "sagittal")):
        torch.manual_seed(number)
        save_view(
            tmp_path / f"weights/{view}.safetensors", DenseUNet(filters=2, convolutions=1), view=view,
            normalisation="volume-median", training_subjects=[{"id": "renamed", "sha256": checksum}],
        )  # fmt: skip
    return tmp_path


def test_views_and_ensemble_become_methods_and_are_not_done_twice(cohort_with_scans: Path) -> None:
    root = cohort_with_scans
    subjects = find_cohort(root / "gt").subjects
    lines: list[str] = []
    first = segment_cohort(subjects, root / "weights", root / "out", device="cpu", report=lines.append)
    assert [(method.name, method.also_merged) for method in first.methods] == [
        ("coronal", False), ("axial", False), ("sagittal", True), ("ensemble", False),
    ]  # fmt: skip
    assert all(method.seen == {"one"} and method.made_here for method in first.methods)
    assert not first.failures
    # Random networks agree on nothing, which one sentence for each scan says, on a rerun, too.
    assert [warning.partition(": ")[0] for warning in first.warnings] == ["one", "two"]
    assert all("probably not an upright T1 of a whole head" in warning for warning in first.warnings)
    paths = [path for method in first.methods for path in method.paths.values()]
    written = {path: path.stat().st_mtime_ns for path in paths}
    assert len(written) == 8
    again = segment_cohort(subjects, root / "weights", root / "out", device="cpu", report=lines.append)
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in paths} == written
    assert lines[2:] == ["one: segmented earlier", "two: segmented earlier"]
    table = score_cohort(subjects, again.methods, OVERLAP).table
    assert set(table.loc[table["seen_in_training"], "subject"]) == {"one"}
    assert set(table["method"]) == {"coronal", "axial", "sagittal", "sagittal (sides merged)", "ensemble"}


def test_other_weights_an_interruption_and_overwrite_do_it_again(cohort_with_scans: Path) -> None:
    root = cohort_with_scans
    subjects = find_cohort(root / "gt").subjects[:1]
    lines: list[str] = []
    coronal = root / "weights/coronal.safetensors"
    method = segment_cohort(subjects, coronal, root / "out", device="cpu").methods
    assert [one.name for one in method] == ["coronal"]
    segment_cohort(subjects, coronal, root / "out", device="cpu", overwrite=True, report=lines.append)
    torch.manual_seed(9)
    save_view(
        coronal, DenseUNet(filters=2, convolutions=1), view="coronal", normalisation="volume-median", training_subjects=[]
    )
    changed = segment_cohort(subjects, coronal, root / "out", device="cpu", report=lines.append)
    assert changed.methods[0].seen == frozenset()
    assert json.loads((root / "out/one.json").read_text())["seen_in_training"] is False
    (root / "out/one.json").unlink()
    segment_cohort(subjects, coronal, root / "out", device="cpu", report=lines.append)
    assert lines == [
        "one: segmented t1weighted.nii.gz",
        "one: segmented again (other weights of coronal) t1weighted.nii.gz",
        "one: segmented again (nothing says how its label maps were made) t1weighted.nii.gz",
    ]


def test_another_scan_of_the_same_date_other_views_and_a_changed_map_are_done_again_and_why_is_said(
    cohort_with_scans: Path,
) -> None:
    root = cohort_with_scans
    (subject,) = find_cohort(root / "gt").subjects[:1]
    assert subject.scan is not None
    lines: list[str] = []

    def segment(weights: Path) -> None:
        segment_cohort([subject], weights, root / "out", device="cpu", report=lines.append)

    segment(root / "weights")
    segment(root / "weights")
    stat = subject.scan.stat()
    image = nib.load(subject.scan)
    data = np.asarray(image.dataobj).copy()  # type: ignore[attr-defined]
    data[data.shape[0] // 2] += 1
    nib.save(nib.Nifti1Image(data, image.affine), subject.scan)  # type: ignore[attr-defined]
    os.utime(subject.scan, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    segment(root / "weights")
    write = root / "out/axial/one.nii.gz"
    write.write_bytes((root / "out/coronal/one.nii.gz").read_bytes())
    segment(root / "weights")
    segment(root / "weights/axial.safetensors")
    reasons = [line.removeprefix("one: segmented").partition(" t1weighted")[0] for line in lines]
    assert reasons[:4] == [
        "", " earlier", " again (the scan is another file than before)", " again (the label map of axial was changed since)",
    ]  # fmt: skip
    assert "views axial, was coronal,axial,sagittal" in reasons[4]


def test_finetuned_weights_without_a_list_of_subjects_are_warned_of_on_mindboggle(cohort_with_scans: Path) -> None:
    root = cohort_with_scans
    subjects = find_cohort(root / "gt").subjects[:1]
    for name, warned in (("dense_unet_back2front_finetuned", True), ("dense_unet_back2front_non_finetuned", False)):
        torch.save(DenseUNet(filters=2, convolutions=1).state_dict(), root / f"{name}.pth")
        warnings = segment_cohort(subjects, root / f"{name}.pth", root / name, device="cpu").warnings
        assert any("split is unknown" in warning for warning in warnings) == warned


def test_a_scan_that_fails_is_named_and_the_others_are_segmented(cohort_with_scans: Path) -> None:
    root = cohort_with_scans
    (root / "gt/one/t1weighted.nii.gz").write_bytes(b"no scan")
    done = segment_cohort(find_cohort(root / "gt").subjects, root / "weights/axial.safetensors", root / "out", device="cpu")
    assert [failure.subject for failure in done.failures] == ["one"]
    assert list(done.methods[0].paths) == ["two"]


def test_a_bug_or_a_damaged_account_costs_no_other_scan(cohort_with_scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = cohort_with_scans
    subjects = find_cohort(root / "gt").subjects
    weights = root / "weights/axial.safetensors"
    segment_cohort(subjects, weights, root / "out", device="cpu")
    (root / "out/one.json").write_text('{"scan": [')
    (root / "out/two.json").unlink()
    whole = Segmenter.segment

    def segment(self: Segmenter, scan: str, **options: bool) -> object:
        if "two" in scan:
            raise MemoryError("no room")
        return whole(self, scan, **options)

    monkeypatch.setattr(Segmenter, "segment", segment)
    done = segment_cohort(subjects, weights, root / "out", device="cpu")
    assert [(failure.subject, failure.reason) for failure in done.failures] == [("two", "MemoryError: no room")]
    assert list(done.methods[0].paths) == ["one"]


def test_label_maps_that_are_gone_are_made_again_and_names_stay_inside_the_folder(cohort_with_scans: Path) -> None:
    root = cohort_with_scans
    subject = replace(find_cohort(root / "gt").subjects[0], id="../a/b")
    lines: list[str] = []
    for _ in range(2):
        done = segment_cohort([subject], root / "weights/axial.safetensors", root / "out", device="cpu", report=lines.append)
        path = done.methods[0].paths["../a/b"]
        assert path.parent == root / "out" / "axial"
        path.unlink()
    assert lines == [
        "../a/b: segmented t1weighted.nii.gz", "../a/b: segmented again (no label map of axial) t1weighted.nii.gz",
    ]  # fmt: skip
    assert not (root / "a").exists()
