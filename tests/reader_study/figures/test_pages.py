"""Figures with a panel for each pair of methods: they fit a page, and every pair is on one of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from evaluation.figures.style import PAGE_HEIGHT
from evaluation.statistics.intervals import Bootstrap
from reader_study.figures import draw
from reader_study.figures.draw import save_study_figures, study_figures
from reader_study.figures.study_style import pair_pages
from reader_study.ratings.checking import check_ratings
from reader_study.statistics import large_studies
from reader_study.statistics.study_analysis import StudyAnalysis, analyse_study


def ratings_of(n_methods: int, n_regions: int) -> pd.DataFrame:
    """Return the ratings of 2 readers and 3 cases."""
    rows = [
        (f"r{reader}", f"c{case}", f"Region-{region:02d}", "L", f"M{method}", str(1 + (reader + case * region + method) % 5))
        for reader in range(2)
        for case in range(3)
        for region in range(n_regions)
        for method in range(n_methods)
    ]
    table = pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"])
    return check_ratings(table, regions=sorted(set(table["roi"])))


def analysis_of(ratings: pd.DataFrame) -> StudyAnalysis:
    """Analyse a study without models."""
    return analyse_study(ratings, bootstrap=Bootstrap(resamples=100))


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the mixed models, which take long and are drawn by the same pages."""
    monkeypatch.setattr(large_studies, "MOST_MODELLED", 0)


@pytest.mark.parametrize(("n_methods", "n_places"), [(2, 1), (3, 15), (6, 15), (6, 60), (9, 3)])
def test_every_pair_is_on_one_page(n_methods: int, n_places: int) -> None:
    pairs = list(combinations("ABCDEFGHI"[:n_methods], 2))
    pages = pair_pages(pairs, n_places)
    assert [pair for page in pages for pair in page] == pairs
    assert max(map(len, pages)) >= min(3, len(pairs))


def test_no_page_of_many_pairs_is_longer_than_paper_and_each_says_which_pairs_it_has() -> None:
    # Pages follow from methods and regions; the tests of one region are enough for the marks on them.
    many = replace(analysis_of(ratings_of(6, 1)), ratings=ratings_of(6, 14))
    pages = [one for one in study_figures(many, "Study") if one.name.startswith("paired_differences")]
    assert [one.name for one in pages] == ["paired_differences", "paired_differences_2", "paired_differences_3"]
    assert [one.caption.rpartition(". ")[2] for one in pages] == [
        "Pairs 1 to 6 of 15.", "Pairs 7 to 12 of 15.", "Pairs 13 to 15 of 15.",
    ]  # fmt: skip
    drawn = pages[-1].draw()
    assert drawn.get_figheight() <= PAGE_HEIGHT
    assert [axes.get_title(loc="left") for axes in drawn.axes if axes.get_visible()] == ["M4\n− M3", "M5\n− M3", "M5\n− M4"]
    plt.close(drawn)


def test_pages_of_a_larger_study_do_not_stay_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One figure is enough to see what is removed; that all are written is tested with the command.
    monkeypatch.setattr(
        draw, "study_figures", lambda *given: [one for one in study_figures(*given) if one.name == "paired_differences"]
    )
    stale = [tmp_path / f"paired_differences_2{suffix}" for suffix in (".pdf", ".svg", ".png")]
    kept = [tmp_path / "paired_differences_2.txt", tmp_path / "rankings.png"]
    for path in (*stale, *kept):
        path.touch()
    save_study_figures(analysis_of(ratings_of(2, 1)), tmp_path, "Study")
    assert (tmp_path / "paired_differences.png").exists()
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in kept)
