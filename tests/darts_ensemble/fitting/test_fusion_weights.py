"""Fusion weights of each class: fitted if the better view is known, unchanged if nothing can be gained, stored in a file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage
from typer.testing import CliRunner

from darts_ensemble.commands.segment import app as segment
from darts_ensemble.commands.weights import app
from darts_ensemble.errors import CheckpointError, UsageError
from darts_ensemble.fitting.fusion_sample import Sample, sample_views
from darts_ensemble.fitting.fusion_weights import choose_penalty, dice_of_sample, fit_weights
from darts_ensemble.fusion.fuse import DEFAULT_WEIGHTS, fuse_views
from darts_ensemble.fusion.view_weights import FusionWeights, read_fusion_weights, write_fusion_weights
from darts_ensemble.inference.predict import predict_view
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES, REGION_BY_ID, REGIONS, ids_to_classes
from darts_ensemble.results.overlap import dice_of_regions, joint_histogram
from darts_ensemble.scans.conform import conform, conform_labels
from darts_ensemble.scans.scan import read_label_map, read_scan
from darts_ensemble.slices.boxes import head_box
from darts_ensemble.slices.views import VIEWS
from darts_ensemble.training.subjects import LabelledSubject, find_labelled
from darts_ensemble.weights.checkpoints import load_ensemble

LEFT, RIGHT = REGION_BY_ID[17].class_index, REGION_BY_ID[53].class_index
STEM = REGION_BY_ID[16].class_index
DEFAULT = {view: np.full(N_CLASSES, weight) for view, weight in DEFAULT_WEIGHTS.items()}


def sample(name: str, seed: int, *, right_view: dict[int, str], n: int = 4000) -> Sample:
    """Voxels of three regions in the background; the named view sees a region, the others are unsure where it ends."""
    rng = np.random.default_rng(seed)
    classes = np.array([LEFT, RIGHT, STEM, BACKGROUND_CLASS])
    truth = rng.choice(classes, n)
    probabilities = np.full((n, 3, 4), 0.02)
    for place, view in enumerate(VIEWS):
        sure = np.array([right_view.get(int(one), view) == view for one in truth])
        seen = np.where(sure | (rng.random(n) < 0.3), truth, BACKGROUND_CLASS)
        probabilities[np.arange(n), place, (classes[None] == seen[:, None]).argmax(axis=1)] = 0.94
    return Sample(
        name, VIEWS, torch.from_numpy(np.tile(classes, (n, 1))), torch.from_numpy(probabilities.astype(np.float32)),
        torch.from_numpy(truth), torch.zeros(N_CLASSES, N_CLASSES, dtype=torch.int64),
    )  # fmt: skip


def test_a_region_that_one_view_sees_gets_that_views_weight_and_others_keep_theirs() -> None:
    samples = [sample(str(seed), seed, right_view={LEFT: "sagittal", RIGHT: "sagittal"}) for seed in range(2)]
    fitted = fit_weights(samples, 0.003)
    assert fitted["sagittal"][LEFT] > 0.6
    assert dice_of_sample(samples[0], fitted)[LEFT] > dice_of_sample(samples[0], DEFAULT)[LEFT] + 0.3
    unseen = REGION_BY_ID[10].class_index
    for view, weight in DEFAULT_WEIGHTS.items():
        assert fitted[view][unseen] == pytest.approx(weight, abs=1e-6), "a region without a voxel tells nothing"


def test_left_and_right_share_their_weights_and_each_class_sums_to_one() -> None:
    fitted = fit_weights([sample("a", 0, right_view={LEFT: "axial"})], 0.003)
    assert all(weights[LEFT] == weights[RIGHT] for weights in fitted.values())
    np.testing.assert_allclose(np.sum(list(fitted.values()), axis=0), 1, atol=1e-6)
    assert fitted["axial"][LEFT] > 0.45


def test_the_penalty_pulls_towards_the_default_and_an_infinite_one_is_the_default() -> None:
    samples = [sample("a", 0, right_view={LEFT: "sagittal", RIGHT: "sagittal"})]
    default = DEFAULT_WEIGHTS["sagittal"]
    away = [abs(fit_weights(samples, penalty)["sagittal"][LEFT] - default) for penalty in (0.003, 0.3, 30, float("inf"))]
    assert away == sorted(away, reverse=True)
    assert away[-1] == pytest.approx(0, abs=1e-6)


def test_subjects_that_agree_move_the_weights_and_where_they_contradict_each_other_the_default_stays() -> None:
    honest = [sample(str(k), k, right_view={LEFT: "sagittal", RIGHT: "sagittal"}, n=600) for k in range(3)]
    fit = choose_penalty(honest)
    assert np.isfinite(fit.penalty)
    assert fit.left_out[fit.penalty] > fit.left_out[float("inf")] + 0.1
    # Each subject has a view of its own: what two teach is wrong for the third.
    torn = choose_penalty([sample(str(k), k, right_view={LEFT: view, RIGHT: view}, n=600) for k, view in enumerate(VIEWS)])
    assert torn.penalty == float("inf")
    np.testing.assert_allclose(torn.weights["axial"], DEFAULT_WEIGHTS["axial"], atol=1e-6)
    lone = choose_penalty(honest[:1])
    assert (lone.penalty, lone.left_out) == (0.01, {})


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SUBJECTS_DIR of two small heads with labels."""
    root = tmp_path_factory.mktemp("subjects")
    affine = np.diag([1.0, 1, 1, 1])
    for seed, name in enumerate(("one", "two")):
        rng = np.random.default_rng(seed)
        scan = np.zeros((48, 40, 44), dtype=np.float32)
        scan[6:42, 6:34, 6:38] = rng.integers(60, 200, (36, 28, 32))
        labels = np.zeros(scan.shape, dtype=np.int32)
        labels[12:36, 12:28, 12:32] = np.repeat([[17, 53, 16, 77]], 6, axis=1).ravel()[:, None, None]
        (root / name / "mri").mkdir(parents=True)
        nib.save(nib.MGHImage(scan, affine), root / name / "mri" / "T1.mgz")
        nib.save(nib.MGHImage(labels, affine), root / name / "mri" / "aparc+aseg.mgz")
    return root


