"""A scan's results keep its BIDS entities, in the specification's order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from darts_ensemble.errors import UsageError
from darts_ensemble.results.bids_names import ENTITY_ORDER, derivative_name
from darts_ensemble.results.outputs import target_paths


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("sub-01", "sub-01/anat/sub-01_seg-darts_dseg.nii.gz"),
        ("sub-01_ses-2_run-1", "sub-01/ses-2/anat/sub-01_ses-2_run-1_seg-darts_dseg.nii.gz"),
        ("sub-01_part-mag_chunk-2", "sub-01/anat/sub-01_part-mag_chunk-2_seg-darts_dseg.nii.gz"),
        ("sub-01_desc-preproc_T1w", "sub-01/anat/sub-01_seg-darts_desc-preproc_dseg.nii.gz"),
        ("sub-01_res-2_desc-a", "sub-01/anat/sub-01_seg-darts_res-2_desc-a_dseg.nii.gz"),
        ("sub-01_inv-1", "sub-01/anat/sub-01_seg-darts_desc-inv1_dseg.nii.gz"),
        ("sub-01_acq-mp2rage_UNIT1", "sub-01/anat/sub-01_acq-mp2rage_seg-darts_desc-UNIT1_dseg.nii.gz"),
        ("a_T1", "sub-aT1/anat/sub-aT1_seg-darts_dseg.nii.gz"),
        ("Ünï_cöde 07", "sub-Unicode07/anat/sub-Unicode07_seg-darts_dseg.nii.gz"),
        ("sub-01_notes", "sub-sub01notes/anat/sub-sub01notes_seg-darts_dseg.nii.gz"),
        ("sub-01_run-1_run-2", "sub-sub01run1run2/anat/sub-sub01run1run2_seg-darts_dseg.nii.gz"),
    ],
)
def test_entities_are_kept_and_a_name_without_them_becomes_a_subjects(name: str, file: str) -> None:
    assert target_paths(Path("out"), name, "bids").label_map == Path("out") / file


@pytest.mark.parametrize(
    "name", ["sub-01", "sub-A1_ses-2_acq-mp2rage_run-1", "bert", "two words", "x.y-z", "sub-1_desc-n_UNIT1"]
)
def test_every_file_is_entities_each_once_in_order_then_a_suffix(name: str) -> None:
    for path in filter(None, vars(target_paths(Path("out"), name, "bids")).values()):
        match = re.fullmatch(r"((?:[a-z]+-[A-Za-z0-9]+_)+)[a-z]+\.(nii\.gz|tsv|json|dcm)", path.name)
        assert match, path.name
        entities = [part.split("-")[0] for part in match[1].split("_")[:-1]]
        assert entities == [one for one in ENTITY_ORDER if one in entities]
        assert path.parts[1] == match[1].split("_")[0]


def test_a_name_of_which_bids_allows_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="頭"):
        derivative_name("頭_")
