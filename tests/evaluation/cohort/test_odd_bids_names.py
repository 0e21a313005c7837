"""Any entities that BIDS allows: the scan is found, its result keeps them, and darts-eval pairs it with its reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darts_ensemble.results.bids_label_maps import BidsLabelMap, alike
from darts_ensemble.results.bids_names import ENTITY_ORDER, derivative_name, entities_of
from darts_ensemble.results.outputs import target_paths
from darts_ensemble.scans.inputs import find_scans, name_scans
from evaluation.cohort.find import find_cohort, find_predictions
from tests.evaluation.cohort.test_find import touch

#: Entities of an anatomical scan; values as data sets have them.
OF_SCANS = ("acq", "ce", "rec", "run", "echo", "flip", "inv", "mt", "task", "dir", "mod", "chunk")
VALUES = st.text("abcXYZ0189", min_size=1, max_size=4)
ENTITIES = st.dictionaries(st.sampled_from(OF_SCANS), VALUES, max_size=5)


def named(entities: dict[str, str]) -> str:
    return "_".join(f"{key}-{entities[key]}" for key in ENTITY_ORDER if key in entities)


@given(
    scans=st.lists(ENTITIES, min_size=1, max_size=4, unique_by=lambda one: named(one).lower()), subject=VALUES,
    session=st.none() | VALUES, suffix=st.sampled_from(["T1w", "UNIT1"]), ending=st.sampled_from([".nii", ".nii.gz"]),
)  # fmt: skip
def test_every_scan_is_found_and_its_result_is_paired_with_its_reference(
    tmp_path_factory: pytest.TempPathFactory, scans: Sequence[dict[str, str]], subject: str, session: str | None, suffix: str,
    ending: str,
) -> None:  # fmt: skip
    root = tmp_path_factory.mktemp("bids")
    person = {"sub": subject} | ({"ses": session} if session else {})
    anat = Path(f"sub-{subject}", *([f"ses-{session}"] if session else []), "anat")
    for one in scans:
        touch(root / "raw" / anat, f"{named(person | one)}_{suffix}{ending}")
        touch(root / "gt" / anat, f"{named(person | one)}_seg-manual_dseg.nii.gz")
    found = name_scans(find_scans([root / "raw"]))
    assert len(found) == len(scans)
    targets = {target_paths(root / "out", one.name, "bids").label_map for one in found}
    assert len(targets) == len(scans), "no result is written over another"
    for target in targets:
        assert target.parent == root / "out" / anat
        assert entities_of(target.name.removesuffix("_dseg.nii.gz"))["sub"] == subject
        touch(root / "out", target.relative_to(root / "out").as_posix())
    cohort = find_cohort(root / "gt")
    assert {one.id for one in cohort.subjects} == {named(person | one) for one in scans}
    assert {one.family for one in cohort.subjects} == {f"sub-{subject}"}
    again = find_predictions(root / "gt", cohort.subjects)
    assert {one.id: one.reference for one in cohort.subjects} == again.paths


@given(entities=ENTITIES, subject=VALUES)
def test_a_result_names_every_entity_of_its_scan(entities: dict[str, str], subject: str) -> None:
    name = derivative_name(named({"sub": subject} | entities))
    text = name.file("dseg.nii.gz")
    for key, value in entities.items():
        assert f"{key}-{value}" in text or f"{key}{value}" in text
    assert name.folder == Path(f"sub-{subject}/anat")


@given(entities=ENTITIES, more=ENTITIES, subject=VALUES)
def test_names_are_alike_both_ways_and_where_nothing_contradicts(
    entities: dict[str, str], more: dict[str, str], subject: str
) -> None:
    one, two = named({"sub": subject} | entities), named({"sub": subject} | more)
    assert alike(one, two) is alike(two, one)
    assert alike(one, one)
    assert alike(one, two) is all(entities[key].lstrip("0") == more[key].lstrip("0") for key in set(entities) & set(more))
    assert not alike(one, named({"sub": f"{subject}x"} | entities))


#: Files of data sets that are in public use, and whether darts-segment takes them.
FILES = {
    "sub-1_T1w.nii.gz": True, "sub-1_T1w.nii": True, "sub-1_UNIT1.nii.gz": True,
    "sub-1_acq-MPRAGE_rec-norm_run-01_T1w.nii.gz": True,
    "sub-1_part-mag_T1w.nii.gz": True, "sub-1_part-phase_T1w.nii.gz": False, "sub-1_part-real_T1w.nii.gz": False,
    "sub-1_part-imag_T1w.nii.gz": False, "sub-1_inv-1_MP2RAGE.nii.gz": False, "sub-1_T1map.nii.gz": False,
    "sub-1_T2w.nii.gz": False,
    "sub-1_FLAIR.nii.gz": False, "sub-1_T1w.json": False, "sub-1_T1w.nii.gz.bak": False, "sub-1_T1w.nii.gz.part": False,
    "sub-1_T1w.nii.gz~": False, ".sub-1_T1w.nii.gz": False, "._sub-1_T1w.nii.gz": False, "sub-1_T1w_old.nii.gz": False,
    "sub-1_T1w_brain.nii.gz": False, "sub-1_inplaneT1.nii.gz": False, "sub-1_defacemask.nii.gz": False, "sub-1_T1w.mgz": False,
    "sub-1_space-MNI152NLin6Asym_T1w.nii.gz": False, "sub-1_space-T1w_desc-preproc_T1w.nii.gz": True,
    "sub-1_space-orig_T1w.nii.gz": True, "sub-1_desc-brain_T1w.nii.gz": True, "T1w.nii.gz": False, "sub-1_t1w.nii.gz": False,
    "sub-1_PDT2.nii.gz": False, "sub-1_echo-2_T1w.nii.gz": True, "sub-1_chunk-1_T1w.nii.gz": True,
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_what_of_a_data_set_is_taken(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "sub-0/anat/sub-0_T1w.nii.gz", f"sub-1/anat/{name}")
    said: list[str] = []
    found = [path.name for path in find_scans([tmp_path], said.append)]
    assert found == ["sub-0_T1w.nii.gz", *([name] if FILES[name] else [])]
    image = name.endswith(("T1w.nii.gz", "UNIT1.nii.gz")) and name.startswith("sub-1_")
    assert bool(said) is (image and not FILES[name]), "a T1w that is not taken is named"


@pytest.mark.parametrize(
    ("label_map", "key"),
    [
        ("sub-1_seg-x_dseg", "sub-1"), ("sub-1_ses-2_seg-x_dseg", "sub-1_ses-2"), ("sub-1_atlas-y_dseg", "sub-1"),
        ("sub-1_space-T1w_desc-aseg_dseg", "sub-1"), ("sub-1_run-02_desc-aparcaseg_dseg", "sub-1_run-02"),
        ("sub-1_res-1_dseg", "sub-1"), ("sub-1_hemi-L_dseg", "sub-1"),
        ("sub-1_echo-1_part-mag_seg-x_dseg", "sub-1_echo-1_part-mag"),
    ],
)  # fmt: skip
def test_the_key_of_a_label_map_is_its_scan(label_map: str, key: str) -> None:
    assert BidsLabelMap(Path(f"{label_map}.nii.gz"), entities_of(label_map)).key() == key
