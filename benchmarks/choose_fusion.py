"""Which fusion of the views is best: several are tried on labelled scans, each scan predicted once.

    python benchmarks/choose_fusion.py SUBJECT_FOLDER... -o samples/ [--weights bundled]

Subject folders are those of `accuracy.py`. What the views say is kept for every eighth voxel in and around the labelled
regions, in the output folder, by the checksum of the weights. Printed is, for each fusion, the mean Dice over scans, how much
the ensemble is above the best view of each scan on average and at least, and below how many scans' best view it falls by more
than 0.002.

Regions: the 102 of a SUBJECTS_DIR, the manual cortex of Mindboggle-101 (62), each in a table of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from accuracy import CORTEX, MANUAL_CORTEX, TOLERANCE, scans_of
from torch import Tensor

from darts_ensemble.device import choose_device
from darts_ensemble.errors import DartsError
from darts_ensemble.fitting.fusion_sample import Sample, sample_views
from darts_ensemble.fusion.fuse import LEAST
from darts_ensemble.fusion.view_weights import networks_of
from darts_ensemble.labels import BACKGROUND_CLASS, N_CLASSES, REGIONS
from darts_ensemble.networks.view_network import Ensemble
from darts_ensemble.results.overlap import dice_of_regions
from darts_ensemble.training.subjects import LabelledSubject
from darts_ensemble.weights.checkpoints import load_ensemble

#: Weights tried of coronal, axial and sagittal.
TRIED = ((0.4, 0.4, 0.2), (1 / 3, 1 / 3, 1 / 3), (0.3, 0.3, 0.4), (0.25, 0.25, 0.5), (0.2, 0.2, 0.6))
#: How strongly a view counts less where its probabilities are spread: exp(-this times their entropy in nats).
CERTAINTY = 0.3
#: Exponent of the Dice of a view's region with the fused one, as a weight of that view in that region.
AGREEMENT = 3

#: Scores of the candidate classes of each voxel, (n, k), by a sample.
Fusion = Callable[[Sample], Tensor]


def mean(weights: tuple[float, ...]) -> Fusion:
    return lambda one: torch.einsum("v,nvk->nk", torch.tensor(weights), one.probabilities)


def geometric(weights: tuple[float, ...]) -> Fusion:
    return lambda one: torch.einsum("v,nvk->nk", torch.tensor(weights), logarithms(one))


def logarithms(sample: Sample) -> Tensor:
    return sample.probabilities.clamp(min=LEAST).log()


def by_certainty(weights: tuple[float, ...]) -> Fusion:
    """A geometric mean in which a view counts less in voxels where its probabilities are spread."""

    def fuse(one: Sample) -> Tensor:
        entropy = -(one.probabilities * logarithms(one)).sum(dim=2)
        return (torch.tensor(weights)[:, None] * (-CERTAINTY * entropy).exp()[..., None] * logarithms(one)).sum(dim=1)

    return fuse


def by_agreement(weights: tuple[float, ...]) -> Fusion:
    """A geometric mean in which a view counts less in regions that it labels unlike the three together."""

    def fuse(one: Sample) -> Tensor:
        together = named(one, geometric(weights)(one))
        table = []
        for place, weight in enumerate(weights):
            joint = counts(together, named(one, one.probabilities[:, place]), one)
            table.append(weight * np.append(np.nan_to_num(dice_of_regions(joint)), 1.0) ** AGREEMENT)
        shares = torch.from_numpy((np.stack(table) + 1e-6) / (np.stack(table) + 1e-6).sum(axis=0)).float()
        return (shares[:, one.classes].movedim(0, 1) * logarithms(one)).sum(dim=1)

    return fuse


def named(sample: Sample, scores: Tensor) -> npt.NDArray[np.int64]:
    """The class with the highest score of each voxel."""
    chosen: npt.NDArray[np.int64] = sample.classes.gather(1, scores.argmax(dim=1, keepdim=True))[:, 0].numpy()
    return chosen


def counts(one: npt.NDArray[np.int64], two: npt.NDArray[np.int64], sample: Sample) -> npt.NDArray[np.int64]:
    """The joint histogram of two names of the contested voxels, with the settled ones where all views agree."""
    settled = np.diag(sample.settled.sum(dim=0).numpy())
    return np.bincount(one * N_CLASSES + two, minlength=N_CLASSES**2).reshape(N_CLASSES, N_CLASSES) + settled


def dice(sample: Sample, scores: Tensor, regions: frozenset[int]) -> float:
    pairs = np.bincount(sample.truth.numpy() * N_CLASSES + named(sample, scores), minlength=N_CLASSES**2)
    values = dice_of_regions(pairs.reshape(N_CLASSES, N_CLASSES) + sample.settled.numpy())[:BACKGROUND_CLASS]
    return float(np.nanmean([value for value, region in zip(values, REGIONS, strict=True) if region.id in regions]))


def fusions() -> dict[str, Fusion]:
    """Name to what is tried."""
    found: dict[str, Fusion] = {}
    for weights in TRIED:
        name = ", ".join(f"{weight:.2f}" for weight in weights)
        found |= {f"mean, {name}": mean(weights), f"geometric, {name}": geometric(weights)}
    return found | {
        "geometric, 0.30, 0.30, 0.40, by certainty": by_certainty((0.3, 0.3, 0.4)),
        "geometric, 0.30, 0.30, 0.40, by agreement of regions": by_agreement((0.3, 0.3, 0.4)),
    }


def sample_of(ensemble: Ensemble, scan: LabelledSubject, folder: Path, device: torch.device) -> Sample:
    """What the views say of a scan, read where it was kept."""
    key = hashlib.sha256("".join(networks_of(ensemble).values()).encode()).hexdigest()[:12]
    kept = folder / f"{scan.id}.{key}.pt"
    if not kept.is_file():
        precision = "bf16" if device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512" else "fp32"
        made = sample_views(ensemble, scan, device=device, precision=precision)
        torch.save(vars(made), kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
    return Sample(**torch.load(kept, weights_only=True))


def table(samples: dict[str, Sample], regions: frozenset[int]) -> str:
    """One row per fusion, the single views first."""
    views = next(iter(samples.values())).views
    single = pd.DataFrame(
        {v: [dice(one, one.probabilities[:, place], regions) for one in samples.values()] for place, v in enumerate(views)}
    )
    best = single.max(axis=1)
    lines = ["| fusion | mean Dice | above the best view | least | scans below it |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {view} alone | {single[view].mean():.4f} | | | |" for view in views]
    for name, fuse in fusions().items():
        values = pd.Series([dice(one, fuse(one), regions) for one in samples.values()])
        gain = values - best
        below = int((gain < -TOLERANCE).sum())
        lines.append(f"| {name} | {values.mean():.4f} | {gain.mean():+.4f} | {gain.min():+.4f} | {below} of {len(values)} |")
    return "\n".join(lines)


def main() -> None:
    """Predict what was not predicted before, print a table for each kind of labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", type=Path, nargs="+", help="folders of labelled subjects")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of what the views say")
    parser.add_argument("--weights", default="bundled")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    ensemble, device = load_ensemble(given.weights), choose_device(given.device)
    manual: dict[str, Sample] = {}
    automatic: dict[str, Sample] = {}
    for scan in [scan for folder in given.subjects for scan in scans_of(folder, None)]:
        labels = scan.references[0].path
        subject = LabelledSubject(scan.name.replace(", ", "_"), scan.scan, labels, None, scan.name)
        try:
            (manual if labels.name == MANUAL_CORTEX else automatic)[scan.name] = sample_of(ensemble, subject, given.out, device)
        except DartsError as error:
            sys.exit(f"{scan.name}: {error}")
        print(f"{scan.name}: done", file=sys.stderr)
    everything = frozenset(region.id for region in REGIONS)
    if automatic:
        print(f"102 regions, {len(automatic)} scans with FreeSurfer's labels\n\n{table(automatic, everything)}\n")
    if manual:
        print(f"cortex, {len(manual)} scans with manual labels\n\n{table(manual, CORTEX)}")


if __name__ == "__main__":
    main()
