"""The order of methods, regions and sides is that of the study, whoever rated first."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reader_study.ratings.layout import PUBLISHED_REGIONS
from reader_study.ratings.study_order import (
    StudyOrder,
    exported_order,
    in_study_order,
    methods_in_order,
    natural_key,
    places_in_order,
    places_of,
)
from reader_study.ratings.table import check_ratings

METHODS = ("Desikan", "DKT", "Net")


def shuffled(seed: int, regions: tuple[str, ...] = PUBLISHED_REGIONS[:2]) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = [
        (f"r{r}", f"c{c}", roi, side, method, str(rng.integers(1, 6)))
        for r, c, roi, side, method in product(range(2), range(6), regions, "LR", METHODS)
    ]
    table = check_ratings(pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"]))
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.mark.parametrize("order", [StudyOrder(), StudyOrder(("Net", "DKT", "Desikan"), ("Caudate", "Insula"))])
def test_rows_come_out_in_one_order_whoever_rated_first(order: StudyOrder) -> None:
    first, second = (in_study_order(table, methods_in_order(table["method"], order), order) for table in map(shuffled, (1, 2)))
    pd.testing.assert_frame_equal(first, second)
    regions = list(dict.fromkeys(first["roi"]))
    assert regions == sorted(regions, key=(order.regions or PUBLISHED_REGIONS).index)
    assert tuple(dict.fromkeys(first["method"])) == (order.methods or ("DKT", "Desikan", "Net"))


def test_without_a_plan_regions_stand_as_published_with_their_sides_together() -> None:
    found = [("Putamen", "R"), ("Hippocampus", "L"), ("Insula", "R"), ("Brain-Stem", ""), ("my region", ""), ("Insula", "L")]
    expected = [("Insula", "L"), ("Insula", "R"), ("Putamen", "R"), ("Hippocampus", "L"), ("Brain-Stem", ""), ("my region", "")]
    assert set(places_in_order(found)) == set(expected)
    assert places_in_order(found)[:3] == tuple(expected[:3])
    assert places_in_order(found)[-1] == ("my region", "")
    assert methods_in_order(["FT", "other", "NFT", "FS"]) == ("FS", "NFT", "FT", "other")


def test_a_plan_goes_before_everything() -> None:
    order = StudyOrder(("Net", "DKT"), ("Thalamus", "Insula"))
    assert methods_in_order(["DKT", "Net", "B"], order) == ("Net", "DKT", "B")
    assert places_in_order([("Insula", "R"), ("Insula", "L"), ("Thalamus", "R")], order) == (
        ("Thalamus", "R"), ("Insula", "L"), ("Insula", "R"),
    )  # fmt: skip
    rows = in_study_order(shuffled(4), ("Net", "DKT"), order)
    assert set(rows["method"]) == {"Net", "DKT"}
    assert rows["method"].iloc[0] == "Net"
    assert places_of(rows)[0] == ("Insula", "L")


def test_an_export_says_what_was_planned(tmp_path: Path) -> None:
    assert exported_order(tmp_path / "ratings.csv") == StudyOrder()
    (tmp_path / "export.json").write_text(json.dumps({"order": {"methods": ["B", "A"], "regions": ["Putamen"]}}))
    assert exported_order(tmp_path / "ratings.csv") == StudyOrder(("B", "A"), ("Putamen",))
    (tmp_path / "export.json").write_text("{not json")
    assert exported_order(tmp_path / "ratings.csv") == StudyOrder()


def test_names_are_sorted_as_people_do() -> None:
    assert sorted(["c10", "c2", "c1", "b3"], key=natural_key) == ["b3", "c1", "c2", "c10"]
