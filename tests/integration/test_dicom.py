"""darts-segment with DICOM folders: converted, segmented, written back, or refused in one line while the others go on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner, Result

from darts_ensemble.commands.segment import app
from tests.phantoms.dicom_series import oblique_affine, write_series

#: A head of 90 mm: of a smaller one a scan would not be taken.
VOXEL = (3.5, 3.6, 3.7)


def series(folder: Path, **changes: Any) -> Path:
    write_series(folder, affine=oblique_affine(VOXEL), patient=folder.name, **changes)
    return folder


@pytest.fixture
def segment(tiny_weights: Path) -> Any:
    def run(*arguments: object) -> Result:
        given = [*arguments, "--weights", tiny_weights, "--device", "cpu", "--views", "axial"]
        return CliRunner().invoke(app, [str(argument) for argument in given])

    return run


def labels(path: Path) -> np.ndarray:
    image: Any = nib.load(path)
    return np.asarray(image.dataobj)


def test_a_folder_of_series_becomes_a_label_map_and_a_segmentation_with_equal_volumes(segment: Any, tmp_path: Path) -> None:
    folder = tmp_path / "sub-07" / "dicom"
    series(folder / "t1")
    write_series(folder / "flair", patient="t1", SeriesDescription="flair", SeriesNumber=5)
    done = segment(folder, "-o", tmp_path / "out", "--dicom-seg")
    assert done.exit_code == 0, done.output
    assert f"{folder}: series 4 (t1_mprage_sag) of 2 series taken as T1: 22 slices" in done.output
    out = tmp_path / "out"
    assert (out / "sourcedata/sub-07_T1w.nii.gz").is_file()
    ids = labels(out / "sub-07_dseg.nii.gz")
    seg = pydicom.dcmread(out / "sub-07_dseg.dcm")
    counted = dict.fromkeys((int(one.SegmentNumber) for one in seg.SegmentSequence), 0)
    for frame, pixels in zip(seg.PerFrameFunctionalGroupsSequence, np.atleast_3d(seg.pixel_array), strict=True):
        counted[int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)] += int(pixels.sum())
    for one in seg.SegmentSequence:
        assert counted[int(one.SegmentNumber)] == (ids == int(one.SegmentDescription.split()[1])).sum()


def test_what_is_done_is_kept_and_a_segmentation_is_added_where_it_is_asked_for(segment: Any, tmp_path: Path) -> None:
    folder, out = series(tmp_path / "ann"), tmp_path / "out"
    assert "ann: wrote" in segment(folder, "-o", out).output
    assert "ann: done before" in segment(folder, "-o", out).output
    assert not (out / "ann_dseg.dcm").exists()
    again = segment(folder, "-o", out, "--dicom-seg").output
    assert "ann: wrote again (dicom seg yes, was none)" in again
    assert (out / "ann_dseg.dcm").is_file()
    assert "ann: done before" in segment(folder, "-o", out).output


@pytest.mark.parametrize(
    ("form", "label_map", "segmentation"),
    [
        ("freesurfer", "ann/mri/aparc.DKTatlas+aseg.darts.mgz", "ann/mri/aparc.DKTatlas+aseg.darts.dcm"),
        ("bids", "sub-ann/anat/sub-ann_seg-darts_dseg.nii.gz", "sub-ann/anat/sub-ann_seg-darts_dseg.dcm"),
    ],
)
def test_each_format_has_a_place_for_it(segment: Any, tmp_path: Path, form: str, label_map: str, segmentation: str) -> None:
    out = tmp_path / "out"
    done = segment(series(tmp_path / "ann"), "-o", out, "--format", form, "--dicom-seg")
    assert done.exit_code == 0, done.output
    assert (out / label_map).is_file()
    assert (out / segmentation).is_file()
    if form == "bids":
        assert "*_dseg.dcm" in (out / ".bidsignore").read_text().splitlines()
        sidecar = json.loads((out / label_map.replace(".nii.gz", ".json")).read_text())
        assert sidecar["Sources"] == ["bids::sourcedata/ann_T1w.nii.gz"]
        assert "DatasetLinks" not in json.loads((out / "dataset_description.json").read_text())


def test_a_bad_series_is_refused_in_one_line_and_the_others_are_done(segment: Any, tmp_path: Path) -> None:
    good = series(tmp_path / "good")
    bad = series(tmp_path / "bad", change=lambda number, header: number != 9)
    done = segment(bad, good, tmp_path / "T1.nii.gz", "-o", tmp_path / "out", "--dicom-seg")
    assert done.exit_code == 1
    lines = [line for line in done.output.splitlines() if line.startswith("darts-segment: ")]
    assert any(f"{bad}: series 4 (t1_mprage_sag): 1 slice missing, between" in line for line in lines)
    assert any("T1.nii.gz: no scan that was converted from DICOM" in line for line in lines)
    assert len(lines) == 2
    assert (tmp_path / "out/good_dseg.dcm").is_file()


def test_a_list_may_name_folders_and_a_series_is_chosen_by_its_description(segment: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        series(tmp_path / name, SeriesDescription="t1 first", SeriesNumber=3)
        write_series(tmp_path / name / "more", affine=oblique_affine(VOXEL), patient=name, SeriesDescription="t1 last")
    (tmp_path / "scans.tsv").write_text("scan\tname\na\tann\nb\tbob\n")
    assert segment(tmp_path / "scans.tsv", "-o", tmp_path / "out").exit_code == 1
    done = segment(tmp_path / "scans.tsv", "-o", tmp_path / "out", "--series", "last")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").glob("*_dseg.nii.gz")} == {"ann_dseg.nii.gz", "bob_dseg.nii.gz"}
    account = json.loads((tmp_path / "out/sourcedata/ann_T1w.json").read_text())
    assert account["description"] == "t1 last"


@pytest.mark.parametrize("package", ["pydicom", "dcm2niix"])
def test_without_the_extra_the_line_says_how_to_get_it(
    segment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    done = segment(series(tmp_path / "ann"), "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert f"expected the package {package}" in done.output
    assert "pip install 'darts-ensemble[dicom]'" in done.output