def near_regions(subject: LabelledSubject) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    conformed = conform(read_scan(subject.scan))
    labels = ids_to_classes(conform_labels(read_label_map(subject.labels), conformed))
    near = ndimage.distance_transform_cdt(labels >= BACKGROUND_CLASS, metric="taxicab") <= 3
    return conformed.data, labels, near & (labels != 255)


def test_a_sample_says_what_the_fusion_itself_says(labelled: Path, tiny_weights: Path) -> None:
    ensemble = load_ensemble(tiny_weights)
    subject = find_labelled(labelled)[0]
    volume, labels, near = near_regions(subject)
    box = head_box((labels < BACKGROUND_CLASS).astype(np.float32), margin=12)
    cpu = torch.device("cpu")
    predictions = {v: predict_view(one, volume, box=box, device=cpu) for v, one in ensemble.networks.items()}
    fused = fuse_views(predictions, labels[box].shape)  # type: ignore[arg-type]
    taken = sample_views(ensemble, subject, device=cpu)
    truth, classes, kept = (one[::2, ::2, ::2] for one in (labels[box], fused.classes, near[box]))
    assert int(taken.settled.sum()) + len(taken.truth) == kept.sum()
    assert len(taken.truth) > 0
    expected = dice_of_regions(joint_histogram(truth[kept], classes[kept]))
    np.testing.assert_allclose(dice_of_sample(taken, DEFAULT), expected, atol=5e-3)


