"""Results are named, described and coloured as the programs that read them expect."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
from pathlib import Path

import pytest

from darts_ensemble.errors import ScanError
from darts_ensemble.labels import REGIONS
from darts_ensemble.results.outputs import (
    FORMATS,
    target_paths,
    write_colour_tables,
    write_json,
    write_text,
)
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
    of_each = [
        [path for path in vars(target_paths(Path("o"), name, form)).values() if path]
        for name in ("sub-01", "sub-02", "sub-02_run-1")
    ]
    paths = [path for of_one in of_each for path in of_one]
    assert len(set(paths)) == len(paths)
    assert len({len(of_one) for of_one in of_each}) == 1


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


def test_texts_appear_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "new/folder/quality.json", {"flags": ["é"], "mean": 0.5})
    assert json.loads((tmp_path / "new/folder/quality.json").read_text(encoding="utf-8")) == {"flags": ["é"], "mean": 0.5}

    def fill(self: Path, text: str, **how: str) -> None:
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
