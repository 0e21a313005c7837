"""Accounts of earlier results that are damaged, edited or from elsewhere: a result that may be stale is never kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.scans.inputs import NamedScan
from darts_ensemble.scans.scan import file_checksum
from darts_ensemble.segment.jobs import Job, earlier_result
from darts_ensemble.segment.settings import Settings, describe_run, make_segmenter
from tests.conftest import SOAK
from tests.darts_ensemble.segment.test_made_with import write

#: Fields of an account on which no voxel depends.
WITHOUT_EFFECT = {"flags", "suspicion", "warnings", "mean_view_agreement", "seen_in_training", "scan"}
VALUES: list[Any] = [None, [], {}, "", "x", 0, -1, 1e300, True]


@pytest.fixture(scope="module")
def asked(tiny_weights: Path) -> dict[str, Any]:
    settings = Settings(weights=str(tiny_weights), device="cpu", precision="fp32")
    return json.loads(json.dumps(describe_run(make_segmenter(settings), settings)))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("odd")
    write(folder / "head_dseg.nii.gz", 3)
    return Job(NamedScan(write(folder / "head.nii", 0), "head"), folder, "nifti")


def account(job: Job, asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "scan": str(job.scan.path), "scan_sha256": file_checksum(job.scan.path), "made_with": asked, "warnings": [],
        "suspicion": None, "flags": [], "mean_view_agreement": 0.9, "seen_in_training": False,
    }  # fmt: skip


def kept(job: Job, asked: dict[str, Any], text: str | bytes) -> bool:
    """Whether the earlier result stands; what is said of one that does not is one line."""
    content = text if isinstance(text, bytes) else text.encode()
    job.target.quality.write_bytes(content)
    earlier = earlier_result(job, asked)
    if earlier.row is not None and earlier.row["status"] == "failed":
        assert "expected" in earlier.row["error"]
        assert "\n" not in earlier.row["error"]
        return False
    assert (earlier.row is None) is bool(earlier.differs)
    assert "\n" not in earlier.differs
    return earlier.row is not None


def test_an_account_of_the_same_settings_and_scan_stands(job: Job, asked: dict[str, Any]) -> None:
    assert kept(job, asked, json.dumps(account(job, asked)))
    more = account(job, asked) | {"a field of a later version": [1, 2]}
    assert kept(job, asked, json.dumps(more))


@pytest.mark.parametrize("field", ["scan_sha256", "made_with", "scan", *sorted(WITHOUT_EFFECT - {"scan"})])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_field_of_another_kind_never_ends_the_run(job: Job, asked: dict[str, Any], field: str, value: Any) -> None:
    stands = kept(job, asked, json.dumps(account(job, asked) | {field: value}))
    assert not (stands and field not in WITHOUT_EFFECT)


def test_a_field_that_is_missing_never_ends_the_run(job: Job, asked: dict[str, Any]) -> None:
    for field in account(job, asked):
        less = {name: value for name, value in account(job, asked).items() if name != field}
        assert kept(job, asked, json.dumps(less)) <= (field in WITHOUT_EFFECT)


def test_every_setting_of_another_kind_or_missing_makes_the_result_stale(job: Job, asked: dict[str, Any]) -> None:
    additions = {"agreement", "probabilities", "probability_type", "precision_asked", "precision"}
    additions |= {"dicom_seg"}  # an account of an earlier version lacks it: then it is False
    for name in set(asked) - additions:
        for value in VALUES:
            if value != asked[name] or isinstance(value, bool) is not isinstance(asked[name], bool):
                changed = account(job, asked) | {"made_with": asked | {name: value}}
                assert not kept(job, asked, json.dumps(changed)) or value == asked[name], (name, value)
        less = {one: value for one, value in asked.items() if one != name}
        # What is not stated was not used.
        assert asked[name] is None or not kept(job, asked, json.dumps(account(job, asked) | {"made_with": less})), name


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe{}", b"\x00" * 40, b"{}\n{}", b"{'scan': 1}", b"<html></html>",
        b"NaN", b'{"made_with": NaN}', b"[" * 5000, b'{"scan_sha256": "\\ud800"}', b"\xef\xbb\xbf{}",
        b'{"made_with": {"views": {}}}',
    ],
    ids=repr,
)  # fmt: skip
def test_a_file_that_is_no_account_keeps_nothing(job: Job, asked: dict[str, Any], text: bytes) -> None:
    assert not kept(job, asked, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda one: (
        st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(["views", "weights", "crop", "x"]), one, max_size=3)
    ),
    max_leaves=8,
)


@given(made=JSON, scan=JSON, checksum=JSON)
def test_no_account_of_other_content_stands(job: Job, asked: dict[str, Any], made: Any, scan: Any, checksum: Any) -> None:
    content = account(job, asked) | {"made_with": made, "scan": scan, "scan_sha256": checksum}
    assert not kept(job, asked, json.dumps(content))


@pytest.mark.parametrize("cut", range(0, 1400, 7 if SOAK else 70))
def test_an_account_cut_off_anywhere_keeps_nothing(job: Job, asked: dict[str, Any], cut: int) -> None:
    whole = json.dumps(account(job, asked), indent=1)
    assert not kept(job, asked, whole[: min(cut, len(whole) - 1)])
