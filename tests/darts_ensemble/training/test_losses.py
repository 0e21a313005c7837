"""Losses of training: compared with hand calculations and MONAI; ignored voxels, and sides in sagittal slices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss

from darts_ensemble.labels import HOMOLOGUE_CLASS, IGNORE_CLASS
from darts_ensemble.training.losses import class_weights, segmentation_loss


def random_batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 103, 16, 16, generator=generator), torch.randint(0, 4, (2, 16, 16), generator=generator)


def monai_dice(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """MONAI's 1 - Dice of each class, over the whole batch."""
    loss = DiceLoss(softmax=True, to_onehot_y=True, batch=True, reduction="none", smooth_nr=0, smooth_dr=0)
    return loss(logits, labels[:, None]).flatten()


def test_the_loss_of_one_voxel_is_what_arithmetic_says() -> None:
    logits = torch.zeros(1, 103, 1, 2)
    logits[0, 5, 0, 0] = math.log(102.0)  # p = 1/2 for class 5, 1/204 for each other
    labels = torch.tensor([[[5, IGNORE_CLASS]]])
    # cross-entropy -log 0.5; Dice of the only class present 2 * 0.5 / (0.5 + 1)
    assert float(segmentation_loss(logits, labels)) == pytest.approx(math.log(2) + 1 - 2 / 3, abs=1e-5)


def test_the_dice_part_is_monais_over_the_classes_present() -> None:
    logits, labels = random_batch()
    ours = segmentation_loss(logits, labels) - torch.nn.functional.cross_entropy(logits, labels)
    assert float(ours) == pytest.approx(float(monai_dice(logits, labels)[:4].mean()), abs=1e-5)


def test_the_published_losses_are_made_of_monais_dice_and_torchs_cross_entropy() -> None:
    logits, labels = random_batch()
    weights = torch.linspace(0.5, 2.0, 103)
    dice = float((monai_dice(logits, labels)[:4] * weights[:4]).sum() / weights[:4].sum())
    entropy = float(torch.nn.functional.cross_entropy(logits, labels, weight=weights))
    made = {kind: float(segmentation_loss(logits, labels, kind=kind, weights=weights)) for kind in
            ("weighted-dice", "10dice+0.05cross-entropy")}  # fmt: skip
    assert made["weighted-dice"] == pytest.approx(dice, abs=1e-5)
    assert made["10dice+0.05cross-entropy"] == pytest.approx(10 * dice + 0.05 * entropy, abs=1e-4)


def test_a_published_loss_without_class_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="no class weights"):
        segmentation_loss(*random_batch(), kind="weighted-dice")


def test_classes_weigh_by_the_median_over_their_own_size_up_to_ten() -> None:
    counts = np.zeros(103, dtype=np.int64)
    counts[:5] = [10, 50, 100, 400, 1_000_000]
    assert class_weights(counts)[:6].tolist() == pytest.approx([10, 2, 1, 0.25, 1e-4, 0])


def test_foreign_ids_give_no_gradient() -> None:
    logits = torch.randn(1, 103, 4, 4, requires_grad=True)
    labels = torch.full((1, 4, 4), 3)
    labels[0, 2] = IGNORE_CLASS
    torch.autograd.backward(segmentation_loss(logits, labels))
    assert logits.grad is not None
    assert float(logits.grad[0, :, 2].abs().max()) == 0
    assert float(logits.grad[0, :, 1].abs().max()) > 0


def test_a_batch_of_foreign_ids_alone_costs_nothing_and_breaks_nothing() -> None:
    logits = torch.randn(1, 103, 4, 4, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 4, 4), IGNORE_CLASS))
    torch.autograd.backward(loss)
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) == 0


def test_a_sagittal_slice_is_not_punished_for_the_wrong_side() -> None:
    labels = torch.full((1, 4, 4), 12)
    right_side, wrong_side = torch.zeros(1, 103, 4, 4), torch.zeros(1, 103, 4, 4)
    right_side[:, 12] = 5
    wrong_side[:, int(HOMOLOGUE_CLASS[12])] = 5
    losses = [float(segmentation_loss(x, labels, pool_sides=True)) for x in (right_side, wrong_side)]
    assert losses[0] == pytest.approx(losses[1])
    assert float(segmentation_loss(wrong_side, labels)) > losses[1] + 1


@pytest.mark.parametrize("pool_sides", [False, True])
@pytest.mark.parametrize("kind", ["cross-entropy+dice", "10dice+0.05cross-entropy"])
def test_the_gradient_is_that_of_the_loss(kind: str, pool_sides: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 103, 2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    # A left region with its right one, one without a side, background, and a foreign id.
    labels = torch.tensor([[[12, int(HOMOLOGUE_CLASS[12])], [0, 102]], [[IGNORE_CLASS, 12], [60, 5]]])
    weights = torch.linspace(0.5, 2.0, 103, dtype=torch.float64)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return segmentation_loss(x, labels, kind=kind, weights=weights, pool_sides=pool_sides)

    assert torch.autograd.gradcheck(loss, logits)


def test_the_balanced_loss_weighs_voxels_by_the_root_of_their_class() -> None:
    logits, labels = random_batch()
    weights = torch.linspace(0.5, 2.0, 103)
    entropy = float(torch.nn.functional.cross_entropy(logits, labels, weight=weights.sqrt()))
    dice = float(monai_dice(logits, labels)[:4].mean())
    made = float(segmentation_loss(logits, labels, kind="balanced-cross-entropy+dice", weights=weights))
    assert made == pytest.approx(entropy + dice, abs=1e-5)
