"""The order in which a study shows its methods, regions and sides, whatever the order of the rows in its tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reader_study.ratings.layout import known_regions

__all__ = [
    "StudyOrder", "exported_order", "in_study_order", "methods_in_order", "natural_key", "places_in_order", "places_of",
]  # fmt: skip

#: Methods of the published study, in the order of its table.
_PUBLISHED_METHODS = ("FS", "NFT", "FT")
_SIDES = ("L", "R", "")


@dataclass(frozen=True)
class StudyOrder:
    """The order in which a study was planned; empty if no plan is known.

    Attributes
    ----------
    methods, regions : tuple of str
    """

    methods: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


def exported_order(ratings: Path) -> StudyOrder:
    """Return the planned order that an export wrote beside its ratings, in `export.json`; an empty one if there is none."""
    try:
        order = json.loads((ratings.parent / "export.json").read_text(encoding="utf-8"))["order"]
        return StudyOrder(tuple(map(str, order["methods"])), tuple(map(str, order["regions"])))
    except (OSError, ValueError, KeyError, TypeError):
        return StudyOrder()


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Key that sorts names as people do: `case 2` before `case 10`."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((0, int(part), "") if number % 2 else (1, 0, part) for number, part in enumerate(parts))


def methods_in_order(found: Iterable[str], order: StudyOrder | None = None) -> tuple[str, ...]:
    """Return methods in the planned order; without a plan in the published order, and all others by name."""
    planned = order.methods if order is not None else ()
    return _arranged(found, (*planned, *_PUBLISHED_METHODS))


def places_in_order(places: Iterable[tuple[str, str]], order: StudyOrder | None = None) -> tuple[tuple[str, str], ...]:
    """Return regions and sides: regions as planned, then the published seven, then by label, then by name; L, R, midline."""
    planned = order.regions if order is not None else ()
    found = list(dict.fromkeys(places))
    regions = _arranged((roi for roi, _ in found), (*planned, *known_regions()))
    rank = {roi: number for number, roi in enumerate(regions)}
    return tuple(sorted(found, key=lambda place: (rank[place[0]], _SIDES.index(place[1]))))


def in_study_order(ratings: pd.DataFrame, methods: Sequence[str], order: StudyOrder | None = None) -> pd.DataFrame:
    """Sort the rows of a ratings or rankings table: region, side, method, then readers and cases by name.

    All results take their order from the rows, so that it depends on the study only, not on who rated first.

    Parameters
    ----------
    ratings : pandas.DataFrame
        With the columns `reader`, `case`, `roi`, `hemisphere`, `method`; others are kept.
    methods : sequence of str
        In their order; rows of others are left out.
    order : StudyOrder, optional

    Returns
    -------
    pandas.DataFrame
        With a new index.
    """
    rows = ratings[ratings["method"].isin(list(methods))]
    places = places_in_order(zip(rows["roi"], rows["hemisphere"], strict=True), order)
    ranks = [
        _rank(list(zip(rows["roi"], rows["hemisphere"], strict=True)), places),
        _rank(rows["method"], methods),
        _rank(rows["reader"], _by_name(rows["reader"])),
        _rank(rows["case"], _by_name(rows["case"])),
    ]
    ranks += [rows["repeat"].to_numpy()] if "repeat" in rows else []
    return rows.iloc[np.lexsort(ranks[::-1])].reset_index(drop=True)


def places_of(ratings: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Return the regions and sides of a table: regions in the order of its rows, the sides of each beside each other."""
    found = list(dict.fromkeys(zip(ratings["roi"].astype(str), ratings["hemisphere"].astype(str), strict=True)))
    rank = {roi: number for number, roi in enumerate(dict.fromkeys(roi for roi, _ in found))}
    return tuple(sorted(found, key=lambda place: (rank[place[0]], _SIDES.index(place[1]))))


def _arranged(found: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    rank: dict[str, int] = {}
    for name in known:
        rank.setdefault(name, len(rank))
    return tuple(sorted(set(found), key=lambda name: (rank.get(name, len(rank)), natural_key(name))))


def _by_name(column: pd.Series) -> list[str]:
    return sorted(map(str, column.unique()), key=natural_key)


def _rank(values: Iterable[object], names: Sequence[object]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    ranks = {name: number for number, name in enumerate(names)}
    return np.fromiter((ranks[value] for value in values), dtype=np.int64)
