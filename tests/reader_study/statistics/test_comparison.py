"""Means of a study beside printed ones: the rows stand in the order of the study, whatever the order of the printed table."""

from __future__ import annotations

from itertools import product

import pandas as pd

from reader_study.ratings.summary import Cell, Summary
from reader_study.ratings.table import check_ratings
from reader_study.statistics.comparison import compare_with_summary
from reader_study.statistics.published_table import published_table

PRINTED = (
    ("All Regions", "", "FT"), ("Putamen", "L", "FT"), ("Caudate", "L", "FT"), ("Insula", "L", "FT"), ("Insula", "L", "FS"),
)  # fmt: skip


def test_rows_stand_in_the_order_of_the_study() -> None:
    rows = list(product(("r1", "r2"), ("c1", "c2", "c3"), ("Insula", "Caudate"), "L", ("FS", "FT"), "3"))
    ratings = check_ratings(pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"]))
    cells = [Cell(*place, "3.5", "0.5", number) for number, place in enumerate(PRINTED, start=2)]
    found = compare_with_summary(published_table(ratings, ("FS", "FT")), Summary(tuple(cells[1:]), tuple(cells[:1]), 1))
    assert list(zip(found["roi"], found["method"], strict=True)) == [
        ("Insula", "FS"), ("Insula", "FT"), ("Caudate", "FS"), ("Caudate", "FT"), ("Putamen", "FT"),
        ("All Regions", "FS"), ("All Regions", "FT"),
    ]  # fmt: skip
