"""Plan a reader study: every reader's order, how long it takes, and how the methods lie in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reader_study.errors import StudyError
from reader_study.planning.design import Design, places_of
from reader_study.planning.order import PARTS, Item, Place, greatest_washout, reading_order
from reader_study.planning.sources import Sources

__all__ = ["Orders", "balance_table", "draw_orders", "length_table", "order_of"]


@dataclass(frozen=True)
class Orders:
    """What every reader sees, in order.

    Attributes
    ----------
    items : mapping of str to tuple of Item
        By reader.
    places : tuple of Place
        That are rated.
    washout : int
        That was kept.
    """

    items: Mapping[str, tuple[Item, ...]]
    places: tuple[Place, ...]
    washout: int


def draw_orders(design: Design, sources: Sources, *, without: Sequence[Place] = ()) -> Orders:
    """Draw the order of every reader.

    Parameters
    ----------
    design : Design
    sources : Sources
    without : sequence of Place
        Places to leave out, for all methods and readers.

    Raises
    ------
    StudyError
        If no place is left, or the washout can't be kept.
    """
    gone = set(without)
    places = tuple(place for place in places_of(design, sources.cases) if place not in gone)
    practice = tuple(place for place in places_of(design, sources.practice) if place not in gone)
    if not places:
        raise StudyError("no case, region and side is left to rate; expected one at least: mend regions, sides or label maps")
    washout = design.washout_for(greatest_washout(places))
    items = {reader: order_of(design, reader, row, places, practice, washout) for row, reader in enumerate(design.readers)}
    return Orders(items, places, washout)


def order_of(
    design: Design, reader: str, row: int, places: tuple[Place, ...], practice: tuple[Place, ...], washout: int
) -> tuple[Item, ...]:
    """Draw the order of one reader.

    Parameters
    ----------
    design : Design
    reader : str
    row : int
        Their number among the readers, from 0.
    places, practice : tuple of Place
        Rated, and for practice.
    washout : int

    Raises
    ------
    StudyError
        If the washout can't be kept.
    """
    return reading_order(
        places,
        tuple(design.methods),
        seed=design.seed,
        reader=reader,
        row=row,
        repeats=design.repeats,
        washout=washout,
        practice=practice,
        n_practice=design.practice_items,
        taught=[Item("practice", lesson.place, (lesson.method,)) for lesson in design.training.lessons],
        ratings="rating" in design.modes,
        ranked=design.ranked_share if "ranking" in design.modes else 0.0,
        n_guesses=design.guesses,
    )


def length_table(design: Design, orders: Orders) -> pd.DataFrame:
    """Count each reader's items.

    Returns
    -------
    pandas.DataFrame
        One row per reader: `reader`, the parts `practice`, `rating`, `repeats` (within `rating`), `ranking`, `guess`, and
        `minutes`, an estimate by the design's seconds per item (a ranking takes as long as its methods one by one).
    """
    rows = []
    for reader, items in orders.items.items():
        counts = Counter(item.part for item in items)
        shown = sum(len(item.methods) for item in items)
        rows.append(
            {
                "reader": reader,
                **{part: counts[part] for part in PARTS},
                "repeats": sum(item.repeat == 2 for item in items),
                "minutes": round(shown * design.seconds_per_item / 60),
            }
        )
    return pd.DataFrame(rows)[["reader", "practice", "rating", "repeats", "ranking", "guess", "minutes"]]


def balance_table(design: Design, orders: Orders) -> pd.DataFrame:
    """Show how the methods lie in the ratings.

    Returns
    -------
    pandas.DataFrame
        One row per method: `rated` and `repeats` (items over all readers), `mean_position` (0 first, 1 last, over readers),
        `largest_share_of_a_pass` and `smallest_share_of_a_pass` (of a reader's first showings, cut into as many runs as there
        are methods).
    """
    rows = []
    for method in design.methods:
        rated = repeats = 0
        positions, shares = [], []
        for items in orders.items.values():
            ratings = [item for item in items if item.part == "rating"]
            own = [index for index, item in enumerate(ratings) if item.methods == (method,)]
            rated += len(own)
            repeats += sum(ratings[index].repeat == 2 for index in own)
            positions += [index / max(1, len(ratings) - 1) for index in own]
            first = [item for item in ratings if item.repeat == 1]
            for run in range(len(design.methods)):
                part = first[run * len(orders.places) : (run + 1) * len(orders.places)]
                if part:
                    shares.append(sum(item.methods == (method,) for item in part) / len(part))
        rows.append(
            {
                "method": method,
                "rated": rated,
                "repeats": repeats,
                "mean_position": float(np.mean(positions)) if positions else float("nan"),
                "smallest_share_of_a_pass": min(shares, default=float("nan")),
                "largest_share_of_a_pass": max(shares, default=float("nan")),
            }
        )
    return pd.DataFrame(rows)
