"""Do bf16, fp16 and crops change labels? The bundled ensemble on real scans, and a network of full size on a slice.

    python benchmarks/precision.py SUBJECTS_DIR sub-07 [...] [--variants brain,24,bf16,fp16] [--views coronal] [--device cuda]

"brain" compares fp32 in the box around the brain with fp32 in the box around the head; a number does the same with that margin
around the brain, in voxels, instead of 8; "bf16" and "fp16" are compared with fp32, all in the box around the brain. Printed
are the mean Dice between the label maps (expected: 0.995 or more) and the change of the Dice against
`aparc.DKTatlas+aseg.mgz`: of its mean over the regions (0.001 or less), and its largest change in a region of over 500 voxels
(0.01 or less). For the network of full size (random weights, one coronal slice of the first subject): the largest difference
of a logit from fp32, relative to the largest logit, and the share of voxels with the same label.
"""

from __future__ import annotations

import argparse
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch
from full_size_network import FILTERS, full_size_network

from darts_ensemble import Segmenter
from darts_ensemble.commands.command_line import words
from darts_ensemble.device import PRECISIONS, choose_device
from darts_ensemble.inference.find_brain import find_brain
from darts_ensemble.inference.predict import made_ready
from darts_ensemble.labels import REGION_IDS
from darts_ensemble.networks.view_network import ViewNetwork
from darts_ensemble.results.overlap import dice_of_regions, joint_histogram
from darts_ensemble.scans.conform import conform
from darts_ensemble.scans.scan import read_label_map, read_scan
from darts_ensemble.segment import segmenter
from darts_ensemble.slices.channels import slice_channels

#: Default margin around the brain.
MARGIN: int = signature(find_brain).parameters["margin"].default
HEAD, BRAIN = ("fp32", "head", MARGIN), ("fp32", "brain", MARGIN)
#: Rows and columns of the slice for the network of full size: those of a brain.
ROWS, COLUMNS = slice(48, 208), slice(56, 200)


def compared(variant: str) -> tuple[tuple[str, str, int], tuple[str, str, int]]:
    """Precision, crop and margin of a variant, and of the one it is compared with."""
    if variant in PRECISIONS:
        return (variant, "brain", MARGIN), BRAIN
    return ("fp32", "brain", MARGIN if variant == "brain" else int(variant)), HEAD


def dice(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the Dice of each of the 102 regions; NaN if neither map has it."""
    return dice_of_regions(joint_histogram(one, other, labels=REGION_IDS.tolist(), background=0))


def compare_maps(subjects_dir: Path, subjects: list[str], variants: list[str], **how: Any) -> None:
    """Print one row per subject and variant."""
    print("| subject | variant | mean Dice with plain | change in mean | largest change, regions over 500 voxels |")
    print("| --- | --- | --- | --- | --- |")
    for subject in subjects:
        folder = subjects_dir / subject / "mri"
        reference = read_label_map(folder / "aparc.DKTatlas+aseg.mgz").data
        large = np.bincount(reference.ravel(), minlength=3000)[REGION_IDS] > 500
        maps: dict[tuple[str, str, int], npt.NDArray[Any]] = {}
        for name in variants:
            for precision, crop, margin in compared(name):
                if (precision, crop, margin) not in maps:
                    with mock.patch.object(segmenter, "find_brain", partial(find_brain, margin=margin)):
                        made = Segmenter("bundled", precision=precision, crop=crop, **how)
                        maps[precision, crop, margin] = made.segment(folder / "T1.mgz").ids
            ids, plain = (maps[one] for one in compared(name))
            change = dice(ids, reference) - dice(plain, reference)
            cells = (np.nanmean(dice(ids, plain)), np.nanmean(change), np.nanmax(np.abs(change[large])))
            print(f"| {subject} | {name} | {cells[0]:.5f} | {cells[1]:+.5f} | {cells[2]:.5f} |", flush=True)


def compare_logits(scan: Path, precisions: list[str], device: torch.device) -> None:
    """Print one row per precision, for the network of full size."""
    view = ViewNetwork("coronal", full_size_network(seed=1), "dense-unet", FILTERS, "slice-minmax")
    volume = conform(read_scan(scan)).data
    whole = slice(0, volume.shape[0])
    image = slice_channels(
        torch.from_numpy(volume).to(device), "coronal", np.array([128]), view.channels,
        normalisation="slice-minmax", scale=1.0, head=(whole, whole, whole), inside=(ROWS, COLUMNS),
    )  # fmt: skip
    logits = {}
    for precision in ("fp32", *precisions):
        ready = made_ready(view, device, precision).network
        x = image.contiguous(memory_format=torch.channels_last)
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), exact, torch.autocast(device.type, PRECISIONS[precision], enabled=precision != "fp32"):
            logits[precision] = ready(x).float()
    plain = logits["fp32"]
    print("\n| full size, a slice | largest difference of a logit, of the largest | same label |\n| --- | --- | --- |")
    for precision in precisions:
        apart = (logits[precision] - plain).abs().max() / plain.abs().max()
        same = (logits[precision].argmax(dim=-1) == plain.argmax(dim=-1)).float().mean()
        print(f"| {precision} | {float(apart):.2g} | {float(same):.3%} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects_dir", type=Path)
    parser.add_argument("subjects", nargs="+")
    parser.add_argument("--variants", default="brain,bf16,fp16")
    parser.add_argument("--views", default="", help="some of the three; all by default")
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    variants = words(given.variants)
    compare_maps(given.subjects_dir, given.subjects, variants, device=given.device, views=tuple(words(given.views)) or None)
    precisions = [name for name in variants if name in PRECISIONS]
    if precisions:
        first = given.subjects_dir / given.subjects[0] / "mri" / "T1.mgz"
        compare_logits(first, precisions, choose_device(given.device))


if __name__ == "__main__":
    main()
