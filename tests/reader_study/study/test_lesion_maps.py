"""Studies of labels beyond FreeSurfer's: lesions found in different places or not at all, from plan to analysis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from reader_study.errors import StudyError
from reader_study.exchange.archive import from_archive, write_companions
from reader_study.planning.design import read_design
from reader_study.planning.sources import find_sources
from reader_study.ratings.table import read_ratings
from reader_study.study.export import export_study
from reader_study.study.folder import Links, write_study
from tests.phantoms.small_study import SmallStudy, affine, head, millimetres
from tests.reader_study.study.test_write_ratings import Visitor

#: Centre (RAS mm) and radius of each lesion, by method and label; label 300 and the like are no ids of FreeSurfer's regions.
LESIONS: dict[str, dict[int, list[tuple[tuple[int, int, int], int]]]] = {
    "Alpha": {1: [((20, 5, 10), 4), ((-15, -20, 12), 3)], 300: [((0, 30, 0), 5)]},
    "Beta": {1: [((22, 5, 10), 3)], 300: [((0, 31, 0), 4)]},
    "Gamma": {1: [((-15, -22, 12), 2)], 300: []},
}
DESIGN = """\
title: Lesions
seed: 5
readers: [anna]
scans: scans
methods: {Alpha: maps/Alpha, Beta: maps/Beta, Gamma: maps/Gamma}
cases: [patient]
regions:
  - {name: Lesion, labels: [1], view: axial}
  - {name: "Rim, enhancing", labels: [300, 301], view: coronal}
repeats: 0
guesses: 0
colour: '#ff7ad1'
if_missing: IF_MISSING
"""


def lesion_map(lesions: dict[int, list[tuple[tuple[int, int, int], int]]], dtype: Any) -> nib.Nifti1Image:
    x, y, z = millimetres()
    ids = np.zeros(x.shape, dtype=dtype)
    for label, balls in lesions.items():
        for (cx, cy, cz), radius in balls:
            ids[(x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 <= radius**2] = label
    return nib.Nifti1Image(ids, affine())


def plan(folder: Path, if_missing: str = "show") -> Links:
    (folder / "scans").mkdir(parents=True)
    nib.save(head(3), folder / "scans" / "patient.nii.gz")
    for method, lesions in LESIONS.items():
        (folder / "maps" / method).mkdir(parents=True)
        # Programs write lesion maps as whole numbers or as float.
        nib.save(lesion_map(lesions, np.float32 if method == "Beta" else np.int16), folder / "maps" / method / "patient.nii.gz")
    path = folder / "study.yaml"
    path.write_text(DESIGN.replace("IF_MISSING", if_missing), encoding="utf-8")
    design = read_design(path)
    return write_study(design, find_sources(design), folder / "study", source_text=path.read_text(encoding="utf-8"))


def voxels_in(mask: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(mask[352:], dtype=np.uint8)))


def test_lesions_are_shown_rated_and_analysed_like_regions(tmp_path: Path) -> None:
    links = plan(tmp_path)
    assert any("whole scan is shown" in note for note in links.notes)
    study = SmallStudy(links.folder, dict(links.readers), links.coordinator)
    anna = Visitor(study, study.tokens["anna"])
    assert anna.http.get("/api/study").json()["colour"] == "#ff7ad1"
    shown: dict[str, list[tuple[int, int]]] = {}
    while (item := anna.state()["current"]) is not None:
        mask = anna.http.get(f"/api/items/{item['id']}/masks/0").content
        assert item["side"] == ""
        shown.setdefault(item["region"], []).append((len(mask), voxels_in(mask)))
        anna.show(item["id"])
        assert anna.post(item["id"], "answer", rating=4).status_code == 200
    for region, label in (("Lesion", 1), ("Rim, enhancing", 300)):
        drawn = {method: int((lesion_map(found, np.int16).get_fdata() == label).sum()) for method, found in LESIONS.items()}
        assert sorted(count for _, count in shown[region]) == sorted(drawn.values())
        assert len({length for length, _ in shown[region]}) == 1  # an empty map is as long as the others
    done = export_study(study.folder, tmp_path / "out", unblind=True)
    write_companions(study.folder, tmp_path / "out", done.files, key=None, unblinded=True)
    opened = from_archive(tmp_path / "out" / "study.zip", tmp_path / "analysed", "", None, None, "")
    ratings = read_ratings(opened.ratings, regions=opened.regions)
    assert sorted(set(ratings["roi"])) == ["Lesion", "Rim, enhancing"] and len(ratings) == 6
    assert json.loads((tmp_path / "out" / "export.json").read_text())["order"]["regions"] == ["Lesion", "Rim, enhancing"]


def test_a_lesion_that_a_method_did_not_find_stops_the_plan_or_is_left_out_as_the_design_says(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no voxel of patient Rim, enhancing in Gamma.*or show"):
        plan(tmp_path / "stop", "stop")
    links = plan(tmp_path / "drop", "drop")
    assert any("Rim, enhancing: left out for all methods, absent in Gamma" in note for note in links.notes)
    anna = Visitor(SmallStudy(links.folder, dict(links.readers), links.coordinator), links.readers["anna"])
    assert anna.state()["progress"] == {"rating": {"done": 0, "total": 3}}
