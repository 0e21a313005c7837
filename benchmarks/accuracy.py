"""How good the ensemble is: Dice of each view, of the ensemble and of FreeSurfer against manual labels and FreeSurfer's labels.

    python benchmarks/accuracy.py SUBJECT_FOLDER... -o accuracy/ [--reruns RERUNS_DIR] [--weights bundled] [--tta mirror]

A subject folder is one of Mindboggle-101 (its labels are manual) or of a SUBJECTS_DIR (its labels are FreeSurfer's; where
`mri/orig.mgz` is there beside `mri/T1.mgz`, both are segmented). Label maps are kept in the output folder, by the checksum of
weights and fusion, and not made again. `scores.csv` there has one row per scan, method, reference and region.

Mindboggle's cortex is scored against `labels.DKT31.manual+aseg` (62 regions). Deep structures are scored against the manual
labels of the Center for Morphometric Analysis (`*_CMA_labels`), where they are there: the 23 structures that both protocols
know, without cerebral white matter, cerebellar cortex, inferior lateral ventricles and structures of a few voxels. FreeSurfer's
own result for them is that part of `labels.DKT31.manual+aseg`, which is its automatic segmentation. Voxels whose reference
label is outside the 102 regions are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

import darts_ensemble.fusion
import darts_ensemble.refinement
from darts_ensemble.errors import DartsError
from darts_ensemble.fusion.view_weights import networks_of
from darts_ensemble.labels import IGNORE_CLASS, REGIONS, ids_to_classes
from darts_ensemble.results.overlap import dice_of_regions, joint_histogram
from darts_ensemble.scans.scan import read_label_map
from darts_ensemble.segment.segmenter import Segmenter
from darts_ensemble.weights.checkpoints import load_ensemble
from evaluation.protocols.groups import DEEP_STRUCTURES

MANUAL_CORTEX = "labels.DKT31.manual+aseg.nii.gz"
CORTEX = frozenset(region.id for region in REGIONS if region.dkt31)
ALL = frozenset(region.id for region in REGIONS)
#: Groups that get a column, by what the labels are.
MANUAL_GROUPS = {"cortex": CORTEX}
MANUAL_DEEP_GROUPS = {"deep structures": DEEP_STRUCTURES, "pallidum": frozenset({13, 52})}
FREESURFER_GROUPS = {
    "102 regions": ALL,
    "cortex": CORTEX,
    "deep grey": frozenset(region.id for region in REGIONS if region.group == "deep grey"),
}
#: What an ensemble may lose to its best view on any scan.
TOLERANCE = 0.002

Ids = npt.NDArray[Any]


@dataclass(frozen=True)
class Reference:
    """Labels that a scan is scored against.

    Attributes
    ----------
    kind : str
        What the labels are, as the tables name it.
    path : Path
    groups : dict of str to set of int
        Groups of regions with a column of their own, in FreeSurfer ids.
    others : dict of str to Path
        Label maps of other methods to be scored beside ours.
    """

    kind: str
    path: Path
    groups: dict[str, frozenset[int]]
    others: dict[str, Path]


@dataclass(frozen=True)
class Labelled:
    """A scan and the labels it is scored against."""

    name: str
    scan: Path
    references: tuple[Reference, ...]


def scans_of(folder: Path, reruns: Path | None) -> Iterator[Labelled]:
    """The scans of a subject's folder, of Mindboggle-101 or of a SUBJECTS_DIR."""
    if (folder / MANUAL_CORTEX).is_file():
        automatic = folder / MANUAL_CORTEX
        references = [Reference("manual labels", automatic, MANUAL_GROUPS, {})]
        references += [
            Reference("manual labels", path, MANUAL_DEEP_GROUPS, {"FreeSurfer": automatic})
            for path in sorted(folder.glob("*_CMA_labels.nii.gz"))
        ]
        yield Labelled(folder.name, folder / "t1weighted_brain.nii.gz", tuple(references))
        return
    labels = folder / "mri" / "aparc.DKTatlas+aseg.mgz"
    if not labels.is_file():
        sys.exit(f"{folder}: no {MANUAL_CORTEX} and no mri/{labels.name}; expected a labelled subject's folder")
    again = reruns / folder.name / "mri" / labels.name if reruns else None
    others = {"second FreeSurfer run": again} if again is not None and again.is_file() else {}
    reference = Reference("FreeSurfer's labels", labels, FREESURFER_GROUPS, others)
    found = [name for name in ("T1.mgz", "orig.mgz") if (folder / "mri" / name).is_file()] or ["brain.mgz"]
    for name in found:
        yield Labelled(folder.name if len(found) == 1 else f"{folder.name}, {name}", folder / "mri" / name, (reference,))


def label_maps(segmenter: Segmenter, scan: Labelled, kept: Path) -> dict[str, Ids]:
    """The label map of each view and of the ensemble, read where they were made before."""
    if not kept.is_file():
        result = segmenter.segment(scan.scan, keep_views=True)
        part = kept.with_name(f"part.{kept.name}")
        with part.open("wb") as file:
            np.savez_compressed(file, **{**result.per_view_ids, "ensemble": result.ids})  # type: ignore[arg-type]
        part.replace(kept)
    with np.load(kept) as maps:
        return {name: maps[name] for name in maps.files}


