"""The published table as files: CSV for programs, Markdown and LaTeX for people, the best method in bold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from darts_ensemble.results.outputs import write_text
from reader_study.ratings.table import SYNTHETIC
from reader_study.statistics.published_table import POOLED, PublishedTable, pair_text

__all__ = ["PUBLISHED_FILES", "csv_of", "latex_of", "markdown_of", "write_published_table"]

#: Files of :func:`write_published_table`.
PUBLISHED_FILES = ("published_table.csv", "published_table.md", "published_table.tex", "published_tests.csv")
_HEADERS = ("t-test", "Wilcoxon")
_TESTS = ("ttest", "wilcoxon")
_LATEX = {
    "\\": r"\textbackslash{}",
    "_": r"\_",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def csv_of(table: PublishedTable, *, synthetic: bool = False) -> str:
    """Return a table with the columns of the published summary, means and SDs to four decimals, which its checks can read."""
    rows = table.rows.assign(synthetic=SYNTHETIC) if synthetic else table.rows.copy()
    for method in table.methods:
        for column in (f"{method}_mean", f"{method}_sd"):
            rows[column] = [_number(value, 4) for value in rows[column]]
    return rows.to_csv(index=False, lineterminator="\n")


def markdown_of(table: PublishedTable, *, synthetic: bool = False) -> str:
    """Return the table in the paper's layout, in Markdown: mean ± SD to two decimals, `n/a` if there is none."""
    header = ["Region", "Side", *table.methods, *_HEADERS]
    lines = [_markdown_row(header), f"|{' --- |' * len(header)}"]
    for number, (_, row) in enumerate(table.rows.iterrows()):
        cells = [row["roi"], row["hemisphere"]]
        for method in table.methods:
            text = _mean_and_sd(row, method, " ± ")
            cells.append(f"**{text}**" if method in table.best[number] else text)
        cells += [_pairs(table, test, number) for test in _TESTS]
        lines.append(_markdown_row(cells))
    said = f"**{SYNTHETIC}.** " if synthetic else ""
    return "\n".join([*lines, "", f"{said}Pairs that differ at the 95 % level. {_sentence(POOLED)}", ""])


def latex_of(table: PublishedTable, *, synthetic: bool = False) -> str:
    """Return the table in the paper's layout, as a LaTeX `tabular` that needs no package."""
    header = ["Region", "Side", *table.methods, *_HEADERS]
    lines = [f"% {_sentence(POOLED)}", rf"\begin{{tabular}}{{ll{'c' * len(table.methods)}ll}}", r"\hline"]
    lines += [" & ".join(_escaped(name) for name in header) + r" \\", r"\hline"]
    for number, (_, row) in enumerate(table.rows.iterrows()):
        cells = [_escaped(row["roi"]), _escaped(row["hemisphere"])]
        for method in table.methods:
            text = _mean_and_sd(row, method, r" $\pm$ ")
            cells.append(rf"\textbf{{{text}}}" if method in table.best[number] else text)
        cells += [_escaped(_pairs(table, test, number)) for test in _TESTS]
        lines.append(" & ".join(cells) + r" \\")
    if synthetic:
        lines += [r"\hline", rf"\multicolumn{{{len(header)}}}{{l}}{{\textbf{{{SYNTHETIC}}}}} \\"]
    return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def write_published_table(table: PublishedTable, folder: Path, *, synthetic: bool = False) -> list[Path]:
    """Write `published_table.csv`, `.md`, `.tex` and the tests behind it, `published_tests.csv`, into a folder.

    If the ratings are `synthetic`, every file says so.
    """
    tests = table.tests.assign(synthetic=SYNTHETIC) if synthetic else table.tests
    texts = (
        csv_of(table, synthetic=synthetic),
        markdown_of(table, synthetic=synthetic),
        latex_of(table, synthetic=synthetic),
        tests.to_csv(index=False, lineterminator="\n"),
    )
    for name, text in zip(PUBLISHED_FILES, texts, strict=True):
        write_text(folder / name, text)
    return [folder / name for name in PUBLISHED_FILES]


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _number(value: float, decimals: int) -> str:
    return "" if math.isnan(value) else f"{value:.{decimals}f}"


def _mean_and_sd(row: pd.Series, method: str, sign: str) -> str:
    mean, sd = row[f"{method}_mean"], row[f"{method}_sd"]
    return "n/a" if math.isnan(mean) else f"{mean:.2f}{sign}{_number(sd, 2) or 'n/a'}"


def _pairs(table: PublishedTable, test: str, number: int) -> str:
    """Pairs that differ in a row; with ``;`` between where a name has a comma."""
    pairs = table.differing[test][number]
    return ("; " if any("," in name for pair in pairs for name in pair) else ", ").join(map(pair_text, pairs))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
