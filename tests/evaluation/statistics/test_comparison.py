"""Comparison of the methods of a results folder: which rows and methods are compared, and the content of the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from darts_ensemble.errors import CohortError
from evaluation.results.folder import SIDES_MERGED
from evaluation.statistics.comparison import compared_metrics, save_comparison
from tests.phantoms.results_folder import random_scores, write_results

FEW = {"bootstrap": {"resamples": 199}}
IDS = (17, 53, 16, 1024)


def dice_scores(n_subjects: int, methods: list[str], ids: tuple[int, ...] = IDS) -> pd.DataFrame:
    return random_scores(n_subjects, methods, ids).drop(columns="hd95_larger_voxel_mm")


def tables(folder: Path, scores: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The files of the comparison in a folder with these scores; names of subjects and methods stay text."""
    written = save_comparison(write_results(folder, scores, FEW))
    return {path.stem: pd.read_csv(path, dtype={"method": str, "method_a": str, "method_b": str}) for path in written}


def differences(scores: pd.DataFrame, metric: str, one: str, two: str) -> pd.DataFrame:
    """Subjects x regions."""
    wide = scores.pivot_table(index="subject", columns=["method", "region_id"], values=metric)
    return wide[one] - wide[two]


def test_every_region_and_pair_of_methods_is_tested_as_scipy_does(tmp_path: Path) -> None:
    scores = random_scores(9, ["a", "b", "c"], IDS)
    found = tables(tmp_path, scores)
    paired = found["paired_regions"]
    assert list(paired.columns[:7]) == ["metric", "region_id", "region_name", "hemisphere", "group", "method_a", "method_b"]
    assert len(paired) == len(IDS) * 3 * 2
    assert set(paired["metric"]) == {"dice", "hd95_larger_voxel_mm"}
    row = paired.set_index(["metric", "region_id", "method_a", "method_b"]).loc[("dice", 53, "a", "c")]
    d = differences(scores, "dice", "a", "c")[53]
    assert (row["n"], row["region_name"], row["hemisphere"]) == (9, "Right-Hippocampus", "right")
    assert row["t_p"] == pytest.approx(stats.ttest_1samp(d, 0).pvalue, rel=1e-4)
    assert (row["wilcoxon_p"], row["wilcoxon_method"]) == (pytest.approx(stats.wilcoxon(d).pvalue, rel=1e-4), "exact")
    dice = paired[paired["metric"] == "dice"]
    for (_, _), rows in dice.groupby(["method_a", "method_b"]):
        for ours, theirs in (("holm", "holm"), ("fdr", "fdr_bh")):
            expected = multipletests(rows["t_p"], method=theirs)[1]
            np.testing.assert_allclose(rows[f"t_p_{ours}_regions"], expected, rtol=1e-4)
    for _, rows in dice.groupby("region_id"):
        np.testing.assert_allclose(rows["t_p_holm_methods"], multipletests(rows["t_p"], method="holm")[1], rtol=1e-4)


def test_over_all_regions_subjects_are_counted_and_the_model_has_a_table_of_its_own(tmp_path: Path) -> None:
    scores = dice_scores(9, ["a", "b"], IDS)
    own = scores["subject"].str[1:].astype(int) % 4 * 0.02
    scores["dice"] += own.where(scores["method"] == "b", 0)
    found = tables(tmp_path, scores)
    assert set(found) == {"paired_regions", "paired_overall", "mixed_model", "volume_agreement"}
    row, model = (found[name].set_index("metric").loc["dice"] for name in ("paired_overall", "mixed_model"))
    means = differences(scores, "dice", "a", "b").mean(axis=1)
    expected = stats.ttest_1samp(means, 0)
    assert (row["n"], row["n_regions"], row["t_df"]) == (9, 4, 8)
    assert (row["t_p"], row["mean_difference"]) == (
        pytest.approx(expected.pvalue, rel=1e-4), pytest.approx(means.mean(), rel=1e-4),
    )  # fmt: skip
    assert not [name for name in found["paired_overall"] if name.startswith("lmm")]
    assert (model["n"], model["lmm_p"]) == (9, pytest.approx(expected.pvalue, rel=1e-2))
    assert "n_families" not in found["paired_overall"]


def test_three_methods_are_ranked_in_every_region(tmp_path: Path) -> None:
    scores = dice_scores(9, ["a", "b", "c"], IDS)
    ranks = tables(tmp_path, scores)["ranks"].set_index(["metric", "region_id"])
    wide = scores[scores["region_id"] == 16].pivot_table(index="subject", columns="method", values="dice")
    row = ranks.loc[("dice", 16)]
    assert row["friedman_p"] == pytest.approx(stats.friedmanchisquare(*wide.to_numpy().T).pvalue, rel=1e-4)
    np.testing.assert_allclose(row[["mean_rank_a", "mean_rank_b", "mean_rank_c"]].astype(float), wide.rank(axis=1).mean(), 1e-5)


