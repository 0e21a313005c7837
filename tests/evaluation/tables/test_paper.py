"""Tables for papers: the numbers are those of the run, the best is bold, and no name is a command for LaTeX."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.results.folder import SIDES_MERGED, read_results
from evaluation.tables.formats import Cell, PaperTable, latex_text, to_latex, to_markdown
from evaluation.tables.paper import paper_tables, save_tables
from tests.phantoms.results_folder import random_scores, write_results

NASTY = r"50%_of $x$ & {a} #1 ~ ^ \alpha <b> |c| [d] “q”"


def tables(folder: Path) -> dict[str, PaperTable]:
    return {table.name: table for table in paper_tables(read_results(folder))}


def markdown_cells(text: str) -> list[list[str]]:
    """Rows of a pipe table, without the rule."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[:1] + rows[2:]]


def test_the_summary_holds_mean_sd_n_and_misses_by_hand(tmp_path: Path) -> None:
    scores = random_scores(3, ["a", "b"], (12, 51))
    scores["dice"] = [0.8, 0.6, 0.5, 0.5, 0.9, 0.7, 0.5, 0.5, 1.0, 0.8, 0.5, 0.5]  # a: 0.7, 0.8, 0.9; b: 0.5
    scores.loc[2, "status"] = "missed"
    table = tables(write_results(tmp_path, scores))["summary"]
    cells = markdown_cells(to_markdown(table))
    assert cells[0] == ["Method", "n", "Dice", "HD95 (larger, voxel), mm", "Missing"]
    assert cells[1][:3] == ["a", "3", "**0.800 ± 0.100**"]
    assert cells[2][:3] == ["b", "3", "0.500 ± 0.000"]
    assert [row[-1] for row in cells[1:]] == ["0", "1"]


def test_the_best_of_each_region_is_bold_lowest_for_distances_and_all_of_a_tie(tmp_path: Path) -> None:
    scores = random_scores(2, ["a", "b", "c"], (12, 51))
    dice = {("a", 12): 0.9, ("b", 12): 0.9001, ("c", 12): 0.7, ("a", 51): 0.5, ("b", 51): 0.6, ("c", 51): np.nan}
    scores["dice"] = [dice[row["method"], row["region_id"]] for row in scores.to_dict("records")]
    scores["hd95_larger_voxel_mm"] = 10 - scores["dice"]
    named = tables(write_results(tmp_path, scores))
    for name, best in (("regions_dice", [True, True, False]), ("regions_hd95_larger_voxel_mm", [True, True, False])):
        left, right = named[name].rows
        assert [cell.bold for cell in left[3:]] == best
        assert [cell.bold for cell in right[3:]] == [False, True, False]
        assert right[-1].text == "–"
        assert (left[2].text, right[2].text) == ("2", "2/2/0")


def test_a_region_that_only_one_map_has_is_counted_in_brackets(tmp_path: Path) -> None:
    scores = random_scores(3, ["a", "b"], (12, 51))
    scores.loc[(scores["method"] == "b") & (scores["region_id"] == 51) & (scores["subject"] != "s000"), "status"] = "missed"
    left, right = tables(write_results(tmp_path, scores))["regions_dice"].rows
    assert [cell.text.endswith(")") for cell in (*left[3:], *right[3:])] == [False, False, False, True]
    assert right[4].text.endswith(" (2)")


def test_merged_sides_are_not_held_against_other_methods(tmp_path: Path) -> None:
    scores = random_scores(2, [f"sagittal{SIDES_MERGED}", "ensemble"], (12, 51))
    named = tables(write_results(tmp_path, scores))
    assert [[cell.bold for cell in row] for row in named["summary"].rows] == [[False] * 5] * 2
    assert named["regions_dice"].header == ("Region", "Side", "n", "ensemble")


