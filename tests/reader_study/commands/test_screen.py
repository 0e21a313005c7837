"""What analyse prints: names of methods stay whole and can be told apart on a terminal or in a log of 80 columns."""

from __future__ import annotations

import io
from itertools import combinations, product
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from evaluation.statistics.intervals import Bootstrap
from reader_study.commands.screen import show_study
from reader_study.ratings.table import check_ratings
from reader_study.statistics.study_analysis import analyse_study

NAMES = ("FreeSurfer-DKT", "MeshNet104", "FreeSurfer-Desikan")
SHORT = ("FS", "NFT", "FT")


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("names", [NAMES, SHORT])
def test_no_name_is_cut_on_80_columns(names: tuple[str, ...], verbose: bool) -> None:
    rows = [
        (f"r{r}", f"c{c}", "Lateral-Ventricles", "L", method, str(1 + (r + 2 * c + place) % 5))
        for r, c, (place, method) in product(range(2), range(6), enumerate(names))
    ]
    table = check_ratings(pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"]))
    analysis = analyse_study(table, names, random=("case",), bootstrap=Bootstrap(resamples=100))
    out = io.StringIO()
    show_study(Console(file=out, width=80, markup=False, soft_wrap=True), analysis, Path("out"), verbose=verbose)
    text = out.getvalue()
    drawn = [line for line in text.splitlines() if line.startswith(("│", "┃"))]
    assert max(len(line) for line in drawn) <= 80
    assert "…" not in text
    tests = text[text.lower().index("differences of case means") :].splitlines()
    pairs = "".join(line.split("│")[3 if verbose else 1].strip() for line in tests if line.startswith("│"))
    for first, second in combinations(names, 2):
        assert f"{second} − {first}".replace(" ", "") in pairs.replace(" ", "")
