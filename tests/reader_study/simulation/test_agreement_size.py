"""The size of an agreement study: against Bonett's formula for the ICC, and narrower with more cases."""

from __future__ import annotations

import pytest

from reader_study.errors import SummaryError
from reader_study.simulation.agreement_size import agreement_widths
from reader_study.simulation.simulate import Shares


def test_the_width_of_an_icc_is_about_that_of_bonett_s_formula() -> None:
    # Bonett DG, Sample size requirements for estimating intraclass correlations, Statistics in Medicine 21 (2002):
    # n = 8 z^2 (1 - rho)^2 (1 + (k - 1) rho)^2 / (k (k - 1) w^2) + 1. It is of one way, without variance of readers.
    shares = Shares(case=0.5, reader=0.0, case_method=0.1, reader_method=0.0)
    row = agreement_widths([40], [3], ["icc"], shares=shares, simulations=300, seed=1).iloc[0]
    rho, k, n = row["value"], 3, 40
    expected = (8 * 1.96**2 * (1 - rho) ** 2 * (1 + (k - 1) * rho) ** 2 / (k * (k - 1) * (n - 1))) ** 0.5
    assert row["width"] == pytest.approx(expected, rel=0.2)
    assert row["width_error"] < 0.1 * row["width"]


def test_more_cases_make_every_interval_narrower() -> None:
    table = agreement_widths([10, 40], [3], ["kappa", "ac2", "alpha"], simulations=120)
    widths = table.pivot_table(index="measure", columns="cases", values="width")
    assert (widths[40] < 0.75 * widths[10]).all()
    assert (table["undefined"] == 0).all()


def test_one_reader_can_not_agree() -> None:
    with pytest.raises(SummaryError, match="two readers"):
        agreement_widths([10], [1], ["kappa"])
