"""Agreement in many bootstrap samples at once equals the agreement of each sample computed separately."""

from __future__ import annotations

import numpy as np
import pytest

from reader_study.statistics.agreement import Tally, weighted_icc
from reader_study.statistics.resampled_agreement import CaseSums, resampled_measures

LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_every_measure_is_that_of_the_sample_by_itself(missing: float) -> None:
    rng = np.random.default_rng(3)
    cases = np.repeat(np.arange(9), 4)
    ratings = np.clip(np.rint(rng.normal(3, 1, (36, 1)) + rng.normal(0, 0.8, (36, 4))), 1, 5)
    ratings[rng.random(ratings.shape) < missing] = np.nan
    weights = rng.multinomial(9, np.full(9, 1 / 9), size=250).astype(float)
    tally = Tally.of(ratings, LEVELS)
    found = resampled_measures(CaseSums.of(ratings, tally, cases), weights)
    complete = ~np.isnan(ratings).any(axis=1)
    for row, own in zip(found, weights, strict=True):
        by_unit = own[cases]
        kappas = tally.kappas(by_unit)
        iccs = weighted_icc(ratings[complete], by_unit[complete])
        expected = [*kappas, np.mean(kappas), tally.ac2(by_unit), *iccs, tally.alpha(by_unit)]
        np.testing.assert_allclose(row, expected, atol=1e-9)


def test_where_all_agree_on_one_level_the_same_measures_are_undefined() -> None:
    ratings = np.full((12, 3), 4.0)
    tally = Tally.of(ratings, LEVELS)
    found = resampled_measures(CaseSums.of(ratings, tally, np.arange(12)), np.ones((2, 12)))
    np.testing.assert_array_equal(np.isnan(found[0]), [True, True, True, True, False, True, True, True])
    assert found[0, 4] == pytest.approx(1.0)
