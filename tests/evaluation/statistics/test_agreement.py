"""Agreement of volumes with a reference: published examples of Bland and Altman and of Shrout and Fleiss."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.statistics.agreement import agreement_with_reference, bland_altman, intraclass_correlation
from tests.phantoms.long_tables import by_region

# Peak flow by a large and a small meter: Bland and Altman (1986), first measurements.
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
SMALL = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_bland_and_altmans_example() -> None:
    result = bland_altman(SMALL, LARGE)
    assert (round(result.bias, 1), round(result.sd, 1)) == (-2.1, 38.8)
    assert (round(result.bias_low, 1), round(result.bias_high, 1)) == (-22.0, 17.8)
    # The paper takes 2 for 1.96 (limits -79.7 and 75.5), and s sqrt(3 / n) for the limits' standard error (-114.3 to -45.1).
    assert (result.lower, result.upper) == pytest.approx((-2.1176 - 1.96 * 38.765, -2.1176 + 1.96 * 38.765), abs=0.01)
    assert (result.lower_low, result.lower_high) == pytest.approx((-114.3, -45.1), abs=3)
    assert bland_altman([*SMALL, 500.0], [*LARGE, np.nan]) == result


def test_intraclass_correlations_of_shrout_and_fleiss() -> None:
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    result = intraclass_correlation(ratings)
    assert (round(result.a1, 2), round(result.c1, 2)) == (0.29, 0.71)
    # Intervals by the package psych of R for this example.
    np.testing.assert_allclose([result.a1_low, result.a1_high], [0.019, 0.76], atol=5e-3)
    np.testing.assert_allclose([result.c1_low, result.c1_high], [0.34, 0.95], atol=5e-3)
    assert intraclass_correlation([*ratings, [np.nan, 1, 2, 3]]) == result


def test_a_constant_bias_is_consistent_and_does_not_agree() -> None:
    x = np.array([10.0, 20.0, 30.0, 40.0])
    result = intraclass_correlation(np.column_stack([x, x + 10]))
    assert result.c1 == 1
    # Mean squares: targets 2 * 500 / 3, methods 4 * 2 * 25, error 0.
    assert result.a1 == pytest.approx((1000 / 3) / (1000 / 3 + 2 * 200 / 4))


def test_bias_of_volumes_per_region() -> None:
    truth = np.array([[1000.0, 1100.0, 1300.0, 900.0], [50.0, 60.0, 70.0, np.nan]])
    measured = truth * 1.1
    table = by_region(np.stack([truth, measured, truth - 5], axis=-1))
    result = agreement_with_reference(table, "dice", "a", region="region").set_index(["region", "method"])
    assert result["n"].to_dict() == {("r0", "b"): 4, ("r0", "c"): 4, ("r1", "b"): 3, ("r1", "c"): 3}
    np.testing.assert_allclose(result.loc[[("r0", "b"), ("r1", "b")], "bias_percent"], 10)
    np.testing.assert_allclose(result.loc[[("r0", "b"), ("r1", "b")], "bias"], [107.5, 6])
    np.testing.assert_allclose(
        result.loc[("r0", "c"), ["bias", "loa_lower", "loa_upper", "icc_c1"]].astype(float), [-5, -5, -5, 1]
    )
