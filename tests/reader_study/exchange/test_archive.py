"""An export with its codebook, REDCap's dictionary, workbook and archive; the archive is analysed as the tables are."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

from reader_study.commands.main import app as cli
from reader_study.errors import StudyError
from reader_study.exchange.archive import from_archive
from reader_study.exchange.redcap import redcap_name
from tests.phantoms.rich_study import rich_study
from tests.phantoms.small_study import METHODS
from tests.reader_study.study.test_write_ratings import Visitor

MORE = {"certainty": 3, "worst": ["front, left"], "motion": "no", "remark": "=1+1"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    study = rich_study(folder / "study")
    for token in study.tokens.values():
        visitor = Visitor(study, token)
        for rating in (5, 2, *(1 + n % 5 for n in range(17))):
            item = visitor.state()["current"]["id"]
            visitor.show(item)
            assert visitor.post(item, "answer", rating=rating, more=MORE).status_code == 200
    for words in (["-o", "open", "--unblind", "--excel"], ["-o", "blind"]):
        words[1] = str(folder / words[1])
        done = CliRunner().invoke(cli, ["export", str(study.folder), *words])
        assert done.exit_code == 0, done.output
    return folder


def test_every_column_is_in_the_codebook_and_in_redcaps_dictionary(exported: Path) -> None:
    columns = pd.read_csv(exported / "open" / "ratings.csv").columns.tolist()
    book = pd.read_csv(exported / "open" / "codebook.csv", keep_default_na=False)
    assert book["variable"].tolist() == columns
    assert book.set_index("variable").loc["certainty", "values"] == "1 = unsure | 2 = fairly sure | 3 = sure"
    redcap = pd.read_csv(exported / "open" / "redcap_dictionary.csv", keep_default_na=False)
    assert len(redcap.columns) == 18
    names = redcap["Variable / Field Name"]
    assert names.tolist() == ["record_id", *map(redcap_name, columns)]
    assert names.str.fullmatch("[a-z][a-z0-9_]*").all()
    field = redcap.set_index("Variable / Field Name")
    assert field.loc["rating", "Choices, Calculations, OR Slider Labels"].startswith("1, poor | 2, fair")
    assert (field.loc["worst", "Field Type"], field.loc["motion", "Field Type"]) == ("checkbox", "radio")
    assert field.loc["comment", "Field Type"] == "notes"


def test_the_workbook_holds_every_table_and_no_formula(exported: Path) -> None:
    book = load_workbook(exported / "open" / "ratings.xlsx")
    assert {"ratings", "events", "audit", "codebook"} <= set(book.sheetnames)
    cells = [cell for row in book["ratings"].iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    assert [cell.value for cell in book["ratings"]["F"]][1:3] == [1, 2]


def test_the_archive_is_whole_and_a_blinded_one_names_no_method(exported: Path) -> None:
    with zipfile.ZipFile(exported / "open" / "study.zip") as archive:
        assert {
            "ratings.csv", "events.csv", "audit.csv", "orders.csv", "export.json", "study.yaml", "versions.json",
            "codebook.csv", "SHA256SUMS",
        } <= set(archive.namelist())  # fmt: skip
        assert "darts-ensemble" in json.loads(archive.read("versions.json"))
        assert set(pd.read_csv(archive.open("orders.csv"))["method"]) == set(METHODS)
    with zipfile.ZipFile(exported / "blind" / "study.zip") as archive:
        for name in archive.namelist():
            assert not [method for method in METHODS if method.encode() in archive.read(name)], name


def test_analyse_reads_the_archive_as_it_reads_the_tables(exported: Path, tmp_path: Path) -> None:
    words = ["--resamples", "100", "--quiet", "--random", "reader", "--methods", ",".join(METHODS)]
    one = CliRunner().invoke(cli, ["analyse", str(exported / "open" / "study.zip"), "-o", str(tmp_path / "zip"), *words])
    assert one.exit_code == 0, one.output
    table = exported / "open" / "ratings.csv"
    two = CliRunner().invoke(cli, ["analyse", str(table), "-o", str(tmp_path / "csv"), "--region", "Blob", *words])
    assert two.exit_code == 0, two.output
    for path in (tmp_path / "csv").glob("*.csv"):
        if path.name != "blinding.csv":
            assert path.read_text() == (tmp_path / "zip" / path.name).read_text(), path.name


def test_a_changed_archive_is_refused(exported: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(exported / "open" / "study.zip") as whole, zipfile.ZipFile(tmp_path / "x.zip", "w") as other:
        for name in whole.namelist():
            content = whole.read(name)
            other.writestr(name, content.replace(b",5,", b",1,") if name == "ratings.csv" else content)
    with pytest.raises(StudyError, match=r"ratings\.csv is not what was exported"):
        from_archive(tmp_path / "x.zip", tmp_path / "out", "", None, None, "t")
    (tmp_path / "y.zip").write_bytes(b"PK")
    with pytest.raises(StudyError, match="not an archive of a study"):
        from_archive(tmp_path / "y.zip", tmp_path / "out", "", None, None, "t")
    assert not (tmp_path / "out").exists()
