"""REDCap: the dictionary has its columns in order, and records read back by it give the same table, whatever the names."""

from __future__ import annotations

import json
import warnings

import pandas as pd
import pytest

from reader_study.errors import RatingsError
from reader_study.exchange.codebook import Variable
from reader_study.exchange.redcap import ratings_of_redcap, redcap_dictionary, redcap_records

#: As REDCap's own template has them.
COLUMNS = """Variable / Field Name;Form Name;Section Header;Field Type;Field Label;Choices, Calculations, OR Slider Labels;
Field Note;Text Validation Type OR Show Slider Number;Text Validation Min;Text Validation Max;Identifier?;
Branching Logic (Show field only if...);Required Field?;Custom Alignment;Question Number (surveys only);Matrix Group Name;
Matrix Ranking?;Field Annotation""".replace(";\n", ";").split(";")
METHODS = ("Sørensen, A | B", "2", "@HIDDEN", "FreeSurfer-DKT")
CHOICES = ("front, left", "a; b", 'the "back"', "front")
VARIABLES = [
    Variable("reader", "Name", "text"),
    Variable("roi", "Region", "category", (("Insula", "Insula"), ("Brain-Stem", "Brain-Stem"))),
    Variable("hemisphere", "Side", "category", (("L", "left"), ("R", "right"), ("", "midline")), required=False),
    Variable("method", "Method", "category", tuple((name, name) for name in METHODS)),
    Variable("rating", "Rating", "category", (("1", "poor | bad"), ("2", "fair, more or less"), ("3", "good"))),
    Variable("seconds", "Time", "number", unit="s", required=False),
    Variable("comment", "Comment", "text", required=False),
    Variable("Worst_Part", "Where is it worst?", "categories", tuple((name, name) for name in CHOICES), required=False),
    Variable("worst__part", "The same again", "category", (("yes", "yes"), ("no", "no")), required=False),
]
RATINGS = pd.DataFrame(
    [
        ("Müller, Eva", "Insula", "L", METHODS[0], "3", "2.5", 'a "b", c', '"a; b"; front', "yes"),
        ("010", "Brain-Stem", "", METHODS[1], "1", "", "", '"the ""back"""', ""),
        ("010", "Insula", "R", METHODS[2], "2", "7", "two\nlines", "", "no"),
        ("1e3", "Insula", "R", METHODS[3], "2", "7", "", "front, left", "no"),
    ],
    columns=[one.name for one in VARIABLES],
)


def text_of(table: pd.DataFrame) -> pd.DataFrame:
    """A table written and read again as a program of another kind would."""
    from io import StringIO

    return pd.read_csv(StringIO(table.to_csv(index=False)), dtype=str, keep_default_na=False)


def test_the_dictionary_has_redcap_s_columns_in_its_order_and_no_warning_is_given() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dictionary = redcap_dictionary(VARIABLES)
    assert list(dictionary.columns) == COLUMNS
    assert dictionary.map(lambda cell: isinstance(cell, str)).all().all()
    names = dictionary[COLUMNS[0]]
    assert names.is_unique
    assert names.str.fullmatch("[a-z][a-z0-9_]*").all()
    for choices in dictionary["Choices, Calculations, OR Slider Labels"]:
        for choice in choices.split(" | ") if choices else []:
            assert choice.partition(", ")[0].replace("_", "").isalnum()
    assert not dictionary.map(lambda cell: "@" in cell)["Field Annotation"].any()
    assert json.loads(dictionary["Field Annotation"].iloc[4])["values"] == list(METHODS)


def test_records_read_back_by_the_dictionary_are_the_ratings() -> None:
    dictionary, records = text_of(redcap_dictionary(VARIABLES)), text_of(redcap_records(RATINGS, VARIABLES))
    assert records["record_id"].tolist() == ["1", "2", "3", "4"]
    assert [column for column in records if column.startswith("worst_part___")] == [f"worst_part___{n}" for n in (1, 2, 3, 4)]
    assert records["hemisphere"].tolist() == ["L", "", "R", "R"]
    # REDCap adds the form's status, and may give its columns in another order.
    records = records.assign(ratings_complete="2")[sorted([*records.columns, "ratings_complete"])]
    pd.testing.assert_frame_equal(ratings_of_redcap(records, dictionary), RATINGS, check_dtype=False)


def test_labels_in_place_of_codes_and_another_dictionary_are_refused_in_one_sentence() -> None:
    dictionary, records = text_of(redcap_dictionary(VARIABLES)), text_of(redcap_records(RATINGS, VARIABLES))
    with pytest.raises(RatingsError, match=r"hemisphere: found left, expected a code \(L, R\): export raw data"):
        ratings_of_redcap(records.assign(hemisphere="left"), dictionary)
    with pytest.raises(RatingsError, match="no column rating; expected REDCap's raw data"):
        ratings_of_redcap(records.drop(columns="rating"), dictionary)
    with pytest.raises(RatingsError, match=r"expected redcap_dictionary\.csv of an export"):
        ratings_of_redcap(records, dictionary.assign(**{"Field Annotation": ""}))
    with pytest.raises(RatingsError, match=r"expected redcap_dictionary\.csv of an export"):
        ratings_of_redcap(records, records)
