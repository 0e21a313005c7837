"""Rankings of a whole study: read, refused, tested, shown."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reader_study.errors import RatingsError
from reader_study.figures.rankings import draw_rankings, rank_shares
from reader_study.rankings.ranking_analysis import RankingAnalysis, analyse_rankings
from reader_study.rankings.table import check_rankings, read_rankings

METHODS = ('Grown, 6.0 "new"', "山田/2", "NFT")


def table(seed: int = 0, effects: tuple[float, ...] = (0.0, 0.7, 1.4), cases: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for reader, case, side in product("AB", range(cases), "LR"):
        utility = np.round(rng.normal(effects, 1) * 2)
        for method, own in zip(METHODS, utility, strict=True):
            rows.append((reader, f"c{case}", "Caudate", side, method, str(1 + int((utility > own).sum()))))
    return pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rank"])


@pytest.fixture(scope="module")
def analysis() -> RankingAnalysis:
    return analyse_rankings(check_rankings(table()), METHODS)


def last(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["roi"] == "All Regions"]


def test_better_methods_have_smaller_mean_ranks_and_larger_worths(analysis: RankingAnalysis) -> None:
    means = last(analysis.mean_ranks)["mean_rank"].to_numpy()
    assert (np.diff(means) < 0).all()
    assert means.mean() == pytest.approx(2.0)
    worths = last(analysis.worths)
    assert (np.diff(worths["log_worth"]) > 0).all()
    assert worths["worth"].sum() == pytest.approx(1)
    assert last(analysis.mean_ranks)["first"].sum() == pytest.approx(1)
    assert (last(analysis.pairs)["preferred"] > 0.5).all()
    assert (last(analysis.pairs)["rank_difference"] < 0).all()


def test_friedman_s_blocks_are_cases_not_rankings(analysis: RankingAnalysis) -> None:
    rows = analysis.rankings
    wide = rows.pivot_table(index="case", columns="method", values="rank")[list(METHODS)]
    expected = stats.friedmanchisquare(*wide.round(12).to_numpy().T)
    row = last(analysis.tests).iloc[0]
    assert (row["chi2"], row["p"], row["n_cases"]) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue), 12)


def test_ties_are_spread_over_the_ranks_that_they_span() -> None:
    tied = table(cases=1).iloc[:3].assign(rank=["1", "1", "3"])
    shares = rank_shares(analyse_rankings(check_rankings(tied), METHODS))
    np.testing.assert_allclose(shares, [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])


def test_one_reader_one_case_and_a_sure_winner_have_reasons() -> None:
    rows = table()
    one = analyse_rankings(check_rankings(rows[rows["reader"] == "A"]), METHODS)
    assert last(one.tests)["readers_w"].isna().all()
    assert "one reader" in last(one.pairs)["reason"].iloc[0]
    sure = analyse_rankings(check_rankings(table(effects=(0, 0, 50))), METHODS)
    assert last(sure.worths)["log_worth"].isna().all()
    assert "always ranked above" in last(sure.worths)["reason"].iloc[0]
    assert np.isfinite(last(sure.tests)["p"].iloc[0])
    drawn = draw_rankings(sure)
    plt.close(drawn)


def test_rankings_left_out_are_counted_in_the_singular_and_plural() -> None:
    rows = table(cases=3)
    for left_out, said in ((1, "1 ranking does not include"), (2, "2 rankings do not include")):
        incomplete = rows.drop(index=[3 * item for item in range(left_out)])
        assert said in " ".join(analyse_rankings(check_rankings(incomplete), METHODS).warnings)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rank": "٢"}, "row 2, column rank: found '٢'"),
        ({"rank": "0"}, "1 for the best"),
        ({"roi": "Nowhere"}, "a known region"),
        ({"method": METHODS[1]}, "has a rank in this item already"),
    ],
)
def test_what_is_no_ranking_is_refused_by_its_row(tmp_path: Path, change: dict[str, str], says: str) -> None:
    rows = table(cases=2)
    for column, value in change.items():
        rows.loc[0, column] = value
    rows.to_csv(tmp_path / "rankings.csv", index=False)
    with pytest.raises(RatingsError, match=says):
        read_rankings(tmp_path / "rankings.csv")


def test_no_difference_is_found_at_about_the_level() -> None:
    found = [
        analyse_rankings(check_rankings(table(seed, (0, 0, 0), cases=6)), METHODS).tests["p"].iloc[-1] < 0.05
        for seed in range(20)
    ]
    assert sum(found) <= 4
