"""Non-inferiority and equivalence: compared with SciPy's one-sided tests, and cases without anything to test."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reader_study.statistics.case_means import case_differences
from reader_study.statistics.equivalence import equivalence_table, two_one_sided

MARGIN = 0.4


def study(shift: float, cases: int = 15, readers: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = [
        (f"r{r}", f"c{c}", "Insula", "L", method, 3 + shift * (method == "B") + rng.normal(0, 0.4), 1)
        for r, c, method in product(range(readers), range(cases), "AB")
    ]
    return pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating", "repeat"])


@pytest.mark.parametrize("shift", [-0.4, -0.1, 0.0, 0.35])
def test_both_p_are_those_of_one_sided_t_tests_on_case_means(shift: float) -> None:
    ratings = study(shift)
    d = case_differences(ratings, "A", "B").mean(axis=1)
    above = stats.ttest_1samp(d, -MARGIN, alternative="greater").pvalue
    below = stats.ttest_1samp(d, MARGIN, alternative="less").pvalue
    row = equivalence_table(ratings, ("A", "B"), MARGIN).iloc[0]
    assert row["noninferior_p"] == pytest.approx(above)
    assert row["equivalent_p"] == pytest.approx(max(above, below))
    interval = stats.ttest_1samp(d, 0).confidence_interval(0.90)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    # Equivalence at 5 % is the interval of 90 % inside the margins.
    assert (row["equivalent_p"] < 0.05) == (interval.low > -MARGIN and interval.high < MARGIN)


#: Differences of six cases, one row per reader, and what R gives of them with a margin of 0.5:
#: f <- data.frame(d, reader = factor(rep(1:3, each = 6)), case = factor(rep(1:6, 3)))
#: ms <- anova(lm(d ~ reader + case, f))[["Mean Sq"]]; v <- ms[1] + max(ms[2] - ms[3], 0); se <- sqrt(v / 18); m <- mean(d)
#: df <- v^2 / (ms[1]^2 / 2 + ms[2]^2 / 5 + ms[3]^2 / 10)
#: c(pt((m + 0.5) / se, df, lower.tail = FALSE), pt((m - 0.5) / se, df), m + c(-1, 1) * qt(0.95, df) * se)
#: and t.test(tapply(d, f$case, mean), mu = -0.5, alternative = "greater"), mu = 0.5 "less", and with conf.level = 0.9.
BY_READER = ((0, 1, -1, 0, 0, 1), (1, 1, -1, 0, 1, 1), (0, 0, -1, -1, 0, 2))
R_CROSSED = (0.04293351127, 0.22543828129, -0.45978355488, 0.90422799933)
R_CASE_MEANS = (0.03999035781, 0.21890614496, -0.44195549768, 0.88639994212)


def test_both_tests_give_the_numbers_of_r() -> None:
    rows = [
        (f"r{r}", f"c{c}", "Insula", "L", method, 3 + difference * (method == "B"), 1)
        for r, line in enumerate(BY_READER) for c, difference in enumerate(line) for method in "AB"
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating", "repeat"])
    row = equivalence_table(table, ("A", "B"), 0.5).iloc[0]
    for before, expected in (("crossed_", R_CROSSED), ("", R_CASE_MEANS)):
        names = ("noninferior_p", "equivalent_p", "low", "high")
        assert [row[before + name] for name in names] == pytest.approx(expected, rel=1e-8)


def test_a_clearly_worse_method_is_neither_and_the_same_one_is_both() -> None:
    worse = equivalence_table(study(-1.0), ("A", "B"), MARGIN).iloc[0]
    assert min(worse["noninferior_p"], worse["equivalent_p"], worse["crossed_noninferior_p"]) > 0.5
    same = equivalence_table(study(0.0), ("A", "B"), MARGIN).iloc[0]
    assert max(same["noninferior_p"], same["equivalent_p"], same["crossed_equivalent_p"]) < 0.05


def test_a_better_method_is_not_inferior_but_not_equivalent() -> None:
    row = equivalence_table(study(1.0), ("A", "B"), MARGIN).iloc[0]
    assert row["noninferior_p"] < 0.001
    assert row["equivalent_p"] > 0.5
    assert two_one_sided(0.0, 0.1, 20, 0.4) == pytest.approx((stats.t.sf(4, 20),) * 2)


@pytest.mark.parametrize("cases", [0, 1])
def test_too_few_cases_have_a_reason(cases: int) -> None:
    ratings = study(0.0, cases=1)
    table = equivalence_table(ratings if cases else ratings[ratings["method"] == "A"], ("A", "B"), MARGIN)
    assert table["equivalent_p"].isna().all()
    assert (table["reason"] != "").all()
