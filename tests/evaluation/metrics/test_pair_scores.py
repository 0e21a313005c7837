"""One pair scored: every status, masks and backgrounds, groups, merged sides, surfaces, other ids than the 102."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from darts_ensemble.labels import REGION_BY_ID, REGIONS
from evaluation.metrics.grids import read_prediction, read_reference
from evaluation.metrics.pair_scores import PairScores, Scoring, score_pair
from evaluation.metrics.surface import surface_scores
from evaluation.protocols.groups import GROUPS
from evaluation.protocols.protocol import Protocol, load_protocol
from tests.phantoms.brain import AFFINE, brain, save

SIZE = (24, 20, 16)
DARTS = load_protocol("darts102")


def overlap_only(protocol: Protocol = DARTS, **options: Any) -> Scoring:
    return Scoring(protocol, tuple(range(protocol.n_regions)), definitions=(), **options)


def rows(values: dict[int, int], start: int = 0) -> np.ndarray:
    """A label map with the given number of voxels of each id, along memory from `start` on."""
    ids = np.zeros(int(np.prod(SIZE)), dtype=np.int16)
    stretch = np.repeat(list(values), list(values.values()))
    ids[start : start + len(stretch)] = stretch
    return ids.reshape(SIZE)


def scored(tmp_path: Path, reference: np.ndarray, prediction: np.ndarray, scoring: Scoring, **options: bool) -> PairScores:
    one = read_reference(save(tmp_path / "reference.nii.gz", reference), scoring.protocol)
    return score_pair(one, read_prediction(save(tmp_path / "p.nii.gz", prediction), scoring.protocol), scoring, **options)


def table(columns: dict[str, list[Any]]) -> pd.DataFrame:
    return pd.DataFrame(columns).set_index("region_id", drop=False)


def test_every_status_and_its_counts(tmp_path: Path) -> None:
    truth = rows({17: 30, 53: 20, 77: 10, 0: 40, 1024: 10})
    ids = rows({17: 40, 0: 20, 1001: 10, 10: 20, 1024: 20})
    found = scored(tmp_path, truth, ids, overlap_only())
    one = table(found.regions)
    assert len(one) == 102
    kept = truth != 77
    clean = np.where(np.isin(ids, [77, 1001]), 0, ids)
    for region in REGIONS:
        row = one.loc[region.id]
        in_one, in_two = (truth == region.id) & kept, (clean == region.id) & kept
        n, m, both = int(in_one.sum()), int(in_two.sum()), int((in_one & in_two).sum())
        assert (row["n_ref_voxels"], row["n_pred_voxels"]) == (n, m)
        assert (row["volume_ref_mm3"], row["volume_pred_mm3"]) == (64 * n, 64 * m)
        if n + m:
            assert row["dice"] == pytest.approx(2 * both / (n + m))
            assert row["jaccard"] == pytest.approx(both / (n + m - both))
    assert one.loc[[17, 53, 10, 8], "status"].tolist() == ["scored", "missed", "invented", "absent"]
    assert one.loc[[53, 10], "dice"].tolist() == [0, 0]
    assert np.isnan(one.loc[8, "dice"])
    assert (found.masked, found.as_background, found.dropped) == ({77: 10}, {}, {1001: 10})


def test_outside_the_protocol_as_background_costs_precision(tmp_path: Path) -> None:
    truth, ids = rows({17: 30, 77: 10}), rows({17: 40})
    masked = table(scored(tmp_path, truth, ids, overlap_only()).regions).loc[17]
    found = scored(tmp_path, truth, ids, overlap_only(outside="background"))
    background = table(found.regions).loc[17]
    assert (masked["precision"], background["precision"]) == (1.0, 0.75)
    assert (masked["n_pred_voxels"], background["n_pred_voxels"]) == (30, 40)
    assert (found.masked, found.as_background) == ({}, {77: 10})


def test_ids_that_a_protocol_masks_are_masked_whatever_becomes_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    path.write_text("id\tuse\tregion\n17\tscore\thippocampus\n53\tscore\thippocampus\n77\tmask\t\n10\tbackground\t\n")
    protocol = load_protocol(str(path))
    truth, ids = rows({17: 10, 53: 10, 77: 10, 10: 10, 99: 10}), rows({53: 50})
    found = scored(tmp_path, truth, ids, overlap_only(protocol, outside="background"))
    row = table(found.regions).loc[17]
    assert (row["region_name"], row["n_ref_voxels"], row["n_pred_voxels"]) == ("hippocampus", 20, 40)
    assert (found.masked, found.as_background, found.dropped) == ({77: 10}, {99: 10}, {})


@pytest.mark.parametrize(
    ("name", "drop", "absent"),
    [
        ("darts102", lambda ids: np.where(ids > 1000, ids, 0), lambda region: region.group != "cortex"),
        ("darts102", lambda ids: np.where(ids > 1000, 3 + 39 * (ids > 2000), ids), lambda region: region.group == "cortex"),
        ("dk", lambda ids: ids, lambda region: region.id in (1001, 1032, 1033, 2001, 2032, 2033)),
        ("aseg", lambda ids: np.where(ids > 1000, 0, ids), lambda region: region.id in (3, 42)),
    ],
)
def test_absent_by_protocol_of_the_reference_is_no_miss(tmp_path: Path, name: str, drop: Any, absent: Any) -> None:
    protocol = load_protocol(name)
    found = scored(tmp_path, drop(brain()), brain(), overlap_only(protocol))
    one = table(found.regions)
    for region in protocol.regions:
        row = one.loc[region.id]
        assert (row["status"] == "absent by protocol") == absent(region), region
        assert np.isnan(row["dice"]) == absent(region)
    whole = pd.DataFrame(found.groups).set_index("region_name")["status"]
    if "whole brain" in whole:
        assert whole["whole brain"] == "absent by protocol"


def test_desikan_ids_are_scored_under_dk(tmp_path: Path) -> None:
    ids = brain()
    ids[tuple(np.argwhere(ids == 1030)[:60].T)] = 1001
    ids[tuple(np.argwhere(ids == 2030)[:50].T)] = 2033
    other = brain(jitter=2)
    other[ids == 1001] = 1001
    found = scored(tmp_path, ids, other, overlap_only(load_protocol("dk")))
    one = table(found.regions)
    assert one.loc[1001, "dice"] == 1
    assert (one.loc[2033, "status"], one.loc[2033, "dice"]) == ("missed", 0)
    assert found.masked == {}


def test_an_aseg_of_one_cortex_a_side_and_a_parcellated_one_are_compared(tmp_path: Path) -> None:
    ids = brain()
    ribbon = np.where(ids > 2000, 42, np.where(ids > 1000, 3, ids))
    one = table(scored(tmp_path, ribbon, ids, overlap_only(load_protocol("aseg"))).regions)
    assert one["dice"].tolist() == [1.0] * 42


def test_groups_are_unions_of_their_regions(tmp_path: Path) -> None:
    truth, ids = brain(), brain(jitter=5)
    scoring = Scoring(DARTS, tuple(range(102)))
    found = pd.DataFrame(scored(tmp_path, truth, ids, scoring).groups).set_index("region_name")
    assert list(found.index) == [group.name for group in GROUPS]
    assert found["region_id"].isna().all()
    for group in GROUPS:
        one, two = np.isin(truth, list(group.ids)), np.isin(ids, list(group.ids))
        row = found.loc[group.name]
        assert row["dice"] == pytest.approx(2 * (one & two).sum() / (one.sum() + two.sum()))
        assert (row["n_ref_voxels"], row["n_pred_voxels"]) == (one.sum(), two.sum())
        alone = surface_scores(one.astype(int), two.astype(int), spacing=(4, 4, 4), labels=[1], background=0).iloc[0]
        for metric in ("hd95_larger_voxel_mm", "assd_voxel_mm", "surface_dice_1mm_voxel"):
            assert row[metric] == pytest.approx(alone[metric])
        assert (row["hemisphere"], row["group"]) == (group.hemisphere, group.kind)


def test_surfaces_are_those_of_the_two_maps_in_mm(tmp_path: Path) -> None:
    affine = np.diag([1.0, 2.0, 4.0, 1.0])
    truth, ids = np.zeros((12, 12, 12), int), np.zeros((12, 12, 12), int)
    truth[2:6, 2:6, 2:6], ids[2:6, 3:7, 2:6] = 17, 17
    one = read_reference(save(tmp_path / "r.nii.gz", truth, affine), DARTS)
    two = read_prediction(save(tmp_path / "p.nii.gz", ids, affine), DARTS)
    places = (REGION_BY_ID[17].class_index,)
    scoring = Scoring(DARTS, places, definitions=("voxel", "dual_grid"), tolerances=(1.0, 2.0), misses="worst")
    row = table(score_pair(one, two, scoring).regions).loc[17]
    # moved by one voxel of 2 mm: nothing is farther, and within 2 mm all is
    assert row["hd95_larger_voxel_mm"] == pytest.approx(2)
    assert row["surface_dice_2mm_voxel"] == 1
    assert row["surface_dice_1mm_voxel"] < 1
    assert {"assd_dual_grid_mm", "hd95_pooled_dual_grid_mm", "surface_dice_1mm_dual_grid"} <= set(row.index)
    assert row["volume_ref_mm3"] == 64 * 8


def test_a_miss_has_the_distance_of_the_policy_and_absent_by_protocol_none(tmp_path: Path) -> None:
    truth = np.where(brain() > 1000, brain(), 0)
    ids = np.where(truth == 1024, 0, brain())
    for misses, distance in (("exclude", np.nan), ("worst", 4 * np.sqrt(40**2 + 34**2 + 46**2)), ("inf", np.inf)):
        scoring = Scoring(DARTS, tuple(range(102)), misses=misses)  # type: ignore[arg-type]
        one = table(scored(tmp_path, truth, ids, scoring).regions)
        np.testing.assert_allclose(one.loc[1024, "assd_voxel_mm"], distance, rtol=1e-6)
        assert (one.loc[1024, "dice"], one.loc[1024, "surface_dice_1mm_voxel"]) == (0, 0)
        assert np.isnan(one.loc[17, "assd_voxel_mm"])


def test_merged_sides_forgive_the_wrong_side_only(tmp_path: Path) -> None:
    truth, ids = rows({17: 20, 53: 20, 16: 10}), rows({53: 20, 17: 20, 16: 5})
    found = scored(tmp_path, truth, ids, Scoring(DARTS, tuple(range(102))), also_merged=True)
    merged = table(found.merged)
    assert len(merged) == 56
    row = merged.loc[17]
    assert (row["region_name"], row["hemisphere"], row["dice"], row["n_ref_voxels"]) == ("Hippocampus", "both", 1, 40)
    assert row["assd_voxel_mm"] == 0
    assert table(found.regions).loc[17, "dice"] == 0
    assert (merged.loc[16, "hemisphere"], merged.loc[16, "dice"]) == ("midline", pytest.approx(2 * 5 / 15))
    assert set(merged["hemisphere"]) == {"both", "midline"}
    assert merged.loc[1024, "region_name"] == "ctx-precentral"


def test_only_what_is_asked_for_is_scored_and_only_groups_of_it(tmp_path: Path) -> None:
    places = tuple(place for place, region in enumerate(DARTS.regions) if region.id in (17, 10, 49))
    found = scored(tmp_path, brain(), brain(), Scoring(DARTS, places, definitions=()), also_merged=True)
    assert found.regions["region_id"] == [10, 17, 49]
    assert found.merged["region_id"] == [10]
    assert found.groups["region_name"] == ["left thalamus", "right thalamus"]


def test_a_prediction_laid_on_a_reference_whose_header_is_known_to_be_wrong(tmp_path: Path) -> None:
    wrong = AFFINE[:, [0, 2, 1, 3]]  # its axes are named in another order
    one = read_reference(save(tmp_path / "r.nii.gz", brain(), wrong), DARTS)
    two = read_prediction(save(tmp_path / "p.nii.gz", brain()), DARTS)
    assert score_pair(one, two, overlap_only()).fault is not None
    laid = score_pair(one, two, overlap_only(), wrong_header=True)
    assert (laid.fault, laid.laid_on, laid.move) == (None, True, "same grid")
    assert np.nanmin(laid.regions["dice"]) == 1


def test_a_pair_survives_being_written_down(tmp_path: Path) -> None:
    found = scored(tmp_path, rows({17: 30, 77: 5}), rows({53: 30}), Scoring(DARTS, tuple(range(102)), misses="inf"))
    assert found.fault is not None
    back = PairScores.from_json(json.loads(json.dumps(found.to_json())))
    assert repr(back) == repr(found)


def test_what_changes_numbers_changes_the_digest() -> None:
    one = Scoring(DARTS, (1, 2))
    others = [
        Scoring(load_protocol("dkt31"), (1, 2)), Scoring(DARTS, (1,)), Scoring(DARTS, (1, 2), outside="background"),
        Scoring(DARTS, (1, 2), definitions=()), Scoring(DARTS, (1, 2), tolerances=(2.0,)),
        Scoring(DARTS, (1, 2), misses="inf"),
    ]  # fmt: skip
    assert len({one.digest(), *(other.digest() for other in others)}) == 7
    assert one.digest() == Scoring(load_protocol("darts102"), (1, 2)).digest()


def test_the_order_of_memory_changes_nothing(tmp_path: Path) -> None:
    truth, ids = brain(), brain(jitter=4)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(ids, AFFINE))
    plain = scored(tmp_path, truth, ids, overlap_only())
    save(tmp_path / "other.nii.gz", np.asarray(canonical.dataobj), canonical.affine)
    one = read_reference(tmp_path / "reference.nii.gz", DARTS)
    turned = score_pair(one, read_prediction(tmp_path / "other.nii.gz", DARTS), overlap_only())
    assert turned.regions == plain.regions
    assert turned.move == "axes reordered"
