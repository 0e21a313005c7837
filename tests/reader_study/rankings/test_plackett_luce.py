"""Worths of rankings: compared with R (survival, psychotools, BradleyTerry2), and ties with their definition."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from reader_study.rankings.friedman import friedman, kendalls_w
from reader_study.rankings.plackett_luce import clustered_covariance, fit_plackett_luce, why_no_worths
from tests.conftest import FIXTURES

NAN = np.nan


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / "ranking_oracles.json").read_text(encoding="utf-8"))
    return found


def ranks_of_pairs(pairs: list[list[float]], *, ties: bool) -> np.ndarray:
    """Rankings of two methods each, from 1-based numbers of both and +1 if the second is better, 0 for a tie."""
    rows = []
    for one, two, outcome in pairs:
        if outcome or ties:
            row = np.full(3, NAN)
            row[[int(one) - 1, int(two) - 1]] = (1.5, 1.5) if not outcome else (2, 1) if outcome > 0 else (1, 2)
            rows.append(row)
    return np.array(rows)


def test_complete_rankings_without_ties_are_r_s_partial_likelihood(oracle: dict[str, Any]) -> None:
    said = oracle["plackett_luce"]
    fit = fit_plackett_luce(oracle["data"]["ranks"])
    np.testing.assert_allclose(fit.log_worths[1:], said["log_worths"], atol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(fit.information))), said["se"], atol=1e-6)
    assert fit.loglik == pytest.approx(said["loglik"][0], abs=1e-6)
    # R leaves the factor groups / (groups - 1) out.
    robust = clustered_covariance(fit, [np.array(oracle["data"]["case"], dtype=np.int64) - 1])
    np.testing.assert_allclose(np.sqrt(np.diag(robust) * 14 / 15), said["robust_se"], atol=1e-5)


def test_pairs_with_ties_are_davidson_s_model_as_psychotools_fits_it(oracle: dict[str, Any]) -> None:
    fit = fit_plackett_luce(ranks_of_pairs(oracle["data"]["pairs"], ties=True))
    np.testing.assert_allclose(fit.log_worths[1:], oracle["davidson"]["coefficients"][:2], atol=1e-4)
    assert len(fit.log_ties) == 1


def test_pairs_without_ties_are_the_model_of_bradley_and_terry(oracle: dict[str, Any]) -> None:
    fit = fit_plackett_luce(ranks_of_pairs(oracle["data"]["pairs"], ties=False))
    np.testing.assert_allclose(fit.log_worths[1:], oracle["bradley_terry"]["coefficients"], atol=1e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(fit.information))), oracle["bradley_terry"]["se"], atol=1e-4)


def test_ties_among_several_are_the_likelihood_written_out() -> None:
    """Three methods with ties of two and three, stage by stage from the definition, maximised by another search."""
    rng = np.random.default_rng(4)
    rounded = np.round(rng.normal([0, 0.4, 0.9], 1, (60, 3)))
    ranks = np.array([[1 + np.sum(row > one) for one in row] for row in rounded], dtype=float)

    def loglik(parameters: np.ndarray) -> float:
        worth, tie = np.exp([0, *parameters[:2]]), np.exp([0, *parameters[2:]])

        def weight(chosen: list[int]) -> float:
            return float(tie[len(chosen) - 1] * np.prod(worth[chosen]) ** (1 / len(chosen)))

        total = 0.0
        for row in ranks:
            left = [0, 1, 2]
            while len(left) > 1:
                chosen = [one for one in left if row[one] == min(row[left])]
                sets = [[one for place, one in enumerate(left) if bits >> place & 1] for bits in range(1, 2 ** len(left))]
                total += np.log(weight(chosen) / sum(map(weight, sets)))
                left = [one for one in left if one not in chosen]
        return total

    fit = fit_plackett_luce(ranks)
    found = np.concatenate([fit.log_worths[1:], fit.log_ties])
    assert fit.loglik == pytest.approx(loglik(found), abs=1e-9)
    best = minimize(
        lambda p: -loglik(p), np.zeros(4), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 4000}
    )
    np.testing.assert_allclose(found, best.x, atol=1e-4)


def test_the_order_of_methods_changes_no_difference_of_worths() -> None:
    ranks = np.argsort(np.argsort(np.random.default_rng(0).normal([0, 0.5, 1], 1, (40, 3)), axis=1), axis=1) + 1.0
    first = fit_plackett_luce(ranks).log_worths
    for order in permutations(range(3)):
        other = fit_plackett_luce(ranks[:, order]).log_worths
        np.testing.assert_allclose(other - other[0], first[list(order)] - first[order[0]], atol=1e-7)


def test_a_method_that_always_wins_has_no_finite_worth() -> None:
    assert why_no_worths(np.array([[1.0, 2, 3], [1, 3, 2], [1, 2, 3]])) != ""
    assert why_no_worths(np.array([[1.0, 2, NAN], [2, 1, NAN]])) != ""
    assert why_no_worths(np.array([[1.0, 2, 3], [3, 1, 2]])) == ""
    assert why_no_worths(np.array([[1.5, 1.5, 3], [1, 3, 2], [2, 3, 1]])) == ""


def test_friedman_is_r_s_with_and_without_ties(oracle: dict[str, Any]) -> None:
    for name, key in (("friedman", "ranks"), ("friedman_tied", "tied")):
        found = friedman(oracle["data"][key])
        assert [found.chi2, found.p] == pytest.approx(oracle[name], rel=1e-6)
        assert found.w == pytest.approx(found.chi2 / (found.n * found.df))


def test_kendall_s_w_of_the_published_example() -> None:
    # Three judges rank six objects (Kendall and Babington Smith 1939; Siegel 1956, p. 230): W = 0.16.
    judges = [[1, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]]
    assert kendalls_w(judges) == pytest.approx(0.16, abs=0.005)
    assert kendalls_w([[1, 2, 3], [1, 2, 3]]) == pytest.approx(1.0)


def test_r_gives_the_same_worths_today(oracle: dict[str, Any], tmp_path: Path) -> None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("no R; apt-get install r-base-core")
    rows = [(item, method, rank) for item, row in enumerate(oracle["data"]["ranks"]) for method, rank in enumerate(row)]
    (tmp_path / "long.csv").write_text("item,method,rank\n" + "".join(f"{i},{m},{r}\n" for i, m, r in rows))
    code = (
        'suppressPackageStartupMessages(library(survival)); d <- read.csv("long.csv"); d$method <- factor(d$method);'
        "cat(coef(coxph(Surv(rank) ~ method + strata(item), data = d)))"
    )
    done = subprocess.run([rscript, "-e", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip("R without survival; apt-get install r-cran-survival")
    np.testing.assert_allclose(
        fit_plackett_luce(oracle["data"]["ranks"]).log_worths[1:], [float(one) for one in done.stdout.split()], atol=1e-5
    )
