"""Tables of a results folder as papers print them."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

__all__ = ["save_tables"]

__getattr__ = load_on_first_use(__name__, {"save_tables": "evaluation.tables.paper"})
