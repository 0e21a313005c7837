"""The mixed models of a study: every block equals the model fitted by hand, and a reason is given if none can be fitted."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from reader_study.errors import RatingsError
from reader_study.models.mixed_model import ModelTables, model_study
from reader_study.models.ordinal import fit_ordinal
from reader_study.models.ordinal_design import ordinal_design
from reader_study.models.ordinal_tables import likelihood_ratio, odds_ratios, proportional_odds_test
from reader_study.ratings.table import check_ratings

METHODS = ("FS", "NFT", "FT")
PLAIN = ("case", "reader")


def study(seed: int = 0, cases: int = 10, readers: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    by_case, by_reader = rng.normal(0, 1, cases), rng.normal(0, 0.7, readers)
    rows = [
        (f"r{r}", f"c{c}", "Insula", side, METHODS[m],
         str(1 + int(np.digitize(by_case[c] + by_reader[r] + 0.8 * m + rng.logistic(), [-1.5, 0, 1, 2.5]))))
        for r, c, side, m in product(range(readers), range(cases), "LR", range(3))
    ]  # fmt: skip
    return check_ratings(pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"]))


@pytest.fixture(scope="module")
def models() -> ModelTables:
    return model_study(study(), random=PLAIN)


def block(table: pd.DataFrame, roi: str, side: str) -> pd.DataFrame:
    return table[(table["roi"] == roi) & (table["hemisphere"] == side)]


def test_a_block_is_the_model_of_its_own_ratings(models: ModelTables) -> None:
    part = study()
    part = part[part["hemisphere"] == "R"]
    fit = fit_ordinal(ordinal_design(part, random=PLAIN))
    null = fit_ordinal(ordinal_design(part, fixed=[], random=PLAIN))
    row = block(models.tests, "Insula", "R").iloc[0]
    assert row["formula"] == "factor(rating) ~ method + (1 | case) + (1 | reader)"
    assert row["loglik"] == pytest.approx(fit.loglik)
    assert row["lr_p"] == pytest.approx(likelihood_ratio(fit, null)["p"], abs=1e-6)
    found = block(models.odds_ratios, "Insula", "R")
    expected = odds_ratios(fit)
    np.testing.assert_allclose(found["odds_ratio"], expected["odds_ratio"], rtol=1e-6)
    np.testing.assert_allclose(found["p_holm"], multipletests(expected["p"], method="holm")[1], rtol=1e-5)
    probabilities = block(models.probabilities, "Insula", "R")
    np.testing.assert_allclose(probabilities.groupby("level", observed=True)["population"].sum(), 1.0)


def test_regions_together_are_one_model_with_regions_fixed(models: ModelTables) -> None:
    row = block(models.tests, "All Regions", "").iloc[0]
    assert row["formula"] == "factor(rating) ~ method + region + (1 | case) + (1 | reader)"
    assert row["n"] == 180
    table = study()
    table["region"] = table["roi"] + table["hemisphere"]
    fit = fit_ordinal(ordinal_design(table, fixed=["method", "region"], random=PLAIN))
    assert row["loglik"] == pytest.approx(fit.loglik, abs=1e-6)
    of_regions = models.tests[models.tests["roi"] != "All Regions"]
    np.testing.assert_allclose(of_regions["lr_p_holm"], multipletests(of_regions["lr_p"], method="holm")[1])
    assert np.isnan(row["lr_p_holm"])


def test_the_first_of_the_methods_is_the_reference() -> None:
    part = study().query("hemisphere == 'L'")
    straight = model_study(part, METHODS, random=PLAIN).odds_ratios
    turned = model_study(part, METHODS[::-1], random=PLAIN).odds_ratios
    assert straight[["first", "second"]].to_numpy().tolist() == [["FS", "NFT"], ["FS", "FT"], ["NFT", "FT"]]
    assert turned[["first", "second"]].to_numpy().tolist() == [["FT", "NFT"], ["FT", "FS"], ["NFT", "FS"]]
    assert straight["odds_ratio"].iloc[1] == pytest.approx(1 / turned["odds_ratio"].iloc[1], rel=1e-4)


@pytest.mark.parametrize(
    ("keep", "formula", "left_out"),
    [
        ("reader == 'r0'", "factor(rating) ~ method + (1 | case)", "reader, case:method, reader:method"),
        ("case == 'c1'", "factor(rating) ~ method + (1 | reader)", "case, case:method, reader:method"),
    ],
)
def test_a_random_effect_that_ratings_can_not_tell_is_left_out_and_named(keep: str, formula: str, left_out: str) -> None:
    row = model_study(study(1).query("hemisphere == 'L'").query(keep)).tests.iloc[0]
    assert row["formula"] == formula
    assert f"left out, as these ratings can't tell it: {left_out}" in row["warnings"]
    assert row["reason"] == ""


def test_equal_ratings_and_one_method_have_a_reason_and_no_number() -> None:
    for changed, reason in (
        (study().assign(rating=4.0), "all 90 ratings are 4; at least two levels are needed"),
        (study().query("method == 'FS'"), "column method holds only FS; a fixed effect needs two levels"),
    ):
        tables = model_study(changed, random=PLAIN)
        assert tables.tests["reason"].iloc[0] == reason
        assert tables.tests[["loglik", "lr_p", "po_p"]].isna().all().all()
        assert not len(tables.odds_ratios)


def test_separated_methods_have_no_odds_ratio_but_a_likelihood_ratio() -> None:
    ratings = study(2).query("hemisphere == 'L'")
    best = ratings["method"] == "FT"
    ratings = ratings.assign(rating=np.where(best, 5.0, ratings["rating"].clip(upper=4)))
    tables = model_study(ratings, random=PLAIN)
    odds = tables.odds_ratios.set_index(["first", "second"])
    apart = odds.loc[[("FS", "FT"), ("NFT", "FT")]]
    assert apart[["odds_ratio", "low", "high", "p"]].isna().all().all()
    assert apart["reason"].str.contains("separation: the ratings of .* and FT leave no finite odds ratio").all()
    assert np.isfinite(odds.loc[("FS", "NFT"), "odds_ratio"])
    assert tables.tests["lr_p"].iloc[0] < 1e-6
    assert "separation" in tables.tests["warnings"].iloc[0]


def test_broken_proportional_odds_are_warned_of() -> None:
    ratings = study(3, cases=20).query("hemisphere == 'L'")
    ends = ratings["method"] == "FT"
    drawn = np.random.default_rng(0).choice([1.0, 2, 3, 4, 5], len(ratings), p=[0.44, 0.04, 0.04, 0.04, 0.44])
    tables = model_study(ratings.assign(rating=np.where(ends, drawn, ratings["rating"])), random=("case",))
    assert tables.tests["po_p"].iloc[0] < 1e-4
    assert "proportional odds are rejected" in tables.tests["warnings"].iloc[0]


def test_a_level_that_one_method_never_got_is_merged_for_the_test_of_proportional_odds() -> None:
    ratings = study(4, cases=15).query("hemisphere == 'L'")
    never = (ratings["method"] == "FT") & (ratings["rating"] == 1)
    ratings = ratings.assign(rating=np.where(never, 2.0, ratings["rating"]))
    found = proportional_odds_test(ratings, random=())
    assert found["merged"] == "1+2"
    by_hand = proportional_odds_test(ratings.assign(rating=ratings["rating"].clip(lower=2)), random=())
    assert (found["df"], found["statistic"]) == (4.0, pytest.approx(by_hand["statistic"], abs=1e-6))


def test_two_levels_of_rating_have_no_odds_to_be_proportional() -> None:
    ratings = study().query("hemisphere == 'L'")
    two = ratings.assign(rating=np.where(ratings["rating"] > 3, 2.0, 1.0))
    with pytest.raises(RatingsError, match="2 levels of rating left; three are needed"):
        proportional_odds_test(two)
    row = model_study(two, random=PLAIN).tests.iloc[0]
    assert row["reason"] == ""
    assert "proportional odds not tested: 2 levels" in row["warnings"]
