"""The box plots: whose quartiles and whiskers they are, when points stand instead, and that names can be read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.patches import PathPatch
from PIL import Image

from darts_ensemble.labels import REGION_BY_ID, REGIONS
from evaluation.figures import draw_regions, region_order, save_box_plots, short_name


def scores(n_subjects: int, methods: tuple[str, ...] = ("m",), ids: tuple[int, ...] = (17, 53, 1024)) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {
            "subject": f"s{number}", "method": method, "region_id": id_, "group": REGION_BY_ID[id_].group,
            "dice": rng.uniform(0.3, 0.9), "seen_in_training": False,
        }
        for number in range(n_subjects) for method in methods for id_ in ids
    ]  # fmt: skip
    return pd.DataFrame(rows)


def boxes(figure: plt.Figure) -> list[PathPatch]:
    return [patch for axes in figure.axes for patch in axes.patches if isinstance(patch, PathPatch)]


def dots(figure: plt.Figure) -> np.ndarray:
    collections = [c for axes in figure.axes for c in axes.collections if isinstance(c, PathCollection)]
    return np.concatenate([np.asarray(c.get_offsets()) for c in collections]) if collections else np.empty((0, 2))


def test_whiskers_end_at_one_interquartile_range_and_outliers_are_not_drawn() -> None:
    table = scores(9, ids=(17,))
    table["dice"] = [0.1, 0.5, 0.52, 0.55, 0.6, 0.62, 0.65, 0.7, 0.8]  # 0.8 lies between 1.0 and 1.5 ranges
    figure = draw_regions(table, ["m"], "t", points=False)
    q1, q3 = np.percentile(table["dice"], [25, 75])
    within = table["dice"][(table["dice"] >= q1 - (q3 - q1)) & (table["dice"] <= q3 + (q3 - q1))]
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in figure.axes[0].lines])
    assert (np.nanmin(drawn), np.nanmax(drawn)) == (within.min(), within.max())
    assert (within.min(), within.max()) == (0.5, 0.7)
    edges = boxes(figure)[0].get_path().vertices[:, 1]
    assert (edges.min(), edges.max()) == (pytest.approx(q1), pytest.approx(q3))
    plt.close(figure)


@pytest.mark.parametrize(("n", "n_boxes"), [(4, 0), (5, 3)])
def test_below_five_subjects_points_stand_instead_of_boxes(n: int, n_boxes: int) -> None:
    table = scores(n)
    figure = draw_regions(table, ["m"], "t", points=True)
    assert len(boxes(figure)) == n_boxes
    np.testing.assert_allclose(np.sort(dots(figure)[:, 1]), np.sort(table["dice"]))
    plt.close(figure)


def test_the_published_kind_has_boxes_and_no_points() -> None:
    figure = draw_regions(scores(3), ["m"], "t", points=False)
    assert len(boxes(figure)) == 3
    assert len(dots(figure)) == 0
    plt.close(figure)


def test_points_stand_over_their_region_and_on_their_methods_side() -> None:
    table = scores(3, ("a", "b"))
    figure = draw_regions(table, ["a", "b"], "t", points=True)
    order = [17, 53, 1024]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [short_name(id_) for id_ in order]
    for x, y in dots(figure):
        row = table[table["dice"] == y].iloc[0]
        offset = x - order.index(row["region_id"])
        assert (-0.5 < offset < 0) if row["method"] == "a" else (0 < offset < 0.5)
    plt.close(figure)


def test_subjects_seen_in_training_are_crosses_with_a_legend() -> None:
    table = scores(5)
    table["seen_in_training"] = table["subject"] == "s0"
    figure = draw_regions(table, ["m"], "t", points=True)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["m (n = 5)", "seen in training"]
    plt.close(figure)


def test_names_are_unique_sided_and_pairs_stand_side_by_side() -> None:
    ids = region_order([region.id for region in REGIONS])
    names = [short_name(id_) for id_ in ids]
    assert len(set(names)) == 102
    assert (short_name(53), short_name(1024), short_name(16)) == ("Hippocampus R", "precentral L", "Brain Stem")
    for region in REGIONS:
        if region.hemisphere == "left" and region.homologue is not None:
            assert ids.index(region.homologue) == ids.index(region.id) + 1


def test_four_methods_on_all_regions_stay_on_a_page_and_no_name_overlaps_another() -> None:
    table = scores(2, ("a", "b", "c", "d"), tuple(region.id for region in REGIONS if region.group == "cortex"))
    figure = draw_regions(table, ["a", "b", "c", "d"], "t", points=True)
    assert figure.get_size_inches()[0] < 20
    figure.canvas.draw()
    labels = 0
    for axes in figure.axes:
        extents = [label.get_window_extent() for label in axes.get_xticklabels()]
        labels += len(extents)
        assert all(left.x1 <= right.x0 for left, right in pairwise(extents))
    assert labels == 62
    plt.close(figure)


def test_both_kinds_are_saved_in_two_parts_without_merged_or_seen_rows(tmp_path: Path) -> None:
    table = scores(6, ("m", "m (sides merged)"))
    written = save_box_plots(table, tmp_path)
    names = {f"boxplot_{kind}_{part}" for kind in ("published", "points") for part in (1, 2)}
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{end}" for name in names for end in ("png", "pdf")}
    assert {path.stem for path in written} == names
    for path in written:
        with Image.open(path) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    # Run again with nothing but cortex left, and that seen: no picture of the first run remains to mislead.
    table = table[table["region_id"] == 1024].assign(seen_in_training=True)
    assert len(save_box_plots(table, tmp_path, include_seen=True)) == 2
    assert {path.stem for path in tmp_path.iterdir()} == {"boxplot_published_2", "boxplot_points_2"}
    assert save_box_plots(table, tmp_path) == []
    assert list(tmp_path.iterdir()) == []
