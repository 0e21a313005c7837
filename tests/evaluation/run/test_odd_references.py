"""References that label any part of the brain: the headline mean is over what is labelled, the rest is absent by protocol."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_ensemble.labels import REGIONS
from evaluation.results.summaries import subject_means
from tests.conftest import SOAK
from tests.evaluation.run.test_labelled_regions import of, scored
from tests.phantoms.brain import brain

IDS = [region.id for region in REGIONS]
GROUPS = sorted({region.group for region in REGIONS})
BRAIN = brain(jitter=0.3)


def check(folder: Path, references: list[np.ndarray]) -> None:
    """The mean told for each subject is that of its labelled regions, and nothing that nobody labels is invented."""
    held = set(np.unique(np.concatenate([ids.ravel() for ids in references]))) & set(IDS)
    scores = scored(folder, references)
    table = scores.table
    assert set(table.loc[table["status"] == "scored", "region_id"]) <= held
    assert not set(table.loc[table["status"] == "invented", "region_id"]) - held
    assert set(table.loc[table["status"] == "absent by protocol", "region_id"]) >= set(IDS) - held
    counted = table[table["status"].isin(["scored", "missed", "invented"])]
    means = subject_means(table).set_index("subject")["mean_dice"].to_dict()
    assert means == pytest.approx(counted.groupby("subject")["dice"].mean().to_dict())
    said = [line for line in scores.warnings if "absent by protocol" in line]
    assert len(said) == (held != set(IDS))


@settings(max_examples=60 if SOAK else 8)
@given(st.lists(st.sets(st.sampled_from(IDS), min_size=1), min_size=1, max_size=2))
def test_any_set_of_regions(tmp_path_factory: pytest.TempPathFactory, labelled: list[set[int]]) -> None:
    references = [np.where(np.isin(BRAIN, list(one)), BRAIN, 0) for one in labelled]
    check(tmp_path_factory.mktemp("any"), references)


#: Label maps of programs in use, by what they label or merge.
PROTOCOLS = {
    **{f"without {group}": [one.id for one in REGIONS if one.group != group] for group in GROUPS},
    **{f"only {group}": [one.id for one in REGIONS if one.group == group] for group in GROUPS},
    "only left": [one.id for one in REGIONS if one.hemisphere == "left"],
    "only right": [one.id for one in REGIONS if one.hemisphere == "right"],
    "only midline": [one.id for one in REGIONS if one.hemisphere == "midline"],
    "hippocampi": [17, 53],
    "one hippocampus": [17],
    "aseg": [one.id for one in REGIONS if one.id < 1000],
    "aparc": [one.id for one in REGIONS if one.id >= 1000],
    "QuickNAT": [2, 4, 5, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 26, 28, 41, 43, 44, 46, 47, 49, 50, 51, 52, 53, 54, 58, 60],
}


@pytest.mark.parametrize("protocol", PROTOCOLS if SOAK else [*PROTOCOLS][::4])
def test_protocols_of_programs(tmp_path: Path, protocol: str) -> None:
    check(tmp_path, [np.where(np.isin(BRAIN, PROTOCOLS[protocol]), BRAIN, 0)])


def test_foreign_ids_beside_the_regions_are_in_no_mean(tmp_path: Path) -> None:
    more = np.where(BRAIN == 2, 77, BRAIN)
    more[0, 0, 0], more[1, 0, 0], more[2, 0, 0] = 1000, 2000, 80
    assert not of(scored(tmp_path, [more]).table, "scored", "s0") & {77, 80, 1000, 2000}