def test_the_command_fits_judges_and_writes_what_can_be_read_again(labelled: Path, tiny_weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "fusion.json"
    given = ["fit-fusion", "--data", str(labelled), "--weights", str(tiny_weights), "--device", "cpu", "-o", str(out)]
    result = CliRunner().invoke(app, [*given, "--accept-on", "two", "--json"])
    assert result.exit_code == 0, result.stderr
    account = json.loads(result.stdout)
    assert account["subjects"] == ["one"]
    assert account["accept_on"] == "two"
    assert account["accepted"] == (account["accept_after"] > account["accept_before"])
    assert set(json.loads(out.read_text())["networks"]) == set(VIEWS)
    both = CliRunner().invoke(app, [*given, "--subjects", "one,two", "--accept-on", "two"])
    assert (both.exit_code, "one of the subjects of the fit" in both.stderr) == (2, True)
    lacking = CliRunner().invoke(app, [*given, "--subjects", "three"])
    assert (lacking.exit_code, "no labelled subject three; expected some of one, two" in lacking.stderr) == (1, True)
    with pytest.raises(UsageError, match="two or three views"):
        sample_views(load_ensemble(tiny_weights / "axial.safetensors"), find_labelled(labelled)[0], device=torch.device("cpu"))


def test_the_segmenter_uses_weights_a_class_only_where_told_to(labelled: Path, tiny_weights: Path, tmp_path: Path) -> None:
    scan = find_labelled(labelled)[0].scan
    given = ["--weights", str(tiny_weights), "--device", "cpu", "--precision", "fp32", "--quiet"]
    networks = {view: hashlib.sha256((tiny_weights / f"{view}.safetensors").read_bytes()).hexdigest() for view in VIEWS}
    only_axial = {view: np.full(N_CLASSES, float(view == "axial")) for view in VIEWS}
    write_fusion_weights(FusionWeights(only_axial, networks, True), tmp_path / "fusion.json")

    def ids(name: str, *options: str) -> npt.NDArray[np.int16]:
        result = CliRunner().invoke(segment, [str(scan), "-o", str(tmp_path / name), *given, *options])
        assert result.exit_code == 0, result.stderr
        image: Any = nib.load(tmp_path / name / "one_dseg.nii.gz")
        return np.asarray(image.dataobj)

    fitted = ids("fitted", "--fusion-weights", str(tmp_path / "fusion.json"))
    np.testing.assert_array_equal(fitted, ids("axial", "--view-weights", "coronal=0,axial=1,sagittal=0"))
    assert len(np.unique(fitted)) > 2
    both = CliRunner().invoke(
        segment, [str(scan), "-o", str(tmp_path / "no"), *given, "--fusion-weights", "a.json", "--view-weights", "axial=1"]
    )
    assert (both.exit_code, "expected one of them" in both.stderr) == (2, True)


def written(path: Path, **how: object) -> Path:
    weights = {view: np.full(N_CLASSES, weight) for view, weight in DEFAULT_WEIGHTS.items()}
    weights["axial"][LEFT], weights["axial"][BACKGROUND_CLASS] = 0.7, 0.1
    write_fusion_weights(FusionWeights(weights, {"axial": "ab", "coronal": "cd", "sagittal": "ef"}, **how), path)  # type: ignore[arg-type]
    return path


def test_a_file_names_regions_by_id_and_reads_as_it_was_written(tmp_path: Path) -> None:
    path = written(tmp_path / "fusion.json", accepted=True)
    rows = {row["id"]: row for row in json.loads(path.read_text())["weights"]}
    assert rows[17] == {"id": 17, "name": "Left-Hippocampus", "coronal": 0.3, "axial": 0.7, "sagittal": 0.4}
    assert rows[0]["axial"] == 0.1
    assert set(rows) == {0, *(region.id for region in REGIONS)}
    read = read_fusion_weights(path, {"axial": "ab", "coronal": "cd"})
    assert read.weights["axial"][LEFT] == 0.7
    assert read.weights["axial"][BACKGROUND_CLASS] == 0.1
    assert read.weights["axial"][STEM] == 0.3


def test_weights_of_other_networks_or_found_worse_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "fusion.json", accepted=None)
    with pytest.raises(CheckpointError, match="fitted for other axial weights"):
        read_fusion_weights(path, {"axial": "00", "coronal": "cd"})
    worse = written(tmp_path / "worse.json", accepted=False, figures={"accept_on": "sub-07"})
    with pytest.raises(CheckpointError, match="worse than the default on sub-07"):
        read_fusion_weights(worse)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda c: c["weights"].pop(16), "no row of"),
        (lambda c: c["weights"][3].update(axial=-0.1), "below 0"),
        (lambda c: c["weights"][3].update(axial=0, coronal=0, sagittal=0), "a class without any"),
        (lambda c: c["weights"][3].update(axial=float("nan")), "below 0"),
        (lambda c: c["weights"][3].update(axial="much"), "not fusion weights"),
        (lambda c: c.pop("networks"), "no networks"),
        (lambda c: c.update(weights=[]), "not fusion weights"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, break_it: object, said: str) -> None:
    path = written(tmp_path / "fusion.json", accepted=True)
    content = json.loads(path.read_text())
    break_it(content)  # type: ignore[operator]
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=said):
        read_fusion_weights(path)
    (tmp_path / "text.json").write_text("weights")
    with pytest.raises(CheckpointError, match="not fusion weights"):
        read_fusion_weights(tmp_path / "text.json")
