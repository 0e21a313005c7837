"""BIDS derivatives as data of a training: which label maps, whose scans, which people; nothing is left out without a line."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import pytest

from darts_ensemble.errors import CohortError
from darts_ensemble.training.dataset import cache_subjects
from darts_ensemble.training.subjects import choose_subjects, find_labelled, split_by_family
from tests.darts_ensemble.training.test_slice_pool import write_subject


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture
def fmriprep(tmp_path: Path) -> Path:
    """Two people, the second in two sessions, as fMRIPrep writes them."""
    root = tmp_path / "study/derivatives/fmriprep"
    for stem in ("sub-01/anat/sub-01", "sub-02/ses-1/anat/sub-02_ses-1", "sub-02/ses-2/anat/sub-02_ses-2"):
        touch(root, *(f"{stem}_{part}dseg.nii.gz" for part in ("", "desc-aseg_", "desc-aparcaseg_")))
        touch(root, f"{stem}_desc-preproc_T1w.nii.gz", f"{stem}_desc-brain_mask.nii.gz")
        touch(
            root, *(f"{stem}_space-MNI152NLin6Asym_{part}.nii.gz" for part in ("dseg", "desc-preproc_T1w", "desc-brain_mask"))
        )
    return root


def test_of_fmriprep_aparcaseg_its_t1w_and_its_mask_are_taken(fmriprep: Path) -> None:
    found = find_labelled(fmriprep)
    assert [(one.id, one.family) for one in found] == [
        ("sub-01", "sub-01"), ("sub-02_ses-1", "sub-02"), ("sub-02_ses-2", "sub-02"),
    ]  # fmt: skip
    for one in found:
        assert one.labels.name == f"{one.id}_desc-aparcaseg_dseg.nii.gz"
        assert one.scan.name == f"{one.id}_desc-preproc_T1w.nii.gz"
        assert one.mask is not None
        assert one.mask.name == f"{one.id}_desc-brain_mask.nii.gz"
    asegs = find_labelled(fmriprep, labels_name="desc-aseg")
    assert [one.labels.name for one in asegs] == [f"{one.id}_desc-aseg_dseg.nii.gz" for one in found]
    with pytest.raises(CohortError, match="no label map with desc-other; found: desc-aparcaseg, desc-aseg, none"):
        find_labelled(fmriprep, labels_name="desc-other")


def test_a_label_map_without_a_scan_and_one_of_two_are_left_out_with_a_line(fmriprep: Path) -> None:
    (fmriprep / "sub-02/ses-1/anat/sub-02_ses-1_desc-preproc_T1w.nii.gz").unlink()
    touch(fmriprep, "sub-02/ses-2/anat/sub-02_ses-2_desc-aparcaseg_dseg.nii")
    said: list[str] = []
    assert [one.id for one in find_labelled(fmriprep, left_out=said.append)] == ["sub-01"]
    assert len(said) == 2
    assert any("sub-02_ses-1_desc-aparcaseg_dseg.nii.gz: left out, no T1w image of sub-02_ses-1" in line for line in said)
    assert any("expected one label map" in line and "left out" in line for line in said)


def test_the_raw_scan_of_a_derivative_is_taken_where_there_is_none_beside(tmp_path: Path) -> None:
    touch(tmp_path, "derivatives/manual/sub-01/anat/sub-01_seg-dkt_dseg.nii.gz", "sub-01/anat/sub-01_T1w.nii.gz")
    (one,) = find_labelled(tmp_path / "derivatives/manual")
    assert (one.id, one.scan, one.mask) == ("sub-01", tmp_path / "sub-01/anat/sub-01_T1w.nii.gz", None)


def test_results_of_this_project_are_no_labels_unless_they_are_named(tmp_path: Path) -> None:
    for seg in ("darts", "dkt"):
        touch(tmp_path, f"sub-01/anat/sub-01_seg-{seg}_dseg.nii.gz", "sub-01/anat/sub-01_T1w.nii.gz")
    said: list[str] = []
    assert [one.labels.name for one in find_labelled(tmp_path, left_out=said.append)] == ["sub-01_seg-dkt_dseg.nii.gz"]
    assert len(said) == 1
    assert "--labels seg-darts" in said[0]
    assert [one.labels.name for one in find_labelled(tmp_path, labels_name="seg-darts")] == ["sub-01_seg-darts_dseg.nii.gz"]
    touch(tmp_path, "sub-01/anat/sub-01_seg-synthseg_dseg.nii.gz")
    with pytest.raises(CohortError, match="several segmentations: seg-dkt, seg-synthseg"):
        find_labelled(tmp_path)


def test_the_name_of_a_person_means_all_sessions(fmriprep: Path) -> None:
    found = find_labelled(fmriprep)
    assert [one.id for one in choose_subjects(found, ["sub-02"])] == ["sub-02_ses-1", "sub-02_ses-2"]
    assert [one.id for one in choose_subjects(found, ["sub-02_ses-2", "sub-02"])] == ["sub-02_ses-2", "sub-02_ses-1"]
    training, validation = split_by_family(found, validation=["sub-02"])
    assert ([one.id for one in training], [one.id for one in validation]) == (["sub-01"], ["sub-02_ses-1", "sub-02_ses-2"])


def test_scans_of_derivatives_are_conformed_like_others(tmp_path: Path) -> None:
    write_subject(tmp_path / "fs/one")
    anat = tmp_path / "fmriprep/sub-01/anat"
    anat.mkdir(parents=True)
    mri = tmp_path / "fs/one/mri"
    for source, name in (("T1", "desc-preproc_T1w"), ("aparc.DKTatlas+aseg", "desc-aparcaseg_dseg")):
        image = nib.load(mri / f"{source}.mgz")
        nib.save(nib.Nifti1Image(image.get_fdata().astype("int16"), image.affine), anat / f"sub-01_{name}.nii.gz")
    (one,) = cache_subjects(find_labelled(tmp_path / "fmriprep"), tmp_path / "a")
    (same,) = cache_subjects(find_labelled(tmp_path / "fs"), tmp_path / "b")
    assert (one.labels == same.labels).all()
