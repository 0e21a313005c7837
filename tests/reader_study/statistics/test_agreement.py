"""Agreement of readers: compared with published examples, other libraries, and the definitions written out."""

from __future__ import annotations

import json
import math
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from reader_study.errors import RatingsError
from reader_study.figures.readers import kappa_matrix
from reader_study.ratings.spreadsheets import read_text_table
from reader_study.ratings.table import RatingScale, check_ratings
from reader_study.statistics.agreement import gwet_ac2, icc_two_way, krippendorff_alpha, lights_kappa, weighted_kappa
from reader_study.statistics.reader_agreement import (
    RatedUnits,
    agreement_table,
    rated_units,
    repeated_units,
    within_reader_table,
)
from tests.conftest import FIXTURES

LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)
THREE = RatingScale((1, 2, 3), ("fail", "warning", "pass"))
NAN = math.nan
#: Four observers, twelve units (Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section D).
KRIPPENDORFF = np.array([
    [1, 1, NAN, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4], [4, 4, 4, 4], [1, 1, 2, 1],
    [2, 2, 2, 2], [NAN, 5, 5, 5], [NAN, NAN, 1, 1], [NAN, NAN, 3, NAN],
])  # fmt: skip
#: Six targets, four judges (Shrout and Fleiss 1979, table 2).
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def random_ratings(seed: int, units: int = 40, readers: int = 4, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = np.clip(np.rint(rng.normal(3, 1, (units, 1)) + rng.normal(0, 0.8, (units, readers))), 1, 5)
    matrix[rng.random(matrix.shape) < missing] = np.nan
    return matrix


def ac2_as_defined(matrix: np.ndarray, levels: tuple[float, ...]) -> float:
    """Gwet's AC2 pair by pair and level by level, without simplification."""
    span = levels[-1] - levels[0]
    agreed, shares = [], []
    for row in matrix:
        given = [float(x) for x in row if not np.isnan(x)]
        if given:
            shares.append([given.count(level) / len(given) for level in levels])
        if len(given) >= 2:
            agreed.append(np.mean([1 - ((a - b) / span) ** 2 for a, b in permutations(given, 2)]))
    weights = sum(1 - ((a - b) / span) ** 2 for a in levels for b in levels)
    chance = weights / (len(levels) * (len(levels) - 1)) * sum(p * (1 - p) for p in np.mean(shares, axis=0))
    return float((np.mean(agreed) - chance) / (1 - chance))


@pytest.mark.parametrize("seed", range(4))
def test_weighted_kappa_is_scikit_learns_and_lights_its_mean(seed: int) -> None:
    matrix = random_ratings(seed)
    kappas = [
        cohen_kappa_score(matrix[:, a].astype(int), matrix[:, b].astype(int), labels=[1, 2, 3, 4, 5], weights="quadratic")
        for a, b in combinations(range(4), 2)
    ]
    assert weighted_kappa(matrix[:, 0], matrix[:, 1], LEVELS) == pytest.approx(kappas[0], abs=1e-12)
    assert lights_kappa(matrix, LEVELS) == pytest.approx(np.mean(kappas), abs=1e-12)


def test_a_unit_that_one_of_two_readers_left_out_does_not_count() -> None:
    matrix = random_ratings(5, readers=2)
    holes = np.vstack([matrix, [[1, NAN], [NAN, 5]]])
    assert weighted_kappa(holes[:, 0], holes[:, 1], LEVELS) == weighted_kappa(matrix[:, 0], matrix[:, 1], LEVELS)


def test_the_published_examples_of_alpha_icc_and_ac1() -> None:
    assert krippendorff_alpha(KRIPPENDORFF, LEVELS) == pytest.approx(0.815, abs=5e-4)
    assert icc_two_way(SHROUT_FLEISS) == pytest.approx((0.29, 0.62), abs=0.005)
    # Two levels make AC2 the AC1: 118 and 0 agreed, 5 and 2 not (Gwet 2002, kappa statistic is not satisfactory).
    table = np.array([[1, 1]] * 118 + [[1, 2]] * 5 + [[2, 1]] * 2, float)
    assert gwet_ac2(table, (1, 2)) == pytest.approx(0.9408, abs=5e-5)
    assert weighted_kappa(table[:, 0], table[:, 1], (1, 2)) == pytest.approx(-0.0234, abs=5e-5)


def test_alpha_and_icc_are_those_of_krippendorff_and_pingouin() -> None:
    oracles = json.loads((FIXTURES / "agreement_oracles.json").read_text(encoding="utf-8"))
    assert len(oracles) == 4
    for oracle in oracles:
        matrix = np.array([[NAN if x is None else x for x in row] for row in oracle["ratings"]], float)
        assert krippendorff_alpha(matrix, LEVELS) == pytest.approx(oracle["alpha_ordinal"], abs=1e-10)
        assert icc_two_way(matrix) == pytest.approx((oracle["icc_2_1"], oracle["icc_2_k"]), abs=1e-8)


@pytest.mark.parametrize("missing", [0.0, 0.2, 0.5])
def test_ac2_is_its_definition_also_with_ratings_missing(missing: float) -> None:
    matrix = random_ratings(11, units=25, missing=missing)
    assert gwet_ac2(matrix, LEVELS) == pytest.approx(ac2_as_defined(matrix, LEVELS), abs=1e-12)
    assert gwet_ac2(KRIPPENDORFF, LEVELS) == pytest.approx(ac2_as_defined(KRIPPENDORFF, LEVELS), abs=1e-12)


def test_perfect_agreement_is_one_and_a_reader_who_says_the_opposite_is_below_zero() -> None:
    same = np.repeat(np.array([[1.0], [2.0], [3.0], [4.0], [5.0]]), 3, axis=1)
    assert lights_kappa(same, LEVELS) == gwet_ac2(same, LEVELS) == krippendorff_alpha(same, LEVELS) == 1.0
    assert icc_two_way(same) == (1.0, 1.0)
    opposite = np.column_stack([same[:, 0], 6 - same[:, 0]])
    assert weighted_kappa(*opposite.T, LEVELS) == pytest.approx(-1.0)
    assert krippendorff_alpha(opposite, LEVELS) < 0 > icc_two_way(opposite)[0]


def test_ratings_that_are_all_equal_give_a_reason_not_a_number_where_none_is_defined() -> None:
    units = RatedUnits(np.full((8, 3), 4.0), ("A", "B", "C"), np.arange(8), LEVELS)
    table = agreement_table(units, resamples=20).set_index("statistic")
    undefined = table.drop(index="gwet_ac2")
    assert undefined["value"].isna().all()
    assert undefined["low"].isna().all()
    assert set(undefined["reason"]) == {"undefined: no variation among the ratings that are shared"}
    # AC2 was made for this: nothing is expected by chance where one level is used.
    assert table.loc["gwet_ac2", ["value", "low", "high"]].tolist() == [1.0, 1.0, 1.0]


def test_one_case_or_readers_without_a_unit_in_common_are_no_crash() -> None:
    one = RatedUnits(np.array([[3.0, 4.0], [2.0, 2.0], [5.0, 4.0]]), ("A", "B"), np.zeros(3, int), LEVELS)
    table = agreement_table(one, resamples=10).set_index("statistic")
    assert table["value"].notna().all()
    assert table["low"].isna().all()
    assert set(table["reason"]) == {"no bootstrap interval: one case, at least 6 are needed"}
    apart = RatedUnits(np.array([[3.0, NAN], [NAN, 2.0]]), ("A", "B"), np.arange(2), LEVELS)
    table = agreement_table(apart, resamples=10)
    assert table["value"].isna().all()
    assert (table["n_units"] == 0).all()


def test_an_icc_outside_its_range_is_no_number_but_a_reason() -> None:
    # Two units and three readers who differ: the ratio of mean squares is 2.4, which no correlation can be.
    matrix = np.array([[3.0, 5.0, 2.0], [4.0, 2.0, 3.0]])
    single, average = icc_two_way(matrix)
    assert math.isnan(average)
    assert math.isnan(single) or -1 <= single <= 1
    table = agreement_table(RatedUnits(matrix, ("A", "B", "C"), np.arange(2), LEVELS), resamples=50).set_index("statistic")
    assert math.isnan(table.loc["icc_2_k", "value"])
    assert "denominator" in table.loc["icc_2_k", "reason"]


@pytest.mark.parametrize("seed", range(20))
def test_no_icc_nor_end_of_an_interval_is_above_one(seed: int) -> None:
    matrix = np.random.default_rng(seed).integers(1, 6, (8, 3)).astype(float)
    table = agreement_table(RatedUnits(matrix, ("A", "B", "C"), np.arange(8), LEVELS), resamples=100).set_index("statistic")
    assert not (table.loc[["icc_2_1", "icc_2_k"], ["value", "low", "high"]] > 1).any(axis=None)


def test_few_cases_have_no_bootstrap_interval_and_some_have_a_note() -> None:
    for cases, low, says in (
        (5, False, "at least 6"),
        (6, True, "nominal coverage"),
        (10, True, "nominal coverage"),
        (11, True, ""),
    ):
        matrix = random_ratings(1, units=cases)
        table = agreement_table(RatedUnits(matrix, ("A", "B", "C", "D"), np.arange(cases), LEVELS), resamples=50)
        row = table.set_index("statistic").loc["gwet_ac2"]
        assert (not math.isnan(row["low"])) == low
        assert says in row["reason"]
        assert says or row["reason"] == ""


def test_an_orphan_repeat_costs_only_what_it_would_have_told() -> None:
    rows = [("A", f"c{c}", "Insula", "L", "FS", str(1 + c % 5), r) for c in range(4) for r in ("1", "2")]
    rows += [("B", "c0", "Insula", "L", "FS", "3", "2"), ("B", "c1", "Insula", "L", "FS", "3", "1")]
    columns = ["reader", "case", "roi", "hemisphere", "method", "rating", "repeat"]
    table = within_reader_table(check_ratings(pd.DataFrame(rows, columns=columns), least_methods=1), resamples=20)
    assert set(table.loc[table["reader"] == "A", "statistic"]) >= {"gwet_ac2", "icc_2_1"}
    orphan = table[table["reader"] == "B"]
    assert len(orphan) == 1
    assert orphan["value"].isna().all()
    assert "first ratings of the repeats are missing" in orphan["reason"].item()


def test_names_of_readers_are_never_joined_to_be_split_again() -> None:
    names = ('Müller, "Eva"', "山田 太郎", "a/b, c")
    table = agreement_table(RatedUnits(random_ratings(2, readers=3), names, np.arange(40), LEVELS), resamples=20)
    pairs = table[table["statistic"] == "kappa_quadratic"]
    assert list(zip(pairs["reader_a"], pairs["reader_b"], strict=True)) == list(combinations(names, 2))
    assert kappa_matrix(table)[0] == list(names)


def test_a_rating_outside_the_scale_is_refused() -> None:
    with pytest.raises(RatingsError, match="found 6, expected one of"):
        gwet_ac2([[1, 6]], LEVELS)


def test_intervals_resample_cases_not_ratings() -> None:
    """Every unit ten times, in the same case: no new information, and so the same intervals."""
    matrix = random_ratings(3, units=30, readers=3)
    once = agreement_table(RatedUnits(matrix, ("A", "B", "C"), np.arange(30), LEVELS), resamples=200, seed=1)
    tenfold = RatedUnits(np.repeat(matrix, 10, axis=0), ("A", "B", "C"), np.repeat(np.arange(30), 10), LEVELS)
    many = agreement_table(tenfold, resamples=200, seed=1)
    ratios = [s.startswith(("kappa", "gwet")) for s in once["statistic"]]
    np.testing.assert_allclose(once.loc[ratios, ["low", "high"]], many.loc[ratios, ["low", "high"]], atol=1e-12)
    assert many["n_cases"].eq(30).all()
    assert many["n_units"].eq(300).all()


def test_bootstrap_intervals_match_one_made_by_drawing_rows_and_the_seed_fixes_them() -> None:
    matrix = random_ratings(8, units=40, readers=2)
    units = RatedUnits(matrix, ("A", "B"), np.arange(40), LEVELS)
    table = agreement_table(units, resamples=1500, seed=0)
    pd.testing.assert_frame_equal(table, agreement_table(units, resamples=1500, seed=0))
    rng = np.random.default_rng(99)
    drawn = [matrix[rng.integers(0, 40, 40)] for _ in range(1500)]
    by_hand = {
        "kappa_quadratic": [weighted_kappa(d[:, 0], d[:, 1], LEVELS) for d in drawn],
        "icc_2_1": [icc_two_way(d)[0] for d in drawn],
        "alpha_ordinal": [krippendorff_alpha(d, LEVELS) for d in drawn],
    }
    for statistic, values in by_hand.items():
        row = table.set_index("statistic").loc[statistic]
        np.testing.assert_allclose([row["low"], row["high"]], np.quantile(values, [0.025, 0.975]), atol=0.04)


def real_ratings(folder: Path, name: str) -> pd.DataFrame:
    raw = read_text_table(folder / "ratings" / name)
    if "session" in raw:
        raw["repeat"] = raw["session"].map({"": "1", "First": "1", "Second": "2", "Consensus": "3"})
    table = raw.assign(roi="image", hemisphere="", method="raw")
    return check_ratings(table, THREE, regions=["image"], least_methods=1)


@pytest.mark.parametrize(("name", "units"), [("raw_two_readers.csv", 338), ("segmentation_two_readers.csv", 1746)])
def test_real_readers_agree_as_scikit_learn_says(shared_data: Path, name: str, units: int) -> None:
    ratings = real_ratings(shared_data, name)
    table = agreement_table(rated_units(ratings, THREE), resamples=200).set_index("statistic")
    wide = ratings.pivot_table(index="case", columns="reader", values="rating").astype(int)
    kappa = cohen_kappa_score(wide.iloc[:, 0], wide.iloc[:, 1], labels=[1, 2, 3], weights="quadratic")
    assert table.loc["kappa_quadratic", "value"] == pytest.approx(kappa, abs=1e-12)
    assert (table["n_units"] == units).all()
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()
    assert table.loc["gwet_ac2", "value"] == pytest.approx(ac2_as_defined(wide.to_numpy(float), (1, 2, 3)), abs=1e-9)


def test_ten_real_raters_and_the_sessions_of_one(shared_data: Path) -> None:
    ratings = real_ratings(shared_data, "raw_many_readers.csv")
    units = rated_units(ratings, THREE)
    assert units.ratings.shape == (99, 10)
    table = agreement_table(units, resamples=100)
    assert (table["statistic"] == "kappa_quadratic").sum() == 45
    kappas = table.loc[table["statistic"] == "kappa_quadratic", "value"]
    assert table.set_index("statistic").loc["kappa_light", "value"] == pytest.approx(kappas.mean())
    within = within_reader_table(ratings, THREE, resamples=100)
    assert set(within["reader"]) == {"Expert01"}
    first_second = within[within["repeats"] == "1, 2"].iloc[0]
    own = repeated_units(ratings, "Expert01", THREE).ratings
    expected = cohen_kappa_score(own[:, 0].astype(int), own[:, 1].astype(int), weights="quadratic")
    assert first_second["value"] == pytest.approx(expected)
    with pytest.raises(RatingsError, match="Rater01 rated nothing twice"):
        repeated_units(ratings, "Rater01", THREE)
