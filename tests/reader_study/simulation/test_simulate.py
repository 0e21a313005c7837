"""Simulated studies have the requested means, SDs and correlations, are marked, and are the same for the same seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_study.errors import SummaryError
from reader_study.published import published_summary
from reader_study.ratings.table import RatingScale, check_ratings, is_synthetic
from reader_study.simulation.simulate import (
    CellTarget,
    Shares,
    level_probabilities,
    simulate_study,
    targets_of_shifts,
    targets_of_summary,
)

ONE = [CellTarget("Insula", "L", "FS", 3.4, 1.0), CellTarget("Insula", "L", "FT", 3.9, 0.8)]
INDEPENDENT = Shares(0, 0, 0, 0)


@given(st.floats(1.3, 4.7), st.floats(0.1, 0.95))
def test_every_mean_and_sd_of_the_scale_can_be_had(mean: float, part: float) -> None:
    least = np.sqrt((mean - np.floor(mean)) * (np.ceil(mean) - mean))
    greatest = np.sqrt((mean - 1) * (5 - mean))
    sd = max(least + 0.05, part * greatest)
    shares = level_probabilities(mean, sd)
    levels = np.arange(1, 6)
    assert shares.sum() == pytest.approx(1)
    assert shares @ levels == pytest.approx(mean, abs=2e-3)
    assert np.sqrt(shares @ (levels - mean) ** 2) == pytest.approx(sd, abs=2e-3)


def test_a_large_study_has_the_printed_means_and_sds() -> None:
    targets = targets_of_summary(published_summary())
    table = simulate_study(targets, cases=400, readers=10, shares=INDEPENDENT, seed=1)
    got = table.groupby(["roi", "hemisphere", "method"], sort=False)["rating"].agg(["mean", "std"])
    for target in targets:
        mean, sd = got.loc[(target.roi, target.hemisphere, target.method)]
        assert mean == pytest.approx(target.mean, abs=0.1)
        assert sd == pytest.approx(target.sd, abs=0.07)
    assert {t.method: t.note for t in targets if t.note} == {"FS": "SD 2.14 lowered to 1.95: the greatest possible is 1.99"}


def test_ratings_correlate_as_asked_for() -> None:
    """On a scale so fine that cutting has no effect; on five levels correlations are lower."""
    shares = Shares(case=0.3, reader=0.2, case_method=0.2, reader_method=0.1)
    fine = RatingScale(tuple(range(1, 61)), tuple(map(str, range(1, 61))))
    targets = targets_of_shifts([("Insula", "L")], {"FS": 30.0, "FT": 32.0}, 6.0)
    table = simulate_study(targets, cases=600, readers=12, shares=shares, seed=0, scale=fine)
    wide = table.pivot_table(index="case", columns=["method", "reader"], values="rating").corr().to_numpy()
    others = ~np.eye(12, dtype=bool)
    # Over cases, given the readers: what is of the case, and of case and method, over all that varies within a reader.
    within = 1 - shares.reader - shares.reader_method
    assert wide[:12, 12:][others].mean() == pytest.approx(shares.case / within, abs=0.04)
    assert wide[:12, :12][others].mean() == pytest.approx((shares.case + shares.case_method) / within, abs=0.04)
    severe = [
        simulate_study(targets, cases=50, readers=40, shares=shares, seed=seed, scale=fine)
        .groupby(["method", "reader"])["rating"]
        .mean()
        for seed in range(8)
    ]
    spread = np.mean([means.groupby("method").var().mean() for means in severe])
    assert spread == pytest.approx(36 * (shares.reader + shares.reader_method), rel=0.2)


def test_the_seed_fixes_the_study_and_every_row_is_marked() -> None:
    one, same, other = (simulate_study(ONE, cases=6, readers=2, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(one, same)
    assert (one["rating"] != other["rating"]).any()
    assert set(one["synthetic"]) == {"simulated, seed 3"}
    read = check_ratings(one.astype(str))
    assert is_synthetic(read)
    assert not is_synthetic(read.assign(synthetic=""))
    assert not is_synthetic(read.drop(columns="synthetic"))


def test_repeats_and_losses_are_as_many_as_asked_for_and_repeats_agree_more_than_readers() -> None:
    table = simulate_study(ONE, cases=200, readers=4, repeats=0.25, missing=0.1, seed=0)
    counts = table["repeat"].value_counts() / (200 * 4 * 2)
    assert counts[1] == pytest.approx(0.9, abs=0.03)
    assert counts[2] == pytest.approx(0.225, abs=0.03)
    wide = table.pivot_table(index=["reader", "method", "case"], columns="repeat", values="rating").dropna()
    between = table[table["repeat"] == 1].pivot_table(index=["method", "case"], columns="reader", values="rating")
    assert wide[1].corr(wide[2]) > between.corr().to_numpy()[np.triu_indices(4, 1)].mean() + 0.1


def test_midline_regions_other_scales_and_constant_shifts() -> None:
    scale = RatingScale((1, 2, 3), ("fail", "warning", "pass"))
    targets = targets_of_shifts([("Brain-Stem", "")], {"A": 1.5, "B": 2.5}, 0.6)
    table = simulate_study(targets, cases=500, readers=4, shares=INDEPENDENT, scale=scale)
    assert set(table["rating"]) == {1.0, 2.0, 3.0}
    assert set(table["hemisphere"]) == {""}
    difference = table.groupby("method")["rating"].mean()
    assert difference["B"] - difference["A"] == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: level_probabilities(3.22, 2.14), "the greatest possible"),
        (lambda: level_probabilities(5.2, 0.5), "expected one within 1 to 5"),
        (lambda: level_probabilities(3.5, 0.1), "choose a larger SD"),
        (lambda: Shares(0.5, 0.5, 0.1, 0), "a sum below 1"),
    ],
)
def test_what_can_not_be_drawn_is_refused(call: object, says: str) -> None:
    with pytest.raises(SummaryError, match=says):
        call()  # type: ignore[operator]
