"""The published table: its numbers compared with SciPy, statsmodels and arithmetic, its gaps, and its three layouts."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from reader_study.errors import RatingsError
from reader_study.published.grim import findings
from reader_study.ratings.cell_lists import split_names
from reader_study.ratings.summary import read_summary
from reader_study.ratings.table import check_ratings
from reader_study.report.published_layout import csv_of, latex_of, markdown_of, write_published_table
from reader_study.statistics.published_table import POOLED, pooled_tests, published_table

METHODS = ("FS", "NFT", "FT")


def study(seed: int = 0, cases: int = 10, readers: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    shift = {"FS": 0.0, "NFT": 0.4, "FT": 0.9}
    rows = [
        (f"r{reader}", f"c{case}", roi, side, method, str(int(np.clip(round(3 + shift[method] + rng.normal(0, 1)), 1, 5))))
        for reader, case, roi, side, method in product(range(readers), range(cases), ("Insula", "Putamen"), "LR", METHODS)
    ]
    return pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"])


def side_by_side(ratings: pd.DataFrame, first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    keys = ["reader", "case", "roi", "hemisphere"]
    wide = ratings.set_index([*keys, "method"])["rating"].unstack("method")  # noqa: PD010
    return wide[first].to_numpy(), wide[second].to_numpy()


def wilcoxon_by_hand(difference: np.ndarray) -> float:
    """Two-sided p: zeros dropped, ties averaged, variance corrected for them, no continuity correction."""
    d = difference[difference != 0]
    ranks = stats.rankdata(np.abs(d))
    n = len(d)
    ties = np.unique(np.abs(d), return_counts=True)[1]
    variance = n * (n + 1) * (2 * n + 1) / 24 - (ties**3 - ties).sum() / 48
    z = (ranks[d > 0].sum() - n * (n + 1) / 4) / math.sqrt(variance)
    return float(2 * stats.norm.sf(abs(z)))


def test_every_number_of_a_row_against_other_sources() -> None:
    ratings = check_ratings(study())
    table = published_table(ratings)
    assert table.methods == METHODS
    assert len(table.rows) == 5
    row = table.rows.set_index(["roi", "hemisphere"]).loc[("Putamen", "R")]
    part = ratings[(ratings["roi"] == "Putamen") & (ratings["hemisphere"] == "R")]
    for method in METHODS:
        given = part.loc[part["method"] == method, "rating"]
        assert row[f"{method}_mean"] == pytest.approx(sum(given) / 20)
        assert row[f"{method}_sd"] == pytest.approx(given.std())
        assert row[f"{method}_n"] == 20
    tests = table.tests[(table.tests["roi"] == "Putamen") & (table.tests["hemisphere"] == "R")]
    assert list(zip(tests["first"], tests["second"], strict=True)) == [("FS", "NFT"), ("FS", "FT"), ("NFT", "FT")]
    differing: dict[str, list[str]] = {"t_p": [], "wilcoxon_p": []}
    for test in tests.to_dict("records"):
        a, b = side_by_side(part, test["first"], test["second"])
        t, p, _ = DescrStatsW(b - a).ttest_mean(0)
        assert (test["t"], test["t_p"]) == (pytest.approx(t), pytest.approx(p))
        assert test["t_p"] == pytest.approx(stats.ttest_rel(b, a).pvalue)
        assert test["wilcoxon_p"] == pytest.approx(wilcoxon_by_hand(b - a))
        assert test["mean_difference"] == pytest.approx((b - a).mean())
        assert (test["n"], test["n_nonzero"]) == (20, int((a != b).sum()))
        for name in differing:
            differing[name] += [f"{test['first']}-{test['second']}"] if test[name] < 0.05 else []
    assert row["significant_ttest"] == ";".join(differing["t_p"])
    assert row["significant_wilcoxon"] == ";".join(differing["wilcoxon_p"])
    assert "FS-FT" in differing["t_p"]
    assert row["best"] == "FT"


def test_the_row_of_all_regions_pools_every_pair() -> None:
    ratings = check_ratings(study(3))
    table = published_table(ratings)
    row, tests = table.rows.iloc[-1], table.tests[table.tests["roi"] == "All Regions"]
    assert row["roi"] == "All Regions"
    assert row["FS_n"] == 80
    assert row["FS_mean"] == pytest.approx(ratings.loc[ratings["method"] == "FS", "rating"].mean())
    a, b = side_by_side(ratings, "FS", "FT")
    last = tests[(tests["first"] == "FS") & (tests["second"] == "FT")].iloc[0]
    assert last["n"] == 80
    assert last["t_p"] == pytest.approx(stats.ttest_rel(b, a).pvalue)
    assert last["wilcoxon_p"] == pytest.approx(wilcoxon_by_hand(b - a))


def test_order_of_rows_and_of_methods_changes_no_number() -> None:
    table = study(5)
    straight = published_table(check_ratings(table), METHODS)
    shuffled = published_table(check_ratings(table.sample(frac=1, random_state=1)), METHODS)
    keys = ["roi", "hemisphere"]
    pd.testing.assert_frame_equal(
        straight.rows.sort_values(keys, ignore_index=True), shuffled.rows.sort_values(keys, ignore_index=True)
    )
    turned = pooled_tests(check_ratings(table), METHODS[::-1])
    assert sorted(turned["t_p"].round(12)) == sorted(straight.tests["t_p"].round(12))


def test_hidden_repeats_stay_out_and_half_pairs_are_left_out_of_tests() -> None:
    table = study(2)
    again = table.head(6).assign(repeat="2", rating="1")
    with_repeats = check_ratings(pd.concat([table.assign(repeat="1"), again], ignore_index=True))
    plain = published_table(check_ratings(table))
    pd.testing.assert_frame_equal(published_table(with_repeats).rows, plain.rows)

    hole = (table["reader"] == "r1") & (table["roi"] == "Insula") & (table["hemisphere"] == "L") & (table["method"] == "FS")
    partial = published_table(check_ratings(table[~hole]), METHODS)
    row = partial.rows.set_index(["roi", "hemisphere"]).loc[("Insula", "L")]
    assert (row["FS_n"], row["FT_n"]) == (10, 20)
    tests = partial.tests.set_index(["roi", "hemisphere", "first", "second"])
    assert tests.loc[("Insula", "L", "FS", "FT"), "n"] == 10
    assert tests.loc[("Insula", "L", "NFT", "FT"), "n"] == 20


def test_where_a_test_says_nothing_there_is_a_reason_and_no_p() -> None:
    table = study(1)
    equal = pooled_tests(check_ratings(table.assign(rating="4")))
    assert equal[["t_p", "wilcoxon_p"]].isna().all().all()
    assert set(equal["reason"]) == {"t: all differences are equal; Wilcoxon: no difference other than zero"}
    shifted = table.assign(rating=table["method"].map({"FS": "2", "NFT": "2", "FT": "4"}))
    shifts = pooled_tests(check_ratings(shifted)).set_index(["roi", "hemisphere", "first", "second"])
    assert math.isnan(shifts.loc[("Insula", "L", "FS", "FT"), "t_p"])
    assert shifts.loc[("Insula", "L", "FS", "FT"), "wilcoxon_p"] == pytest.approx(wilcoxon_by_hand(np.full(20, 2.0)))
    one = pooled_tests(check_ratings(table[(table["case"] == "c0") & (table["reader"] == "r0")]))
    assert one.loc[one["roi"] == "Insula", "t_p"].isna().all()
    assert one.loc[one["roi"] == "Insula", "reason"].str.startswith("t: 1 pair of ratings").all()
    all_equal = published_table(check_ratings(table.assign(rating="4")))
    assert set(all_equal.rows["best"]) == {"FS;NFT;FT"}
    assert set(all_equal.rows["significant_ttest"]) == {""}


def test_a_method_without_ratings_in_a_region_is_shown_as_missing() -> None:
    table = study(4)
    gone = (table["roi"] == "Putamen") & (table["method"] == "NFT")
    result = published_table(check_ratings(table[~gone]))
    row = result.rows.set_index(["roi", "hemisphere"]).loc[("Putamen", "L")]
    assert row["NFT_n"] == 0
    assert math.isnan(row["NFT_mean"])
    assert "| n/a |" in markdown_of(result)
    with pytest.raises(RatingsError, match="no rating of method SAMSEG, found FS, NFT, FT"):
        published_table(check_ratings(table), ["FS", "SAMSEG"])


def test_the_csv_has_the_published_columns_and_passes_the_published_checks(tmp_path: Path) -> None:
    table = published_table(check_ratings(study(6)))
    paths = write_published_table(table, tmp_path / "out")
    assert [path.name for path in paths] == [
        "published_table.csv", "published_table.md", "published_table.tex", "published_tests.csv",
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths)
    summary = read_summary(paths[0])
    assert summary.methods == METHODS
    assert len(summary.cells) == 12
    assert findings(summary, 20) == []
    columns = pd.read_csv(paths[0]).columns.tolist()
    assert {"roi", "hemisphere", "FS_mean", "FS_sd", "best", "significant_ttest", "significant_wilcoxon"} <= set(columns)


def test_markdown_and_latex_show_the_paper_s_cells_with_the_best_in_bold() -> None:
    table = published_table(check_ratings(study(6)))
    row = table.rows.iloc[0]
    assert row["best"] == "FT"
    fs, ft = [(f"{row[f'{method}_mean']:.2f}", f"{row[f'{method}_sd']:.2f}") for method in ("FS", "FT")]
    lines = markdown_of(table).splitlines()
    assert lines[0] == "| Region | Side | FS | NFT | FT | t-test | Wilcoxon |"
    assert f"| {fs[0]} ± {fs[1]} |" in lines[2]
    assert f"| **{ft[0]} ± {ft[1]}** |" in lines[2]
    assert len({line.count("|") for line in lines[:7]}) == 1
    assert POOLED[1:] in lines[-1]
    tex = latex_of(table)
    assert rf"\textbf{{{ft[0]} $\pm$ {ft[1]}}}" in tex
    assert tex.count(r" \\") == 6
    assert POOLED[1:] in tex.splitlines()[0]
    odd = published_table(check_ratings(study(6).replace("FS", "free_surfer & co")))
    assert r"free\_surfer \& co" in latex_of(odd)
    assert "free_surfer & co_mean,free_surfer & co_sd" in csv_of(odd).splitlines()[0]


@pytest.mark.parametrize("name", ["Atlas; v2", "Sørensen, A", 'the "best"', "FreeSurfer-DKT", "a|b", "x;y-z, w"])
def test_a_name_with_a_separator_in_it_stays_whole_in_every_layout(name: str) -> None:
    plain = published_table(check_ratings(study(6)))
    odd = published_table(check_ratings(study(6).replace("FT", name)))
    assert odd.best == tuple(tuple(name if one == "FT" else one for one in names) for names in plain.best)
    for test, rows in plain.differing.items():
        renamed = tuple(tuple((a, name if b == "FT" else b) for a, b in pairs) for pairs in rows)
        assert odd.differing[test] == renamed
    assert any(odd.differing["ttest"])
    text, before = markdown_of(odd), markdown_of(plain)
    assert text.count("**") == before.count("**") > 0
    assert name.replace("|", r"\|") in text.splitlines()[0]
    assert {line.replace(r"\|", "").count("|") for line in text.splitlines()[:7]} == {8}
    assert latex_of(odd).count(r"\textbf") == latex_of(plain).count(r"\textbf")
    assert split_names(odd.rows["best"].iloc[0]) == list(odd.best[0])
