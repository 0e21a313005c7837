"""Fit a second look to labelled scans: what the views say of each scan, kept on disk, then a small network trained on it."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from darts_ensemble.errors import ScanError
from darts_ensemble.fusion.view_weights import networks_of
from darts_ensemble.labels import IGNORE_CLASS, ids_to_classes
from darts_ensemble.networks.refinement_network import RefinementNetwork
from darts_ensemble.networks.structures import OUTER, STRUCTURE_OF_CLASS, STRUCTURES
from darts_ensemble.refinement.intensities import relative_intensities
from darts_ensemble.refinement.refine import inner_box, network_inputs
from darts_ensemble.scans.conform import conform_labels
from darts_ensemble.scans.scan import file_checksum, read_label_map, voxel_checksum
from darts_ensemble.whole_files import written_whole

if TYPE_CHECKING:
    from darts_ensemble.segment.segmenter import Segmenter
    from darts_ensemble.training.subjects import LabelledSubject

__all__ = ["FitSettings", "Sample", "fit_refinement", "sample_of"]

#: Cortex without regions and white matter that FreeSurfer marks apart: outer structures, though none of the 102 regions.
OTHER_OUTER = (3, 42, 77, 78, 79)
#: Share of a drawn block that inner structures must fill.
LEAST_INNER = 0.1
#: Added to both sides of a Dice in the loss, so that a structure of a few voxels does not outweigh the others.
SMOOTHING = 10.0
#: Steps between two reports. The loss of the views alone takes a tenth of a step.
REPORT_EVERY = 10
_IGNORED = 255
_SCALE = 3.5


@dataclass(frozen=True)
class FitSettings:
    """How a second look is fitted.

    Attributes
    ----------
    filters : int
    steps : int
    rate : float
        Highest learning rate of AdamW; a cosine after 50 steps of warm-up.
    blocks : int
        Blocks of voxels of a step.
    side : int
        Voxels of a block in each direction.
    dice : float
        Weight of the Dice loss beside the cross-entropy.
    average : float
        Decay of the moving average of the weights, which is the result.
    seed : int
    """

    filters: int = 16
    steps: int = 1500
    rate: float = 3e-3
    blocks: int = 2
    side: int = 40
    dice: float = 0.3
    average: float = 0.995
    seed: int = 1


@dataclass(frozen=True)
class Sample:
    """What the views say of one labelled scan.

    Attributes
    ----------
    subject : str
    checksum : str
        Of the scan's voxels.
    inputs : (22, a, b, c) float16
        Channels of the network.
    truth : (a, b, c) uint8
        Number of the structure; 255: ignored.
    """

    subject: str
    checksum: str
    inputs: npt.NDArray[np.float16]
    truth: npt.NDArray[np.uint8]


def sample_of(segmenter: Segmenter, subject: LabelledSubject, cache: Path) -> Sample:
    """Run the views on a scan, unless it was done before with the same files, and keep what they say in `cache` (50 MB).

    Raises
    ------
    ScanError
        If a file can't be read, or the views find no deep structures.
    """
    files = (file_checksum(path) for path in (subject.scan, subject.labels))
    made_of = [*networks_of(segmenter.ensemble).values(), *map(str, files)]
    path = cache / f"{subject.id}-{hashlib.sha256(' '.join(made_of).encode()).hexdigest()[:16]}.npz"
    if not path.is_file():
        _write(segmenter, subject, path)
    with np.load(path) as kept:
        return Sample(subject.id, str(kept["checksum"]), kept["inputs"], kept["truth"])


def _write(segmenter: Segmenter, subject: LabelledSubject, path: Path) -> None:
    labelled = segmenter.label(segmenter.load(subject.scan))
    probabilities = torch.from_numpy(labelled.fused.probabilities)
    box = inner_box(labelled.fused.classes)
    relative = relative_intensities(labelled.conformed.data[labelled.box], probabilities)
    if box is None or relative is None:
        raise ScanError(f"{subject.scan}: the views find no deep structures or no cortex; expected a T1 scan of a whole head")
    ids = np.asarray(conform_labels(read_label_map(subject.labels), labelled.conformed))[labelled.box][box]
    classes = ids_to_classes(ids)
    structures = np.append(STRUCTURE_OF_CLASS.numpy(), np.zeros(256 - len(STRUCTURE_OF_CLASS))).astype(np.uint8)
    truth = np.where(classes == IGNORE_CLASS, _IGNORED, structures[classes]).astype(np.uint8)
    truth[np.isin(ids, OTHER_OUTER)] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = network_inputs(relative, probabilities, box).numpy().astype(np.float16)
    with written_whole(path, error=ScanError) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, inputs=inputs, truth=truth, checksum=np.array(voxel_checksum(labelled.conformed.scan.data)))


def fit_refinement(
    samples: Sequence[Sample], settings: FitSettings, report: Callable[[int, float, float], None] = lambda *values: None
) -> RefinementNetwork:
    """Train the network of a second look.

    Parameters
    ----------
    samples : sequence of Sample
    settings : FitSettings
    report : callable
        Called after every tenth step and the last one: its number, the loss of the views alone, and with the second look.

    Returns
    -------
    RefinementNetwork
        In evaluation mode, on the CPU.
    """
    torch.manual_seed(settings.seed)
    network = RefinementNetwork(settings.filters)
    average = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=1e-3)
    for step in range(settings.steps):
        rng = np.random.default_rng([settings.seed, step])
        warm, turn = min(1.0, (step + 1) / 50), np.pi * step / settings.steps
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * warm * (0.01 + 0.99 * (0.5 + 0.5 * np.cos(turn)))
        drawn = [_block(samples[int(rng.integers(len(samples)))], settings.side, rng) for _ in range(settings.blocks)]
        inputs = torch.from_numpy(np.stack([one for one, _ in drawn]))
        truth = torch.from_numpy(np.stack([one for _, one in drawn]).astype(np.int64))
        before = (inputs[:, 1:] - 1) * _SCALE
        loss = _loss(before + network(inputs), truth, settings.dice)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        with torch.no_grad():
            decay = min(settings.average, (step + 1) / (step + 10))
            for kept, current in zip(average.parameters(), network.parameters(), strict=True):
                kept.lerp_(current, 1 - decay)
            if (step + 1) % REPORT_EVERY == 0 or step + 1 == settings.steps:
                report(step + 1, float(_loss(before, truth, settings.dice)), float(loss))
    return average.eval().requires_grad_(requires_grad=False)


def _block(sample: Sample, side: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Draw a block of a scan, (22, side, side, side) and (side, side, side), mirrored half of the time."""
    shape = np.array(sample.truth.shape)
    sides = np.minimum(side, shape)
    for _ in range(20):
        first = [int(rng.integers(0, whole - part + 1)) for whole, part in zip(shape, sides, strict=True)]
        place = tuple(slice(start, start + int(part)) for start, part in zip(first, sides, strict=True))
        truth = sample.truth[place]
        if np.mean((truth >= OUTER) & (truth != _IGNORED)) >= LEAST_INNER:
            break
    missing = [(0, side - int(part)) for part in sides]
    inputs = np.pad(sample.inputs[(slice(None), *place)].astype(np.float32), [(0, 0), *missing], mode="edge")
    truth = np.pad(truth, missing, constant_values=_IGNORED)
    if rng.random() < 0.5:
        inputs, truth = inputs[:, ::-1].copy(), truth[::-1].copy()
    inputs[0] = inputs[0] * rng.uniform(0.9, 1.1) + rng.normal(0, 0.06)
    # As if the views were more or less certain than they are on the scans that they were trained on.
    inputs[1:] = np.maximum((inputs[1:] - 1) * rng.uniform(0.85, 1.2) + 1, 1 + np.log(1e-3) / _SCALE)
    return inputs, truth


def _loss(logarithms: Tensor, truth: Tensor, dice: float) -> Tensor:
    """Cross-entropy and Dice over the inner structures and the outer ones taken together."""
    together = torch.logsumexp(logarithms[:, :OUTER], dim=1, keepdim=True)
    scores = functional.log_softmax(torch.cat([together, logarithms[:, OUTER:]], dim=1), dim=1)
    counted = (truth != _IGNORED)[:, None]
    target = torch.where(truth == _IGNORED, 0, (truth - OUTER + 1).clamp(min=0))
    entropy = functional.nll_loss(scores, target, reduction="none")[:, None][counted].mean()
    probabilities = scores.exp() * counted
    one_hot = functional.one_hot(target, len(STRUCTURES) - OUTER + 1).movedim(-1, 1) * counted
    axes = (0, 2, 3, 4)
    there = one_hot.sum(axes)
    overlap = 2 * (probabilities * one_hot).sum(axes) / (probabilities.sum(axes) + there + SMOOTHING)
    return entropy + dice * (1 - overlap[there > 2 * SMOOTHING].mean()) if bool((there > 2 * SMOOTHING).any()) else entropy
