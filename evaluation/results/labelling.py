"""Who labelled the references: if manual and automatic labels are mixed, each kind has its own means.

Agreement with automatic labels is not accuracy: FreeSurfer agrees with itself, and a network with the labels it learnt from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation.protocols.protocol import ProtocolRegion
from evaluation.results.summaries import summarise

__all__ = ["AUTOMATIC", "KIND", "MANUAL", "labelled_apart", "labelled_by", "means_by_labelling"]

MANUAL, AUTOMATIC = "manual", "automatic (FreeSurfer)"
#: The column of tables that says which kind of labels a row is about.
KIND = "reference_labels"


def labelled_by(references: Iterable[Path], regions: Iterable[ProtocolRegion]) -> dict[str, list[int]]:
    """Return the ids of the scored regions by who labelled them; nothing if all references are of one kind.

    In Mindboggle-101's `+aseg` files the cortex is manual, all other regions are FreeSurfer's.
    """
    if not any("manual+aseg" in path.name for path in references):
        return {}
    by = {MANUAL: [], AUTOMATIC: []}  # type: dict[str, list[int]]
    for region in regions:
        by[MANUAL if region.group == "cortex" else AUTOMATIC].append(region.id)
    return {name: ids for name, ids in by.items() if ids}


def labelled_apart(account: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the ids of the regions of each kind of labels, from run.json; nothing if the references have one kind only."""
    kinds: dict[str, list[int]] = account.get("labelled_by") or {}
    return kinds if len(kinds) > 1 else {}


def means_by_labelling(table: pd.DataFrame, account: Mapping[str, Any], *, include_seen: bool = False) -> pd.DataFrame | None:
    """Return the means of :func:`evaluation.results.summaries.summarise` for the regions of each kind of labels.

    Parameters
    ----------
    table : DataFrame
        scores.csv.
    account : mapping
        run.json: its `labelled_by` says which regions are of which kind.
    include_seen : bool

    Returns
    -------
    DataFrame or None
        One row per method and kind: `reference_labels`, `n_regions`, then the columns of the summary; None if all labels
        are of one kind.
    """
    kinds: dict[str, list[int]] = account.get("labelled_by", {})
    parts = []
    for kind, ids in kinds.items():
        mine = table[table["region_id"].isin(ids)]
        if len(mine):
            means = summarise(mine, include_seen=include_seen)
            means.insert(1, KIND, kind)
            means.insert(2, "n_regions", len(ids))
            parts.append(means)
    return pd.concat(parts, ignore_index=True) if parts else None
