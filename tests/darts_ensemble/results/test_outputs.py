"""Results are named, described and coloured as the programs that read them expect."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from darts_ensemble.errors import ScanError
from darts_ensemble.labels import REGIONS
from darts_ensemble.results.outputs import (
    FORMATS,
    freesurfer_stats,
    target_paths,
    write_colour_tables,
    write_json,
    write_text,
)
from darts_ensemble.results.volumetry import region_volumes
from tests.conftest import ROOT

#: As FreeSurferColorLUT.txt has them.
PUBLISHED_COLOURS = {
    10: (0, 118, 14), 11: (122, 186, 220), 12: (236, 13, 176), 16: (119, 159, 176), 17: (220, 216, 20), 53: (220, 216, 20),
    1022: (220, 20, 20), 1024: (60, 20, 220), 2024: (60, 20, 220),
}  # fmt: skip


def relative(name: str, form: str) -> str:
    return target_paths(Path("out"), name, form).label_map.relative_to("out").as_posix()


def test_each_format_names_the_label_map_its_own_way() -> None:
    assert relative("T1", "nifti") == "T1_dseg.nii.gz"
    assert relative("T1", "mgz") == "T1_dseg.mgz"
    assert relative("bert", "freesurfer") == "bert/mri/aparc.DKTatlas+aseg.darts.mgz"
    assert relative("sub-01", "bids") == "sub-01/anat/sub-01_seg-darts_dseg.nii.gz"
    assert relative("sub-01_ses-2_run-1", "bids") == "sub-01/ses-2/anat/sub-01_ses-2_run-1_seg-darts_dseg.nii.gz"
    assert relative("a_T1", "bids") == "sub-aT1/anat/sub-aT1_seg-darts_dseg.nii.gz"


@pytest.mark.parametrize("form", FORMATS)
def test_no_two_files_of_one_scan_and_no_files_of_two_scans_share_a_path(form: str) -> None:
    paths = [
        path
        for name in ("sub-01", "sub-02", "sub-02_run-1")
        for path in vars(target_paths(Path("o"), name, form)).values()
        if path
    ]
    assert len(set(paths)) == len(paths) == 3 * {"freesurfer": 9, "bids": 7}.get(form, 8)


def table() -> dict[int, dict[str, str]]:
    path = ROOT / "darts_ensemble" / "labels.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {int(row["freesurfer_id"]): row for row in rows if row["class_index"] != "102"}


def test_freeview_and_itksnap_find_every_region_in_its_published_colour(tmp_path: Path) -> None:
    write_colour_tables(tmp_path / "new")
    rows = table()
    lines = (tmp_path / "new/darts_colours.txt").read_text().splitlines()
    freeview = {
        int(number): (name, int(red), int(green), int(blue))
        for number, name, red, green, blue, _ in (line.split() for line in lines if not line.startswith("#"))
    }
    assert freeview.pop(0) == ("Unknown", 0, 0, 0)
    assert freeview == {one: (row["name"], int(row["r"]), int(row["g"]), int(row["b"])) for one, row in rows.items()}
    snap = {}
    for line in (tmp_path / "new/darts_itksnap.txt").read_text().splitlines():
        match = re.fullmatch(r'(\d+) +(\d+) +(\d+) +(\d+) +([01]) +([01]) +([01]) +"(.+)"', line)
        assert match, line
        snap[int(match[1])] = (match[8], *(int(match[part]) for part in (2, 3, 4)))
    assert snap.pop(0) == ("Clear Label", 0, 0, 0)
    assert snap == freeview
    assert {one: freeview[one][1:] for one in PUBLISHED_COLOURS} == PUBLISHED_COLOURS


def parse_stats(text: str) -> tuple[dict[str, str], pd.DataFrame]:
    """Read a table as FreeSurfer's asegstats2table does: comments, then columns between blanks, named in ColHeaders."""
    comments = [line.removeprefix("# ").split(None, 1) for line in text.splitlines() if line.startswith("#")]
    header = {words[0]: words[1] for words in comments if len(words) == 2}
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert {len(row) for row in rows} == {int(header["NTableCols"])}
    return header, pd.DataFrame(rows, columns=header["ColHeaders"].split())


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_freesurfer_reads_volumes_and_intensities_of_the_regions_present(order: Any, dtype: Any) -> None:
    rng = np.random.default_rng(2)
    ids = rng.choice([0, 17, 53, 1024, 2035], size=(11, 9, 10)).astype(np.int16)
    ids[5, 5, 5] = 30  # a region of one voxel
    data = np.asarray(rng.uniform(3, 250, size=ids.shape).astype(dtype), order=order)
    affine = np.diag([0.8, 0.8, 1.5, 1.0])
    header, stats = parse_stats(freesurfer_stats(region_volumes(ids, affine), ids, data, "bert"))
    assert header["subjectname"] == "bert"
    assert header["ColHeaders"].split() == [
        "Index", "SegId", "NVoxels", "Volume_mm3", "StructName", "normMean", "normStdDev", "normMin", "normMax", "normRange",
    ]  # fmt: skip
    assert int(header["NRows"]) == len(stats) == 5
    assert list(stats["Index"].astype(int)) == [1, 2, 3, 4, 5]
    assert list(stats["SegId"].astype(int)) == [17, 30, 53, 1024, 2035]
    assert list(stats["StructName"]) == [
        "Left-Hippocampus", "Left-vessel", "Right-Hippocampus", "ctx-lh-precentral", "ctx-rh-insula",
    ]  # fmt: skip
    for row in stats.itertuples(index=False):
        values = data[ids == int(row.SegId)].astype(np.float64)
        spread = values.std(ddof=1) if len(values) > 1 else 0
        assert int(row.NVoxels) == len(values)
        assert float(row.Volume_mm3) == pytest.approx(len(values) * 0.96, abs=0.051)
        expected = [values.mean(), spread, values.min(), values.max(), np.ptp(values)]
        found = [float(one) for one in (row.normMean, row.normStdDev, row.normMin, row.normMax, row.normRange)]
        np.testing.assert_allclose(found, expected, atol=6e-5)


def test_a_scan_without_a_region_still_gives_a_table() -> None:
    ids = np.zeros((3, 3, 3), dtype=np.int16)
    text = freesurfer_stats(region_volumes(ids, np.eye(4)), ids, ids + 5, "empty")
    assert "# NRows 0\n" in text
    assert all(line.startswith("#") for line in text.splitlines())


def test_texts_appear_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "new/folder/quality.json", {"flags": ["é"], "mean": 0.5})
    assert json.loads((tmp_path / "new/folder/quality.json").read_text(encoding="utf-8")) == {"flags": ["é"], "mean": 0.5}

    def fill(self: Path, text: str, encoding: str) -> None:
        with self.open("w") as file:
            file.write(text[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", fill)
    with pytest.raises(ScanError, match=rf"folder/quality\.json: {os.strerror(errno.ENOSPC)}; expected a folder with room"):
        write_json(tmp_path / "new/folder/quality.json", {"flags": []})
    assert [path.name for path in (tmp_path / "new/folder").iterdir()] == ["quality.json"]
    assert "0.5" in (tmp_path / "new/folder/quality.json").read_text(encoding="utf-8")


def test_a_file_in_place_of_the_folder_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("I am a file")
    with pytest.raises(ScanError, match=r"out/table\.tsv: .*; expected a folder with room to write"):
        write_text(tmp_path / "out" / "table.tsv", "a\tb\n")


def test_names_in_tables_hold_no_blank_that_would_break_a_column() -> None:
    assert not any(re.search(r"\s", region.name) for region in REGIONS)
