"""Printed means and SDs: impossible values are found, and values of real ratings are never reported."""

from __future__ import annotations

from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_study.errors import SummaryError
from reader_study.published import STATED_N, published_summary
from reader_study.published.grim import (
    check_cells,
    check_totals,
    findings,
    grim,
    grim_by_size,
    grimmer,
    pooled_moments,
    sd_bounds,
)
from reader_study.ratings.summary import read_summary
from reader_study.ratings.table import RatingScale

SAMPLES = st.lists(st.integers(1, 5), min_size=2, max_size=40)


@given(SAMPLES)
def test_ratings_that_exist_pass_every_check(ratings: list[int]) -> None:
    mean, sd = f"{np.mean(ratings):.2f}", f"{np.std(ratings, ddof=1):.2f}"
    bounds = sd_bounds(mean, len(ratings))
    assert grim(mean, len(ratings))
    assert grimmer(mean, sd, len(ratings))
    assert bounds.low - 0.005 - 1e-9 <= float(sd) <= bounds.high + 0.005 + 1e-9


def test_grim_and_grimmer_agree_with_every_sample_of_six_there_is() -> None:
    samples = list(combinations_with_replacement(range(1, 6), 6))
    means = {f"{np.mean(sample):.2f}" for sample in samples}
    assert {f"{m / 100:.2f}" for m in range(100, 501) if grim(f"{m / 100:.2f}", 6)} == means
    real = {f"{np.std(s, ddof=1):.2f}" for s in samples if sum(s) == 18}
    high = sd_bounds("3.00", 6).high
    allowed = {f"{s / 100:.2f}" for s in range(300) if s / 100 <= high + 0.005 and grimmer("3.00", f"{s / 100:.2f}", 6)}
    assert real <= allowed
    # Necessary, not sufficient: beside real ones the sums of squares 74 and 76 pass, which no six ratings have.
    assert allowed - real == {"2.00", "2.10"}


def test_the_examples_of_the_grim_and_grimmer_papers_by_hand() -> None:
    # 28 whole numbers: 145 / 28 = 5.1786 and 146 / 28 = 5.2143, so 5.19 is none (Brown and Heathers 2017).
    assert not grim("5.19", 28)
    assert grim("5.18", 28)
    assert grim("5.21", 28)
    # 18 ratings, mean 3.44 (sum 62), SD 2.47: the squares sum to 317.3 +- 0.4, so 317, odd where 62 is even.
    assert not grimmer("3.44", "2.47", 18)
    # SD 2.48: 318.1 +- 0.4, so 318: even as 62.
    assert grimmer("3.44", "2.48", 18)


def test_sd_bounds_are_those_of_the_extreme_samples() -> None:
    at_ends = [1] * 10 + [5] * 10
    assert sd_bounds("3.00", 20).high == pytest.approx(np.std(at_ends, ddof=1))
    assert sd_bounds("3.00", 20).low == 0.0
    together = [3] * 10 + [4] * 10
    least = sd_bounds("3.5000000", 20).low
    assert least == pytest.approx(np.std(together, ddof=1), abs=1e-6)
    thirds = RatingScale((1, 2, 3), ("fail", "warning", "pass"))
    assert sd_bounds("2.00", 20, thirds).high == pytest.approx(np.std([1] * 10 + [3] * 10, ddof=1))
    with pytest.raises(SummaryError, match="outside the scale 1 to 3"):
        sd_bounds("3.41", 20, thirds)
    with pytest.raises(SummaryError, match="at least 2 ratings"):
        sd_bounds("3.41", 1)


@given(st.lists(st.lists(st.integers(1, 5), min_size=7, max_size=7), min_size=2, max_size=6))
def test_pooled_moments_are_those_of_all_ratings_together(groups: list[list[int]]) -> None:
    got = pooled_moments([float(np.mean(g)) for g in groups], [float(np.std(g, ddof=1)) for g in groups], 7)
    every = np.concatenate(groups)
    np.testing.assert_allclose(got, (every.mean(), every.std(ddof=1)), atol=1e-12)


def test_the_published_table_is_the_printed_one() -> None:
    summary = published_summary()
    assert len(summary.cells) == 42
    assert summary.methods == ("FS", "NFT", "FT")
    assert summary.decimals == 2
    printed = {cell.where: (cell.mean, cell.sd) for cell in summary.cells}
    assert printed["Putamen L, FS"] == ("3.22", "2.14")
    assert printed["Cingulate-Gyrus R, NFT"] == ("3.0", "0.88")
    assert [(cell.mean, cell.sd) for cell in summary.totals] == [("3.41", "1.12"), ("3.78", "1.04"), ("3.86", "1.07")]


