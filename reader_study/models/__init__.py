"""Cumulative-logit mixed models of ratings: fit, tests and tables."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

_HOMES = {
    "OrdinalFit": "reader_study.models.ordinal",
    "fit_ordinal": "reader_study.models.ordinal",
    "ordinal_design": "reader_study.models.ordinal_design",
}
__all__ = ["OrdinalFit", "fit_ordinal", "ordinal_design"]

__getattr__ = load_on_first_use(__name__, _HOMES)