def test_paired_tables_hold_the_differences_and_p_of_the_run(tmp_path: Path) -> None:
    folder = write_results(tmp_path, random_scores(7, ["a", "b"], (51, 12)))
    paired = pd.read_csv(folder / "paired_regions.csv").set_index("region_id")
    table = tables(folder)["paired_regions_dice"]
    assert [(row[0].text, row[1].text) for row in table.rows] == [("putamen", "L"), ("putamen", "R")]
    for row, id_ in zip(table.rows, (12, 51), strict=True):
        one = paired.loc[id_]
        difference = f"{one['mean_difference']:+.3f} [{one['mean_low']:+.3f}, {one['mean_high']:+.3f}]".replace("-", "−")
        expected = ["7", difference, *(f"{one[f'wilcoxon_{p}']:.3f}" for p in ("p", "p_holm_regions", "p_fdr_regions"))]
        assert [cell.text for cell in row[2:7]] == expected
    assert "a − b" in table.caption
    overall = tables(folder)["paired_overall"].rows
    assert [cell.text for cell in overall[0][:2]] == ["Dice", "7"]
    three = tables(write_results(tmp_path / "three", random_scores(7, ["a", "b", "c"], (12,))))["paired_overall"]
    assert [row[1].text for row in three.rows] == ["a − b", "a − c", "b − c"]


def test_the_files_of_a_table_say_the_same_and_the_csv_is_not_rounded(tmp_path: Path) -> None:
    folder = write_results(tmp_path, random_scores(3, ["a", "b"], (12, 51)))
    written = save_tables(folder)
    assert {path.suffix for path in written} == {".csv", ".md", ".tex"}
    stems = {path.stem for path in written}
    assert stems >= {"summary", "regions_dice", "paired_regions_dice", "paired_overall"}
    data = pd.read_csv(folder / "tables" / "regions_dice.csv")
    regions = pd.read_csv(folder / "regions.csv").set_index(["region_id", "method"])
    for row in data.to_dict("records"):
        for method in ("a", "b"):
            assert row[f"{method} mean"] == pytest.approx(regions.loc[(row["region_id"], method), "mean_dice"], rel=1e-5)
    for path in folder.glob("paired_*.csv"):
        path.unlink()
    assert {path.stem for path in save_tables(folder)} == {stem for stem in stems if not stem.startswith("paired")}
    assert not list((folder / "tables").glob("paired_*"))


@given(st.text(st.characters(max_codepoint=0x17F, exclude_categories=["Cc"])))
def test_no_letter_of_a_name_is_a_command_to_latex(text: str) -> None:
    escaped = latex_text(text)
    # What the text itself can't have brought in: commands of the escapes, and mathematics that closes again.
    rest = re.sub(
        r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textquotedbl|textbar)\{\}", "", escaped
    )
    rest = re.sub(r"\$(-|\\(pm|infty|geq|leq|times|cap|cup))\$", "", rest)
    rest = re.sub(r"\\[{}$&%#_,]", "", rest)
    assert not set(rest) & set(r"\{}$&%#_^")


def nasty_table(n_rows: int) -> PaperTable:
    row = (Cell(NASTY, bold=True), Cell("0.5 ± 0.1"), Cell("−∞ ≥ × ∩ ∪"))
    first = (Cell("[x] starts like an argument"), Cell("*"), Cell("<0.001"))
    return PaperTable("nasty", f"A caption with {NASTY}", ("Name", "d_z", "p"), (first, *[row] * n_rows), "lrr", pd.DataFrame())


def test_a_row_that_begins_with_a_bracket_is_no_argument_of_the_line_before() -> None:
    lines = to_latex(nasty_table(1)).splitlines()
    assert not [line for line in lines if line.lstrip().startswith(("[", "*"))]


def test_markdown_cells_keep_their_pipes_and_columns() -> None:
    cells = markdown_cells(to_markdown(nasty_table(1)))
    assert {len(row) for row in cells} == {3}
    assert r"\|c\|" in cells[2][0]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (texlive-latex-base) to compile tables")
@pytest.mark.parametrize("n_rows", [2, 60])
def test_latex_compiles_tables_and_prints_names_as_they_are(tmp_path: Path, n_rows: int) -> None:
    (tmp_path / "table.tex").write_text(to_latex(nasty_table(n_rows)), encoding="utf-8")
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,longtable}\n"
        "\\begin{document}\\input{table}\\end{document}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 5000


def test_csv_quotes_names_with_commas(tmp_path: Path) -> None:
    scores = random_scores(2, ["a, b", "c"], (12,))
    folder = write_results(tmp_path, scores)
    save_tables(folder)
    rows = list(csv.reader(io.StringIO((folder / "tables" / "summary.csv").read_text(encoding="utf-8"))))
    assert [row[0] for row in rows] == ["method", "a, b", "c"]
    assert {len(row) for row in rows} == {len(rows[0])}