def test_a_subject_that_one_method_has_seen_is_out_for_all(tmp_path: Path) -> None:
    scores = dice_scores(7, ["a", "b"], IDS)
    seen = scores.assign(seen_in_training=(scores["subject"] == "s003") & (scores["method"] == "b"))
    found = tables(tmp_path / "seen", seen)
    without = tables(tmp_path / "without", scores[scores["subject"] != "s003"])
    for name, table in found.items():
        assert set(table["n"]) == {6}
        pd.testing.assert_frame_equal(table, without[name])


def test_methods_with_sides_merged_meet_each_other_only(tmp_path: Path) -> None:
    scores = dice_scores(6, ["a", "sagittal"], IDS)
    left = scores[(scores["method"] == "sagittal") & scores["region_id"].isin([17, 16])]
    both = left["hemisphere"].replace("left", "both")
    merged = left.assign(method="sagittal" + SIDES_MERGED, hemisphere=both, region_name=left["region_name"].str[5:])
    found = tables(tmp_path / "one", pd.concat([scores, merged]))
    alone = tables(tmp_path / "alone", scores)
    for name in ("paired_regions", "paired_overall", "mixed_model"):
        pd.testing.assert_frame_equal(found[name], alone[name])
    volumes = found["volume_agreement"].set_index(["method", "region_id"])
    assert volumes.loc[("sagittal" + SIDES_MERGED, 17), "hemisphere"] == "both"
    other = merged.assign(method="other" + SIDES_MERGED, dice=merged["dice"] - 0.1)
    found = tables(tmp_path / "two", pd.concat([scores, merged, other]))
    paired = found["paired_regions"]
    pairs = paired[paired["method_a"].str.endswith(SIDES_MERGED)]
    assert set(pairs["method_b"]) == {"other" + SIDES_MERGED}
    assert set(zip(pairs["region_id"], pairs["hemisphere"], strict=True)) == {(17, "both"), (16, "midline")}
    assert len(paired) - len(pairs) == len(alone["paired_regions"])


def test_families_are_the_units_where_the_scores_name_some(tmp_path: Path) -> None:
    scores = dice_scores(8, ["a", "b"], IDS)
    number = scores["subject"].str[1:].astype(int)
    # Three pairs of twins; two subjects whose family is not named are their own.
    families = scores.assign(family=np.where(number < 6, "f" + (number // 2).astype(str), ""))
    row = tables(tmp_path, families)["paired_overall"].set_index("metric").loc["dice"]
    assert (row["n"], row["n_families"], row["t_df"]) == (8, 5, 4)
    means = differences(scores, "dice", "a", "b").mean(axis=1).to_numpy()
    units = [means[:2].mean(), means[2:4].mean(), means[4:6].mean(), means[6], means[7]]
    assert row["t_p"] == pytest.approx(stats.ttest_1samp(units, 0).pvalue, rel=1e-4)


def test_a_missed_region_counts_with_no_volume_and_an_absent_one_not(tmp_path: Path) -> None:
    scores = dice_scores(5, ["a"], (17,))
    measured = scores["volume_ref_mm3"] * 1.1
    measured[0] = 0.0
    status = ["missed", *["scored"] * 3, "absent by protocol"]
    table = tables(tmp_path, scores.assign(volume_pred_mm3=measured, status=status))
    assert set(table) == {"volume_agreement"}
    row = table["volume_agreement"].iloc[0]
    d = (measured - scores["volume_ref_mm3"])[:4]
    assert (row["method"], row["n"], row["bias"]) == ("a", 4, pytest.approx(d.mean(), rel=1e-4))
    assert row["loa_upper"] == pytest.approx(d.mean() + 1.959964 * d.std(ddof=1), rel=1e-4)


def test_infinite_distances_of_misses_are_ranked_and_leave_the_t_test_out(tmp_path: Path) -> None:
    scores = random_scores(7, ["a", "b"], (17,))
    missed = (scores["subject"] == "s002") & (scores["method"] == "b")
    infinite = scores.assign(hd95_larger_voxel_mm=scores["hd95_larger_voxel_mm"].mask(missed, np.inf))
    row = tables(tmp_path, infinite)["paired_regions"].set_index("metric").loc["hd95_larger_voxel_mm"]
    assert (row["n"], row["wilcoxon_method"]) == (7, "exact")
    assert np.isnan(row["t_p"])
    assert "infinite" in row["note"]


def test_too_little_to_compare_leaves_no_table_also_none_of_an_earlier_run(tmp_path: Path) -> None:
    scores = dice_scores(4, ["a", "b", "c"], IDS)
    assert len(tables(tmp_path, scores)) == 5
    assert tables(tmp_path, scores[scores["subject"] == "s000"]) == {}
    assert not (tmp_path / "paired_regions.csv").exists()
    with pytest.raises(CohortError, match=r"scores\.csv"):
        save_comparison(tmp_path / "nowhere")


def test_what_follows_from_dice_is_not_tested_again() -> None:
    columns = ["subject", "dice", "jaccard", "sensitivity", "precision", "volume_similarity", "assd_voxel_mm"]
    assert compared_metrics(pd.DataFrame(columns=[*columns, "surface_dice_1mm_voxel"])) == [
        "dice", "volume_similarity", "assd_voxel_mm", "surface_dice_1mm_voxel",
    ]  # fmt: skip
