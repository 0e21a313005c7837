"""The mixed model compared with R's ordinal::clmm: six data sets as fixtures, and R itself if it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reader_study.models.ordinal import OrdinalFit, fit_ordinal
from reader_study.models.ordinal_design import ordinal_design
from reader_study.models.ordinal_tables import likelihood_ratio, random_effects
from tests.conftest import FIXTURES

CROSSED = ("case", "reader", "case:method", "reader:method")
#: Fixed effects and random terms of each data set, as make_clmm_oracles.R writes them.
MODELS = {
    "wine": (("method",), ("reader",)),
    "region": (("method",), ("case", "reader")),
    "crossed": (("method",), CROSSED),
    "pooled": (("method", "region"), CROSSED),
    "holes": (("method",), ("case", "reader")),
    "strong": (("method",), ("case", "reader")),
}


def ratings_of(dataset: str) -> pd.DataFrame:
    table = pd.read_csv(FIXTURES / "clmm_ratings.csv", dtype={"region": str}, keep_default_na=False)
    return table[table["dataset"] == dataset].reset_index(drop=True)


def fitted(dataset: str) -> OrdinalFit:
    fixed, random = MODELS[dataset]
    return fit_ordinal(ordinal_design(ratings_of(dataset), fixed=fixed, random=random))


@pytest.mark.parametrize("dataset", MODELS)
def test_every_number_of_the_fit_is_that_of_r(dataset: str) -> None:
    oracle = pd.read_csv(FIXTURES / "clmm_oracles.csv", keep_default_na=False)
    oracle = oracle[oracle["dataset"] == dataset]

    def said(quantity: str) -> pd.Series:
        rows = oracle[oracle["quantity"] == quantity]
        return rows.set_index("name")["value"].astype(float)

    fit = fitted(dataset)
    fixed, random = MODELS[dataset]
    assert fit.warnings == ()
    assert fit.loglik == pytest.approx(said("loglik")[""], abs=1e-3)
    assert fit.design.fixed_names == tuple(said("coefficient").index)
    np.testing.assert_allclose(fit.coefficients, said("coefficient"), atol=1e-2)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), said("se"), atol=1e-2)
    np.testing.assert_allclose(fit.thresholds[0], said("threshold"), atol=1e-2)
    np.testing.assert_allclose(fit.sds, said("sd")[list(random)], atol=1e-2)
    modes = random_effects(fit)
    for term in ("case", "reader"):
        expected = said(f"mode_{term}")
        if len(expected):
            mine = modes[modes["term"] == term].set_index("level")["effect"]
            np.testing.assert_allclose(mine[expected.index], expected, atol=1e-2)
    others = [name for name in fixed if name != "method"]
    null = fit_ordinal(ordinal_design(ratings_of(dataset), fixed=others, random=random))
    assert likelihood_ratio(fit, null)["statistic"] == pytest.approx(said("lr_method")[""], abs=2e-3)


_LIVE = """
suppressPackageStartupMessages(library(ordinal))
table <- read.csv("ratings.csv", colClasses = c(rep("character", 5), "integer"))
for (name in names(table)[1:5]) table[[name]] <- factor(table[[name]], levels = unique(table[[name]]))
fit <- clmm({formula}, data = table)
cat(as.numeric(logLik(fit)), fit$beta, sep = "\\n")
"""


@pytest.fixture(scope="module")
def rscript() -> str:
    found = shutil.which("Rscript")
    code = 'quit(status = if (requireNamespace("ordinal", quietly = TRUE)) 0 else 1)'
    if found is None or subprocess.run([found, "-e", code], check=False, capture_output=True).returncode:
        pytest.skip("no R with ordinal; apt-get install r-base-core r-cran-ordinal")
    return found


@pytest.mark.parametrize("dataset", ["wine", "holes", "strong"])
def test_the_formula_that_a_fit_prints_gives_the_same_fit_in_r(rscript: str, tmp_path: Path, dataset: str) -> None:
    fit = fitted(dataset)
    ratings_of(dataset).to_csv(tmp_path / "ratings.csv", index=False)
    (tmp_path / "fit.R").write_text(_LIVE.format(formula=fit.design.formula), encoding="utf-8")
    done = subprocess.run([rscript, "fit.R"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300)
    loglik, *coefficients = map(float, done.stdout.split())
    assert fit.loglik == pytest.approx(loglik, abs=1e-3)
    np.testing.assert_allclose(fit.coefficients, coefficients, atol=1e-2)