def rows_of(scan: Labelled, maps: dict[str, Ids]) -> Iterator[dict[str, Any]]:
    """One row per reference, group or region, and method."""
    for reference in scan.references:
        truth = ids_to_classes(read_label_map(reference.path).data)
        known = truth != IGNORE_CLASS
        others = {name: read_label_map(path).data for name, path in reference.others.items()}
        for method, ids in (maps | others).items():
            dice = dice_of_regions(joint_histogram(truth[known], ids_to_classes(ids)[known]))
            head = {"scan": scan.name, "reference": reference.kind, "method": method}
            for group, members in reference.groups.items():
                inside = [d for d, region in zip(dice, REGIONS, strict=True) if region.id in members]
                yield head | {"group": group, "region": "", "dice": float(np.nanmean(inside))}
            largest = frozenset().union(*reference.groups.values())
            for value, region in zip(dice, REGIONS, strict=True):
                if region.id in largest:
                    yield head | {"group": "", "region": region.name, "dice": float(value)}


def table(scores: pd.DataFrame, views: Iterable[str]) -> str:
    """Methods side by side for one reference and group: one row per scan, their mean, and what the ensemble gains."""
    wide = scores.pivot_table(index="scan", columns="method", values="dice")
    methods = [name for name in (*views, "ensemble", "FreeSurfer", "second FreeSurfer run") if name in wide]
    wide = wide.reindex(pd.unique(scores["scan"]))[methods]
    wide["ensemble - best view"] = wide["ensemble"] - wide[[view for view in views if view in wide]].max(axis=1)
    lines = [f"| | {' | '.join(map(str, wide.columns))} |", "| --- " * (wide.shape[1] + 1) + "|"]
    shown = pd.concat([wide, wide.mean().to_frame(f"mean of {len(wide)}").T]) if len(wide) > 1 else wide
    for name, row in shown.iterrows():
        cells = ["" if pd.isna(v) else f"{v:+.3f}" if " - " in str(c) else f"{v:.3f}" for c, v in row.items()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    below = int((wide["ensemble - best view"] < -TOLERANCE).sum())
    remarks = [f"Below its best view by more than {TOLERANCE}: {below} of {len(wide)}."]
    if "FreeSurfer" in wide:
        remarks.append(f"Above FreeSurfer: {int((wide['ensemble'] > wide['FreeSurfer']).sum())} of {len(wide)}.")
    return "\n".join([*lines, "", " ".join(remarks)])


def region_table(scores: pd.DataFrame, methods: Iterable[str]) -> str:
    """Mean Dice of each region, methods side by side."""
    wide = scores.pivot_table(index="region", columns="method", values="dice", sort=False)
    shown = [name for name in methods if name in wide]
    lines = [f"| region | {' | '.join(shown)} |", "| --- " * (len(shown) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(f'{row[method]:.3f}' for method in shown)} |" for name, row in wide.iterrows()]
    return "\n".join(lines)


def key_of(segmenter: Segmenter) -> str:
    """A short checksum of the weights in use, of test-time augmentation, and of the code that fuses and refines."""
    parts = list(networks_of(segmenter.ensemble).values())
    sources = sorted(Path(next(iter(darts_ensemble.fusion.__path__))).glob("*.py"))
    if segmenter.refinement is not None:
        parts.append(segmenter.made_with["refinement"])
        sources += sorted(Path(next(iter(darts_ensemble.refinement.__path__))).glob("*.py"))
    parts += [segmenter.tta] if segmenter.tta != "none" else []
    content = b"".join([*(part.encode() for part in parts), *(path.read_bytes() for path in sources)])
    return hashlib.sha256(content).hexdigest()[:12]


def main() -> None:
    """Segment what was not segmented before, score all, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", type=Path, nargs="+", help="folders of labelled subjects")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of label maps and scores.csv")
    parser.add_argument("--reruns", type=Path, help="SUBJECTS_DIR of a second FreeSurfer run of the same scans")
    parser.add_argument("--weights", default="bundled")
    parser.add_argument("--tta", default="none")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--regions", action="store_true", help="also print the mean Dice of each region")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    segmenter = Segmenter(load_ensemble(given.weights), device=given.device, tta=given.tta)
    key = key_of(segmenter)
    given.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    failed = False
    for scan in [scan for folder in given.subjects for scan in scans_of(folder, given.reruns)]:
        try:
            maps = label_maps(segmenter, scan, given.out / f"{scan.name.replace(', ', '_')}.{key}.npz")
        except DartsError as error:
            print(f"{scan.name}: {error}", file=sys.stderr)
            failed = True
            continue
        rows += rows_of(scan, maps)
        print(f"{scan.name}: done", file=sys.stderr)
    if not rows:
        sys.exit("no scan was segmented")
    scores = pd.DataFrame(rows)
    scores.to_csv(given.out / "scores.csv", index=False, float_format="%.5f")
    print(f"weights {segmenter.ensemble.name}, checksum of weights and fusion {key}")
    for names, part in scores[scores["group"] != ""].groupby(["reference", "group"], sort=False):
        reference, group = map(str, names)
        print(f"\n{group}, Dice against {reference}\n\n{table(part, segmenter.views)}")
    if given.regions:
        for kind, part in scores[scores["region"] != ""].groupby("reference", sort=False):
            print(f"\nRegions, mean Dice against {kind!s}\n\n{region_table(part, pd.unique(part['method']))}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
