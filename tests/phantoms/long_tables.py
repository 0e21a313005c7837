"""Arrays of scores as the long tables that comparisons use, for tests of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from evaluation.statistics.intervals import Bootstrap
from tests.conftest import FIXTURES

QUICK = Bootstrap(resamples=499)


def long_table(values: np.ndarray, **columns: object) -> pd.DataFrame:
    """Subjects x methods as a long table; methods a, b, c ..."""
    subjects, methods = np.indices(values.shape)
    names = {"subject": subjects.ravel(), "method": np.array(list("abcdef"))[methods.ravel()]}
    return pd.DataFrame(names | {"dice": values.ravel()} | columns)


def by_region(values: np.ndarray) -> pd.DataFrame:
    """Regions x subjects x methods as a long table; regions r0, r1 ..."""
    return pd.concat([long_table(each, region=f"r{i}") for i, each in enumerate(values)], ignore_index=True)


def r_oracles() -> dict[str, Any]:
    """Results of R: see fixtures/make_paired_oracles.R."""
    path = FIXTURES / "paired_oracles.json"
    oracles: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return oracles
