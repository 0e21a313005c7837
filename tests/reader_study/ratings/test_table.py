"""The ratings table: what is read, what is refused and how, wide forms, and incomplete designs."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from reader_study.errors import RatingsError
from reader_study.ratings.spreadsheets import read_text_table
from reader_study.ratings.table import (
    LIKERT,
    RatingScale,
    check_ratings,
    known_regions,
    missing_ratings,
    rating_problems,
    read_ratings,
    who_rated_what,
)
from reader_study.ratings.wide import long_from_wide

HEADER = "reader,case,roi,hemisphere,method,rating"


def written(folder: Path, *rows: str, header: str = HEADER, name: str = "ratings.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_sound_table_is_read_whatever_its_separator_and_column_order(tmp_path: Path) -> None:
    csv = written(tmp_path, "A,c1,Insula,left,FS,3", "A,c1,Insula,L,FT,5")
    tsv = written(
        tmp_path, "3\tFS\tlh\tInsula\tc1\tA", "5\tFT\tL\tInsula\tc1\tA",
        header="rating\tmethod\themisphere\troi\tcase\treader", name="ratings.tsv",
    )  # fmt: skip
    table = read_ratings(csv)
    assert table["rating"].tolist() == [3.0, 5.0]
    assert table["hemisphere"].tolist() == ["L", "L"]
    assert table["repeat"].tolist() == [1, 1]
    pd.testing.assert_frame_equal(table, read_ratings(tsv))


@pytest.mark.parametrize(
    ("row", "column", "found", "hint"),
    [
        ("A,c2,Insula,L,FT,6", "rating", "'6'", "1, 2, 3, 4, 5"),
        ("A,c2,Insula,L,FT,0", "rating", "'0'", "1, 2, 3, 4, 5"),
        ("A,c2,Insula,L,FT,3.5", "rating", "'3.5'", "1, 2, 3, 4, 5"),
        ("A,c2,Insula,L,FT,good", "rating", "'good'", "1, 2, 3, 4, 5"),
        ("A,c2,Insula,L,FT,٣", "rating", "'٣'", "1, 2, 3, 4, 5"),
        ("A,c2,Insula,L,FT,３", "rating", "'３'", "1, 2, 3, 4, 5"),
        ("A,c2,Insula,L,FT,0_3", "rating", "'0_3'", "1, 2, 3, 4, 5"),
        ("A,c2,Insula,L,FT,3e0", "rating", "'3e0'", "1, 2, 3, 4, 5"),
        ("A,c2,Insular,L,FT,4", "roi", "'Insular'", "did you mean Insula?"),
        ("A,c2,Insula,X,FT,4", "hemisphere", "'X'", "L, R"),
        ("A,c2,Insula,L,FTT,4", "method", "'FTT'", "FS, FT"),
        (",c2,Insula,L,FT,4", "reader", "nothing", "a reader"),
        ("A,c1,Insula,left,FS,4", "reader to method", "row 2", "repeat"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(tmp_path: Path, row: str, column: str, found: str, hint: str) -> None:
    path = written(tmp_path, "A,c1,Insula,L,FS,3", "A,c1,Insula,L,FT,5", row)
    with pytest.raises(RatingsError) as raised:
        read_ratings(path, methods=["FS", "FT"])
    message = str(raised.value)
    assert "\n" not in message
    for part in (str(path), "row 4", f"column {column}", found, hint):
        assert part in message


def test_half_points_pass_only_where_the_scale_declares_them(tmp_path: Path) -> None:
    path = written(tmp_path, "A,c1,Insula,L,FS,3.5", "A,c1,Insula,L,FT,5")
    halves = RatingScale(LIKERT.levels, LIKERT.words, half_points=True)
    assert read_ratings(path, halves)["rating"].tolist() == [3.5, 5.0]
    with pytest.raises(RatingsError, match="row 2, column rating"):
        read_ratings(path)
    quarter = written(tmp_path, "A,c1,Insula,L,FS,3.25", "A,c1,Insula,L,FT,5")
    with pytest.raises(RatingsError, match=r"found '3\.25'"):
        read_ratings(quarter, halves)


def test_a_scale_must_increase_and_have_a_word_a_level() -> None:
    with pytest.raises(RatingsError, match="worst to best"):
        RatingScale((3, 2, 1), ("a", "b", "c"))
    with pytest.raises(RatingsError, match="one word per level"):
        RatingScale((1, 2, 3), ("a", "b"))


def test_every_problem_is_found_not_only_the_first() -> None:
    table = pd.DataFrame({"reader": ["", "A"], "case": ["1", ""], "roi": ["Insula", "Insula"], "hemisphere": ["L", "L"],
                          "method": ["FS", "FT"], "rating": ["9", "2"]})  # fmt: skip
    assert [(p.row, p.column) for p in rating_problems(table)] == [(2, "reader"), (2, "rating"), (3, "case")]


def test_a_hidden_repeat_is_no_duplicate_but_its_copy_is(tmp_path: Path) -> None:
    header = HEADER + ",repeat"
    rows = ["A,c1,Insula,L,FS,3,", "A,c1,Insula,L,FS,4,2", "A,c1,Insula,L,FT,4,1"]
    assert read_ratings(written(tmp_path, *rows, header=header))["repeat"].tolist() == [1, 2, 1]
    with pytest.raises(RatingsError, match="row 5, column reader to method: found the rating of row 2 again"):
        read_ratings(written(tmp_path, *rows, "A,c1,Insula,L,FS,5,1", header=header))


def test_one_method_can_not_be_compared_but_its_readers_can(tmp_path: Path) -> None:
    path = written(tmp_path, "A,c1,Insula,L,FS,3", "B,c1,Insula,L,FS,5")
    with pytest.raises(RatingsError, match="at least 2 methods"):
        read_ratings(path)
    assert len(read_ratings(path, least_methods=1)) == 2


def test_files_that_are_no_tables_are_refused_in_one_line(tmp_path: Path) -> None:
    cases = {
        "absent.csv": (None, "no such file"),
        "empty.csv": ("", "not a readable"),
        "header.csv": (HEADER + "\n", "no rows"),
        "ragged.csv": (HEADER + "\n1,2,3\n1,2,3,4,5,6,7,8\n", "not a readable"),
        "ratings.doc": ("x", "a .csv, .tsv, .parquet or .xlsx table was expected"),
        "columns.csv": ("reader,score\nA,3\n", "no column case, roi, hemisphere, method, rating"),
    }
    for name, (text, expected) in cases.items():
        path = tmp_path / name
        if text is not None:
            path.write_text(text, encoding="utf-8")
        with pytest.raises(RatingsError) as raised:
            read_ratings(path)
        assert expected in str(raised.value)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_parquet_and_excel_read_as_csv_does_or_say_which_package_they_need(tmp_path: Path) -> None:
    csv = written(tmp_path, "A,1,Insula,L,FS,3", "A,1,Insula,,FT,5")
    typed = pd.DataFrame({"reader": ["A", "A"], "case": [1, 1], "roi": ["Insula", "Insula"], "hemisphere": ["L", None],
                          "method": ["FS", "FT"], "rating": [3.0, 5.0]})  # fmt: skip
    for name, package, write in (
        ("ratings.parquet", "pyarrow", typed.to_parquet),
        ("ratings.xlsx", "openpyxl", lambda path: typed.to_excel(path, index=False)),
    ):
        path = tmp_path / name
        try:
            write(path)
        except ImportError:
            path.write_bytes(b"PK")
            with pytest.raises(RatingsError, match=package):
                read_ratings(path)
        else:
            pd.testing.assert_frame_equal(read_ratings(path), read_ratings(csv))


def test_regions_are_those_of_the_study_and_the_102_without_their_side() -> None:
    names = known_regions()
    assert len(names) == len(set(names))
    assert {"Cingulate-Gyrus", "Insula", "Putamen", "Hippocampus", "superiorfrontal", "Brain-Stem"} <= set(names)
    assert not [name for name in names if name.startswith(("Left-", "Right-", "ctx-"))]


def complete_study() -> pd.DataFrame:
    rows = product("AB", ("c1", "c2", "c3"), (("Insula", "L"), ("Insula", "R"), ("Brain-Stem", "")), ("FS", "FT"))
    return pd.DataFrame(
        [(reader, case, roi, side, method, "3") for reader, case, (roi, side), method in rows],
        columns=["reader", "case", "roi", "hemisphere", "method", "rating"],
    )


def test_who_rated_what_shows_the_holes_of_a_design() -> None:
    table = complete_study()
    full = check_ratings(table)
    assert who_rated_what(full)["complete"].all()
    assert missing_ratings(full).empty

    hole = (table["reader"] == "B") & (table["case"] == "c2") & (table["roi"] == "Insula")
    hole &= (table["hemisphere"] == "R") & (table["method"] == "FT")
    partial = check_ratings(table[~hole])
    counts = who_rated_what(partial).set_index(["roi", "hemisphere", "method"])
    assert counts.loc[("Insula", "R", "FT")].to_dict() == {"A": 3, "B": 2, "complete": False}
    assert counts["complete"].sum() == 5
    assert missing_ratings(partial).to_numpy().tolist() == [["B", "c2", "Insula", "R", "FT"]]


def test_a_column_a_region_side_and_method_becomes_a_row_each() -> None:
    wide = pd.DataFrame({"subject": ["c1", "c2"], "reader": ["A", "A"], "Insula_L_FS": ["3", ""], "Insula_L_FT": ["5", "4"]})
    long = long_from_wide(wide, "{roi}_{hemisphere}_{method}", rename={"subject": "case"})
    got = sorted(map(tuple, check_ratings(long)[["case", "method", "rating"]].to_numpy().tolist()))
    assert got == [("c1", "FS", 3.0), ("c1", "FT", 5.0), ("c2", "FT", 4.0)]


def test_a_column_a_reader_with_constants_for_what_the_file_leaves_out() -> None:
    wide = pd.DataFrame({"case": ["c1"], "roi": ["Insula"], "rater A": ["3"], "rater B": ["4"], "note": ["blurred"]})
    long = long_from_wide(wide, "rater {reader}", constants={"method": "FS", "hemisphere": "L"})
    assert check_ratings(long, least_methods=1)["reader"].tolist() == ["A", "B"]


def test_a_wide_table_that_does_not_fit_is_refused_with_its_own_row_and_header() -> None:
    wide = pd.DataFrame({"case": ["c1", "c2"], "roi": ["Insula"] * 2, "hemisphere": ["L"] * 2, "reader": ["A"] * 2,
                         "FS": ["3", "3"], "FT": ["4", "good"]})  # fmt: skip
    with pytest.raises(RatingsError, match="row 3, column FT: found 'good', expected one of 1, 2, 3, 4, 5"):
        long_from_wide(wide, "{method}", source="wide.csv")
    with pytest.raises(RatingsError, match="no header"):
        long_from_wide(wide, "score {method}")
    with pytest.raises(RatingsError, match="expected fields among"):
        long_from_wide(wide, "{algorithm}")
    with pytest.raises(RatingsError, match="nothing gives reader"):
        long_from_wide(wide.drop(columns="reader"), "{method}")


def test_real_ratings_of_ten_raters_import_with_their_sessions_as_repeats(shared_data: Path) -> None:
    raw = read_text_table(shared_data / "ratings" / "raw_many_readers.csv")
    raw["repeat"] = raw["session"].map({"": "1", "First": "1", "Second": "2", "Consensus": "3"})
    scale = RatingScale((1, 2, 3), ("fail", "warning", "pass"))
    ratings = check_ratings(raw.assign(roi="image", hemisphere="", method="raw"), scale, regions=["image"], least_methods=1)
    assert len(ratings) == 1188
    assert ratings["reader"].nunique() == 10
    assert ratings["repeat"].value_counts().to_dict() == {1: 990, 2: 99, 3: 99}
    assert who_rated_what(ratings)["complete"].all()


@pytest.mark.parametrize(("name", "reader"), [("ratings.parquet", "read_parquet"), ("ratings.xlsx", "read_excel")])
def test_a_format_whose_package_is_not_installed_names_the_extra(
    name: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ImportError("no such package")

    if reader == "read_parquet":
        monkeypatch.setattr(pd, reader, absent)
    else:
        monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(RatingsError, match=r"install darts-ensemble\[tables\], or save the table as \.csv"):
        read_ratings(tmp_path / name)
