"""Names in figures: complete if they fit, all different, only letters that a font has; ticks of ratios have labels."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from reader_study.figures.names import shown_name, shown_names, unshown
from reader_study.figures.ratings import draw_likert
from reader_study.figures.study_style import ratio_ticks
from reader_study.ratings.table import LIKERT, check_ratings

LONG = [f"reader number {number} with a long name" for number in range(12)]


def test_names_that_fit_stay_as_they_are() -> None:
    assert shown_names(["FreeSurfer-Desikan", "FS", 'a, "b" $5']) == ["FreeSurfer-Desikan", "FS", 'a, "b" $5']


@pytest.mark.parametrize(
    "names", [LONG, ["x" * 60 + str(n) for n in range(3)], [f"FreeSurfer-{n}" for n in ("DKT", "Desikan")]]
)
def test_shortened_names_are_never_alike(names: list[str]) -> None:
    shown = shown_names(names, 14, 1)
    assert len(set(shown)) == len(names)
    assert max(map(len, shown)) <= 20


def test_what_tells_names_apart_is_what_is_kept() -> None:
    assert all(str(number) in name for number, name in enumerate(shown_names(LONG, 24, 1)))


def test_a_long_name_is_wrapped_at_its_parts() -> None:
    assert shown_name("FreeSurfer_version_7.4.1", 16) == "FreeSurfer_\nversion_7.4.1"
    assert all(len(line) <= 16 for line in shown_name("y" * 60, 16).split("\n"))


def test_letters_that_no_font_has_become_a_number_that_the_caption_explains() -> None:
    names = ["Müller, Eva", "山田 太郎", "Ольга"]
    assert shown_names(names, kind="reader") == ["Müller, Eva", "reader 2", "Ольга"]
    assert unshown(names, "reader") == "reader 2: 山田 太郎"
    # In the panel of a pair a method has the number that the caption explains.
    assert shown_names(["Ольга", "山田 太郎"], kind="reader", among=names) == ["Ольга", "reader 2"]


@pytest.mark.parametrize("letter", ["W", "m", "i", "é"])
def test_a_region_s_name_beside_bars_does_not_touch_the_methods_names(letter: str) -> None:
    methods = [letter * 17 + end for end in ("-a", "-b", "-c")]
    rows = [("r", "c", "Insula", "L", method, "3") for method in methods]
    ratings = check_ratings(pd.DataFrame(rows, columns=["reader", "case", "roi", "hemisphere", "method", "rating"]))
    drawn = draw_likert(ratings, methods, LIKERT)
    drawn.canvas.draw()
    axes = drawn.axes[0]
    region = next(text for text in axes.texts if text.get_text().startswith("Insula")).get_window_extent()
    assert all(region.x1 <= label.get_window_extent().x0 for label in axes.get_yticklabels())
    plt.close(drawn)


_RANGES = [(0.7, 1.4), (0.9, 1.1), (0.4, 6), (0.59, 1.45), (0.1, 1.9), (0.01, 300), (1e-4, 1e4)]


@pytest.mark.parametrize(("low", "high"), _RANGES)
def test_an_axis_of_ratios_has_labels_at_one_and_on_both_sides_of_it(low: float, high: float) -> None:
    ticks = ratio_ticks(low, high)
    assert 2 <= len(ticks) <= 6
    assert min(ticks) < 1 < max(ticks)
    assert 1.0 in ticks
