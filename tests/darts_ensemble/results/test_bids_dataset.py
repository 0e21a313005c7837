"""A derivative states what it is, where its scans come from, and what its labels mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from darts_ensemble.errors import UsageError
from darts_ensemble.results.bids_dataset import describe_dataset, label_table, source_uri
from darts_ensemble.results.volumetry import region_agreement, region_volumes


def raw(root: Path, **more: str) -> Path:
    """The root of a raw data set, and one scan that need not exist."""
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "raw", "BIDSVersion": "1.8.0", **more}))
    return root / "sub-01" / "anat" / "sub-01_T1w.nii.gz"


def description(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "dataset_description.json").read_text(encoding="utf-8"))
    return content


def test_a_derivative_within_its_source_moves_with_it_and_another_source_gets_a_name_of_its_own(tmp_path: Path) -> None:
    first, second = raw(tmp_path / "a/study"), raw(tmp_path / "b/study", DatasetDOI="doi:10.18112/x")
    out = tmp_path / "a/study/derivatives/darts"
    describe_dataset(out, [first], version="1.2.3", weights={"axial": "ab"})
    describe_dataset(out, [second, tmp_path / "loose.nii"], version="1.2.3")
    found = description(out)
    assert found["DatasetLinks"] == {"study": "../..", "study2": (tmp_path / "b/study").as_uri()}
    assert found["SourceDatasets"] == [{"URL": (tmp_path / "a/study").as_uri()}, {"DOI": "10.18112/x"}]
    (program,) = found["GeneratedBy"]
    assert (program["Name"], program["Version"], program["Weights"]) == ("darts-ensemble", "1.2.3", {"axial": "ab"})
    assert source_uri(first, out) == "bids:study:sub-01/anat/sub-01_T1w.nii.gz"
    assert source_uri(second, out) == "bids:study2:sub-01/anat/sub-01_T1w.nii.gz"
    assert source_uri(tmp_path / "loose.nii", out) == (tmp_path / "loose.nii").as_uri()


def test_what_a_user_added_to_the_description_stays(tmp_path: Path) -> None:
    describe_dataset(tmp_path, [], version="1")
    content = {**description(tmp_path), "Authors": ["A", "B"], "Name": "Mine"}
    (tmp_path / "dataset_description.json").write_text(json.dumps(content))
    (tmp_path / ".bidsignore").write_text("notes.txt\n")
    describe_dataset(tmp_path, [], version="2", weights={"axial": "ab"})
    found = description(tmp_path)
    assert (found["Authors"], found["Name"], found["GeneratedBy"][0]["Version"]) == (["A", "B"], "Mine", "2")
    assert (tmp_path / ".bidsignore").read_text().splitlines()[0] == "notes.txt"


def test_the_root_of_a_raw_data_set_is_not_made_a_derivative(tmp_path: Path) -> None:
    scan = raw(tmp_path / "study")
    with pytest.raises(UsageError, match="derivatives/darts"):
        describe_dataset(tmp_path / "study", [scan], version="1")
    assert description(tmp_path / "study")["Name"] == "raw"


@pytest.mark.parametrize("text", ["{}", "{damaged"])
def test_a_description_that_is_empty_or_damaged_is_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset_description.json").write_text(text)
    with pytest.raises(UsageError, match="derivatives/darts"):
        describe_dataset(tmp_path, [], version="1")
    assert (tmp_path / "dataset_description.json").read_text() == text


def test_the_table_beside_a_label_map_names_colours_and_measures_each_region() -> None:
    ids = np.array([17, 17, 53, 1024, 0, 0, 0, 0]).reshape(2, 2, 2)
    agreement = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 2, 2)
    table = label_table(region_volumes(ids, np.eye(4)), region_agreement(ids, agreement)).set_index("index")
    assert list(table.columns)[:2] == ["name", "color"]
    assert table.index.is_monotonic_increasing
    assert list(table.loc[[17, 1024], "color"]) == ["#dcd814", "#3c14dc"]
    assert table.loc[17, "volume_mm3"] == 2
    assert table.loc[53, "agreement"] == pytest.approx(2 / 7, abs=1e-4)
