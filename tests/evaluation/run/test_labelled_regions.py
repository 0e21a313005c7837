"""References that label fewer regions than are scored: the others are absent by protocol, named once, and in no mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darts_ensemble.labels import REGIONS
from evaluation.cohort.find import Subject, find_cohort
from evaluation.metrics.pair_scores import Scoring
from evaluation.protocols.protocol import load_protocol
from evaluation.results.summaries import never_emitted, subject_means, summarise
from evaluation.run.evaluate import Method, Scores, score_cohort
from tests.phantoms.brain import brain, save

DARTS = load_protocol("darts102")
OVERLAP = Scoring(DARTS, tuple(range(102)), definitions=())
FIRST = (10, 11, 12, 13, 16, 17, 18, 26, 49, 50, 51, 52, 53, 54, 58)
CALLOSUM = (251, 252, 253, 254, 255)
LEFT = tuple(region.id for region in REGIONS if region.hemisphere == "left")
SYNTHSEG = tuple(region.id for region in REGIONS if region.group != "corpus callosum" and region.id not in (30, 31, 62, 63, 85))


def merged_callosum(ids: np.ndarray) -> np.ndarray:
    """FastSurfer's map without callosum and vessels: they are white matter."""
    return np.where(np.isin(ids, (*CALLOSUM, 30, 62, 85)), 2, ids)


def scored(folder: Path, references: list[np.ndarray], **more: bool) -> Scores:
    cohort, paths = [], {}
    for number, ids in enumerate(references):
        name = f"s{number}"
        cohort.append(Subject(name, "flat", save(folder / f"gt/{name}.nii.gz", ids), None, name))
        paths[name] = save(folder / f"m/{name}.nii.gz", brain(jitter=1.5, seed=50 + number))
    return score_cohort(cohort, [Method("m", paths, **more)], OVERLAP)


def of(table: pd.DataFrame, status: str, subject: str = "s0") -> set[int]:
    return set(table.loc[(table["status"] == status) & (table["subject"] == subject), "region_id"])


@pytest.mark.parametrize("labelled", [FIRST, LEFT, SYNTHSEG], ids=["FIRST", "left hemisphere", "SynthSeg"])
def test_what_no_reference_labels_is_in_no_mean_and_named_once(tmp_path: Path, labelled: tuple[int, ...]) -> None:
    references = [np.where(np.isin(ids := brain(jitter=0.3, seed=number), labelled), ids, 0) for number in range(2)]
    scores = scored(tmp_path, references, also_merged=True)
    assert of(scores.table[scores.table["method"] == "m"], "scored") == set(labelled)
    assert not (scores.table["status"] == "invented").any()
    means = subject_means(scores.table)
    alone = scores.table[(scores.table["status"] == "scored") & (scores.table["method"] == "m")]
    expected = alone.groupby("subject")["dice"].mean()
    assert means[means["method"] == "m"].set_index("subject")["mean_dice"].to_dict() == pytest.approx(expected.to_dict())
    (warning,) = [line for line in scores.warnings if "absent by protocol" in line]
    assert f"{102 - len(labelled)} of 102 regions" in warning
    # Nobody asked for these, so that no method is said to lack them.
    assert not summarise(scores.table)["never_emitted"].any()


def test_groups_are_scored_where_nearly_all_of_them_is_labelled(tmp_path: Path) -> None:
    groups = scored(tmp_path, [merged_callosum(brain(jitter=0.3))]).groups.set_index("region_name")
    assert groups.loc["corpus callosum", "status"] == "absent by protocol"
    assert groups.loc["whole brain", "status"] == "scored"
    ids = brain(jitter=0.3)
    groups = scored(tmp_path / "2", [np.where(np.isin(ids, FIRST), ids, 0)]).groups.set_index("region_name")
    assert groups.loc["whole brain", "status"] == "absent by protocol"
    assert pd.isna(groups.loc["whole brain", "dice"])
    assert groups.loc["left putamen", "status"] == "scored"


def test_a_reference_that_labels_less_than_the_others_of_its_cohort(tmp_path: Path) -> None:
    whole = brain(jitter=0.3)
    first = np.where(np.isin(whole, FIRST), whole, 0)
    right = np.where(np.isin(whole, LEFT), 0, whole)
    scores = scored(tmp_path, [whole, merged_callosum(whole), first, right])
    assert of(scores.table, "absent by protocol") == set()
    # The vessels and the chiasm may be missing in a brain; a whole callosum is not.
    assert of(scores.table, "absent by protocol", "s1") == set(CALLOSUM)
    assert of(scores.table, "invented", "s1") == {30, 62, 85}
    assert of(scores.table, "scored", "s2") == set(FIRST)
    assert of(scores.table, "absent by protocol", "s3") == set(LEFT)
    said = [line for line in scores.warnings if "label less than others" in line]
    assert [line.rsplit(" ", 1)[1] for line in said] == ["s1", "s2", "s3"]
    assert "corpus callosum (all 5)" in said[0]


def test_a_region_that_another_reference_holds_is_still_invented(tmp_path: Path) -> None:
    whole = brain(jitter=0.3)
    scores = scored(tmp_path, [whole, np.where(whole == 30, 2, whole)])
    assert of(scores.table, "invented", "s1") == {30}
    assert not [line for line in scores.warnings if "absent by protocol" in line]


def test_a_method_that_lacks_what_is_labelled_still_misses_it(tmp_path: Path) -> None:
    whole = brain(jitter=0.3)
    cohort = [Subject("a", "flat", save(tmp_path / "a.nii.gz", whole), None, "a")]
    less = save(tmp_path / "m.nii.gz", merged_callosum(brain(jitter=1)))
    table = score_cohort(cohort, [Method("m", {"a": less})], OVERLAP).table
    assert of(table, "missed", "a") == {*CALLOSUM, 30, 62, 85}
    assert never_emitted(table)["m"] == [30, 62, 85, *CALLOSUM]


def test_marking_twice_changes_nothing(tmp_path: Path) -> None:
    ids = brain(jitter=0.3)
    scores = scored(tmp_path, [np.where(np.isin(ids, FIRST), ids, 0)])
    once = scores.labelled.marked("s0", scores.pairs["s0"]["m"])
    assert scores.labelled.marked("s0", once).regions["status"] == once.regions["status"]
    assert replace(scores.labelled, by_subject={}).marked("s0", once) is once


def test_fastsurfer_files_are_taken_from_the_fullest_on(tmp_path: Path) -> None:
    files = ("aparc+aseg.mgz", "aparc.DKTatlas+aseg.deep.mgz", "aparc.DKTatlas+aseg.deep.withCC.mgz")
    files += ("aparc.DKTatlas+aseg.mapped.mgz", "aparc.DKTatlas+aseg.mgz")
    for number in range(1, len(files) + 1):
        for file in files[:number]:
            path = tmp_path / f"sub-{number}/mri/{file}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert [subject.reference.name for subject in find_cohort(tmp_path).subjects] == list(files)
