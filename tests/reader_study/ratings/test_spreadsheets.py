"""Tables of any country's spreadsheets: separators, encodings, decimal commas, blanks, headers."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest

from reader_study.commands.main import main
from reader_study.errors import RatingsError
from reader_study.ratings.spreadsheets import read_text_table, row_numbers
from reader_study.ratings.summary import read_summary
from reader_study.ratings.table import read_ratings

HEADER = "reader,case,roi,hemisphere,method,rating"
ROWS = ("Jörg,c1,Insula,L,FS,5", "Jörg,c1,Insula,L,FT,4", "Jörg,c2,Insula,L,FS,4", "Jörg,c2,Insula,L,FT,3")
TEXT = "\n".join([HEADER, *ROWS]) + "\n"


@pytest.mark.parametrize(
    ("data", "guessed"),
    [
        (TEXT.encode(), ""),
        (TEXT.encode("utf-8-sig"), ""),
        (TEXT.encode("utf-16"), ""),
        (TEXT.encode("utf-16-le"), ""),
        (TEXT.encode("utf-16-be"), ""),
        (TEXT.encode("latin-1"), "Windows-1252"),
        (TEXT.replace(",", ";").encode(), ""),
        (TEXT.replace(",", "\t").encode("utf-16"), ""),
        (("sep=;\r\n" + TEXT.replace(",", ";").replace("\n", "\r\n")).encode("cp1252"), "Windows-1252"),
        ("".join(f"{line},0\n".replace(",", ";", 5) for line in TEXT.splitlines()).replace("rating,0", "rating").encode(), ""),
        ((TEXT + ",,,,,\n,,,,,\n").encode(), ""),
        (TEXT.replace("\n", ",,\n").encode(), ""),
        (TEXT.replace("\n", "\n\n").encode(), ""),
    ],
    ids=[
        "utf-8", "byte-order-mark", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "semicolons", "tabs-in-utf-16", "sep-line",
        "decimal-comma", "trailing-lines-of-commas", "trailing-columns", "blank-lines",
    ],
)  # fmt: skip
def test_a_table_is_the_same_however_a_spreadsheet_wrote_it(tmp_path: Path, data: bytes, guessed: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(data)
    said: list[str] = []
    table = read_ratings(path, report=said.append)
    assert table["rating"].tolist() == [5.0, 4.0, 4.0, 3.0]
    assert set(table["reader"]) == {"Jörg"}
    assert [guessed in text for text in said] == ([True] if guessed else [])


@pytest.mark.parametrize("blank", ["", "N/A", "na", "#N/A", "-", "not rated"])
def test_what_was_not_rated_has_no_row_and_is_counted_in_words(tmp_path: Path, blank: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(TEXT + f"Jörg,c3,Insula,L,FS,{blank}\nJörg,c3,Insula,L,FT,2\n", encoding="utf-8")
    said: list[str] = []
    assert len(read_ratings(path, report=said.append)) == 5
    assert "1 row has no rating" in said[0]


def test_rows_keep_the_numbers_that_the_spreadsheet_shows(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(f"{HEADER}\n\n{ROWS[0]}\n,,,,,\nJörg,c1,Insula,L,FT,9\n", encoding="utf-8")
    assert row_numbers(read_text_table(path)) == [3, 5]
    with pytest.raises(RatingsError, match="row 5, column rating: found '9'"):
        read_ratings(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER + ",rating\na,c1,Insula,L,FS,3,4\n", "gives rating more than once"),
        (f"Study of 2019,,,,,\n{TEXT}", "column 2, which has no name in row 1"),
        (TEXT.replace("FS,5", "FS,5,6"), "row 2 has a value in column 7"),
        (HEADER + '\n"a,c1,Insula,L,FS,3\n', "quotation mark"),
    ],
)
def test_a_header_that_can_not_be_trusted_is_refused_in_words(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RatingsError, match=says):
        read_ratings(path)


@pytest.mark.parametrize(("merge", "says"), [("A1:F1", "delete the title above the header"), ("A3:A4", "fill every cell")])
def test_merged_cells_of_a_workbook_are_named(tmp_path: Path, merge: str, says: str) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in [["A study"] + [""] * 5, *(line.split(",") for line in TEXT.splitlines())]:
        book.active.append(line)
    book.active.merge_cells(merge)
    path = tmp_path / "ratings.xlsx"
    book.save(path)
    with pytest.raises(RatingsError, match=says) as raised:
        read_ratings(path)
    assert merge in str(raised.value)


def test_only_the_first_sheet_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in TEXT.splitlines():
        book.active.append(line.split(","))
    book.create_sheet("second reader").append(["a", "b"])
    path = tmp_path / "ratings.xlsx"
    book.save(path)
    said: list[str] = []
    assert len(read_ratings(path, report=said.append)) == 4
    assert "second reader" in said[0]


def test_a_file_with_the_name_of_another_kind_is_told_by_its_content(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in TEXT.splitlines():
        book.active.append(line.split(","))
    book.save(tmp_path / "saved.xlsx")
    (tmp_path / "workbook.csv").write_bytes((tmp_path / "saved.xlsx").read_bytes())
    (tmp_path / "text.xlsx").write_text(TEXT, encoding="utf-8")
    # The first bytes of workbooks before 2007, and of those with a password.
    for name in ("old.xlsx", "old.csv"):
        (tmp_path / name).write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))
    for name, says in (
        ("workbook.csv", "a name that ends in .xlsx"), ("text.xlsx", "a name that ends in .csv"),
        ("old.xlsx", "without a password"), ("old.csv", "without a password"),
    ):  # fmt: skip
        with pytest.raises(RatingsError, match=says):
            read_ratings(tmp_path / name)


def test_a_formula_that_was_never_computed_is_no_blank(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for line in TEXT.splitlines():
        book.active.append(line.split(","))
    book.active["F4"] = "=2+2"
    book.save(tmp_path / "ratings.xlsx")  # openpyxl computes nothing
    with pytest.raises(RatingsError, match="cell F4 holds a formula without its value"):
        read_ratings(tmp_path / "ratings.xlsx")


def test_what_was_guessed_of_a_table_is_said_before_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    for line in (["remark"], ["a study"]):
        book.active.append(line)
    sheet = book.create_sheet("Ratings")
    for line in TEXT.splitlines():
        sheet.append(line.split(","))
    book.save(tmp_path / "ratings.xlsx")
    for command in ("analyse", "import"):
        given = ["darts-reader-study", command, str(tmp_path / "ratings.xlsx"), "-o", str(tmp_path / f"{command}.out")]
        monkeypatch.setattr("sys.argv", given)
        with pytest.raises(SystemExit):
            main()
        said = " ".join(capsys.readouterr().err.split())
        assert "only the first sheet, Notes, is read; not Ratings" in said
        assert "no column reader" in said


def test_accents_written_beside_their_letter_make_no_second_reader_and_names_that_look_alike_are_told(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    beside = unicodedata.normalize("NFD", "Jörg")
    path.write_text(TEXT.replace("Jörg,c2", f"{beside},c2") + "jörg,c3,Insula,L,FS,4\n", encoding="utf-8")
    said: list[str] = []
    assert set(read_ratings(path, report=said.append)["reader"]) == {"Jörg", "jörg"}
    assert len(said) == 1
    assert "column reader: Jörg and jörg look alike and count as 2 different names" in said[0]


@pytest.mark.parametrize("command", ["import", "analyse"])
def test_ratings_marked_as_withdrawn_are_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    path = tmp_path / "ratings.csv"
    kept = "\n".join(f"{line},{'withdrawn' if line == HEADER else ''}" for line in TEXT.splitlines())
    path.write_text(kept + "\nben,c1,Insula,L,FS,1,yes\nben,c1,Insula,L,FT,9,yes\n", encoding="utf-8")
    monkeypatch.setattr("reader_study.figures.draw.save_study_figures", lambda *_, **__: [])
    monkeypatch.setattr("reader_study.report.assemble.write_study_report", lambda *_, **__: None)
    monkeypatch.setattr("sys.argv", ["darts-reader-study", command, str(path), "-o", str(tmp_path / "out"), "--quiet"])
    with suppress(SystemExit):
        main()
    assert "2 rows of ben are marked in the column withdrawn and left out" in " ".join(capsys.readouterr().err.split())
    written = tmp_path / "out" if command == "import" else tmp_path / "out" / "who_rated_what.csv"
    assert "Jörg" in written.read_text(encoding="utf-8")
    assert "ben" not in written.read_text(encoding="utf-8")


def test_an_encoding_and_a_separator_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(TEXT.replace("Jörg", "Łukasz").replace(",", "|").encode("cp1250"))
    assert set(read_ratings(path, encoding="cp1250", separator="|")["reader"]) == {"Łukasz"}
    with pytest.raises(RatingsError, match="expected an encoding such as"):
        read_ratings(path, encoding="no-such")


def test_a_printed_table_may_have_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    path.write_text("roi;hemisphere;A_mean;A_sd\nInsula;L;3,41;1,02\n", encoding="utf-8")
    assert read_summary(path).cells[0].mean == "3.41"
