"""A table for a paper, written as CSV, Markdown and LaTeX (booktabs)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darts_ensemble.results.outputs import write_text

__all__ = ["Cell", "PaperTable", "latex_text", "to_latex", "to_markdown", "write_table"]

#: Longer tables break over pages in LaTeX.
MOST_ROWS_ON_A_PAGE = 45
_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    '"': r"\textquotedbl{}", "|": r"\textbar{}",
    "±": r"$\pm$", "−": "$-$", "–": "--", "∞": r"$\infty$", "≥": r"$\geq$", "≤": r"$\leq$", "×": r"$\times$",
    "∩": r"$\cap$", "∪": r"$\cup$", "\u202f": r"\,", "\u00a0": "~",
}  # fmt: skip
# T1 has the quotation mark for \textquotedbl; OT1 does not have it.
_PREAMBLE = r"% \usepackage{booktabs,longtable} and \usepackage[T1]{fontenc} in the preamble."

# Ten columns fit the width of a page.
_NARROW = r"\footnotesize\setlength{\tabcolsep}{4pt}"


@dataclass(frozen=True)
class Cell:
    """Text of a cell, and whether it is bold."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class PaperTable:
    """A table as a reader sees it, and its numbers.

    Attributes
    ----------
    name : str
        Name of its files.
    caption : str
    header : tuple of str
    rows : tuple of tuple of Cell
    numbers : str
        One letter per column: "l" for text, "r" for numbers.
    data : DataFrame
        Content of the CSV file, unrounded.
    """

    name: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: str
    data: pd.DataFrame


def write_table(table: PaperTable, folder: Path) -> list[Path]:
    """Write a table as `.csv`, `.md` and `.tex`.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    texts = {
        ".csv": table.data.to_csv(index=False, float_format="%.6g"),
        ".md": to_markdown(table),
        ".tex": to_latex(table),
    }
    for suffix, text in texts.items():
        write_text(folder / f"{table.name}{suffix}", text)
    return [folder / f"{table.name}{suffix}" for suffix in texts]


def to_markdown(table: PaperTable) -> str:
    """Return a table in Markdown (pipes), its caption above it."""
    rows = [[_markdown_text(text) for text in table.header]]
    rows += [
        [f"**{_markdown_text(cell.text)}**" if cell.bold else _markdown_text(cell.text) for cell in row] for row in table.rows
    ]
    widths = [max(3, *(len(row[place]) for row in rows)) for place in range(len(table.header))]
    rule = [
        ("-" * (width - 1) + ":") if kind == "r" else "-" * width for width, kind in zip(widths, table.numbers, strict=True)
    ]
    lines = []
    for row in (rows[0], rule, *rows[1:]):
        cells = [
            text.rjust(width) if kind == "r" else text.ljust(width)
            for text, width, kind in zip(row, widths, table.numbers, strict=True)
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return f"{table.caption}\n\n" + "\n".join(lines) + "\n"


def to_latex(table: PaperTable) -> str:
    """Return a table in LaTeX with the rules of booktabs; a longtable if it is longer than a page."""
    header = " & ".join(latex_text(text) for text in table.header) + r" \\"
    rows = [_latex_row(row) for row in table.rows]
    caption, label = latex_text(table.caption), re.sub(r"[^A-Za-z0-9]+", "-", table.name)
    if len(rows) <= MOST_ROWS_ON_A_PAGE:
        lines = [
            _PREAMBLE, r"\begin{table}", r"\centering", _NARROW, rf"\caption{{{caption}}}", rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{@{{}}{table.numbers}@{{}}}}", r"\toprule", header, r"\midrule", *rows, r"\bottomrule",
            r"\end{tabular}", r"\end{table}",
        ]  # fmt: skip
    else:
        lines = [
            _PREAMBLE, r"\begingroup", _NARROW, rf"\begin{{longtable}}{{@{{}}{table.numbers}@{{}}}}",
            rf"\caption{{{caption}}}\label{{tab:{label}}}\\", r"\toprule", header, r"\midrule", r"\endfirsthead",
            r"\toprule", header, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot", *rows, r"\end{longtable}",
            r"\endgroup",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def latex_text(text: str) -> str:
    """Return text without LaTeX commands: special characters are escaped, mathematical signs are in math mode."""
    return "".join(_ESCAPES.get(letter, letter) for letter in " ".join(text.split(" ")).replace("\n", " "))


def _latex_row(row: Sequence[Cell]) -> str:
    cells = [rf"\textbf{{{latex_text(cell.text)}}}" if cell.bold else latex_text(cell.text) for cell in row]
    # After the end of a row, LaTeX would take a bracket or a star for an argument.
    if cells and cells[0].startswith(("[", "*")):
        cells[0] = "{}" + cells[0]
    return " & ".join(cells) + r" \\"


def _markdown_text(text: str) -> str:
    return re.sub(r"([\\|*_`<])", r"\\\1", text).replace("\n", " ")
