"""Blinding indices: the worked example of a published trial, the multinomial delta method, and uninformative guesses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from reader_study.errors import RatingsError
from reader_study.statistics.blinding import bang_index, blinding_table, guess_counts, james_index, read_guesses

#: The CRISP trial (Bang, Ni, Davis 2004, table 7): rows guesses of treatment, placebo, don't know; columns what it was.
CRISP = np.array([[82, 27], [25, 29], [170, 83]])


def test_the_crisp_trial_as_published() -> None:
    """James 0.75; Bang 0.21 and 0.01, printed with 90 % limits (0.15, 0.26) and (-0.07, 0.10)."""
    assert james_index(CRISP).value == pytest.approx(0.75, abs=0.005)
    treated, placebo = (bang_index(CRISP, arm, confidence=0.9) for arm in (0, 1))
    assert (treated.value, treated.low, treated.high) == pytest.approx((0.21, 0.15, 0.26), abs=0.005)
    assert (placebo.value, placebo.low, placebo.high) == pytest.approx((0.01, -0.07, 0.10), abs=0.005)
    # By arithmetic: (right - wrong) / all.
    assert treated.value == pytest.approx((82 - 25) / 277)


def james_as_published(counts: np.ndarray) -> float:
    """Index of two arms from the formula of 1996, step by step: weight 0.5 for a wrong guess, 0 for a right one."""
    p = counts / counts.sum()
    unsure = p[2].sum()
    observed = 0.5 * (p[0, 1] + p[1, 0]) / (1 - unsure)
    arms = p.sum(axis=0) - p[2]
    expected = 0.5 * (p[0].sum() * arms[1] + p[1].sum() * arms[0]) / (1 - unsure) ** 2
    return float((1 + unsure + (1 - unsure) * (observed - expected) / expected) / 2)


@pytest.mark.parametrize("counts", [CRISP, [[48, 22], [4, 30], [330, 319]], [[9, 3], [2, 7], [0, 0]]])
def test_james_and_its_error_are_the_formula_and_its_numeric_delta_method(counts: np.ndarray) -> None:
    counts = np.asarray(counts, float)
    found = james_index(counts)
    assert found.value == pytest.approx(james_as_published(counts), abs=1e-12)
    n, p = counts.sum(), counts / counts.sum()
    slope = np.zeros_like(p)
    for cell in np.ndindex(p.shape):
        step = np.zeros_like(p)
        step[cell] = 1e-6
        slope[cell] = (james_as_published(p + step) - james_as_published(p)) / 1e-6
    variance = ((p * slope**2).sum() - (p * slope).sum() ** 2) / n
    assert found.se == pytest.approx(math.sqrt(variance), rel=1e-3)


def test_three_methods_by_chance_are_zero_for_bang_and_a_half_for_james() -> None:
    chance = np.vstack([np.full((3, 3), 20), np.zeros((1, 3), int)])
    assert james_index(chance).value == pytest.approx(0.5)
    assert [bang_index(chance, arm).value for arm in range(3)] == pytest.approx([0, 0, 0])
    known = np.vstack([np.diag([20, 20, 20]), np.zeros((1, 3), int)])
    assert james_index(known).value == pytest.approx(0.0)
    assert bang_index(known, 1).value == 1.0
    # Twelve right of twenty, eight wrong over two others: 12/20 - 8/20/2; p q / n with scores 1 and -1/2.
    mixed = np.array([[12, 0, 0], [5, 0, 0], [3, 0, 0], [0, 0, 0]])
    assert bang_index(mixed, 0).value == pytest.approx(0.6 - 0.4 / 2)
    assert bang_index(mixed, 0).se == pytest.approx(1.5 * math.sqrt(0.6 * 0.4 / 20))


def test_bang_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for right, wrong, unsure in rng.multinomial(80, [0.5, 0.2, 0.3], size=2000):
        found = bang_index(np.array([[right, 0], [wrong, 0], [unsure, 0]]), 0)
        inside += found.low <= 0.3 <= found.high
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)


def test_guesses_that_say_nothing_give_a_reason() -> None:
    nobody = np.array([[0, 0], [0, 0], [5, 7]])
    assert (james_index(nobody).value, bang_index(nobody, 0).value) == (1.0, 0.0)
    none = np.zeros((3, 2), int)
    assert james_index(none).reason == "no guess"
    assert bang_index(none, 0).reason == "no guess about this method"
    one = np.array([[5, 0], [0, 0], [0, 0]])
    assert math.isnan(james_index(one).value)
    assert "none could be wrong" in james_index(one).reason


def test_guesses_are_read_with_every_word_for_not_knowing(tmp_path: Path) -> None:
    path = tmp_path / "guesses.csv"
    rows = [
        "A,c1,Insula,L,FS,FS",
        "A,c2,Insula,L,FT,FS",
        "A,c3,Insula,L,don't know,FT",
        "B,c1,Insula,L,,FT",
        "B,c2,Insula,L,FT,FT",
    ]
    path.write_text("reader,case,roi,hemisphere,guess,method\n" + "\n".join(rows) + "\n", encoding="utf-8")
    guesses = read_guesses(path, ["FS", "FT"])
    assert guess_counts(guesses, ["FS", "FT"]).tolist() == [[1, 0], [1, 1], [0, 2]]
    table = blinding_table(guesses, ["FS", "FT"]).set_index(["reader", "index", "method"])
    assert table.loc[("all", "bang", "FT"), ["n", "n_right", "n_wrong", "n_unsure"]].tolist() == [3, 1, 0, 2]
    assert table.loc[("A", "bang", "FS"), "value"] == 0.0
    assert list(dict.fromkeys(table.index.get_level_values("reader"))) == ["all", "A", "B"]


def test_a_guess_of_no_method_names_its_row(tmp_path: Path) -> None:
    path = tmp_path / "guesses.csv"
    path.write_text("reader,guess,method\nA,FS,FS\nA,SAMSEG,FT\n", encoding="utf-8")
    with pytest.raises(RatingsError, match=r"row 3, column guess: found 'SAMSEG', expected one of FS, FT or nothing"):
        read_guesses(path, ["FS", "FT"])
    path.write_text("reader,method\nA,FS\n", encoding="utf-8")
    with pytest.raises(RatingsError, match="no column guess"):
        read_guesses(path)
