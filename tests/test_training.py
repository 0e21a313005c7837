"""Training: the loss by hand and against MONAI's, image and labels moved together, overfitting, resuming."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss
from safetensors.torch import load_file

from darts_ensemble.labels import BACKGROUND_CLASS, HOMOLOGUE_CLASS, IGNORE_CLASS
from darts_ensemble.training.augment import augment_slice
from darts_ensemble.training.dataset import CachedSubject, find_subjects
from darts_ensemble.training.fit import Settings, fit_view, progress_of, rate_at
from darts_ensemble.training.losses import segmentation_loss


def phantom_subject(size: int = 176, shuffled: bool = False) -> CachedSubject:
    """A block of two regions of different brightness in a dark cube."""
    labels = np.full((size,) * 3, BACKGROUND_CLASS, dtype=np.uint8)
    labels[40:90, 50:120, 40:130] = 14
    labels[90:140, 50:120, 40:130] = 9
    image = np.select([labels == 14, labels == 9], [90, 180], 20).astype(np.uint8)
    if shuffled:
        labels = np.random.default_rng(0).permutation(labels.ravel()).reshape(labels.shape)
    return CachedSubject("phantom", image, labels, None, 100.0, "0" * 64)


def test_the_loss_of_one_voxel_is_what_arithmetic_says() -> None:
    logits = torch.zeros(1, 103, 1, 2)
    logits[0, 5, 0, 0] = math.log(102.0)  # p = 1/2 for class 5, 1/204 for each other
    labels = torch.tensor([[[5, IGNORE_CLASS]]])
    # cross-entropy -log 0.5; Dice of the only class present 2 * 0.5 / (0.5 + 1)
    assert float(segmentation_loss(logits, labels)) == pytest.approx(math.log(2) + 1 - 2 / 3, abs=1e-6)


def test_the_dice_part_is_monais_over_the_classes_present() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 103, 16, 16, generator=generator)
    labels = torch.randint(0, 4, (2, 16, 16), generator=generator)
    monai = DiceLoss(softmax=True, to_onehot_y=True, batch=True, reduction="none", smooth_nr=0, smooth_dr=0)
    expected = monai(logits, labels[:, None]).flatten()[:4].mean()
    ours = segmentation_loss(logits, labels) - torch.nn.functional.cross_entropy(logits, labels)
    assert float(ours) == pytest.approx(float(expected), abs=1e-5)


def test_foreign_ids_give_no_gradient() -> None:
    logits = torch.randn(1, 103, 4, 4, requires_grad=True)
    labels = torch.full((1, 4, 4), 3)
    labels[0, 2] = IGNORE_CLASS
    torch.autograd.backward(segmentation_loss(logits, labels))
    assert logits.grad is not None
    assert float(logits.grad[0, :, 2].abs().max()) == 0
    assert float(logits.grad[0, :, 1].abs().max()) > 0


def test_a_sagittal_slice_is_not_punished_for_the_wrong_side() -> None:
    labels = torch.full((1, 4, 4), 12)
    right_side, wrong_side = torch.zeros(1, 103, 4, 4), torch.zeros(1, 103, 4, 4)
    right_side[:, 12] = 5
    wrong_side[:, int(HOMOLOGUE_CLASS[12])] = 5
    losses = [float(segmentation_loss(x, labels, pool_sides=True)) for x in (right_side, wrong_side)]
    assert losses[0] == pytest.approx(losses[1])
    assert float(segmentation_loss(wrong_side, labels)) > losses[1] + 1


def test_augmentation_moves_image_and_labels_together() -> None:
    labels = np.full((128, 128), BACKGROUND_CLASS, dtype=np.uint8)
    labels[40:80, 50:100] = 3
    image = np.where(labels == 3, np.float32(2), np.float32(0.1))
    overlaps = []
    for seed in range(20):
        moved, moved_labels = augment_slice(image, labels, 16, 16, (96, 96), np.random.default_rng(seed))
        bright = moved > moved.max() / 3
        overlaps.append((bright & (moved_labels == 3)).sum() / max((bright | (moved_labels == 3)).sum(), 1))
        assert set(np.unique(moved_labels)) <= {3, BACKGROUND_CLASS}
    assert min(overlaps) > 0.85


def test_the_schedule_ends_by_steps_or_by_the_clock() -> None:
    settings = Settings("coronal", steps=100, minutes=10)
    assert progress_of(settings, 50, 0) == 0.5
    assert progress_of(settings, 10, 450) == 0.75
    assert progress_of(settings, 10, 10_000) == 1
    assert rate_at(0.03, 1e-3) == pytest.approx(1e-3)
    assert rate_at(1.0, 1e-3) == pytest.approx(1e-5)


def last_loss(folder: Path) -> float:
    return float((folder / "coronal.csv").read_text().splitlines()[-1].split(",")[-1])


def test_a_small_network_learns_a_phantom_but_not_shuffled_labels(tmp_path: Path) -> None:
    settings = Settings("coronal", filters=8, convolutions=1, steps=60, batch=1, rate=1e-2)
    fit_view(settings, [phantom_subject()], tmp_path / "true")
    fit_view(settings, [phantom_subject(shuffled=True)], tmp_path / "shuffled")
    assert last_loss(tmp_path / "true") < 0.8 * last_loss(tmp_path / "shuffled")


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darts_ensemble.training.fit.CHECKPOINT_EVERY", 2)
    monkeypatch.setattr("darts_ensemble.training.fit.LOG_EVERY", 3)
    settings = Settings("coronal", filters=4, convolutions=1, steps=5, batch=1)
    whole = fit_view(settings, [phantom_subject()], tmp_path / "whole")

    def stop_at_three(step: int, progress: float, loss: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_view(settings, [phantom_subject()], tmp_path / "resumed", stop_at_three)
    resumed = fit_view(settings, [phantom_subject()], tmp_path / "resumed")
    # The file's metadata comes in any order; its tensors must be the same to the last bit.
    one, two = load_file(resumed), load_file(whole)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_folder_without_labelled_subjects_is_named(tmp_path: Path) -> None:
    from darts_ensemble.errors import CohortError

    with pytest.raises(CohortError, match="no subject with a label map"):
        find_subjects(tmp_path)
