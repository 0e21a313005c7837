"""Names with commas, quotes, slashes and other scripts go from the plan through the application to the export."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
from typer.testing import CliRunner

from reader_study.commands.main import app as cli
from reader_study.ratings.table import read_ratings
from reader_study.study.export import export_study
from tests.phantoms.small_study import CASE, DESIGN, METHODS, PRACTICE, SmallStudy, lay_out
from tests.reader_study.study.test_write_ratings import Visitor

READERS = ("Müller, Eva", 'Anne "O" Neil/2', "010", "読影者" * 20)
NAMES = ("Sørensen, A", "1e3", "FT/2 'b'")


def test_names_go_through_plan_app_and_export_as_written(tmp_path: Path) -> None:
    design = DESIGN.replace("readers: [anna, ben]", f"readers: ['Müller, Eva', 'Anne \"O\" Neil/2', 010, {READERS[3]}]")
    for method, name in zip(METHODS, NAMES, strict=True):
        quoted = "'" + name.replace("'", "''") + "'" if name != "1e3" else name
        design = design.replace(f"{method}: maps", f"{quoted}: maps")
    for case, name in ((CASE, "12:30"), (PRACTICE, "007")):
        design = design.replace(f"[{case}]", f"[{name}]")
    path = lay_out(tmp_path / "sources", design)
    for case, name in ((CASE, "12:30"), (PRACTICE, "007")):
        for file in (tmp_path / "sources").rglob(f"{case}.nii.gz"):
            file.rename(file.with_name(f"{name}.nii.gz"))
    links = tmp_path / "links.csv"
    done = CliRunner().invoke(cli, ["plan", str(path), "-o", str(tmp_path / "study"), "--links", str(links), "--quiet"])
    assert done.exit_code == 0, done.output
    with links.open(encoding="utf-8", newline="") as file:
        tokens = {row["who"]: row["link"].partition("#")[2] for row in csv.DictReader(file)}
    assert list(tokens) == [*READERS, "coordinator"]
    for reader in READERS[:2]:
        study = SmallStudy(tmp_path / "study", tokens, tokens["coordinator"])
        assert Visitor(study, tokens[reader]).answer_all() == 2 + 17 + 2 + 3
    export_study(tmp_path / "study", tmp_path / "out", unblind=True)
    ratings = read_ratings(tmp_path / "out" / "ratings.csv")
    assert set(ratings["reader"]) == set(READERS[:2])
    assert set(ratings["method"]) == set(NAMES)
    assert set(ratings["case"]) == {"12:30"}
    guesses = pd.read_csv(tmp_path / "out" / "guesses.csv", dtype=str, keep_default_na=False)
    assert set(guesses["method"]) <= set(NAMES) and set(guesses["guess"]) <= {*NAMES, "don't know"}


def test_a_table_on_the_terminal_cuts_no_name(tmp_path: Path) -> None:
    long = "FreeSurfer-DKT-with-a-rather-long-name-of-its-own-version"
    design = DESIGN.replace("FreeSurfer: maps", f"{long}1: maps").replace("NetworkPlain: maps", f"{long}2: maps")
    path = lay_out(tmp_path / "sources", design)
    done = CliRunner().invoke(cli, ["plan", str(path), "--dry-run", "--no-power"], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    first_column = "".join(line.split("│")[1].strip() for line in done.output.splitlines() if line.startswith("│"))
    assert "…" not in done.output
    assert first_column.endswith(f"{long}1{long}2NetworkTuned")
