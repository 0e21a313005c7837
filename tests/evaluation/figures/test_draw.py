"""The figures of a results folder show the values of the tables, read back from the drawing itself."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from darts_ensemble.errors import CohortError, UsageError
from darts_ensemble.labels import REGIONS
from evaluation.figures.bland_altman import draw_bland_altman
from evaluation.figures.box_plots import draw_box_plot, draw_published_box_plot
from evaluation.figures.difference_plot import draw_differences
from evaluation.figures.draw import draw_figures, save_figures
from evaluation.figures.gain_plot import draw_gain
from evaluation.figures.heat_map import draw_heat_map
from evaluation.figures.region_layout import Part, parts_of, region_rows
from evaluation.figures.style import SUFFIXES, method_colours
from evaluation.results.captions import read_captions
from evaluation.results.folder import SIDES_MERGED, read_results
from evaluation.results.significance import Mark, marks_of
from evaluation.statistics.agreement import bland_altman
from evaluation.statistics.paired import compare_methods
from tests.phantoms.results_folder import random_scores, write_results


def only_part(scores: pd.DataFrame) -> Part:
    (part,) = parts_of(region_rows(scores), scores)
    return part


def boxes(figure: Figure) -> list[Rectangle]:
    """Filled boxes, not the bands behind the rows nor the outlines."""
    found = [patch for axes in figure.axes for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_zorder() > 2]
    return [patch for patch in found if patch.get_facecolor()[3] > 0]


def points(figure: Figure) -> np.ndarray:
    found = [one for axes in figure.axes for one in axes.collections if isinstance(one, PathCollection)]
    return np.concatenate([np.asarray(one.get_offsets()) for one in found]) if found else np.empty((0, 2))


def line_ends(figure: Figure) -> np.ndarray:
    """x of the ends of all lines along the values."""
    segments = [one for axes in figure.axes for lines in axes.collections for one in getattr(lines, "get_segments", list)()]
    return np.array([one[:, 0] for one in segments if len(one) and np.ptp(one[:, 1]) == 0])


OUTLYING = [0.1, 0.5, 0.52, 0.55, 0.6, 0.62, 0.65, 0.7, 0.8]


@pytest.mark.parametrize(("published", "reach"), [(False, 1.5), (True, 1.0)])
def test_boxes_and_whiskers_are_those_of_numpy(published: bool, reach: float) -> None:
    scores = random_scores(9, ["m"], (16,)).assign(dice=OUTLYING)
    figure = (draw_published_box_plot if published else draw_box_plot)(scores, only_part(scores), ["m"])
    q1, q3 = np.percentile(OUTLYING, [25, 75])
    (box,) = boxes(figure)
    edges = (box.get_y(), box.get_height()) if published else (box.get_x(), box.get_width())
    assert edges == pytest.approx((q1, q3 - q1))
    inside = [value for value in OUTLYING if q1 - reach * (q3 - q1) <= value <= q3 + reach * (q3 - q1)]
    axis = 1 if published else 0
    lines = [one for lines in figure.axes[0].collections for one in getattr(lines, "get_segments", list)()]
    along = np.concatenate([one[:, axis] for one in lines])
    assert (along.min(), along.max()) == pytest.approx((min(inside), max(inside)))
    assert (max(inside) == 0.7) == published  # the two reaches end at different subjects
    assert np.isclose(along, np.median(OUTLYING)).any()
    assert len(points(figure)) == (0 if published else 9)


@pytest.mark.parametrize(("n", "n_boxes"), [(4, 0), (5, 3)])
def test_below_five_subjects_points_stand_instead_of_boxes(n: int, n_boxes: int) -> None:
    scores = random_scores(n, ["m"], (17, 53, 16))
    figure = draw_box_plot(scores, only_part(scores), ["m"])
    assert len(boxes(figure)) == n_boxes
    np.testing.assert_allclose(np.sort(points(figure)[:, 0]), np.sort(scores["dice"]))


def test_each_point_stands_in_the_panel_row_and_slot_of_its_side_region_and_method() -> None:
    scores = random_scores(3, ["a", "b"], (12, 51, 17, 53))
    figure = draw_box_plot(scores, only_part(scores), ["a", "b"])
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    heights = dict(zip(names, figure.axes[0].get_yticks(), strict=True))
    assert set(heights) == {"putamen", "hippocampus"}
    assert [axes.get_title() for axes in figure.axes] == ["left hemisphere", "right hemisphere"]
    seen = 0
    for axes, side in zip(figure.axes, ("left", "right"), strict=True):
        for cloud in (one for one in axes.collections if isinstance(one, PathCollection)):
            for x, y in np.asarray(cloud.get_offsets()):
                row = scores[scores["dice"] == x].iloc[0]
                assert row["hemisphere"] == side
                shift = y - heights["putamen" if row["region_id"] in (12, 51) else "hippocampus"]
                assert (-0.5 < shift < 0) if row["method"] == "a" else (0 < shift < 0.5)
                seen += 1
    assert seen == len(scores)


def test_subjects_seen_in_training_are_crosses_with_a_legend() -> None:
    scores = random_scores(5, ["m"], (16,))
    scores["seen_in_training"] = scores["subject"] == "s000"
    figure = draw_box_plot(scores, only_part(scores), ["m"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["m (n = 5)", "seen in training"]
    clouds = [one for axes in figure.axes for one in axes.collections if isinstance(one, PathCollection)]
    (cross,) = [one for one in clouds if len(one.get_paths()[0].vertices) == 4]  # two strokes; a dot has more
    assert np.asarray(cross.get_offsets())[:, 0] == pytest.approx(scores.loc[scores["seen_in_training"], "dice"].to_numpy())


def test_marks_are_those_of_the_paired_tests_and_say_the_direction() -> None:
    scores = random_scores(8, ["high", "base", "low"], (12, 51, 16), step=0.05)
    scores.loc[(scores["method"] == "high") & (scores["region_id"] == 51), "dice"] = scores.loc[
        (scores["method"] == "base") & (scores["region_id"] == 51), "dice"
    ].to_numpy()
    paired = compare_methods(scores, "dice", region="region_id")
    marks = marks_of(paired, "base")
    expected = {
        (int(row["region_id"]), row["method_b"] if row["method_a"] == "base" else row["method_a"])
        for row in paired.to_dict("records")
        if "base" in (row["method_a"], row["method_b"]) and row["wilcoxon_p_fdr_regions"] < 0.05
    }
    assert set(marks) == expected == {(12, "low"), (51, "low"), (16, "low"), (12, "high"), (16, "high")}
    assert {mark.higher for (_, method), mark in marks.items() if method == "high"} == {True}
    assert {mark.higher for (_, method), mark in marks.items() if method == "low"} == {False}
    figure = draw_box_plot(scores, only_part(scores), ["high", "base", "low"], marks=marks, baseline="base")
    drawn = [line for axes in figure.axes for line in axes.lines if line.get_marker() in ("^", "v")]
    colours = method_colours(["high", "base", "low"])
    found = sorted((line.get_marker(), to_rgba(line.get_color())) for line in drawn)
    assert found == sorted([("v", to_rgba(colours["low"]))] * 3 + [("^", to_rgba(colours["high"]))] * 2)


def test_a_mark_that_holm_does_not_confirm_is_hollow() -> None:
    # All subjects to one side: the exact p is 2 / 2^n in each of three regions, which Holm takes three times.
    for n, confirmed in ((6, False), (8, True)):
        paired = compare_methods(random_scores(n, ["a", "b"], (12, 51, 16), step=0.2), "dice", region="region_id")
        assert [mark.strict for mark in marks_of(paired, "a").values()] == [confirmed] * 3
    scores = random_scores(6, ["a", "b"], (16,))
    marks = {(16, "b"): Mark(higher=True, strict=False)}
    for strict in (True, False):
        marks[16, "b"] = Mark(higher=True, strict=strict)
        figure = draw_box_plot(scores, only_part(scores), ["a", "b"], marks=marks, baseline="a")
        (mark,) = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "^"]
        assert mark.get_fillstyle() == ("full" if strict else "none")


@pytest.mark.parametrize("n_methods", [2, 6])
def test_on_all_regions_a_figure_fits_a_page_and_no_name_overlaps_another(n_methods: int) -> None:
    cortex = tuple(region.id for region in REGIONS if region.group == "cortex")
    methods = [f"method-{number}" for number in range(n_methods)]
    scores = random_scores(1, methods, cortex)
    for figure in (
        draw_box_plot(scores, only_part(scores), methods),
        draw_published_box_plot(scores, only_part(scores), methods),
    ):
        width, height = figure.get_size_inches()
        assert width <= 7.21 and height <= 9.41
        figure.draw_without_rendering()
        upright = figure.axes[0].get_ylabel() != ""
        labels = 0
        for axes in figure.axes:
            ticks = axes.get_xticklabels() if upright else [tick for tick in axes.get_yticklabels() if tick.get_visible()]
            extents = [tick.get_window_extent() for tick in ticks if tick.get_text()]
            labels += len(extents)
            for one, two in pairwise(extents):
                assert (one.x1 <= two.x0) if upright else not one.overlaps(two)
            assert all(figure.bbox.x0 <= extent.x0 and figure.bbox.y0 <= extent.y0 for extent in extents)
        assert labels == (62 if upright else 31)


def test_the_heat_map_writes_each_mean_in_its_cell_and_hatches_what_is_missing() -> None:
    scores = random_scores(4, ["a", "b"], (12, 51, 16))
    means = scores.pivot_table(index="region_id", columns="method", values="dice")
    means.loc[51, "b"] = np.nan
    figure = draw_heat_map(means, parts_of(region_rows(scores), scores), ["a", "b"])
    axes = figure.axes[0]
    texts = {text.get_position(): text.get_text() for text in axes.texts if text.get_text().startswith(".")}
    written = {id_: [f"{value:.2f}"[1:] for value in means.loc[id_] if value == value] for id_ in (12, 51, 16)}
    rows = {"putamen": written[12] + written[51], "brain stem": written[16]}
    for tick, height in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True):
        assert [texts[at] for at in sorted(texts) if abs(at[1] - height) < 0.5] == rows.pop(tick.get_text())
    assert not rows
    cells = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    hatched = [cell for cell in cells if cell.get_hatch()]
    assert (len(cells), len(hatched)) == (6, 1)
    # A midline region stands under the same headings as those at the left.
    stem = max(axes.get_yticks())
    assert [cell.get_x() for cell in cells if abs(cell.get_y() + 0.5 - stem) < 0.1] == [
        tick - 0.5 for tick in axes.get_xticks()[:2]
    ]
    # Left, then right: the last column of the first row is method b on the right.
    assert hatched[0].get_x() == max(cell.get_x() for cell in cells)


@pytest.mark.parametrize("gain", [False, True])
def test_differences_and_their_intervals_are_those_of_the_table_baseline_first(gain: bool) -> None:
    scores = random_scores(7, ["coronal", "ensemble", "axial"], (12, 51, 16), step=0.03)
    paired = compare_methods(scores, "dice", region="region_id")
    part, others = only_part(scores), ["coronal", "axial"]
    figure = (draw_gain if gain else draw_differences)(paired, part, "ensemble", others)
    drawn = np.concatenate([np.atleast_1d(line.get_xdata()) for axes in figure.axes for line in axes.lines])
    wide = scores.pivot_table(index=["region_id", "subject"], columns="method", values="dice")
    for other in others:
        expected = (wide["ensemble"] - wide[other]).groupby("region_id").mean()
        for value in expected:
            assert np.isclose(drawn, value).any()
    turned = paired[paired["method_b"] == "ensemble"]
    ends = line_ends(figure)
    for row in turned.to_dict("records"):
        assert np.isclose(ends, [-row["mean_high"], -row["mean_low"]]).all(axis=1).any()


def test_bland_altman_lines_stand_at_bias_and_limits_in_ml() -> None:
    rows = random_scores(10, ["m"], (12, 51)).assign(structure=lambda table: table["region_name"])
    figure = draw_bland_altman(rows, "m")
    for axes, name in zip(figure.axes, ("Left-Putamen", "Right-Putamen"), strict=False):
        mine = rows[rows["structure"] == name]
        limits = bland_altman(mine["volume_ref_mm3"], mine["volume_pred_mm3"])
        levels = sorted(line.get_ydata()[0] for line in axes.lines)
        assert levels == pytest.approx(sorted([0.0, limits.bias / 1000, limits.lower / 1000, limits.upper / 1000]))
        offsets = np.asarray(axes.collections[0].get_offsets())
        np.testing.assert_allclose(offsets[:, 1], (mine["volume_pred_mm3"] - mine["volume_ref_mm3"]) / 1000)


def test_a_folder_gets_its_figures_and_captions_that_name_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quick(figure: Figure, stem: Path) -> list[Path]:
        """Empty files: other tests, of the style and of the notebooks, check the real ones."""
        stem.parent.mkdir(exist_ok=True)
        paths = [stem.with_name(stem.name + suffix) for suffix in SUFFIXES]
        for path in paths:
            path.touch()
        return paths

    monkeypatch.setattr("evaluation.figures.draw.save_figure", quick)
    scores = random_scores(6, ["axial", "ensemble", f"sagittal{SIDES_MERGED}"], (12, 51))
    folder = write_results(tmp_path / "run", scores)
    captions_file = folder / "figures" / "captions.json"
    written = save_figures(folder)
    stems = {
        "box_plot_subcortical", "heat_map", "differences_subcortical", "ensemble_gain_subcortical", "bland_altman_axial",
        "bland_altman_ensemble",
    }  # fmt: skip
    captions = json.loads(captions_file.read_text(encoding="utf-8"))
    assert set(captions) == stems
    assert {path.name for path in written} == {f"{stem}{end}" for stem in stems for end in (".pdf", ".svg", ".png")}
    assert "Benjamini-Hochberg over the 2 regions" in captions["box_plot_subcortical"]
    assert "n = 6 subjects" in captions["heat_map"]
    # Again with one method: no picture of the first run remains to mislead, and a file of the user's stays.
    (folder / "figures" / "mine.png").write_bytes(b"")
    for path in folder.glob("paired_*.csv"):
        path.unlink()
    write_results(folder, scores[scores["method"] == "axial"])
    save_figures(folder, style="published")
    left = {path.stem for path in (folder / "figures").iterdir()}
    assert left == {"box_plot_published_1", "heat_map", "bland_altman_axial", "captions", "mine"}


def test_methods_that_differ_in_a_sign_alone_each_keep_their_picture(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "run", random_scores(3, ["mine v1+", "mine v1-"], (12, 51)))
    drawn = [one for one in draw_figures(read_results(folder)) if one.stem.startswith("bland_altman_")]
    assert len({one.stem.casefold() for one in drawn}) == 2


def test_subjects_seen_in_training_and_infinite_distances_are_not_drawn(tmp_path: Path) -> None:
    scores = random_scores(4, ["a"], (12, 51))
    scores.loc[scores["subject"] == "s000", "seen_in_training"] = True
    scores.loc[scores["subject"] == "s001", "hd95_larger_voxel_mm"] = np.inf
    results = read_results(write_results(tmp_path, scores))
    drawn = {one.stem: one for one in draw_figures(results, metric="hd95_larger_voxel_mm")}
    x = points(drawn["box_plot_subcortical_hd95_larger_voxel_mm"].figure)[:, 0]
    kept = scores[scores["subject"].isin(["s002", "s003"])]
    np.testing.assert_allclose(np.sort(x), np.sort(kept["hd95_larger_voxel_mm"]))


def test_distances_choose_the_method_with_the_smallest_as_the_baseline(tmp_path: Path) -> None:
    results = read_results(write_results(tmp_path, random_scores(6, ["worse", "best"], (12, 51), step=-0.1)))
    for metric in ("dice", "hd95_larger_voxel_mm"):
        captions = [one.caption for one in draw_figures(results, metric=metric) if one.stem.startswith("box_plot")]
        assert all("by the mean of best" in caption for caption in captions)


@pytest.mark.parametrize("content", ["[1]", "3", "{", '{"mine": 1'])
def test_captions_that_are_no_table_are_taken_for_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "captions.json").write_text(content, encoding="utf-8")
    assert read_captions(tmp_path) == {}


def test_an_unknown_style_metric_or_folder_is_refused(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "run", random_scores(2, ["a"], (12,)))
    with pytest.raises(UsageError, match="--style fancy; expected default or published"):
        save_figures(folder, style="fancy")
    with pytest.raises(UsageError, match="metric iou; expected dice, jaccard, hd95_larger_voxel_mm"):
        save_figures(folder, metric="iou")
    with pytest.raises(CohortError, match="no such file; expected a folder that darts-eval wrote"):
        save_figures(tmp_path / "nowhere")
