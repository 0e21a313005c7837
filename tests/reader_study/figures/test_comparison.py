"""The figure of printed and new means: the marks of many methods stay in the row of their region, in the order of the study."""

from __future__ import annotations

from itertools import product

import pandas as pd

from reader_study.figures.comparison import draw_comparison

METHODS = tuple(f"method {number}" for number in range(6))
PLACES = (("Insula", "L"), ("Insula", "R"), ("Caudate", "L"))


def test_the_marks_of_six_methods_stay_in_their_row() -> None:
    rows = [
        (roi, side, method, 3.0 + 0.1 * place, 3.5 + 0.01 * number)
        for (place, (roi, side)), (number, method) in product(enumerate(PLACES), enumerate(METHODS))
    ]
    table = pd.DataFrame(rows, columns=["roi", "hemisphere", "method", "printed_mean", "study_mean"])
    axes = draw_comparison(table, METHODS).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Insula L", "Insula R", "Caudate L"]
    lowest, highest = sorted(axes.get_ylim())
    joined = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] >= 3]
    assert len(joined) == len(rows)
    for line, (place, _) in zip(joined, product(range(3), METHODS), strict=True):
        assert abs(float(line.get_ydata()[0]) - place) < 0.5
        assert lowest < float(line.get_ydata()[0]) < highest
    assert len({round(float(line.get_ydata()[0]), 6) for line in joined}) == len(rows)
