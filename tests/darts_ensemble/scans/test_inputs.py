"""Inputs that a user names become scans, each once and each with a different name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.errors import ScanError
from darts_ensemble.scans.inputs import find_scans, name_scans
from darts_ensemble.scans.scan import read_scan


def touched(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


def found(root: Path, *given: str) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_scans([root / one for one in given])]


def test_a_freesurfer_subject_gives_its_best_scan_and_a_subjects_dir_that_of_each(tmp_path: Path) -> None:
    touched(
        tmp_path, "s/bert/mri/T1.mgz", "s/bert/mri/orig.mgz", "s/bert/mri/aseg.mgz", "s/ernie/mri/brainmask.mgz",
        "s/ernie/mri/aparc.DKTatlas+aseg.mgz", "s/fsaverage.log", "s/empty/surf/lh.white",
    )  # fmt: skip
    assert found(tmp_path, "s/bert") == ["s/bert/mri/T1.mgz"]
    assert found(tmp_path, "s") == ["s/bert/mri/T1.mgz", "s/ernie/mri/brainmask.mgz"]


def test_a_bids_data_set_gives_its_t1_scans_with_and_without_sessions(tmp_path: Path) -> None:
    touched(
        tmp_path, "b/dataset_description.json", "b/sub-01/anat/sub-01_T1w.nii.gz", "b/sub-01/anat/sub-01_T1w.json",
        "b/sub-01/anat/sub-01_T2w.nii.gz", "b/sub-02/ses-a/anat/sub-02_ses-a_T1w.nii", "b/sub-01/func/sub-01_bold.nii.gz",
        "b/derivatives/x/sub-01/anat/sub-01_desc-brain_T1w.nii.gz",
    )  # fmt: skip
    t1 = ["b/sub-01/anat/sub-01_T1w.nii.gz", "b/sub-02/ses-a/anat/sub-02_ses-a_T1w.nii"]
    assert found(tmp_path, "b") == t1
    assert found(tmp_path, "b/sub-01") == found(tmp_path, "b/sub-01/anat") == t1[:1]
    assert found(tmp_path, "b/sub-02") == found(tmp_path, "b/sub-02/ses-a") == t1[1:]


def test_mindboggle_gives_the_whole_head_where_there_is_one_and_nothing_in_mni_space(tmp_path: Path) -> None:
    group = "m/OASIS-TRT-20_volumes"
    touched(
        tmp_path, f"{group}/OASIS-TRT-20-1/t1weighted.nii.gz", f"{group}/OASIS-TRT-20-1/t1weighted_brain.nii.gz",
        f"{group}/OASIS-TRT-20-1/t1weighted.MNI152.nii.gz", f"{group}/OASIS-TRT-20-1/labels.DKT31.manual.nii.gz",
        f"{group}/OASIS-TRT-20-2/t1weighted_brain.nii.gz",
    )  # fmt: skip
    both = [f"{group}/OASIS-TRT-20-1/t1weighted.nii.gz", f"{group}/OASIS-TRT-20-2/t1weighted_brain.nii.gz"]
    assert found(tmp_path, "m") == found(tmp_path, group) == both
    assert found(tmp_path, f"{group}/OASIS-TRT-20-1") == both[:1]


def test_a_plain_folder_gives_its_images_but_not_what_was_written_beside_them(tmp_path: Path) -> None:
    touched(
        tmp_path, "d/b.mgz", "d/a.nii.gz", "d/C.NII", "d/e.mgh", "d/notes.txt", "d/a_dseg.nii.gz", "d/a_agreement.nii.gz",
        "d/a_probseg.nii.gz", "d/a_top-ids.nii.gz", "d/a_mask.nii.gz", "d/.a.nii.gz.tmp.nii.gz", "d/aparc+aseg.mgz",
        "d/a_volumes.tsv",
    )  # fmt: skip
    assert found(tmp_path, "d") == ["d/C.NII", "d/a.nii.gz", "d/b.mgz", "d/e.mgh"]


def test_a_map_or_mask_beside_its_scan_is_left_out_with_a_word_and_a_name_like_it_is_a_scan(tmp_path: Path) -> None:
    names = ("a.nii.gz", "a_seg.nii.gz", "a-labels.nii", "a.brainmask.nii.gz", "b_seg.nii.gz", "mask.nii.gz")
    for name in names:
        (tmp_path / name).touch()
    said: list[str] = []
    found = find_scans([tmp_path], said.append)
    assert [path.name for path in found] == ["a.nii.gz", "b_seg.nii.gz", "mask.nii.gz"]
    assert len(said) == 3
    assert all("label map or mask of a; name it to segment it" in line for line in said)
    assert find_scans([tmp_path / "a_seg.nii.gz"]) == [tmp_path / "a_seg.nii.gz"]


def test_a_map_of_no_scan_in_the_folder_is_left_out_with_a_word(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "a_dseg.nii.gz", "a_agreement.nii.gz", "brain_mask.nii.gz", "aseg.mgz"):
        (tmp_path / name).touch()
    said: list[str] = []
    assert find_scans([tmp_path], said.append) == [tmp_path / "a.nii.gz"]
    # Results beside their scan, as of an earlier run, are no news.
    assert said == [
        f"{tmp_path / 'aseg.mgz'} and 1 more: left out, by their names label maps or masks; name such a file to segment it"
    ]


def test_scans_that_lie_deeper_are_said_by_name(tmp_path: Path) -> None:
    (tmp_path / "ann/raw").mkdir(parents=True)
    (tmp_path / "ann/raw/T1.nii.gz").touch()
    with pytest.raises(ScanError, match=r"no scan found; .*name those below it, such as .*ann/raw/T1\.nii\.gz"):
        find_scans([tmp_path])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_no_scan_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scan.nii.gz")
    os.mkfifo(tmp_path / "series.dcm")
    with pytest.raises(ScanError, match="no scan found"):
        find_scans([tmp_path], dicom=True)
    with pytest.raises(ScanError, match="no such file"):
        read_scan(tmp_path / "scan.nii.gz")


def test_a_scan_named_twice_is_taken_once_in_the_order_given(tmp_path: Path) -> None:
    touched(tmp_path, "d/b.mgz", "d/a.mgz")
    (tmp_path / "link.mgz").symlink_to(tmp_path / "d" / "b.mgz")
    assert found(tmp_path, "d/b.mgz", "d", "d/../d/a.mgz") == ["d/b.mgz", "d/a.mgz"]
    assert found(tmp_path, "d", "link.mgz") == ["d/a.mgz", "d/b.mgz", "link.mgz"], "a link is a scan of its own name"


def annexed(root: Path, name: str, key: str, *, there: bool = True) -> None:
    """A file of git-annex: a link to its content, which may not be there."""
    content = root / ".git/annex/objects/aB/Cd" / key / key
    content.parent.mkdir(parents=True, exist_ok=True)
    if there:
        content.touch()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to(os.path.relpath(content, (root / name).parent))


@pytest.mark.parametrize("there", [True, False])
def test_links_are_named_as_the_user_knows_them_and_equal_contents_are_all_kept(tmp_path: Path, there: bool) -> None:
    for number in "12":
        annexed(tmp_path, f"fs/sub-0{number}/mri/T1.mgz", f"MD5E-s9--0{number}.mgz", there=there)
        annexed(tmp_path, f"bids/sub-03/ses-{number}/anat/sub-03_ses-{number}_T1w.nii.gz", "MD5E-s3--e.nii.gz", there=there)
        annexed(tmp_path, f"flat/head{number}.nii", "MD5E-s4--e.nii", there=there)
        touched(tmp_path, f"archive/2019_{number}/mri/T1.mgz")
        (tmp_path / "linked").mkdir(exist_ok=True)
        (tmp_path / f"linked/sub-0{number}").symlink_to(f"../archive/2019_{number}")
    wanted = {
        "fs": ["sub-01", "sub-02"], "bids": ["sub-03_ses-1", "sub-03_ses-2"], "flat": ["head1", "head2"],
        "linked": ["sub-01", "sub-02"],
    }  # fmt: skip
    for folder, expected in wanted.items():
        assert [scan.name for scan in name_scans(find_scans([tmp_path / folder]))] == expected


def test_a_link_to_nothing_and_a_pointer_in_place_of_a_scan_say_how_to_get_it(tmp_path: Path) -> None:
    annexed(tmp_path, "annexed.nii.gz", "MD5E-s3--e.nii.gz", there=False)
    (tmp_path / "lost.nii").symlink_to("gone.nii")
    (tmp_path / "unlocked.nii.gz").write_text("/annex/objects/MD5E-s3--e.nii.gz\n")
    (tmp_path / "lfs.mgz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    for name, words in {
        "annexed.nii.gz": "datalad get", "unlocked.nii.gz": "datalad get", "lost.nii": "a link to gone.nii",
        "lfs.mgz": "lfs pull",
    }.items():  # fmt: skip
        with pytest.raises(ScanError, match=f"{name}: .*{words}"):
            read_scan(tmp_path / name)


def test_what_is_no_scan_of_a_person_is_left_out_with_a_word_and_taken_where_named(tmp_path: Path) -> None:
    touched(
        tmp_path, "b/sub-1/anat/sub-1_part-mag_T1w.nii.gz", "b/sub-1/anat/sub-1_part-phase_T1w.nii.gz",
        "b/sub-1/anat/sub-1_space-MNI152NLin2009cAsym_res-2_desc-preproc_T1w.nii.gz", "b/sub-1/anat/sub-1_T1w.nii.gz.bak",
        "b/sub-1/anat/sub-1_T1w.nii.json", "b/sub-2/anat/sub-2_UNIT1.nii.gz", "b/sub-2/anat/sub-2_inv-1_MP2RAGE.nii.gz",
        "b/sub-3/anat/sub-3_desc-preproc_T1w.nii.gz", "s/fsaverage/mri/T1.mgz", "s/fsaverage5/mri/T1.mgz",
        "s/sub-01/mri/T1.mgz", "s/sub-01_base/mri/T1.mgz", "s/sub-01.long.sub-01_base/mri/T1.mgz", "s/sub-02/mri/aseg.mgz",
    )  # fmt: skip
    lines: list[str] = []
    taken = [path.relative_to(tmp_path).as_posix() for path in find_scans([tmp_path / "b", tmp_path / "s"], lines.append)]
    assert taken == [
        "b/sub-1/anat/sub-1_part-mag_T1w.nii.gz", "b/sub-2/anat/sub-2_UNIT1.nii.gz",
        "b/sub-3/anat/sub-3_desc-preproc_T1w.nii.gz", "s/sub-01/mri/T1.mgz", "s/sub-01.long.sub-01_base/mri/T1.mgz",
    ]  # fmt: skip
    told = " ".join(lines)
    for name in ("part-phase", "MNI152NLin2009cAsym", "fsaverage5", "sub-01_base", "sub-02"):
        assert name in told
    for name in ("b/sub-1/anat/sub-1_part-phase_T1w.nii.gz", "s/fsaverage"):
        assert len(find_scans([tmp_path / name])) == 1


def test_a_named_file_is_taken_as_it_is_even_where_it_is_missing(tmp_path: Path) -> None:
    assert found(tmp_path, "nowhere/x_dseg.nii.gz") == ["nowhere/x_dseg.nii.gz"]


def test_a_folder_without_a_scan_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    touched(tmp_path, "dicom/IM0001.dcm", "dicom/IM0002.dcm", "bert/mri/aseg.mgz")
    with pytest.raises(ScanError, match=r"dicom: no scan found; expected .*dcm2niix"):
        find_scans([tmp_path / "dicom"])
    touched(tmp_path, "packed/scans.zip")
    with pytest.raises(ScanError, match=r"packed: no scan found; expected .*\(unpack scans\.zip"):
        find_scans([tmp_path / "packed"])
    with pytest.raises(ScanError, match=r"bert: no scan found; expected mri/ with one of T1\.mgz"):
        find_scans([tmp_path / "bert"])


def test_a_folder_that_may_not_be_read_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ScanError, match=rf"locked: not readable \({os.strerror(13)}\)"):
        (tmp_path / "locked").mkdir()
        find_scans([tmp_path / "locked"])


def names(*paths: str) -> list[str]:
    return [scan.name for scan in name_scans([Path(path) for path in paths])]


def test_names_come_from_the_subject_or_the_file() -> None:
    assert names("/s/bert/mri/T1.mgz") == ["bert"]
    assert names("/b/sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz") == ["sub-01_ses-2"]
    assert names("/m/MMRR-21_volumes/MMRR-21-3/t1weighted.nii.gz") == ["MMRR-21-3"]
    assert names("/d/Patient.7.nii.gz") == ["Patient.7"]


def test_scans_of_one_name_take_as_many_folders_before_it_as_tell_them_apart() -> None:
    assert names("/d/a/T1.mgz", "/d/b/T1.mgz", "/d/other.mgz") == ["a_T1", "b_T1", "other"]
    assert names("/x/a/T1.mgz", "/y/a/T1.nii.gz") == ["x_a_T1", "y_a_T1"]
    assert names("/one/bert/mri/T1.mgz", "/two/bert/mri/T1.mgz") == ["one_bert", "two_bert"]
    assert names("/a/head.nii", "/b/HEAD.nii") == ["a_head", "b_HEAD"], "a file system may not tell them apart"


def test_scans_of_one_name_in_one_folder_are_named_after_the_whole_file() -> None:
    assert names("/d/T1.mgz", "/d/T1.nii.gz", "/d/T2.mgz") == ["T1_mgz", "T1_nii_gz", "T2"]
    assert names("/s/bert/mri/T1.mgz", "/s/bert/mri/orig.mgz") == ["bert_T1_mgz", "bert_orig_mgz"]
    assert names("/e/T1.mgz", "/d/T1.mgz", "/d/T1.nii") == ["T1", "T1_mgz", "T1_nii"]


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "b", "mri", "sub-01"]), max_size=4),
            st.sampled_from(["T1.mgz", "T1.nii.gz", "orig.mgz", "t1weighted.nii.gz", "sub-01_T1w.nii", "sub-01.nii"]),
        ),
        max_size=8,
        unique_by=str,
    )
)
def test_no_two_scans_ever_share_a_name_and_no_name_is_a_path(parts: list[tuple[list[str], str]]) -> None:
    paths = [Path("/top", "data", *folders, name) for folders, name in parts]
    named = name_scans(paths)
    assert [scan.path for scan in named] == paths
    assert len({scan.name.lower() for scan in named}) == len(paths)
    assert not any(os.sep in scan.name for scan in named)
    assert {(scan.path, scan.name) for scan in name_scans(paths[::-1])} == {(scan.path, scan.name) for scan in named}
