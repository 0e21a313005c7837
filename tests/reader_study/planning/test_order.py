"""The order of a reader's items: fixed by the seed, balanced, with hidden repeats and the washout kept."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_study.errors import StudyError
from reader_study.planning.order import Item, Place, greatest_washout, reading_order

METHODS = ("FS", "NFT", "FT")


def places(cases: int, regions: int, sides: str = "LR") -> list[Place]:
    return [Place(f"c{c}", f"r{r}", side) for c in range(cases) for r in range(regions) for side in sides or [""]]


def rated(order: tuple[Item, ...], repeat: int = 0) -> list[Item]:
    return [item for item in order if item.part == "rating" and repeat in (0, item.repeat)]


designs = st.builds(
    dict,
    places=st.builds(places, st.integers(1, 6), st.integers(1, 7), st.sampled_from(["LR", "L", ""])),
    methods=st.integers(2, 4).map(lambda n: ("A", "B", "C", "D")[:n]),
    seed=st.integers(0, 2**40),
    row=st.integers(0, 5),
    repeats=st.sampled_from([0.0, 0.1, 0.25]),
)


@given(designs, st.data())
def test_everything_is_rated_once_by_every_method_and_the_washout_is_kept(design: dict, data: st.DataObject) -> None:
    design["washout"] = data.draw(st.integers(0, max(0, greatest_washout(design["places"]) // 2)))
    order = reading_order(**design, reader="anna")
    assert order == reading_order(**design, reader="anna")
    first = Counter((item.place, item.methods) for item in rated(order, 1))
    assert first == {(place, (method,)): 1 for place in design["places"] for method in design["methods"]}
    last: dict[tuple[str, str], int] = {}
    for index, item in enumerate(rated(order)):
        key = (item.place.case, item.place.roi)
        assert index - last.get(key, -1000) > design["washout"]
        last[key] = index


@given(designs)
def test_methods_are_balanced_at_every_stage_of_the_reading(design: dict) -> None:
    order = reading_order(**design, reader="anna")
    n = len(design["places"])
    first = rated(order, 1)
    for start in range(0, len(first), n):
        counts = Counter(item.methods[0] for item in first[start : start + n])
        assert max(counts.values()) - min(counts[method] for method in design["methods"]) <= 1
        assert {item.place for item in first[start : start + n]} == set(design["places"])


@given(designs)
def test_over_as_many_readers_as_methods_every_place_meets_each_method_at_each_stage(design: dict) -> None:
    n, methods = len(design["places"]), design["methods"]
    design |= {"repeats": 0.0}
    met = Counter()
    for row in range(len(methods)):
        order = reading_order(**(design | {"row": row}), reader=f"reader {row}")
        met.update((item.place, index // n, item.methods[0]) for index, item in enumerate(order))
    assert set(met.values()) == {1}


@given(designs)
def test_a_repeat_shows_the_same_picture_later_and_methods_are_repeated_equally_often(design: dict) -> None:
    design["places"] = places(4, 5)
    order = rated(reading_order(**design, reader="ben"))
    seen: set[tuple[Place, tuple[str, ...]]] = set()
    for item in order:
        if item.repeat == 2:
            assert (item.place, item.methods) in seen
        seen.add((item.place, item.methods))
    repeats = [item for item in order if item.repeat == 2]
    assert len(repeats) == len({(item.place, item.methods) for item in repeats})
    wanted = round(design["repeats"] * len(order[: len(order) - len(repeats)]))
    # A case and region comes back at most once a stage: where that leaves few to choose from, fewer are repeated.
    room = 20 * (len(design["methods"]) - 1)
    assert len(repeats) <= room
    if 2 * wanted <= room:
        assert len(repeats) == wanted
        counts = Counter(item.methods[0] for item in repeats)
        assert not repeats or max(counts.values()) - min(counts[m] for m in design["methods"]) <= 1


def test_an_order_is_what_it_was_when_the_study_was_planned() -> None:
    order = reading_order(places(2, 2, ""), METHODS, seed=1, reader="anna", row=0, repeats=0.1, washout=1)
    assert [f"{i.place.case}{i.place.roi} {i.methods[0]}{'*' * (i.repeat - 1)}" for i in order] == PLANNED


PLANNED = [
    "c0r0 FS",
    "c0r1 FT",
    "c1r1 FT",
    "c1r0 NFT",
    "c1r1 FS",
    "c0r0 NFT",
    "c0r1 FS",
    "c1r0 FT",
    "c0r0 FT",
    "c1r0 FS",
    "c1r1 NFT",
    "c1r0 NFT*",
    "c0r1 NFT",
]


def test_readers_differ_and_a_further_reader_changes_nobodys_order() -> None:
    where = places(3, 4)
    orders = {
        name: reading_order(where, METHODS, seed=5, reader=name, row=row, washout=3) for row, name in enumerate(["anna", "ben"])
    }
    assert orders["anna"] != orders["ben"]
    assert orders["anna"] != reading_order(where, METHODS, seed=6, reader="anna", row=0, washout=3)
    keys = [(item.place, item.methods) for item in orders["anna"]]
    assert keys != sorted(keys)


def test_practice_comes_first_ranking_after_rating_and_guessing_last() -> None:
    order = reading_order(
        places(3, 4), METHODS, seed=2, reader="anna", row=0, practice=places(1, 2), n_practice=4, ranked=0.5, n_guesses=6
    )
    parts = [item.part for item in order]
    assert parts == sorted(parts, key=["practice", "rating", "ranking", "guess"].index)
    assert Counter(parts) == {"practice": 4, "rating": 72 + 7, "ranking": 12, "guess": 6}
    rankings = [item for item in order if item.part == "ranking"]
    assert all(sorted(item.methods) == sorted(METHODS) for item in rankings)
    for column in range(3):
        assert set(Counter(item.methods[column] for item in rankings).values()) == {4}
    assert set(Counter(item.methods[0] for item in order if item.part == "guess").values()) == {2}


def test_all_readers_rank_the_same_places() -> None:
    orders = [reading_order(places(3, 4), METHODS, seed=2, reader=r, row=0, ranked=0.5, ratings=False) for r in ("a", "b")]
    assert len({frozenset(item.place for item in order) for order in orders}) == 1


def test_a_washout_that_cannot_be_kept_is_refused_with_one_that_can() -> None:
    with pytest.raises(StudyError, match=r"washout 14: 28 items of 14 pairs.* expected at most 13"):
        reading_order(places(2, 7), METHODS, seed=1, reader="anna", row=0, repeats=0, washout=14)
    # The greatest one is kept, in an order that is no longer free.
    order = reading_order(places(2, 7), METHODS, seed=1, reader="anna", row=0, repeats=0, washout=13)
    keys = [(item.place.case, item.place.roi) for item in order]
    assert keys[:14] == keys[14:28] == keys[-14:]
