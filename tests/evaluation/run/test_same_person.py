"""Label maps of another person, or with other numbers than expected, are named as what they probably are."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from darts_ensemble.labels import REGION_IDS
from evaluation.cohort.find import Subject
from evaluation.metrics.pair_scores import Scoring
from evaluation.protocols.protocol import load_protocol
from evaluation.run.evaluate import Method, Scores, score_cohort
from tests.phantoms.brain import AFFINE, brain, save

DARTS = load_protocol("darts102")
OVERLAP = Scoring(DARTS, tuple(range(102)), definitions=())
#: A head that is a fifth larger.
LARGER = AFFINE @ np.diag([0.8, 0.8, 0.8, 1.0])


def scored(folder: Path, references: dict[str, np.ndarray], maps: dict[str, np.ndarray], **more: bool) -> Scores:
    cohort = [Subject(name, "flat", save(folder / f"gt/{name}.nii.gz", ids), None, name) for name, ids in references.items()]
    paths = {name: save(folder / f"m/{name}.nii.gz", ids) for name, ids in maps.items()}
    return score_cohort(cohort, [Method("m", paths)], OVERLAP, finished=folder / "done", **more)


def suspected(scores: Scores) -> dict[str, str]:
    return {one.subject: f"{one.kind}: {one.detail}" for one in scores.suspects}


def test_label_maps_of_two_subjects_that_are_exchanged_are_named_both(tmp_path: Path) -> None:
    references = {"a": brain(jitter=0.5), "b": brain(affine=LARGER, jitter=0.5)}
    maps = {"a": brain(affine=LARGER, jitter=1.5, seed=1), "b": brain(jitter=1.5, seed=2)}
    for _ in range(2):  # the second time from what is finished
        found = suspected(scored(tmp_path, references, maps))
        assert found["a"].startswith("another subject: ")
        assert found["a"].endswith("probably b's label map")
        assert found["b"].endswith("probably a's label map")
    right = scored(tmp_path / "right", references, {"a": maps["b"], "b": maps["a"]})
    assert not right.suspects
    assert not right.warnings


def test_one_map_for_two_subjects_and_one_person_under_two_names_are_said(tmp_path: Path) -> None:
    references = {"a": brain(jitter=0.5), "b": brain(jitter=0.5, seed=3), "c": brain(jitter=0.5)}
    scores = scored(tmp_path, references, dict.fromkeys(references, brain(jitter=1.5)))
    assert any("the references of a, c have equal voxels: one person under several names" in line for line in scores.warnings)
    assert any(line.startswith("m: the label maps of a, b, c have equal voxels") for line in scores.warnings)
    assert scores.families == {"a": "a", "b": "b", "c": "a"}
    assert scores.table.groupby("subject")["family"].first().to_dict() == scores.families


NUMBERINGS = {
    "1 to 102": (lambda ids: np.where(ids, np.searchsorted(REGION_IDS, ids) + 1, 0), "consecutive class numbers"),
    "modulo 256": (lambda ids: ids % 256, "FreeSurfer ids modulo 256"),
    "cut off": (lambda ids: np.minimum(ids, 255), "FreeSurfer ids cut off at 255"),
    "shuffled": (lambda ids: np.where(ids, (np.searchsorted(REGION_IDS, ids) * 37) % 102 + 1, 0), "consecutive class numbers"),
}


@pytest.mark.parametrize("numbering", NUMBERINGS)
def test_regions_in_their_places_under_other_numbers_are_named(tmp_path: Path, numbering: str) -> None:
    change, words = NUMBERINGS[numbering]
    scores = scored(tmp_path, {"a": brain(jitter=0.5)}, {"a": change(brain(jitter=1.5))})
    assert suspected(scores)["a"].startswith(f"other label numbers: {words}")
    assert scores.table.empty


def test_a_reference_in_class_numbers_is_named(tmp_path: Path) -> None:
    change, _ = NUMBERINGS["1 to 102"]
    found = suspected(scored(tmp_path, {"a": change(brain(jitter=0.5))}, {"a": brain(jitter=1.5)}))
    assert "the reference's values" in found["a"]


@pytest.mark.parametrize("jitter", [1.0, 4.0, 10.0])
def test_methods_that_are_good_fair_or_poor_are_not_suspected(tmp_path: Path, jitter: float) -> None:
    references = {"a": brain(jitter=0.5), "b": brain(jitter=0.5, seed=9)}
    maps = {name: brain(jitter=jitter, seed=number) for number, name in enumerate(references)}
    assert not scored(tmp_path, references, maps).suspects


def test_values_that_were_rounded_are_said_and_scored_as_the_whole_ones(tmp_path: Path) -> None:
    ids = brain(jitter=1.5)
    whole = scored(tmp_path / "whole", {"a": brain(jitter=0.5)}, {"a": ids})
    noisy = tmp_path / "noisy.nii.gz"
    nib.save(nib.Nifti1Image((ids * (1 + 3e-7)).astype(np.float32), AFFINE), noisy)
    subject = Subject("a", "flat", save(tmp_path / "a.nii.gz", brain(jitter=0.5)), None, "a")
    scores = score_cohort([subject], [Method("m", {"a": noisy})], OVERLAP)
    assert scores.table["dice"].tolist() == whole.table["dice"].tolist()
    assert scores.warnings == ["m: values within 0.02 of whole numbers were rounded: a"]


def test_a_map_without_a_region_says_what_it_holds(tmp_path: Path) -> None:
    change, _ = NUMBERINGS["1 to 102"]
    subject = Subject("a", "flat", save(tmp_path / "a.nii.gz", brain()), None, "a")
    map_ = save(tmp_path / "m.nii.gz", change(brain()))
    cortex = Scoring(load_protocol("dkt31"), tuple(range(62)), definitions=())
    (failure,) = score_cohort([subject], [Method("m", {"a": map_})], cortex).failures
    assert "(values 1 to 102, probably consecutive class numbers)" in failure.reason
