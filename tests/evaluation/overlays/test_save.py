"""Sample predictions: the right slice, sides and marks for any orientation on disk, the right subjects and numbers."""

from __future__ import annotations

import json
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner

from darts_ensemble.errors import CohortError, UsageError
from evaluation.commands.evaluate import app
from evaluation.overlays.choice import (
    choose_structures,
    default_structures,
    lowest_regions,
    ranked_subjects,
    structure_dice,
)
from evaluation.overlays.picture import draw_overlay
from evaluation.overlays.planes import cut_plane, largest_slice, to_canonical, window_around
from evaluation.overlays.save import read_subject_maps, save_overlays
from evaluation.report.assemble import write_report
from evaluation.results.folder import read_results
from tests.phantoms.evaluation_run import BOXES, phantom_run, ras_affine, reoriented

ORIENTATIONS = ["".join(p) for axes in permutations(("RL", "AP", "SI")) for p in product(*axes)]


def drawn(folder: Path, subject: str = "sub-01", *, regions: tuple[str, ...] = ("putamen",), **options: object) -> Figure:
    results = read_results(folder)
    maps, _ = read_subject_maps(results, subject, results.methods)
    return draw_overlay(results, maps, choose_structures(results, regions), results.methods, **options)  # type: ignore[arg-type]


def outlines(axes: Axes, colour: int) -> np.ndarray:
    """Points of an outline, in mm from the upper left corner of the plane: 0 the reference's, 1 the method's."""
    return np.concatenate([path.vertices for path in axes.collections[colour].get_paths()])


def texts(axes: Axes) -> dict[str, float]:
    """Texts of a picture and their horizontal positions."""
    return {text.get_text(): text.get_position()[0] for text in axes.texts}


@given(codes=st.sampled_from(ORIENTATIONS), data=st.data())
def test_planes_are_radiological_whatever_the_order_of_the_axes(codes: str, data: st.DataObject) -> None:
    ras = np.zeros((5, 6, 7), dtype=np.int16)
    at = tuple(data.draw(st.integers(0, size - 1)) for size in ras.shape)
    ras[at] = 1
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    image = reoriented(ras, affine, codes)
    volume, sizes = to_canonical(np.asarray(image.dataobj), image.affine)
    assert sizes == (1.0, 2.0, 3.0)
    np.testing.assert_array_equal(volume, ras)
    x, y, z = at
    # The patient's right (large x) at the left, anterior (large y) at the top or left, superior (large z) at the top.
    assert np.argwhere(cut_plane(volume, "axial", z)).tolist() == [[5 - y, 4 - x]]
    assert np.argwhere(cut_plane(volume, "coronal", y)).tolist() == [[6 - z, 4 - x]]
    assert np.argwhere(cut_plane(volume, "sagittal", x)).tolist() == [[6 - z, 5 - y]]


def test_the_largest_slice_is_found_and_an_absent_region_has_none() -> None:
    mask = np.zeros((4, 4, 6), dtype=bool)
    mask[0, 0, 1:5] = True
    mask[:2, 0, 3] = True
    assert largest_slice(mask, "axial") == 3
    mask[1, 0, 1:4] = True
    assert largest_slice(mask, "axial") == 2  # the middle one of three
    assert largest_slice(np.zeros_like(mask), "axial") is None


def test_a_window_holds_the_region_with_its_margin_and_has_the_wanted_shape() -> None:
    plane = np.zeros((20, 30), dtype=bool)
    plane[5:15, 10:12] = True
    window = window_around(plane, (2.0, 1.0), margin=4, shape=1.5)
    assert (window.top, window.bottom) == (6.0, 34.0)
    assert (window.left + window.right) / 2 == 11.0
    assert window.right - window.left == pytest.approx(1.5 * 28)


