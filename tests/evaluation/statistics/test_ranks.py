"""Three methods or more by their ranks: a published example, SciPy, R, ties, and units that lack a method."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evaluation.statistics.paired import rank_methods
from tests.phantoms.long_tables import by_region, long_table, r_oracles

# Seconds to round first base in three ways: Hollander and Wolfe (1973), table 7.1.
ROUNDING = np.array(
    [
        [5.40, 5.50, 5.55], [5.85, 5.70, 5.75], [5.20, 5.60, 5.50], [5.55, 5.50, 5.40], [5.90, 5.85, 5.70], [5.45, 5.55, 5.60],
        [5.40, 5.40, 5.35], [5.45, 5.50, 5.35], [5.25, 5.15, 5.00], [5.85, 5.80, 5.70], [5.25, 5.20, 5.10], [5.65, 5.55, 5.45],
        [5.60, 5.35, 5.45], [5.05, 5.00, 4.95], [5.50, 5.50, 5.40], [5.45, 5.55, 5.50], [5.55, 5.55, 5.35], [5.45, 5.50, 5.55],
        [5.50, 5.45, 5.25], [5.65, 5.60, 5.40], [5.70, 5.65, 5.55], [6.30, 6.30, 6.25],
    ]
)  # fmt: skip


def test_friedmans_test_of_the_published_example() -> None:
    row = rank_methods(long_table(ROUNDING), "dice").iloc[0]
    assert row["friedman_chi2"] == pytest.approx(11.143, abs=5e-4)
    assert row["friedman_p"] == pytest.approx(0.003805, abs=5e-7)
    chi2 = stats.friedmanchisquare(*ROUNDING.T).statistic
    assert row["iman_davenport_f"] == pytest.approx(21 * chi2 / (22 * 2 - chi2))
    assert row["iman_davenport_p"] == pytest.approx(stats.f.sf(row["iman_davenport_f"], 2, 42))
    # Sums of ranks in the book: 53, 47, 32.
    np.testing.assert_allclose([row[f"mean_rank_{m}"] * 22 for m in "abc"], [53, 47, 32])


def test_ranks_of_methods_that_tie_or_always_come_in_one_order() -> None:
    alike = rank_methods(long_table(np.ones((5, 3))), "dice").iloc[0]
    assert (alike["iman_davenport_p"], alike["mean_rank_b"]) == (1, 2)
    assert "tie" in alike["note"]
    ordered = rank_methods(long_table(np.arange(15.0).reshape(5, 3)), "dice").iloc[0]
    assert np.isinf(ordered["iman_davenport_f"])
    assert ordered["iman_davenport_p"] == pytest.approx((1 / 6) ** 4)
    with pytest.raises(ValueError, match="three or more"):
        rank_methods(long_table(np.ones((5, 2))), "dice")


def test_only_units_with_all_methods_are_ranked() -> None:
    values = np.array([ROUNDING, ROUNDING + 1])
    values[1, 4, 2] = np.nan
    result = rank_methods(by_region(values), "dice", region="region")
    assert result[["n", "n_dropped"]].to_numpy().tolist() == [[22, 0], [21, 1]]
    assert result.loc[1, "friedman_chi2"] == pytest.approx(stats.friedmanchisquare(*np.delete(ROUNDING, 4, axis=0).T).statistic)
    np.testing.assert_allclose(
        result["iman_davenport_p_holm_regions"], multipletests(result["iman_davenport_p"], method="holm")[1]
    )


def test_friedmans_test_with_ties_is_that_of_r() -> None:
    oracle = r_oracles()["friedman"]
    row = rank_methods(long_table(np.reshape(oracle["values"], (11, 4))), "dice").iloc[0]
    np.testing.assert_allclose([row["friedman_chi2"], row["friedman_p"]], [oracle["chi2"], oracle["p"]], rtol=1e-12)
