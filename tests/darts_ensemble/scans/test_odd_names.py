"""Names as people give them: each scan is found once, keeps its name, and its results are written under it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.errors import DartsError, ScanError
from darts_ensemble.results.outputs import target_paths
from darts_ensemble.scans.inputs import find_scans, name_scans
from darts_ensemble.scans.scan import read_scan, write_label_map

STEMS = [
    "my scan", "-o", "--help", "scan#1", "a;b", "ä", "a\u0308", "脳", "'quoted'", 'a"b', "new\nline", "tab\tin", "dots.in.name",
    "trailing ", " leading", "UPPER", "_underscore", "%s", "[brackets]", "star*", "what?", "{a}", "a,b", "~", "$HOME", "a&b",
    "(1)", "a=b", "a:b", "a+b", "@a", "!a", "x" * 240, "\U0001f9e0", "e\u200bzero", "..a", "a..", "nan", "None", "con", "T1w",
    "sub-",
]  # fmt: skip
ENDINGS = [".nii.gz", ".nii", ".mgz", ".mgh", ".NII.GZ", ".Nii"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not allow these names")


@pytest.fixture(scope="module")
def image() -> nib.Nifti1Image:
    return nib.Nifti1Image(np.random.default_rng(0).integers(0, 900, (8, 9, 7)).astype(np.int16), np.eye(4))


@pytest.mark.parametrize("stem", STEMS)
def test_a_scan_of_an_odd_name_is_found_named_and_written(tmp_path: Path, stem: str, image: nib.Nifti1Image) -> None:
    nib.save(image, tmp_path / "plain.nii")
    folder = tmp_path / "scans"
    folder.mkdir()
    path = (tmp_path / "plain.nii").rename(folder / f"{stem}.nii")
    hidden = stem.startswith(".")
    assert find_scans([path]) == [path]
    if not hidden:
        assert find_scans([folder]) == [path]
    (named,) = name_scans([path])
    assert named.name == (stem.removesuffix("_T1w") or stem)
    target = target_paths(tmp_path / "out", named.name, "nifti").label_map
    assert target.parent == tmp_path / "out"
    write_label_map(np.full((8, 9, 7), 17), read_scan(path), target)
    assert [one.name for one in (tmp_path / "out").iterdir()] == [f"{stem}_dseg.nii.gz"]


@pytest.mark.parametrize("stem", STEMS)
def test_a_subject_of_an_odd_name_is_named_after_its_folder(tmp_path: Path, stem: str) -> None:
    (tmp_path / "fs" / stem / "mri").mkdir(parents=True)
    (tmp_path / "fs" / stem / "mri/T1.mgz").touch()
    assert [one.name for one in name_scans(find_scans([tmp_path / "fs"]))] == [stem]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_in_any_case_is_found(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a{ending}").touch()
    assert [one.name for one in name_scans(find_scans([tmp_path]))] == ["a"]


@given(
    stems=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12)
        .filter(lambda stem: not stem.startswith(".")),
        min_size=1, max_size=5, unique=True,
    ),
    ending=st.sampled_from([".nii", ".nii.gz", ".mgz"]),
)  # fmt: skip
def test_names_of_any_letters_are_unique_and_no_paths(
    tmp_path_factory: pytest.TempPathFactory, stems: list[str], ending: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for stem in stems:
        (folder / f"{stem}{ending}").touch()
    there = {one.name for one in folder.iterdir()}
    try:
        paths = find_scans([folder])
    except ScanError:  # all of them are named as this toolkit names results
        paths = []
    assert {path.name for path in paths} <= there
    named = name_scans(paths)
    assert len({one.name.lower() for one in named}) == len(paths)
    for one in named:
        assert os.sep not in one.name
        assert one.name not in ("", ".", "..")


LINKS = {
    "to itself": ("a.nii", "a.nii"),
    "in a circle": ("a.nii", "b.nii"),
    "to nothing": ("gone.nii", None),
    "to a folder": ("folder", None),
    "to an annex": (".git/annex/objects/x/MD5E-s1--e.nii", None),
    "to an absolute path": ("/nowhere/at/all.nii", None),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_of_any_kind_is_named_in_one_line(tmp_path: Path, kind: str) -> None:
    target, back = LINKS[kind]
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.nii").symlink_to(target)
    if back:
        (tmp_path / "b.nii").symlink_to("a.nii")
    with pytest.raises(ScanError) as told:
        read_scan(tmp_path / "a.nii")
    assert str(told.value).startswith(str(tmp_path / "a.nii"))
    assert "expected" in str(told.value) or "get" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [
        ("d/./s.nii", ["s"]), ("d//s.nii", ["s"]), ("d/../d/s.nii", ["s"]), ("d/", ["s", "t"]), ("d/*.nii", ["s", "t"]),
        ("d/[s].nii", ["s"]), ("**/s.nii", ["d_s", "link_s"]), ("d/?.nii", ["s", "t"]), ("link", ["s", "t"]),
        ("link/s.nii", ["s"]),
    ],
)  # fmt: skip
def test_one_file_by_many_ways_has_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_as: str, expected: list[str]
) -> None:
    (tmp_path / "d").mkdir()
    for name in ("s", "t"):
        (tmp_path / f"d/{name}.nii").touch()
    (tmp_path / "link").symlink_to("d")
    monkeypatch.chdir(tmp_path)
    assert [one.name for one in name_scans(find_scans([Path(given_as)]))] == expected


def test_a_pattern_that_matches_nothing_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    for given_as in ("*.nii", "x[0-9]/T1.mgz", "."):
        with pytest.raises(DartsError, match="expected"):
            find_scans([tmp_path / given_as])