@pytest.mark.parametrize(("orientation", "scan"), [("RAS", "RAS"), ("LIA", "RAS"), ("LPS", "PIR"), ("ASR", "LIA")])
def test_left_and_right_are_where_they_are_marked_for_flipped_inputs(tmp_path: Path, orientation: str, scan: str) -> None:
    folder = phantom_run(tmp_path, n_subjects=1, orientation=orientation, scan_orientation=scan)
    figure = drawn(folder)
    reference, freesurfer, _ = figure.axes
    marks = texts(reference)
    assert marks["R"] < 0.1 < 0.9 < marks["L"]
    # The grid is 60 mm wide: world x = 30 - picture x. The left putamen (x < 0) is at the right, and larger.
    x = 30 - outlines(reference, 0)[:, 0]
    assert (x.min(), x.max()) == pytest.approx((-20, 18), abs=0.51)
    assert not ((x > -9) & (x < 11)).any()
    y = 30 - outlines(reference, 0)[:, 1]
    assert y[x < 0].max() == pytest.approx(14, abs=0.51)
    assert y[x > 0].max() == pytest.approx(10, abs=0.51)
    # The method's boxes are moved by 1 mm to the front, up in the picture.
    moved = 30 - outlines(freesurfer, 1)[:, 1]
    assert moved.max() - y.max() == pytest.approx(1)
    # The spot of the scan lies in front of the right putamen.
    shown = reference.images[0].get_array()
    rows, columns = np.nonzero(shown == 100)
    assert (30 - columns.mean() - 0.5, 30 - rows.mean() - 0.5) == pytest.approx((22, 22))


def test_numbers_are_the_dice_of_the_side_where_they_stand(tmp_path: Path) -> None:
    folder = phantom_run(tmp_path, n_subjects=1)
    scores = pd.read_csv(folder / "scores.csv").set_index(["method", "region_name"])["dice"]
    figure = drawn(folder)
    for axes, method in zip(figure.axes[1:], ("freesurfer", "ensemble"), strict=True):
        numbers = {text: x for text, x in texts(axes).items() if text not in "RL"}
        left, right = (f"{scores[method, f'{side}-Putamen']:.2f}" for side in ("Left", "Right"))
        assert left != right
        assert numbers == {right: pytest.approx(0.03), left: pytest.approx(0.97)}


def test_a_sagittal_picture_shows_one_side_and_marks_front_and_back(tmp_path: Path) -> None:
    folder = phantom_run(tmp_path, n_subjects=1)
    figure = drawn(folder, view="sagittal", regions=("putamen", "Right-Putamen"))
    scores = pd.read_csv(folder / "scores.csv").set_index(["method", "region_name"])["dice"]
    for axes, name in ((figure.axes[1], "Left-Putamen"), (figure.axes[4], "Right-Putamen")):
        marks = texts(axes)
        assert marks["A"] < 0.1 < 0.9 < marks["P"]
        assert marks[f"{scores['freesurfer', name]:.2f}"] == 0.5  # the left putamen is the larger
    moved = outlines(figure.axes[1], 1)[:, 0].min() - outlines(figure.axes[1], 0)[:, 0].min()
    assert moved == pytest.approx(-1)  # to the front, which is to the left


def test_anisotropic_voxels_keep_their_proportions(tmp_path: Path) -> None:
    folder = phantom_run(tmp_path, n_subjects=1, voxel=(1.0, 2.0, 3.0))
    axes = drawn(folder, view="coronal", regions=("Left-Hippocampus",)).axes[0]
    width, height = axes.get_xlim()[1] - axes.get_xlim()[0], axes.get_ylim()[0] - axes.get_ylim()[1]
    assert width / height == pytest.approx(1 / axes.get_box_aspect())
    assert axes.images[0].get_extent() == [0, 60, 60, 0]


def test_fills_cover_the_voxels_of_the_region_and_outlines_fill_nothing(tmp_path: Path) -> None:
    folder = phantom_run(tmp_path, n_subjects=1)
    filled, outlined = drawn(folder, fill=True).axes[1], drawn(folder).axes[1]
    assert (len(filled.images), len(outlined.images)) == (2, 1)
    n_voxels = int((filled.images[1].get_array()[..., 3] > 0).sum())
    assert n_voxels == sum((x[1] - x[0]) * (y[1] - y[0]) for x, y, _ in (BOXES[12], BOXES[51]))


