"""Data for training: subjects found and split by family, conformed once, slices drawn in the stored orientation."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.errors import CohortError, ScanError
from darts_ensemble.labels import BACKGROUND_CLASS, IGNORE_CLASS
from darts_ensemble.slices.views import VIEWS, take_slices
from darts_ensemble.training.dataset import cache_subjects, equal_scans
from darts_ensemble.training.recipe import CROPS, make_recipe
from darts_ensemble.training.slice_pool import CUT, SlicePool
from darts_ensemble.training.subjects import LabelledSubject, choose_subjects, find_labelled, split_by_family
from tests.phantoms.training_subject import FIRST, SECOND, phantom_subject


def write_subject(folder: Path, ids: tuple[int, ...] = (10, 49, 77), shift: int = 0) -> None:
    """A FreeSurfer subject of 48^3 voxels with blocks of some ids."""
    labels = np.zeros((48, 48, 48), dtype=np.int32)
    for number, id_ in enumerate(ids):
        labels[8 + 10 * number : 16 + 10 * number, 10:30, 10:30] = id_
    image = np.where(labels > 0, 150, 3).astype(np.uint8)
    (folder / "mri").mkdir(parents=True)
    affine = np.diag([1.0, 1, 1, 1])
    nib.save(nib.MGHImage(image, affine), folder / "mri" / "T1.mgz")
    affine[0, 3] = shift
    nib.save(nib.MGHImage(labels, affine), folder / "mri" / "aparc.DKTatlas+aseg.mgz")


def test_a_subjects_dir_a_mindboggle_tree_and_a_manifest_are_read(tmp_path: Path) -> None:
    write_subject(tmp_path / "fs" / "one")
    (tmp_path / "fs" / "empty" / "mri").mkdir(parents=True)
    assert [subject.id for subject in find_labelled(tmp_path / "fs")] == ["one"]
    for name in ("Twins-2-1", "Twins-2-2", "OASIS-TRT-20-1"):
        folder = tmp_path / "mindboggle" / "Some_volumes" / name
        folder.mkdir(parents=True)
        for file in ("t1weighted.nii.gz", "t1weighted_brain.nii.gz", "labels.DKT31.manual+aseg.nii.gz"):
            (folder / file).touch()
    found = find_labelled(tmp_path / "mindboggle")
    assert {subject.id: subject.family for subject in found} == {
        "Twins-2-1": "Twins-2", "Twins-2-2": "Twins-2", "OASIS-TRT-20-1": "OASIS-TRT-20-1",
    }  # fmt: skip
    manifest = tmp_path / "subjects.tsv"
    manifest.write_text("subject\tscan\tlabels\tfamily\na\tfs/one/mri/T1.mgz\tfs/one/mri/aparc.DKTatlas+aseg.mgz\tF\n")
    assert [(subject.id, subject.family) for subject in find_labelled(manifest)] == [("a", "F")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("subject\tscan\na\tb.mgz\n", "expected a TSV with columns subject, scan, labels"),
        ("subject\tscan\tlabels\na\tnone.mgz\tnone.mgz\n", "row 2: .*none.mgz does not exist"),
        ("subject\tscan\tlabels\na\t\tb\n", "row 2 lacks"),
        ("", "nothing found"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "subjects.tsv").write_text(text)
    with pytest.raises(CohortError, match=complaint):
        find_labelled(tmp_path / "subjects.tsv")


def test_a_folder_without_labelled_subjects_or_a_name_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no subject with a label map"):
        find_labelled(tmp_path)
    write_subject(tmp_path / "one")
    with pytest.raises(CohortError, match="no labelled subject two; expected some of one"):
        choose_subjects(find_labelled(tmp_path), ["two"])


@given(families=st.lists(st.integers(0, 5), min_size=2, max_size=20), share=st.floats(0.01, 0.6), seed=st.integers(0, 100))
def test_a_split_never_shares_a_subject_or_a_family(families: list[int], share: float, seed: int) -> None:
    here = Path()
    subjects = [LabelledSubject(f"s{n}", here, here, None, f"f{family}") for n, family in enumerate(families)]
    if len(set(families)) == 1:
        with pytest.raises(CohortError, match="expected some to train on"):
            split_by_family(subjects, share=share, seed=seed)
        return
    training, validation = split_by_family(subjects, share=share, seed=seed)
    assert len(training) + len(validation) == len(subjects)
    assert {one.family for one in training}.isdisjoint(one.family for one in validation)
    assert training
    assert validation


def test_relatives_of_a_subject_held_out_by_name_are_not_trained_on() -> None:
    here = Path()
    subjects = [LabelledSubject(name, here, here, None, family) for name, family in (("a", "x"), ("b", "x"), ("c", "y"))]
    training, validation = split_by_family(subjects, validation=["a"])
    assert [one.id for one in training] == ["c"]
    assert [one.id for one in validation] == ["a"]


def test_people_to_train_on_and_to_validate_on_are_named_apart() -> None:
    here = Path()
    subjects = [LabelledSubject(name, here, here, None, name) for name in "abcd"]
    training, validation = split_by_family(subjects, training=["a", "b"], validation=["c"])
    assert ([one.id for one in training], [one.id for one in validation]) == (["a", "b"], ["c"])
    training, validation = split_by_family(subjects, training=["a", "b"], validation=["b"])
    assert ([one.id for one in training], [one.id for one in validation]) == (["a"], ["b"])
    training, validation = split_by_family(subjects, training=["a", "b", "c"], share=0.3)
    assert {one.id for one in (*training, *validation)} == {"a", "b", "c"}
    with pytest.raises(CohortError, match="no labelled subject e; expected some of a, b, c, d"):
        split_by_family(subjects, training=["a"], validation=["e"])


def test_averages_templates_and_subjects_without_a_scan_are_left_out_and_timepoints_share_a_family(tmp_path: Path) -> None:
    for name in ("p1", "p1.long.p1_base", "p1_base", "fsaverage", "sub-2_ses-1", "sub-2_ses-2", "bare"):
        write_subject(tmp_path / name)
    (tmp_path / "bare/mri/T1.mgz").unlink()
    said: list[str] = []
    found = find_labelled(tmp_path, left_out=said.append)
    assert {one.id: one.family for one in found} == {
        "p1": "p1", "p1.long.p1_base": "p1", "sub-2_ses-1": "sub-2", "sub-2_ses-2": "sub-2",
    }  # fmt: skip
    for name, why in (("fsaverage", "average"), ("p1_base", "template"), ("bare", "no T1.mgz")):
        assert any(str(tmp_path / name) + ":" in line and why in line for line in said), name
    assert len(said) == 3
    assert "fsaverage" in {one.id for one in find_labelled(tmp_path, named=["fsaverage"])}


def test_a_label_map_from_surfaces_comes_before_a_networks_and_a_dangling_annex_link_is_named(tmp_path: Path) -> None:
    write_subject(tmp_path / "one")
    mri = tmp_path / "one/mri"
    (mri / "aparc.DKTatlas+aseg.mgz").rename(mri / "aparc.DKTatlas+aseg.deep.mgz")
    for name in ("deep.withCC", "mapped"):
        (mri / f"aparc.DKTatlas+aseg.{name}.mgz").symlink_to(".git/annex/objects/x")
        (one,) = find_labelled(tmp_path)
        assert one.labels.name == f"aparc.DKTatlas+aseg.{name}.mgz"
        with pytest.raises(ScanError, match="datalad get"):
            cache_subjects([one], tmp_path / "cache")


def test_a_person_under_two_names_is_named_and_never_both_trained_on_and_validated_on(tmp_path: Path) -> None:
    for name, ids in (("a", (10, 49, 77)), ("b", (10, 49, 77)), ("c", (10, 53))):
        write_subject(tmp_path / name, ids)
    a, b, c = cache_subjects(find_labelled(tmp_path), tmp_path / "cache")
    assert equal_scans([a, b], [c]) == ["the scans of a, b have equal voxels: one person under several names"]
    assert equal_scans([a], [c]) == []
    with pytest.raises(CohortError, match=r"a \(training\) and b \(validation\) have equal voxels"):
        equal_scans([a, c], [b])


def test_a_subject_is_conformed_once_and_again_when_its_files_change(tmp_path: Path) -> None:
    write_subject(tmp_path / "subjects" / "one")
    found = find_labelled(tmp_path / "subjects")
    (first,) = cache_subjects(found, tmp_path / "cache")
    # Two known regions; 77 is neither a region nor background.
    assert set(np.unique(first.labels)) == {102, IGNORE_CLASS, *np.unique(first.labels[first.labels < 102])}
    assert len(np.unique(first.labels[first.labels < 102])) == 2
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    cache_subjects(found, tmp_path / "cache")
    assert written == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    labels = found[0].labels
    labels.write_bytes(labels.read_bytes() + b"\0")
    cache_subjects(found, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_scan_replaced_by_one_of_the_same_size_and_time_and_a_new_way_of_conforming_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = {}
    for name, ids in (("a", (10, 49, 77)), ("b", (10, 53, 77))):
        write_subject(tmp_path / name / "one", ids)
        labels = nib.load(tmp_path / name / "one/mri/aparc.DKTatlas+aseg.mgz")
        nib.save(labels, tmp_path / name / "one/mri/aparc.DKTatlas+aseg.mgh")  # not packed: of one size
        subjects[name] = tmp_path / name / "one/mri/aparc.DKTatlas+aseg.mgh"
    subject = LabelledSubject("one", tmp_path / "a/one/mri/T1.mgz", subjects["a"], None, "one")
    (first,) = cache_subjects([subject], tmp_path / "cache")
    stamp = subjects["a"].stat()
    subjects["a"].write_bytes(subjects["b"].read_bytes())
    os.utime(subjects["a"], ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert subjects["a"].stat().st_size == stamp.st_size
    (second,) = cache_subjects([subject], tmp_path / "cache")
    assert set(np.unique(first.labels)) != set(np.unique(second.labels))
    monkeypatch.setattr("darts_ensemble.training.dataset.CONFORMING", -1)
    cache_subjects([subject], tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 3


@pytest.mark.parametrize(
    ("ids", "shift", "complaint"),
    [
        ((10,), 0, "only the values 0 and 10 found, a mask"),
        ((1,), 0, "only the values 0 and 1 found, a mask"),
        ((3, 42), 0, "fewer than two of the 102 regions"),
        ((10, 49), 60, "where .* is empty"),
    ],
)
def test_labels_that_teach_nothing_or_lie_elsewhere_are_refused(
    tmp_path: Path, ids: tuple[int, ...], shift: int, complaint: str
) -> None:
    write_subject(tmp_path / "one", ids, shift)
    with pytest.raises(ScanError, match=complaint):
        cache_subjects(find_labelled(tmp_path), tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("one-*"))


@pytest.mark.parametrize("view", VIEWS)
def test_an_unaltered_draw_is_a_piece_of_the_subject_with_its_neighbours(view: str) -> None:
    subject = phantom_subject()
    recipe = make_recipe("default", augmentation="none", thick_slices=3, normalisation="slice-minmax", rare=0.5)
    pool = SlicePool([subject], view, recipe)
    for seed in range(5):
        image, labels = pool.draw(np.random.default_rng(seed), CROPS[view])
        assert image.shape == (3, *CROPS[view])
        assert labels.shape == CROPS[view]
        assert set(np.unique(labels)) <= set(np.unique(subject.labels))
        # Where a region is brighter than all around it, in the middle slice too.
        if FIRST in labels:
            assert np.median(image[1][labels == FIRST]) > np.median(image[1][labels == 102])


@pytest.mark.parametrize("view", VIEWS)
def test_varied_crops_are_of_a_brain_in_most_steps_and_up_to_whole_slices_in_the_others(view: str) -> None:
    subject = phantom_subject()
    whole = take_slices(subject.labels, view, slice(80, 81))[0].shape
    pool = SlicePool([subject], view, make_recipe("default", augmentation="none", crop="varied"))
    rng = np.random.default_rng(0)
    sizes = [pool.draw_size(rng) for _ in range(600)]
    assert sizes.count(CROPS[view]) / len(sizes) == pytest.approx(2 / 3, abs=0.06)
    for axis in range(2):
        extents = [size[axis] for size in sizes]
        assert set(extents) == set(range(CROPS[view][axis], whole[axis] + 1, 16))
    image, labels = pool.draw(rng, whole)
    assert labels.shape == image.shape[1:] == whole


@pytest.mark.parametrize(("crop", "size"), [("brain", CROPS["axial"]), ("whole", (176, 176))])
def test_crops_of_one_size_draw_no_chance(crop: str, size: tuple[int, int]) -> None:
    pool = SlicePool([phantom_subject()], "axial", make_recipe("default", crop=crop))
    rng = np.random.default_rng(0)
    assert pool.draw_size(rng) == size
    assert rng.random() == np.random.default_rng(0).random()


def test_a_rare_region_is_drawn_more_often_when_asked_for() -> None:
    subject = phantom_subject()
    labels = subject.labels.copy()
    labels[60, 60:70, 50:60] = 85
    rare = type(subject)(subject.id, subject.image, labels, None, subject.checksum)
    shares = []
    for share in (0.0, 1.0):
        pool = SlicePool([rare], "sagittal", make_recipe("default", augmentation="none", rare=share))
        drawn = [85 in pool.draw(np.random.default_rng(seed), CROPS["sagittal"])[1] for seed in range(60)]
        shares.append(np.mean(drawn))
    assert shares[1] > shares[0] + 0.15


def test_a_stripped_head_has_no_skull_and_tissue_of_the_same_brightness() -> None:
    subject = phantom_subject(masked=True)
    pool = SlicePool([subject], "coronal", make_recipe("default", augmentation="wide"))
    rng = np.random.default_rng(0)
    whole, stripped = (pool._image(0, 80, flag, rng) for flag in (False, True))
    assert (stripped == 0).mean() > 0.5 > (whole == 0).mean()
    inside = take_slices(subject.labels, "coronal", slice(80, 81))[0] == FIRST
    assert np.median(stripped[3][inside]) == pytest.approx(np.median(whole[3][inside]), rel=0.35)


def test_slices_with_other_contrast_are_cut_along_the_labels_at_times_and_keep_their_labels() -> None:
    subject = phantom_subject()
    pool = SlicePool([subject], "coronal", make_recipe("default", augmentation="contrast", positions=True))
    labels = take_slices(subject.labels, "coronal", slice(80, 81))[0]
    beside = labels == BACKGROUND_CLASS
    beside[38:142, 38:132] = False
    images = [pool._image(0, 80, False, np.random.default_rng(seed)) for seed in range(60)]
    cut = [np.all(image[3][beside] == 0) for image in images]
    assert np.mean(cut) == pytest.approx(CUT, abs=0.12)
    ratios = {round(float(np.median(image[3][labels == FIRST]) / np.median(image[3][labels == SECOND])), 2) for image in images}
    assert len(ratios) > 8, "the two regions have other intensities in most draws"
    assert len({float(image[-3][0, 0]) for image in images}) > 20, "the head's extent is drawn with an error"


def test_an_unaltered_draw_of_the_contrast_augmentation_is_the_scan_itself() -> None:
    subject = phantom_subject()
    pool = SlicePool([subject], "axial", make_recipe("default", augmentation="contrast")).unaltered()
    image, labels = pool.draw(np.random.default_rng(0), CROPS["axial"])
    plain = SlicePool([subject], "axial", make_recipe("default", augmentation="none"))
    expected, expected_labels = plain.unaltered().draw(np.random.default_rng(0), CROPS["axial"])
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(labels, expected_labels)
