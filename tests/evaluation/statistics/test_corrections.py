"""Corrections for many tests: by hand, statsmodels, R; families follow from the columns, and NaN has no effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evaluation.statistics.corrections import adjust_p_values
from evaluation.statistics.paired import compare_methods
from tests.phantoms.long_tables import QUICK, by_region, r_oracles


def corrected(p_values: np.ndarray | pd.Series, correction: str) -> np.ndarray:
    """Holm's p-values from their definition, and SciPy's of Benjamini and Hochberg; no NaN."""
    p = np.asarray(p_values, dtype=float)
    if correction == "fdr":
        return np.asarray(stats.false_discovery_control(p))
    bounds = p * (p[None] >= p[:, None]).sum(axis=1)
    return np.array([min(1.0, bounds[p <= each].max()) for each in p])


def test_corrections_by_hand() -> None:
    p = [0.01, 0.04, np.nan, 0.03, 0.005]
    np.testing.assert_allclose(adjust_p_values(p, "holm"), [0.03, 0.06, np.nan, 0.06, 0.02])
    np.testing.assert_allclose(adjust_p_values(p, "fdr"), [0.02, 0.04, np.nan, 0.04, 0.02])


@given(st.lists(st.one_of(st.floats(0, 1), st.just(np.nan)), max_size=12))
def test_p_values_that_do_not_exist_disturb_no_others(p: list[float]) -> None:
    values = np.array(p, dtype=float)
    there = ~np.isnan(values)
    for correction in ("holm", "fdr"):
        adjusted = adjust_p_values(values, correction)  # type: ignore[arg-type]
        assert np.isnan(adjusted[~there]).all()
        if there.any():
            np.testing.assert_allclose(adjusted[there], corrected(values[there], correction), atol=1e-12)


def test_corrections_are_those_of_statsmodels() -> None:
    p = np.random.default_rng(0).random(102) ** 3
    p[7] = p[8]
    for ours, theirs in (("holm", "holm"), ("fdr", "fdr_bh")):
        np.testing.assert_allclose(adjust_p_values(p, ours), multipletests(p, method=theirs)[1])  # type: ignore[arg-type]


def test_families_of_corrections_are_what_their_names_say() -> None:
    values = np.random.default_rng(1).normal([0.0, 0.7, 1.1], size=(4, 9, 3))
    values[2, :, 1] = np.nan
    table = compare_methods(by_region(values), "dice", region="region", bootstrap=QUICK)
    assert len(table) == 12
    for test in ("t", "wilcoxon"):
        for _, rows in table.groupby("region"):
            there = rows[rows[f"{test}_p"].notna()]
            np.testing.assert_allclose(there[f"{test}_p_holm_methods"], corrected(there[f"{test}_p"], "holm"))
        for (one, two), rows in table.groupby(["method_a", "method_b"]):
            there = rows[rows[f"{test}_p"].notna()]
            assert len(there) == (4 if "b" not in (one, two) else 3)
            for name in ("holm", "fdr"):
                np.testing.assert_allclose(there[f"{test}_p_{name}_regions"], corrected(there[f"{test}_p"], name))


def test_corrections_are_those_of_r_also_with_missing_p_values() -> None:
    oracle = {name: np.array(values, dtype=float) for name, values in r_oracles()["adjusted"].items()}
    for name in ("holm", "fdr"):
        np.testing.assert_allclose(adjust_p_values(oracle["p"], name), oracle[name], rtol=1e-12)  # type: ignore[arg-type]