def test_best_median_and_worst_are_told_from_the_results(tmp_path: Path) -> None:
    results = read_results(phantom_run(tmp_path, n_subjects=3))
    chosen = ranked_subjects(results, "ensemble")
    assert [(one.rank, one.subject) for one in chosen] == [("best", "sub-01"), ("median", "sub-02"), ("worst", "sub-03")]
    # A subject that a method has no label map of is not shown as an example of all methods.
    without = results.subjects[~((results.subjects["subject"] == "sub-01") & (results.subjects["method"] == "freesurfer"))]
    fewer = type(results)(results.folder, results.scores, results.groups, without, results.summary, results.regions, {})
    chosen = ranked_subjects(fewer, "ensemble", methods=["freesurfer", "ensemble"])
    assert [(one.rank, one.subject) for one in chosen] == [("best", "sub-02"), ("worst", "sub-03")]
    # Subjects seen in training are ranked only where there are no others.
    seen = results.subjects.assign(seen_in_training=results.subjects["subject"] == "sub-01")
    of_seen = type(results)(results.folder, results.scores, results.groups, seen, results.summary, results.regions, {})
    assert [one.subject for one in ranked_subjects(of_seen, "ensemble")] == ["sub-02", "sub-03"]


def test_structures_are_named_by_region_side_id_or_group(tmp_path: Path) -> None:
    folder = phantom_run(tmp_path, n_subjects=1)
    scores = pd.read_csv(folder / "scores.csv")
    group = scores[scores["region_id"] == 12].assign(region_id=np.nan, region_name="left insula", dice=0.25)
    group.to_csv(folder / "groups.csv", index=False)
    results = read_results(folder)
    ids = {one.name: sorted(one.all_ids) for one in choose_structures(results, ["Putamen", "left-hippocampus", "53", "insula"])}
    assert ids == {"putamen": [12, 51], "hippocampus L": [17], "hippocampus R": [53], "insula L": [1035]}
    (insula,) = choose_structures(results, ["insula"])
    assert structure_dice(results, insula, "sub-01", "ensemble") == {"left": 0.25}
    assert [one.name for one in default_structures(results)] == ["putamen", "hippocampus"]
    with pytest.raises(UsageError, match=r"--regions putamin: not among .* expected one such as putamen"):
        choose_structures(results, ["putamin"])


def test_what_is_missing_is_left_out_and_said(tmp_path: Path) -> None:
    folder = phantom_run(tmp_path, n_subjects=2)
    account = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    del account["scans"]["sub-01"]
    del account["label_maps"]["freesurfer"]["sub-01"]
    Path(account["label_maps"]["ensemble"]["sub-01"]).write_bytes(b"no image")
    Path(account["references"]["sub-02"]).unlink()
    (folder / "run.json").write_text(json.dumps(account), encoding="utf-8")
    saved = save_overlays(folder, regions=["putamen"])
    assert [path.name for path in saved.files] == [f"overlay_best_axial.{end}" for end in ("pdf", "svg", "png")]
    assert [one.split(":")[0] for one in saved.failures] == ["sub-02"]
    assert len(saved.warnings) == 3
    said = " | ".join(saved.warnings)
    assert "no label map of freesurfer" in said
    assert "ensemble left out" in said
    assert "no scan; outlines are drawn on black" in said
    figure = drawn(folder, "sub-01")
    assert ["no label map" in texts(axes) for axes in figure.axes] == [False, True, True]
    assert not figure.axes[0].images
    account["references"] = {}
    (folder / "run.json").write_text(json.dumps(account), encoding="utf-8")
    with pytest.raises(CohortError, match=r"run\.json: no references and label_maps found"):
        save_overlays(folder)


