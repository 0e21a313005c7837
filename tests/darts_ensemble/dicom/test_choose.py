"""Which series of a folder is taken as the T1 scan, and when none is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from darts_ensemble.dicom.choose import choose_t1
from darts_ensemble.dicom.headers import read_series
from darts_ensemble.errors import ScanError
from tests.phantoms.dicom_series import head, oblique_affine, write_series

T1 = {"SeriesNumber": 4, "SeriesDescription": "t1_mprage_sag"}
OTHERS: dict[str, dict[str, Any]] = {
    "flair": {"SeriesDescription": "FLAIR 3D", "EchoTime": 388, "RepetitionTime": 5000, "InversionTime": 1800},
    "t2": {"SeriesDescription": "sag space", "EchoTime": 408, "RepetitionTime": 3200, "InversionTime": None},
    "pd": {"SeriesDescription": "mp2rage_INV2", "InversionTime": 2500},
    "t2 star": {
        "SeriesDescription": "hemo",
        "InversionTime": None,
        "RepetitionTime": 27,
        "EchoTime": 20,
        "ScanningSequence": "GR",
    },
    "angiography": {"SeriesDescription": "TOF 3D", "InversionTime": None, "RepetitionTime": 21, "EchoTime": 3.4},
    "fmri": {"SeriesDescription": "rest", "ScanningSequence": "EP", "EchoTime": 30},
    "phase": {"SeriesDescription": "t1_mprage_sag", "ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
    "reformatted": {"SeriesDescription": "t1 cor", "ImageType": ["DERIVED", "SECONDARY", "MPR"]},
    "ct": {"SeriesDescription": "t1_mprage_sag", "Modality": "CT"},
}


def write(folder: Path, **attributes: Any) -> None:
    """A series in which an attribute of value None is absent."""
    absent = [name for name, value in attributes.items() if value is None]

    def change(number: int, header: Any) -> None:
        for name in absent:
            delattr(header, name)

    write_series(folder, change=change, **{name: value for name, value in attributes.items() if value is not None})


def chosen(folder: Path, wanted: str | None = None) -> tuple[str, str]:
    one = choose_t1(read_series(folder), wanted)
    return one.series.text("SeriesNumber"), one.why


def test_the_t1_scan_is_found_among_everything_else_that_a_study_holds(tmp_path: Path) -> None:
    write(tmp_path / "t1", **T1)
    for number, (name, attributes) in enumerate(OTHERS.items(), start=10):
        write(tmp_path / name, SeriesNumber=number, **attributes)
    write_series(tmp_path / "scout", head((26, 24, 9)), SeriesNumber=1)
    number, why = chosen(tmp_path)
    assert number == "4"
    assert why == (
        "series 4 (t1_mprage_sag) of 11 series taken as T1: 22 slices, voxels of 1.10 × 1.20 × 1.30 mm, "
        "TR 2300 ms, TE 2.98 ms, TI 900 ms"
    )


@pytest.mark.parametrize("name", list(OTHERS))
def test_what_is_no_t1_scan_is_refused_with_what_it_is(tmp_path: Path, name: str) -> None:
    write(tmp_path / "one", **{"SeriesNumber": 7, **OTHERS[name]})
    with pytest.raises(ScanError, match=r"one: no T1-weighted series of MR; found series 7 .*; expected one"):
        chosen(tmp_path / "one")


def test_kinds_of_t1_sequences_are_known(tmp_path: Path) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "fast gradient echo": {"RepetitionTime": 7.4, "EchoTime": 3.1, "InversionTime": None, "ScanningSequence": "GR"},
        "spin echo": {"RepetitionTime": 600, "EchoTime": 12, "InversionTime": None, "ScanningSequence": "SE"},
        "combined mp2rage": {"RepetitionTime": 5000, "InversionTime": 2500, "SeriesDescription": "mp2rage_UNI_Images"},
        "by its name alone": {"RepetitionTime": None, "EchoTime": None, "InversionTime": None},
    }
    for name, attributes in kinds.items():
        write(tmp_path / name, **{"SeriesNumber": 3, **attributes})
        assert chosen(tmp_path / name)[0] == "3"
        assert "do not say" not in chosen(tmp_path / name)[1]


def test_a_single_series_whose_headers_say_nothing_is_taken_and_told(tmp_path: Path) -> None:
    write(tmp_path, SeriesDescription="brain", RepetitionTime=None, EchoTime=None, InversionTime=None)
    assert chosen(tmp_path)[1].endswith("its headers do not say that it is T1")


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({}, {"ContrastBolusAgent": "Gadovist"}),
        ({}, {"MRAcquisitionType": "2D"}),
        ({}, {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]}),
        ({"MRAcquisitionType": "3D", "ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"MRAcquisitionType": "2D"}),
    ],
)
def test_of_two_t1_scans_the_better_one_is_taken(tmp_path: Path, better: dict[str, Any], worse: dict[str, Any]) -> None:
    write(tmp_path / "a", SeriesNumber=8, **worse)
    write(tmp_path / "b", SeriesNumber=9, **better)
    assert chosen(tmp_path)[0] == "9"


def test_of_two_t1_scans_that_with_the_smaller_voxels_is_taken(tmp_path: Path) -> None:
    write_series(tmp_path / "a", affine=oblique_affine((1.0, 1.0, 3.0)), SeriesNumber=8)
    write_series(tmp_path / "b", affine=oblique_affine((1.2, 1.2, 1.2)), SeriesNumber=9)
    assert chosen(tmp_path)[0] == "9"


def test_equal_t1_scans_are_named_and_the_user_chooses(tmp_path: Path) -> None:
    write(tmp_path / "a", SeriesNumber=8, SeriesDescription="t1 first")
    write(tmp_path / "b", SeriesNumber=9, SeriesDescription="t1 second")
    with pytest.raises(ScanError, match=r"2 T1 series that no rule .*series 8 \(t1 first\).*series 9 \(t1 second\).*--series"):
        chosen(tmp_path)
    assert chosen(tmp_path, "8")[0] == "8"
    assert chosen(tmp_path, "Second")[0] == "9"
    assert chosen(tmp_path, read_series(tmp_path)[0].uid)[0] == "8"
    with pytest.raises(ScanError, match=r"no series 7; expected one of: series 8 \(t1 first\); series 9"):
        chosen(tmp_path, "7")


def test_a_series_of_another_contrast_is_taken_where_it_is_named(tmp_path: Path) -> None:
    write(tmp_path, SeriesNumber=7, **OTHERS["t2"])
    assert chosen(tmp_path, "space")[0] == "7"


def test_files_of_two_people_in_one_folder_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "a", patient="one")
    write_series(tmp_path / "b", patient="two")
    with pytest.raises(ScanError, match=r"DICOM files of 2 people; expected those of one"):
        read_series(tmp_path)


def test_a_copy_of_a_file_is_the_same_slice(tmp_path: Path) -> None:
    first = write_series(tmp_path)[0]
    (tmp_path / "copy").write_bytes(first.read_bytes())
    (tmp_path / "notes.txt").write_text("no image")
    assert [one.n_slices for one in read_series(tmp_path)] == [22]
