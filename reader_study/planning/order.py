"""The order in which a reader sees the items: seeded, balanced over methods, with hidden repeats and a washout.

Ratings come in passes, as many as there are methods. In a pass every case, region and side is seen once, and every method
equally often (a Latin square: between two methods the counts differ by at most one). So no method is rated earlier than
another, or by a more tired reader. Each further reader starts one row lower in the square. Within a pass the order is random,
but there are at least `washout` other items between two items of the same case and region.

The streams of random numbers are Python's `random.Random.random`, whose sequence for a seed is the same in every version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from reader_study.errors import StudyError

__all__ = ["PARTS", "Item", "Place", "greatest_washout", "reading_order"]

#: Parts of a study, in the order in which a reader does them.
PARTS = ("practice", "rating", "ranking", "guess")
_ATTEMPTS, _RESTARTS = 30, 8

T = TypeVar("T")


@dataclass(frozen=True, order=True)
class Place:
    """What is rated, whichever method drew it: a case, a region and a side (`L`, `R` or ``""``)."""

    case: str
    roi: str
    hemisphere: str


@dataclass(frozen=True)
class Item:
    """One thing shown to a reader.

    Attributes
    ----------
    part : {"practice", "rating", "ranking", "guess"}
    place : Place
    methods : tuple of str
        The method shown; of a ranking, the methods of the columns from left to right.
    repeat : int
        1, or 2 if the reader has rated the same picture before.
    """

    part: str
    place: Place
    methods: tuple[str, ...]
    repeat: int = 1


def reading_order(
    places: Sequence[Place],
    methods: Sequence[str],
    *,
    seed: int,
    reader: str,
    row: int,
    repeats: float = 0.1,
    washout: int = 0,
    practice: Sequence[Place] = (),
    n_practice: int = 0,
    taught: Sequence[Item] = (),
    ratings: bool = True,
    ranked: float = 0.0,
    n_guesses: int = 0,
) -> tuple[Item, ...]:
    """Draw one reader's order.

    Parameters
    ----------
    places : sequence of Place
        The places that are rated, each with all methods.
    methods : sequence of str
        Two or more.
    seed : int
        Of the study.
    reader : str
        Name of the reader: each has a separate stream of random numbers, so that a further reader changes nobody's order.
    row : int
        Number of the reader: the row of the Latin square at which the order begins.
    repeats : float
        Share of the rated items that are shown a second time, 0 to 0.5.
    washout : int
        Least number of items between two of the same case and region, among ratings and among rankings.
    practice : sequence of Place
        Of practice cases.
    n_practice : int
        Practice items; methods in turn.
    taught : sequence of Item
        Practice items with a consensus score: they come first, in this order, and count among `n_practice`.
    ratings : bool
        Whether items are rated one by one.
    ranked : float
        Share of the places whose methods are also ranked side by side, 0 to 1.
    n_guesses : int
        Items at the end whose method the reader guesses; methods equally often.

    Raises
    ------
    StudyError
        If the washout can't be kept.
    """
    items = list(taught)
    items += _practice(practice, methods, max(0, n_practice - len(taught)), _stream(seed, reader, "practice"))
    if ratings:
        items += _ratings(places, methods, seed, reader, row, repeats, washout)
    if ranked:
        items += _rankings(places, methods, seed, reader, row, ranked, washout)
    items += _guesses(places, methods, n_guesses, _stream(seed, reader, "guess"))
    return tuple(items)


def greatest_washout(places: Sequence[Place]) -> int:
    """Greatest washout that an order of these places can keep pass after pass: one less than the pairs of case and region."""
    return len({(place.case, place.roi) for place in places}) - 1


def _stream(seed: int, *names: str) -> Random:
    return Random("/".join([str(seed), *names]))


def _shuffled(things: Sequence[T], random: Random) -> list[T]:
    keys = [random.random() for _ in things]
    return [things[index] for index in sorted(range(len(things)), key=keys.__getitem__)]


def _square(places: Sequence[Place], methods: Sequence[str], seed: int, row: int, what: str) -> dict[Place, tuple[str, ...]]:
    """Give every place an order of the methods: rows of Latin squares, whose first row is drawn anew for every square.

    Depends on the reader by `row` alone, so that over as many readers as methods each place has each method in each column.
    """
    random = _stream(seed, what, "square")
    order: dict[Place, tuple[str, ...]] = {}
    first: list[str] = list(methods)
    for index, place in enumerate(_shuffled(sorted(places), random)):
        if index % len(methods) == 0:
            first = _shuffled(methods, random)
        turn = (index + row) % len(methods)
        order[place] = tuple(first[turn:] + first[:turn])
    return order


def _practice(places: Sequence[Place], methods: Sequence[str], count: int, random: Random) -> list[Item]:
    pool = _shuffled(places, random)
    in_turn = _shuffled(methods, random)
    return [Item("practice", pool[n % len(pool)], (in_turn[n % len(methods)],)) for n in range(count if pool else 0)]


def _ratings(
    places: Sequence[Place], methods: Sequence[str], seed: int, reader: str, row: int, repeats: float, washout: int
) -> list[Item]:
    square = _square(places, methods, seed, row, "rating")
    passes = [[Item("rating", place, (order[n],)) for place, order in square.items()] for n in range(len(methods))]
    count = round(repeats * len(places) * len(methods))
    for attempt in range(_RESTARTS):
        # In a small design an unlucky end of a pass, or choice of repeats, leaves no order for the next: drawn anew then.
        stream = reader if attempt == 0 else f"{reader}/attempt {attempt}"
        pools = [list(pool) for pool in passes]
        for at, item in _repeated(passes, count, _stream(seed, stream, "repeats")):
            pools[at].append(Item("rating", item.place, item.methods, repeat=2))
        shown: list[Item] = []
        try:
            for number, pool in enumerate(pools):
                shown += _spaced(pool, shown, washout, _stream(seed, stream, f"pass {number}"))
        except StudyError:
            if attempt == _RESTARTS - 1:
                raise
        else:
            return shown
    raise AssertionError("the last attempt returns or raises")


def _repeated(passes: Sequence[Sequence[Item]], count: int, random: Random) -> list[tuple[int, Item]]:
    """Choose items to be shown again, methods in turn, each with a later pass; a pass has each case and region once at most."""
    early = [(at, item) for at, pool in enumerate(passes[:-1]) for item in pool]
    methods = dict.fromkeys(item.methods for _, item in early)
    free = {
        method: _shuffled([(at, item) for at, item in early if item.methods == method], random)
        for method in _shuffled(list(methods), random)
    }
    taken: set[tuple[int, str, str]] = set()
    chosen: list[tuple[int, Item]] = []
    while len(chosen) < count and any(free.values()):
        for pool in free.values():
            while pool and len(chosen) < count:
                at, item = pool.pop()
                later = _shuffled(range(at + 1, len(passes)), random)
                fits = [n for n in later if (n, item.place.case, item.place.roi) not in taken]
                if fits:
                    taken.add((fits[0], item.place.case, item.place.roi))
                    chosen.append((fits[0], item))
                    break
    return chosen


def _rankings(
    places: Sequence[Place], methods: Sequence[str], seed: int, reader: str, row: int, share: float, washout: int
) -> list[Item]:
    # The same places for every reader: agreement between readers needs them.
    chosen = _shuffled(sorted(places), _stream(seed, "ranked"))[: max(1, round(share * len(places)))]
    square = _square(chosen, methods, seed, row, "ranking")
    items = [Item("ranking", place, square[place]) for place in chosen]
    return _spaced(items, [], min(washout, greatest_washout(chosen)), _stream(seed, reader, "ranking"))


def _guesses(places: Sequence[Place], methods: Sequence[str], count: int, random: Random) -> list[Item]:
    pool = _shuffled(sorted(places), random)
    if count > len(pool) * len(methods):
        count = len(pool) * len(methods)
    # A place comes back under another method only after all others have been shown.
    pairs = [(pool[n % len(pool)], methods[(n + n // len(pool)) % len(methods)]) for n in range(count)]
    return [Item("guess", place, (method,)) for place, method in _shuffled(pairs, random)]


def _spaced(pool: Sequence[Item], before: Sequence[Item], washout: int, random: Random) -> list[Item]:
    """Draw an order in which at least `washout` items lie between two of one case and region, those before included."""
    recent = [_key(item) for item in before[-washout:]] if washout else []
    for _ in range(_ATTEMPTS):
        drawn = _drawn(pool, recent, washout, random, lambda left: random.random() ** (1 / left))
        if drawn is not None:
            return drawn
    # What is left most often first: this order keeps the greatest washout there is.
    drawn = _drawn(pool, recent, washout, random, lambda left: left + random.random())
    if drawn is None:
        counts = Counter(map(_key, pool))
        raise StudyError(
            f"washout {washout}: {len(pool)} items of {len(counts)} pairs of case and region can't be laid that far apart; "
            f"expected at most {max(0, len(counts) - 1)}, and less where some pairs have fewer sides: lower washout or repeats"
        )
    return drawn


def _drawn(
    pool: Sequence[Item], recent: Sequence[tuple[str, str]], washout: int, random: Random, priority: Callable[[int], float]
) -> list[Item] | None:
    waiting: dict[tuple[str, str], list[Item]] = {}
    for item in _shuffled(pool, random):
        waiting.setdefault(_key(item), []).append(item)
    last = list(recent)
    order: list[Item] = []
    while waiting:
        closed = set(last[-washout:]) if washout else set()
        open_keys = [key for key in waiting if key not in closed]
        if not open_keys:
            return None
        key = max(open_keys, key=lambda one: priority(len(waiting[one])))
        order.append(waiting[key].pop())
        if not waiting[key]:
            del waiting[key]
        last.append(key)
    return order


def _key(item: Item) -> tuple[str, str]:
    return item.place.case, item.place.roi