def test_the_command_writes_pictures_with_captions_and_refuses_in_one_line(tmp_path: Path) -> None:
    folder = phantom_run(tmp_path, n_subjects=1, orientation="LIA")
    run = CliRunner().invoke
    out = tmp_path / "elsewhere"
    words = ["--regions", "putamen,hippocampus", "--methods", "ensemble", "--fill", "--view", "coronal", "-o", str(out)]
    done = run(app, ["overlay", str(folder), *words])
    assert done.exit_code == 0, done.output
    assert "sub-01" in done.output
    captions = json.loads((out / "captions.json").read_text(encoding="utf-8"))
    assert list(captions) == ["overlay_only_coronal"]
    assert "patient's right on the left" in captions["overlay_only_coronal"]
    with Image.open(out / "overlay_only_coronal.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 20
    for words, code, said in (
        (["--methods", "nnunet"], 2, "expected methods of the run: freesurfer, ensemble"),
        (["--subjects", "sub-09"], 2, "not in"),
        (["--rank-by", "nnunet"], 2, "--rank-by nnunet"),
        (["--view", "oblique"], 2, "oblique"),
    ):
        refused = run(app, ["overlay", str(folder), *words])
        assert refused.exit_code == code
        assert said in refused.output.replace("\n", " ")
    absent = run(app, ["overlay", str(tmp_path / "nowhere")])
    assert (absent.exit_code, absent.output.count("\n")) == (1, 1)


def test_the_regions_of_lowest_dice_of_the_worst_subject_are_shown_too(tmp_path: Path) -> None:
    folder = phantom_run(tmp_path, n_subjects=2)
    results = read_results(folder)
    ordered = results.scores[(results.scores["subject"] == "sub-02") & (results.scores["method"] == "ensemble")]
    worst = ordered.dropna(subset=["dice"]).sort_values("dice", kind="stable")["region_id"].iloc[0]
    (lowest,) = choose_structures(results, lowest_regions(results, "sub-02", "ensemble")[:1])
    assert worst in lowest.all_ids
    saved = save_overlays(folder, rank_by="ensemble", lowest=True)
    assert "overlay_lowest_regions_axial.png" in [path.name for path in saved.files]
    captions = json.loads((folder / "overlays" / "captions.json").read_text(encoding="utf-8"))
    assert captions["overlay_lowest_regions_axial"].startswith("sub-02: its regions with the lowest Dice of ensemble")


def test_new_pictures_get_into_a_report_that_is_there(tmp_path: Path) -> None:
    folder = phantom_run(tmp_path, n_subjects=1)
    assert CliRunner().invoke(app, ["overlay", str(folder), "--regions", "putamen"]).exit_code == 0
    assert not (folder / "report.html").exists()
    write_report(folder)
    before = (folder / "report.html").read_text(encoding="utf-8")
    done = CliRunner().invoke(app, ["overlay", str(folder), "--regions", "putamen", "--view", "coronal"])
    assert done.exit_code == 0, done.output
    added = "Coronal slices, the patient's right on the left"
    assert added not in before.replace("&#39;", "'")
    assert added in (folder / "report.html").read_text(encoding="utf-8").replace("&#39;", "'")


def test_the_real_scan_and_its_labels_lie_on_each_other(shared_data: Path, tmp_path: Path) -> None:
    """The ventricle is dark and white matter bright on the slice shown, so labels, sides and scan share one orientation."""
    subject = shared_data / "subjects" / "sub-07" / "mri"
    folder = phantom_run(tmp_path, n_subjects=1)
    account = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    account["references"]["sub-01"] = str(subject / "aparc.DKTatlas+aseg.mgz")
    account["label_maps"] = {name: {"sub-01": str(subject / "aparc+aseg.mgz")} for name in ("freesurfer", "ensemble")}
    account["scans"]["sub-01"] = str(subject / "T1.mgz")
    (folder / "run.json").write_text(json.dumps(account), encoding="utf-8")
    maps, warnings = read_subject_maps(read_results(folder), "sub-01", ["freesurfer"])
    assert not warnings and maps.scan is not None
    index = largest_slice(maps.reference == 4, "axial")
    assert index is not None
    plane, scan = cut_plane(maps.reference, "axial", index), cut_plane(maps.scan, "axial", index)
    assert scan[plane == 4].mean() < 0.5 * scan[plane == 2].mean()
    columns = {id_: np.nonzero(plane == id_)[1].mean() for id_ in (4, 43)}
    assert columns[43] < columns[4]  # the right ventricle at the left


def test_phantoms_are_what_the_tests_take_them_for() -> None:
    image = reoriented(np.zeros((2, 2, 2), dtype=np.int16), ras_affine(), "LIA")
    assert "".join(nib.aff2axcodes(image.affine)) == "LIA"