def test_the_findings_on_the_published_table() -> None:
    summary = published_summary()
    cells = check_cells(summary, STATED_N)
    assert int(cells["grim"].sum()) == 10
    assert sum(cells["grimmer"]) == 2
    wrong = cells[~cells["sd_possible"].astype(bool)]
    assert wrong[["roi", "hemisphere", "method", "sd"]].to_numpy().tolist() == [["Putamen", "L", "FS", "2.14"]]
    assert grim_by_size(summary, [20, 40, 60, 80, 98, 100]) == {20: 10, 40: 25, 60: 25, 80: 42, 98: 42, 100: 42}
    assert sd_bounds("3.22", 20).high == pytest.approx(2.04, abs=0.005)
    assert sd_bounds("3.22", 10**6).high == pytest.approx(1.99, abs=0.005)
    # 2.14 may be 2.135 and 3.22 may be 3.215: possible for 7 ratings, not for 8.
    assert sd_bounds("3.22", 7).high > 2.135 > sd_bounds("3.22", 8).high

    totals = check_totals(summary, 98).set_index("method")
    assert totals["mean_of_rows"].round(3).to_dict() == {"FS": 3.364, "NFT": 3.739, "FT": 3.801}
    assert not totals["mean_agrees"].any()
    assert totals["sd_of_rows"].round(2)["FS"] == 1.11
    assert totals["sd_agrees"].to_dict() == {"FS": True, "NFT": True, "FT": False}
    assert totals["sd_of_rows"]["FT"] == pytest.approx(1.093, abs=0.001)
    fs = [cell for cell in summary.cells if cell.method == "FS"]
    corrected = [1.14 if cell.sd == "2.14" else float(cell.sd) for cell in fs]
    assert pooled_moments([float(cell.mean) for cell in fs], corrected, 98)[1] == pytest.approx(1.00, abs=0.005)

    sentences = findings(summary, STATED_N)
    assert len([s for s in sentences if s.startswith("Putamen L, FS: SD 2.14 is impossible")]) == 1
    assert "2.04 for 20 ratings; it takes 7 ratings or fewer" in sentences[0]
    assert "GRIM: 10 of the 42 means are possible for 20 whole ratings." in sentences
    assert "GRIMMER: 2 of the 42 pairs of mean and SD are possible for 20 whole ratings." in sentences
    assert "All Regions, FT: the printed mean is 3.86, the rows average 3.801." in sentences


def table_of(rng: np.random.Generator, n: int) -> tuple[str, list[np.ndarray]]:
    groups = [rng.integers(1, 6, n) for _ in range(4)]
    lines = ["roi,hemisphere,FS_mean,FS_sd"]
    lines += [f"R{i},L,{g.mean():.2f},{g.std(ddof=1):.2f}" for i, g in enumerate(groups)]
    every = np.concatenate(groups)
    return "\n".join([*lines, f"All Regions,,{every.mean():.2f},{every.std(ddof=1):.2f}"]) + "\n", groups


def test_a_table_made_of_ratings_has_no_findings_and_a_changed_digit_has_one(tmp_path: Path) -> None:
    for seed in range(20):
        text, _ = table_of(np.random.default_rng(seed), 20)
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        assert findings(read_summary(path), 20) == []
        last = text.strip().splitlines()[-1].split(",")
        last[2] = f"{float(last[2]) + 0.02:.2f}"
        path.write_text("\n".join([*text.strip().splitlines()[:-1], ",".join(last)]) + "\n", encoding="utf-8")
        assert [s for s in findings(read_summary(path), 20) if s.startswith("All Regions, FS: the printed mean")]


def test_long_and_wide_tables_are_the_same_summary(tmp_path: Path) -> None:
    wide, long = tmp_path / "wide.csv", tmp_path / "long.tsv"
    wide.write_text("roi,hemisphere,A_mean,A_sd,B_mean,B_sd\nInsula,L,3.10,0.5,4.0,\n", encoding="utf-8")
    long.write_text("roi\themisphere\tmethod\tmean\tsd\nInsula\tL\tA\t3.10\t0.5\nInsula\tL\tB\t4.0\t\n", encoding="utf-8")
    cells = [[(c.where, c.mean, c.sd) for c in read_summary(path).cells] for path in (wide, long)]
    assert cells[0] == cells[1] == [("Insula L, A", "3.10", "0.5"), ("Insula L, B", "4.0", "")]
    assert check_cells(read_summary(wide), 20)["grimmer"].tolist()[1] is None


def test_a_summary_that_is_none_names_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for text, expected in (
        ("roi,hemisphere,A_mean,A_sd\nInsula,L,3.1,0.5\nInsula,R,good,0.5\n", "row 3, column A_mean: found 'good'"),
        ("roi,hemisphere,A_mean\nInsula,L,3.1\n", "expected <method>_mean with <method>_sd"),
        ("region,A_mean,A_sd\nInsula,3.1,1\n", "no column roi"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SummaryError) as raised:
            read_summary(path)
        assert expected in str(raised.value)
        assert str(path) in str(raised.value)
    path.write_text("roi,hemisphere,A_mean,A_sd\nInsula,L,7.1,0.5\n", encoding="utf-8")
    with pytest.raises(SummaryError, match=r"row 2 \(Insula L, A\): mean 7\.1: outside the scale 1 to 5"):
        check_cells(read_summary(path), 20)


def test_one_possible_mean_is_told_in_the_singular(tmp_path: Path) -> None:
    # Of 20 whole ratings 3.05 can be the mean, 3.03 can't.
    (tmp_path / "printed.csv").write_text("roi,hemisphere,A_mean,A_sd,B_mean,B_sd\nInsula,L,3.05,,3.03,\n", encoding="utf-8")
    assert "GRIM: 1 of the 2 means is possible for 20 whole ratings." in findings(read_summary(tmp_path / "printed.csv"), 20)
