"""The files of `analyse`: a table for each analysis, the table as published, and an account of the run."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from darts_ensemble.results.outputs import write_json, write_text
from darts_ensemble.versions import package_versions
from reader_study.rankings.ranking_analysis import RankingAnalysis
from reader_study.ratings.study_order import natural_key
from reader_study.ratings.table import SYNTHETIC
from reader_study.report.published_layout import PUBLISHED_FILES, write_published_table
from reader_study.statistics.study_analysis import StudyAnalysis

__all__ = ["account_of", "account_of_rankings", "study_tables", "write_account", "write_study"]

_PACKAGES = ("darts-ensemble", "numpy", "scipy", "pandas", "matplotlib", "seaborn")


def study_tables(analysis: StudyAnalysis) -> dict[str, pd.DataFrame]:
    """Return the tables of a study by the names of their files; empty ones are left out."""
    return {name: table for name, table in _tables(analysis).items() if table is not None and len(table)}


def _tables(analysis: StudyAnalysis) -> dict[str, pd.DataFrame | None]:
    models = analysis.models
    return {
        "case_means.csv": analysis.case_means,
        "agreement.csv": analysis.agreement,
        "within_readers.csv": analysis.within_readers,
        "blinding.csv": analysis.blinding,
        "comparison.csv": analysis.comparison,
        "equivalence.csv": analysis.equivalence,
        "who_rated_what.csv": analysis.who_rated,
        "model_tests.csv": None if models is None else models.tests,
        "odds_ratios.csv": None if models is None else models.odds_ratios,
        "model_variances.csv": None if models is None else models.variances,
        "category_probabilities.csv": None if models is None else models.probabilities,
        "random_effects.csv": None if models is None else models.random_effects,
    }


def write_study(analysis: StudyAnalysis, out: Path) -> list[str]:
    """Write the tables, and remove tables of an earlier run that this study does not have.

    Returns
    -------
    list of str
        Names of the files.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    tables = study_tables(analysis)
    names = []
    if analysis.published is not None:
        written = write_published_table(analysis.published, out, synthetic=analysis.synthetic)
        names += [path.name for path in written]
    for name, table in tables.items():
        marked = table.assign(synthetic=SYNTHETIC) if analysis.synthetic else table
        write_text(out / name, marked.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
        names.append(name)
    for name in {*PUBLISHED_FILES, *_tables(analysis)} - set(names):
        (out / name).unlink(missing_ok=True)
    return names


def account_of(analysis: StudyAnalysis, source: Path, options: dict[str, Any], files: Sequence[str]) -> dict[str, Any]:
    """Return the account of the analysis, the content of `run.json`."""
    versions = {"python": platform.python_version(), **package_versions(_PACKAGES)}
    account: dict[str, Any] = {
        "command": shlex.join(["darts-reader-study", *sys.argv[1:]]),
        "versions": versions,
        "ratings": str(source),
        "synthetic": analysis.synthetic,
        "options": options,
        "n_ratings": len(analysis.ratings),
        "n_missing": analysis.n_missing,
        "n_cases": analysis.n_cases,
        "readers": list(analysis.readers),
        "methods": list(analysis.methods),
        "formulas": [] if analysis.models is None else list(dict.fromkeys(t for t in analysis.models.tests["formula"] if t)),
        "warnings": list(analysis.warnings),
        "files": list(files),
    }
    return account


def account_of_rankings(
    analysis: RankingAnalysis, source: Path, files: Sequence[str], notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the same for a study of rankings alone."""
    rows = analysis.rankings
    return {
        "command": shlex.join(["darts-reader-study", *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), **package_versions(_PACKAGES)},
        "rankings": str(source),
        "n_rankings": int(rows["item"].nunique()),
        "n_cases": int(rows["case"].nunique()),
        "readers": sorted(rows["reader"].unique(), key=natural_key),
        "methods": list(analysis.methods),
        "warnings": [*notes, *analysis.warnings],
        "files": list(files),
    }


def write_account(account: dict[str, Any], out: Path) -> None:
    """Write `run.json`."""
    write_json(out / "run.json", account)
