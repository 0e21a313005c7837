"""The report of an evaluation as one HTML file."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

__all__ = ["write_report"]

__getattr__ = load_on_first_use(__name__, {"write_report": "evaluation.report.assemble"})
