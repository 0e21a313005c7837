"""Names in study.yaml are text as written, whatever YAML 1.1 would make of it; reserved words are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reader_study.errors import StudyError
from reader_study.planning.design import design_of, read_design
from reader_study.planning.fields import whole_number
from reader_study.planning.names import checked_names
from reader_study.planning.yaml_text import parse_yaml

CODES = [
    "010",
    "007",
    "1_2",
    "12:30",
    "on",
    "No",
    "1e3",
    "null",
    "~",
    "0x1F",
    "0o17",
    ".inf",
    "2019-01-02",
    "1.0",
    "-5",
    "true",
]


@pytest.mark.parametrize("code", CODES)
def test_codes_stay_as_written_for_readers_cases_methods_and_scans(code: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        f"seed: 007\nscale: {{0: off, 1: on}}\nreaders: [{code}, 011]\nscans: {{{code}: a.nii, b: b.nii}}\n"
        f"methods: {{{code}: x, Y: y}}\n"
        f"cases: [{code}]\npractice: [b]\ntitle: {code if code not in ('null', '~') else 'x'}\nwashout: null\n",
        encoding="utf-8",
    )
    design = read_design(path)
    assert design.readers == (code, "011")
    assert list(design.methods) == [code, "Y"]
    assert design.cases == (code,)
    assert isinstance(design.scans, dict) and list(design.scans) == [code, "b"]
    assert (design.seed, design.washout, design.scale.words) == (7, None, ("off", "on"))


@given(st.text(min_size=1, max_size=60))
def test_any_quoted_line_of_text_is_a_name_or_is_refused_with_its_reason(name: str) -> None:
    quoted = '"' + "".join(f"\\U{ord(character):08x}" for character in name) + '"'
    found = parse_yaml(f"[{quoted}]")
    assert found == [name]
    try:
        (kept,) = checked_names(found, "readers")
    except StudyError as error:
        assert "expected" in str(error)
    else:
        assert kept and kept == kept.strip()


@pytest.mark.parametrize(
    "name",
    [
        "Müller, Eva",
        'Anne "the eye" O\'Neil',
        "a/b",
        "sub-01\\x",
        "読影者",
        "Ωμέγα",
        "می‌خواهم",
        "क्षेत्र",
        "x" * 60,
        "50 %",
        "#1",
        "A|B",
    ],
)
def test_names_with_commas_quotes_slashes_and_other_scripts_are_kept(name: str, tmp_path: Path) -> None:
    content = {"seed": "1", "readers": [name], "scans": "s", "methods": {name: "x", "Y": "y"}}
    design = design_of(content, tmp_path)
    assert (design.readers, tuple(design.methods)) == ((name,), (name, "Y"))


@pytest.mark.parametrize(
    ("key", "names", "told"),
    [
        ("readers", ["coordinator"], "coordinator has another meaning"),
        ("readers", ["All"], "All has another meaning"),
        ("readers", ["ｃｏｏｒｄｉｎａｔｏｒ"], "has another meaning"),
        ("readers", ["Coordinator’s page"], "has another meaning"),
        ("methods", ["don't know"], "has another meaning"),
        ("methods", ["Don’t know"], "has another meaning"),
        ("readers", ["anna", "Anna"], "differ only in capital letters"),
        ("readers", ["a", "a"], "a given twice"),
        ("readers", ["a\nb"], "not printable"),
        ("readers", ["a\u202eb"], "not printable"),
        ("readers", ["=1+1"], "for a formula"),
        ("readers", [""], "an empty name"),
        ("readers", ["x" * 101], "has 101 characters"),
    ],
)  # fmt: skip
def test_a_name_that_stands_for_something_else_or_cannot_be_told_is_refused(key: str, names: list[str], told: str) -> None:
    with pytest.raises(StudyError, match=told):
        checked_names(names, key)


def test_digits_of_other_scripts_are_no_numbers(tmp_path: Path) -> None:
    assert [whole_number(text) for text in ("12", "-3")] == [12, -3]
    assert {whole_number(text) for text in ("٣", "१", "²", "1e3", "1.0", "")} == {None}
    content = {"seed": "1", "readers": ["a"], "scans": "s", "methods": {"X": "x", "Y": "y"}}
    with pytest.raises(StudyError, match="2 to 9 levels"):
        design_of(content | {"scale": {"١": "bad", "٢": "good"}}, tmp_path)
    with pytest.raises(StudyError, match="guesses: '٣'"):
        design_of(content | {"guesses": "٣"}, tmp_path)


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(StudyError, match="duplicate key"):
        parse_yaml("seed: 1\nseed: 2\n")
